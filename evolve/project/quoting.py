"""Values as TOML writes them."""

from __future__ import annotations

import json


def quoted(value: object) -> str:
    """A text, number, truth value or list of such as TOML writes it."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
