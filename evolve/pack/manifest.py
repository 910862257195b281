"""The first thing to read of a pack: what it is of, and every file in it with its sha256."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from evolve.core.config import LicenceStatement, ModelRole
from evolve.core.errors import BadInput

FORMAT = 1
NAME = "manifest.json"
DATABASE = "evolve.db"
BUNDLE = "lineage.bundle"
SUITE = "suite"
MOST_CHARACTERS = 1_000
MOST_MEMBERS = 4_000_000
FIX = "get the file again from whoever made it"


def path_problem(path: str) -> str:
    """Why a path may lead out of the folder in which it is unpacked, or is none of a pack's; "" if it is safe."""
    parts = path.split("/")
    if not path.isprintable() or "\\" in path or len(path) > MOST_CHARACTERS:
        return "it is no path that a pack may have"
    if any(part in ("", ".", "..") for part in parts) or PurePosixPath(path).is_absolute():
        return "it leads out of the pack"
    return ""


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Member(_Part):
    """A file of the pack. `size`: its bytes when it is unpacked; `executable`: its owner may run it."""

    path: str
    size: int = Field(ge=0)
    sha256: Sha256
    executable: bool = False

    @field_validator("path")
    @classmethod
    def _safe(cls, path: str) -> str:
        if problem := path_problem(path):
            raise ValueError(problem)
        return path


class PackedModel(_Part):
    """A model of the run, as its profile described it. `statements`: all that is known about its licence."""

    role: ModelRole
    model: str
    base_url: str | None
    facts: Mapping[str, Any]
    learned: Mapping[str, Any]
    licence: str
    commercial: str
    source: str
    as_of: str
    statements: tuple[LicenceStatement, ...]


class PackedClaim(_Part):
    """The claim of a run. `other_looks`: comparisons on the same holdout by other runs of the author's database.

    `figures`: None if there is nothing to claim; `why`: then the reason.
    """

    figures: Mapping[str, Any] | None
    why: str = ""
    other_looks: int = Field(0, ge=0)


class Facts(_Part):
    """What follows from the run's row. `engine`: the container engine, with the digests of ready images."""

    run: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$", max_length=200)]
    created_at: str
    run_version: str
    suite_digest: str
    scaffold_digest: str
    rule: str
    engine: Mapping[str, Any]
    models: tuple[PackedModel, ...]


class Manifest(_Part):
    """What a pack says about itself.

    Attributes:
        evolve, python: The versions that wrote the pack.
        rule_sha256: Of the code that takes the gate's decisions, in that version.
        outputs: Under which terms texts of the models stand, in a sentence.
        suite: What of the suite is in it: all, all but tests and solutions, or nothing.
        outside: How many files beside the scaffold's folder the repository of the run holds.
        absent: Files that rows name and the pack lacks: `evolve gc` had removed them, or they were left out.
    """

    format: Literal[1] = 1
    evolve: str
    python: str
    rule_sha256: Sha256
    facts: Facts
    claim: PackedClaim
    outputs: str
    suite: Literal["whole", "without tests", "absent"]
    outside: int = Field(0, ge=0)
    absent: tuple[str, ...] = ()
    members: tuple[Member, ...] = Field(max_length=MOST_MEMBERS)

    @property
    def run(self) -> str:
        return self.facts.run

    def page(self) -> bytes:
        """The file."""
        return json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True).encode("ascii") + b"\n"


def read_manifest(where: str, page: bytes) -> Manifest:
    """Read a manifest of unknown origin.

    Raises:
        BadInput: It is none, or of a newer format.
    """
    try:
        values = json.loads(page)
        version = values["format"] if isinstance(values, dict) else None
    except (ValueError, KeyError, RecursionError) as error:
        raise BadInput(
            where, "is not a pack: its manifest can't be read", "give a file that `evolve pack` wrote"
        ) from error
    if isinstance(version, int) and version > FORMAT:
        raise BadInput(where, f"is a pack of format {version}; this version reads up to {FORMAT}", "update evolve")
    try:
        manifest = Manifest.model_validate(values)
    except (ValidationError, RecursionError) as error:
        raise BadInput(where, f"is not a pack: {_first(error)}", FIX) from error
    _check_paths(where, manifest)
    return manifest


def _first(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return "its manifest is nested too deeply"
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"its manifest has another {place}: {first['msg']}"[:300]


def _check_paths(where: str, manifest: Manifest) -> None:
    """Raise BadInput unless each path is there once, is no folder of another one and has its place in a pack."""
    paths = [member.path for member in manifest.members]
    folders = {"/".join(path.split("/")[:depth]) for path in paths for depth in range(1, path.count("/") + 1)}
    known = set(paths)
    if len(known) < len(paths):
        raise BadInput(where, "is not a pack: its manifest names a file twice", FIX)
    for path in paths:
        if path in folders or not has_place(manifest.run, path):
            raise BadInput(where, f"is not a pack: {path!r} has no place in it", FIX)


def has_place(run: str, path: str) -> bool:
    """Whether a path is one that a pack of this run may have."""
    return path == DATABASE or path.startswith(f"{run}/")


def place_of(run: str, name: str) -> str:
    """The path in a pack of a file in the run's folder."""
    return f"{run}/{name}"
