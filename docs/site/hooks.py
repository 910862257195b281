"""What MkDocs does besides: links to files outside `docs/`, which the site doesn't have, become their names."""

from __future__ import annotations

import posixpath
import re
from pathlib import PurePosixPath
from typing import Any

LINK = re.compile(r"\[([^\]]+)\]\(([^)\s:]+)\)")


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
