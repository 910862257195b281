"""Read YAML that people write for other programs, as programs in Go read it: `yes` is text, `0644` is octal."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from evolve.core.errors import BadInput

MAX_BYTES = 1 << 20
_NUMBER = [
    ("tag:yaml.org,2002:int", re.compile(r"[-+]?(?:0[oO]?[0-7_]+|0[xX][0-9a-fA-F_]+|0[bB][01_]+|0|[1-9][0-9_]*)\Z")),
    ("tag:yaml.org,2002:float", re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")),
]
_TRUTH = [("tag:yaml.org,2002:bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"))]
_NULL = [("tag:yaml.org,2002:null", re.compile(r"(?:~|null|Null|NULL|)\Z"))]
_MERGE = [("tag:yaml.org,2002:merge", re.compile(r"<<\Z"))]


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Reads plain values as YAML 1.2 has them."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as the base class has it
        **{first: _NUMBER for first in "-+.0123456789"},  # noqa: C420 - importing calls nothing
        **{first: _TRUTH for first in "tTfF"},  # noqa: C420
        **{first: _NULL for first in ("~", "n", "N", "")},  # noqa: C420
        "<": _MERGE,
    }


def read_yaml(file: Path) -> Any:
    """The content of a YAML file. Raises BadInput."""
    try:
        text = file.read_bytes()
        if len(text) > MAX_BYTES:
            raise BadInput(str(file), "is larger than 1 MB", "make it smaller")
        return _content(text.decode("utf-8-sig"))
    except OSError as error:
        raise BadInput(str(file), f"can't be read: {error.strerror}", "make it readable") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise BadInput(str(file), f"is not valid YAML: {' '.join(str(error).split())[:200]}", "correct it") from error


def _content(text: str) -> Any:
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()
