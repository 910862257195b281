"""Read and check a scaffold's `scaffold.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from evolve.core.errors import BadInput
from evolve.core.invalid import first_fault
from evolve.suite.bundled import or_bundled
from evolve.suite.instructions import read_text
from evolve.suite.scaffold_keys import TABLE
from evolve.suite.scaffold_keys import ScaffoldFile as ScaffoldFile

FILE = "scaffold.toml"


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
        fault = first_fault(error, ScaffoldFile)
        # The table `image` is checked under another name.
        fix = fault.fix.replace(f", {TABLE}", "")
        raise BadInput(f"{where}/{FILE}", fault.text.replace(TABLE, "image"), fix) from error
    for key, path in spec.named_files:
        if path not in files:
            what = f"entry point `{path}`" if key == "entry" else f"`{path}`"
            raise BadInput(f"{where}/{FILE}", f"{what} does not exist", f"correct the key `{key}`")
    return spec


def check_folder(folder: Path) -> ScaffoldFile:
    """Read the `scaffold.toml` of a folder on disk, or of a bundled scaffold. Raises BadInput."""
    folder = or_bundled(folder)
    if not folder.is_dir():
        raise BadInput(str(folder), "no such folder", "pass a scaffold's folder, such as scaffolds/single")
    file = folder / FILE
    text = read_text(file) if file.is_file() else None
    paths = (path for path in folder.rglob("*") if path.is_file())
    files: dict[str, str | bytes] = {path.relative_to(folder).as_posix(): b"" for path in paths}
    return read(str(folder), {**files, FILE: text} if text is not None else files)
