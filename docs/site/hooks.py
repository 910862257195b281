"""What MkDocs does besides: the reference is made from the code, and each page is in the navigation.

Links to files outside `docs/`, which the site doesn't have, become their names.
"""

from __future__ import annotations

import importlib
import importlib.util
import posixpath
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

HERE = Path(__file__).parent
# The section of pages that mkdocs.yml doesn't name.
SECTION = "Guides"
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s:]+)\)")


def on_config(config: Any, **_: object) -> Any:
    """The settings, with every page in the navigation."""
    folder = Path(config["docs_dir"])
    add_pages(config["nav"], (page.relative_to(folder).as_posix() for page in folder.rglob("*.md")))
    return config


def add_pages(nav: list[Any], pages: Iterable[str]) -> None:
    """Add the pages that a navigation lacks to its SECTION."""
    named = set(named_pages(nav))
    section = next(entry[SECTION] for entry in nav if SECTION in entry)
    section.extend(sorted(set(pages) - named))


def named_pages(nav: Iterable[Any]) -> Iterator[str]:
    """The pages of a navigation, in its order."""
    for entry in nav:
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            yield from [value] if isinstance(value, str) else named_pages(value)


def on_files(files: Any, config: Any, **_: object) -> Any:
    """The files of the site, with the reference."""
    spec = importlib.util.spec_from_file_location("reference", HERE / "reference.py")
    assert spec and spec.loader
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    # Tests import this module where MkDocs is not installed.
    made = importlib.import_module("mkdocs.structure.files").File
    for name, page in reference.PAGES.items():
        files.append(made.generated(config, name, content=page()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: object) -> str:
    """The page without links that leave the site."""
    folder = PurePosixPath(page.file.src_uri).parent

    def without_outside(found: re.Match[str]) -> str:
        text, target = found.groups()
        path = posixpath.normpath(posixpath.join(folder.as_posix(), target.partition("#")[0]))
        if not path.startswith("../"):
            return found[0]
        name = path.removeprefix("../")
        return text if text.strip("`") == name else f"{text} (`{name}` in the repository)"

    return LINK.sub(without_outside, markdown)
