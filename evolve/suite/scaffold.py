"""Read and check a scaffold's `scaffold.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evolve.core.errors import BadInput
from evolve.suite.bundled import or_bundled

FILE = "scaffold.toml"


class ScaffoldFile(BaseModel):
    """The keys of `scaffold.toml`.

    entry: run as `python3 ENTRY`; evolvable: glob patterns of the files that a patch may touch; image: None is the
    base image.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(min_length=1)
    entry: str = Field(min_length=1)
    evolvable: tuple[str, ...] = Field(min_length=1)
    image: str | None = None


def read(where: str, files: Mapping[str, str | bytes]) -> ScaffoldFile:
    """Parse the `scaffold.toml` among a scaffold's files. Raises BadInput, which names `where`."""
    text = files.get(FILE)
    if not isinstance(text, str):
        raise BadInput(f"{where}/{FILE}", "this file is missing", "add it: name, entry, evolvable")
    try:
        spec = ScaffoldFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{where}/{FILE}", f"is not valid TOML: {error}", "correct the file") from error
    except ValidationError as error:
        first: Any = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{where}/{FILE}", f"key `{key}`: {first['msg']}", "correct its value") from error
    if spec.entry not in files:
        raise BadInput(f"{where}/{FILE}", f"entry point `{spec.entry}` does not exist", "correct the key `entry`")
    return spec


def check_folder(folder: Path) -> ScaffoldFile:
    """Read the `scaffold.toml` of a folder on disk, or of a bundled scaffold. Raises BadInput."""
    folder = or_bundled(folder)
    if not folder.is_dir():
        raise BadInput(str(folder), "no such folder", "pass a scaffold's folder, such as scaffolds/single")
    file = folder / FILE
    try:
        text = file.read_text(encoding="utf-8") if file.is_file() else None
    except UnicodeDecodeError as error:
        raise BadInput(str(file), "is not UTF-8 text", "save it as UTF-8") from error
    paths = (path for path in folder.rglob("*") if path.is_file())
    files: dict[str, str | bytes] = {path.relative_to(folder).as_posix(): b"" for path in paths}
    return read(str(folder), {**files, FILE: text} if text is not None else files)
