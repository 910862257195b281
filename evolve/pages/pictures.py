"""Draw Vega-Lite specifications: as SVG pictures, and the scripts with which a browser draws them itself."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import vl_convert
from markupsafe import Markup

from evolve.pages.charts import INK, Spec

# A picture of more than this would make a page slow; the chart itself is drawn by the browser.
MOST_PICTURE = 600_000
STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True)
class Picture:
    """A chart: its specification, and the picture that stands there until a browser has drawn it."""

    name: str
    title: str
    spec: Spec
    svg: Markup


def picture(name: str, title: str, spec: Spec) -> Picture:
    """Draw a chart. `name`: unique on a page; `title`: what it shows, in a sentence."""
    svg = svg_of(spec)
    return Picture(name, title, spec, Markup(svg if len(svg) <= MOST_PICTURE else ""))


@functools.cache
def chart_scripts() -> str:
    """The JavaScript of Vega, Vega-Lite and Vega-Embed, as one script that loads nothing."""
    return (
        str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
        .replace("</script", "<\\/script")
        .replace("<!--", "<\\!--")
    )


def svg_of(spec: Spec) -> str:
    """The chart as an SVG picture whose text has the colour of what is around it. Nothing is fetched."""
    drawn = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    return str(drawn).replace(INK, "currentColor")
