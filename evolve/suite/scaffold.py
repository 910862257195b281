"""Read and check a scaffold's `scaffold.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from evolve.core.errors import BadInput
from evolve.suite.bundled import or_bundled

FILE = "scaffold.toml"


class ScaffoldFile(BaseModel):
    """The keys of `scaffold.toml`.

    entry: run as `python3 ENTRY`; evolvable: glob patterns of the files that a patch may touch; shown: of those that
    the proposer only reads, by default all others of a small scaffold; image: the name of an image;
    dockerfile: from which an image is built, with the files of its folder, instead. Without both it is the base image.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(min_length=1)
    entry: str = Field(min_length=1)
    evolvable: tuple[str, ...] = Field(min_length=1)
    shown: tuple[str, ...] | None = None
    image: str | None = None
    dockerfile: str | None = None

    @model_validator(mode="after")
    def _check_image(self) -> ScaffoldFile:
        if self.dockerfile is None:
            return self
        if self.image is not None:
            raise ValueError("give `image` or `dockerfile`, not both")
        parts = PurePosixPath(self.dockerfile).parts
        if len(parts) < 2 or parts[0] == "/" or ".." in parts or parts[-1] != "Dockerfile":
            raise ValueError(
                "`dockerfile` must lie in a folder of its own within the scaffold, such as image/Dockerfile"
            )
        return self


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
    if spec.dockerfile and spec.dockerfile not in files:
        raise BadInput(f"{where}/{FILE}", f"`{spec.dockerfile}` does not exist", "correct the key `dockerfile`")
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
