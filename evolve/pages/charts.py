"""Charts of a run as Vega-Lite specifications: scores and evidence over rounds, tasks by candidates, cost by role.

The same specification is drawn by a browser and, as a picture, by `pictures.svg_of`. Colours are legible on a dark and
on a light ground; axes take theirs from the page.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from evolve.core.escaping import plain
from evolve.core.records import Split
from evolve.core.scores import INTERVAL_ERRORS
from evolve.pages.round_views import RoundView
from evolve.pages.run_views import CostLine

Spec = dict[str, Any]
Values = list[dict[str, Any]]

# At least 3:1 against white and against the page's dark ground.
GREEN, BLUE, GREY, ORANGE, PURPLE, RED = "#2a9461", "#3d7fe0", "#7d8590", "#c96f16", "#9467d6", "#d5504a"
# What a page replaces by the colour of its own text.
INK = "#010203"
# Colour and shape of a round's point.
VERDICTS: Mapping[str, tuple[str, str]] = {
    "seed": (ORANGE, "diamond"),
    "keep": (GREEN, "triangle-up"),
    "stack": (BLUE, "circle"),
    "revert": (GREY, "circle"),
    "null copy": (PURPLE, "square"),
    "refused": (GREY, "cross"),
    "undecided": (RED, "cross"),
}
WIDTH = 960
MOST_NAME = 28


def scores_chart(rounds: Sequence[RoundView]) -> Spec:
    """Scores of all candidates over rounds with 95 % intervals, a panel for each split; the tip's path as a line.

    Candidates that were reverted are there too. Where nothing was measured there is no point.
    """
    values = [
        {
            **_of_round(one),
            "split": str(split),
            "score": 100 * score.mean,
            "low": 100 * score.low,
            "high": 100 * score.high,
            "path": one.built_upon,
        }
        for one in rounds
        for split in (Split.TRAIN, Split.VALIDATION)
        if (score := one.scores.get(split))
    ]
    y = alt.Y("score:Q", title="score in %", scale=alt.Scale(domain=[0, 100]))
    base = _base(values).encode(x=_round_axis(values), y=y, tooltip=_tooltip("score", "low", "high"))
    bars = base.mark_rule(strokeWidth=1.5).encode(
        y=alt.Y("low:Q", title="score in %"), y2="high:Q", color=_verdict_colour(values), opacity=_faint()
    )
    path = (
        base.transform_filter("datum.path")
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(color=alt.value(BLUE))
    )
    points = base.mark_point(filled=True, size=60, opacity=1).encode(
        color=_verdict_colour(values), shape=_verdict_shape(values), opacity=_faint()
    )
    panel = alt.layer(bars, path, points).properties(width=WIDTH, height=170)
    header = alt.Header(labelOrient="top", labelAnchor="start", labelFontWeight=600, labelFontSize=12)
    return _finished(panel.facet(row=alt.Row("split:N", title=None, sort=["train", "validation"], header=header)))


def evidence_chart(rounds: Sequence[RoundView]) -> Spec:
    """The gate's estimate of each patch's effect in percentage points with its 95 % interval; the line is no effect."""
    values = [
        {
            **_of_round(one),
            "effect": 100 * one.evidence.effect,
            "low": 100 * (one.evidence.effect - INTERVAL_ERRORS * one.evidence.error),
            "high": 100 * (one.evidence.effect + INTERVAL_ERRORS * one.evidence.error),
        }
        for one in rounds
        if one.evidence
    ]
    base = _base(values).encode(x=_round_axis(values), tooltip=_tooltip("effect", "low", "high"))
    title = "effect in points"
    bars = base.mark_rule(strokeWidth=1.5).encode(
        y=alt.Y("low:Q", title=title), y2="high:Q", color=_verdict_colour(values), opacity=_faint()
    )
    points = base.mark_point(filled=True, size=60).encode(
        y=alt.Y("effect:Q", title=title), color=_verdict_colour(values), shape=_verdict_shape(values), opacity=_faint()
    )
    zero = alt.Chart(_data([{"zero": 0}])).mark_rule(strokeDash=[4, 3], color=INK).encode(y="zero:Q")
    return _finished(alt.layer(zero, bars, points).properties(width=WIDTH, height=200))


def cost_chart(costs: Sequence[CostLine]) -> Spec:
    """What each role spent: in dollars if all prices are known, and anything was paid; otherwise in tokens."""
    in_dollars = all(line.usd is not None for line in costs) and any(line.usd for line in costs)
    values = [
        {
            "role": line.role.words,
            "model": short(line.model),
            "spent": line.usd if in_dollars else line.prompt_tokens + line.completion_tokens,
        }
        for line in costs
    ]
    title = "US dollars" if in_dollars else "tokens"
    chart = (
        alt.Chart(_data(values))
        .mark_bar(color=BLUE, cornerRadiusEnd=3, height=14)
        .encode(
            x=alt.X("spent:Q", title=title, axis=alt.Axis(tickCount=6)),
            y=alt.Y("role:N", title=None, sort=None),
            tooltip=[alt.Tooltip("role:N"), alt.Tooltip("model:N"), alt.Tooltip("spent:Q", title=title, format=",")],
        )
    )
    return _finished(chart.properties(width=WIDTH, height={"step": 26}))


def short(name: str) -> str:
    """A name for an axis: inert, and not too long."""
    shown = plain(name)
    return shown if len(shown) <= MOST_NAME else f"{shown[: MOST_NAME - 1]}…"


def _of_round(one: RoundView) -> dict[str, Any]:
    name = "null copy" if one.would_be else "seed" if one.parent is None else str(one.verdict or "undecided")
    return {"round": one.number, "verdict": name, "hypothesis": plain(one.hypothesis)[:100]}


def _data(values: Values) -> Any:
    return alt.Data(values=values)  # type: ignore[no-untyped-call]


def _base(values: Values) -> alt.Chart:
    return alt.Chart(_data(values))


def _round_axis(values: Values) -> alt.X:
    newest = max((value["round"] for value in values), default=0)
    step = next(
        step for size in itertools.count() for step in (10**size, 2 * 10**size, 5 * 10**size) if newest < 16 * step
    )
    axis = alt.Axis(values=[*range(0, newest + 1, step)], format="d", grid=False)
    return alt.X("round:Q", title="round", axis=axis, scale=alt.Scale(domain=[-0.5, newest + 0.5], nice=False))


def _verdict_colour(values: Values) -> alt.Color:
    shown = _present(values)
    scale = alt.Scale(domain=shown, range=[VERDICTS[name][0] for name in shown])
    return alt.Color("verdict:N", title=None, scale=scale, legend=alt.Legend(orient="top"))


def _verdict_shape(values: Values) -> alt.Shape:
    shown = _present(values)
    scale = alt.Scale(domain=shown, range=[VERDICTS[name][1] for name in shown])
    return alt.Shape("verdict:N", title=None, scale=scale)


def _present(values: Values) -> list[str]:
    names = {value["verdict"] for value in values}
    return [name for name in VERDICTS if name in names]


def _faint() -> Any:
    """What was dropped stays visible, but behind what was built upon."""
    return alt.condition("datum.verdict === 'revert' || datum.verdict === 'null copy'", alt.value(0.7), alt.value(1))


def _tooltip(*figures: str) -> list[alt.Tooltip]:
    names = [alt.Tooltip("round:Q"), alt.Tooltip("verdict:N"), alt.Tooltip("hypothesis:N")]
    return [*names[:2], *(alt.Tooltip(f"{name}:Q", format=".1f") for name in figures), names[2]]


def _finished(chart: alt.TopLevelMixin) -> Spec:
    """The specification without what differs between versions and with the page's own colours of axes."""
    spec: Spec = chart.to_dict(validate=True)
    spec.pop("$schema", None)
    text = {"labelColor": INK, "titleColor": INK}
    lines = {"domainColor": GREY, "tickColor": GREY, "gridColor": GREY, "gridOpacity": 0.25}
    spec["config"] = {
        "background": "transparent",
        "font": "system-ui, sans-serif",
        "view": {"stroke": None},
        "axis": {**text, **lines, "titleFontWeight": 400},
        "legend": {**text, "symbolType": "circle"},
        "header": text,
    }
    return spec
