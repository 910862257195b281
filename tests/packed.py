"""A small stored run with a real suite, repository, database and files, played without containers; and its pack."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from evolve import llm
from evolve.cli import main
from evolve.core.caps import Caps
from evolve.core.config import RunConfig
from evolve.core.gate_config import GateConfig
from evolve.core.records import Split
from evolve.loop.watcher import SilentWatcher
from evolve.pack.archive import open_pack
from evolve.pack.manifest import DATABASE, NAME
from evolve.pack.writing import pack_run
from evolve.runs import opening
from evolve.suite.tasks import load_suite
from tests.fakes import completion, tool_call
from tests.faults import victim

RUN = f"20261123-2144-packed-{os.getpid()}"
HIDDEN = "hidden_value = 4711\n"
ROUNDS = 3


def write_suite(folder: Path) -> None:
    """Tasks as in a strict suite; nothing builds them."""
    splits = {}
    for split, count in ((Split.TRAIN, 6), (Split.VALIDATION, 4), (Split.HOLDOUT, 3)):
        splits[split] = [f"{split}-{number:02}" for number in range(count)]
        for name in splits[split]:
            for path, text in {
                "task.toml": '[metadata]\ndifficulty = "easy"\n',
                "instruction.md": f"Mend {name}.\n",
                "environment/Dockerfile": "FROM scratch\n",
                "tests/test.sh": "#!/bin/sh\n",
                "tests/hidden.py": HIDDEN,
                "solution/solve.sh": "#!/bin/sh\n",
            }.items():
                (folder / name / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / name / path).write_text(text)
                (folder / name / path).chmod(0o755 if path.endswith(".sh") else 0o644)
    lines = [f"{split} = {json.dumps(names)}" for split, names in splits.items()]
    (folder / "suite.toml").write_text("\n".join(["[splits]", *lines, ""]))


class Improving(victim.Answering):
    """Proposes a level at which more tasks pass than at the seed's."""

    def complete(self, body: Mapping[str, Any], on_lost: object = None) -> dict[str, Any]:
        if "propose" not in [tool["function"]["name"] for tool in body.get("tools", [])]:
            return super().complete(body, on_lost)
        mark = f"way_{body['seed'] % 97}"
        edit = {"path": "main.py", "old": "", "new": f"LEVEL = 10\n{mark} = None\n"}
        told = {"hypothesis": f"{mark}: a higher level", "prediction": "more pass", "edits": [edit]}
        return completion(None, tool_call("propose", json.dumps(told)))


def play(home: Path, rounds: int = ROUNDS) -> Path:
    """Play a run in a folder; -> the folder of its results."""
    write_suite(home / "tasks")
    (home / "scaffold").mkdir()
    for name, text in victim.FILES.items():
        (home / "scaffold" / name).write_text(text)
    gate = GateConfig.model_validate({"passes": (1, 2), "risk": 0.2, "generalise": False, "null_share": 0.5})
    config = RunConfig(
        scaffold=home / "scaffold", suite=home / "tasks", model="scripted", prompt_price=1.0, completion_price=1.0,
        score_attempts=1, holdout_attempts=1, gate=gate,
    )  # fmt: skip
    request = opening.RunRequest(config, home / "runs", RUN, 2, Caps())
    with pytest.MonkeyPatch.context() as patch:
        victim.without_containers(patch)
        patch.setattr(llm, "open_model", lambda spec, **_: Improving())
        with opening.open_run(request, load_suite(home / "tasks"), SilentWatcher()) as search:
            search.run_rounds(rounds)
    return home / "runs"


@dataclass(frozen=True)
class Played:
    """A run and its pack. `home`: with `tasks`, `scaffold` and `runs`."""

    home: Path
    file: Path

    @property
    def runs(self) -> Path:
        return self.home / "runs"


def played(home: Path) -> Played:
    runs = play(home)
    return Played(home, pack_run(runs, None, home / "run.evolve.zip").file)


@contextmanager
def rewritten(file: Path, target: Path) -> Iterator[dict[str, bytes]]:
    """The members of a pack, to be changed as bytes: what is there at the end makes a zip of the same form."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    yield members
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)


def forge(file: Path, target: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """A pack with changed members, and a manifest that fits them."""
    with rewritten(file, target) as members:
        change(members)
        manifest = json.loads(members[NAME])
        known = {member["path"]: member for member in manifest["members"]}
        manifest["members"] = [
            {**known.get(path, {"executable": False}), "path": path, "size": len(data), "sha256": sha256(data)}
            for path, data in members.items()
            if path != NAME
        ]
        members[NAME] = json.dumps(manifest).encode()
    return target


def forge_manifest(file: Path, target: Path, change: Callable[[dict[str, object]], None]) -> Path:
    """A pack whose manifest says something else."""

    def edit(members: dict[str, bytes]) -> None:
        values = json.loads(members[NAME])
        change(values)
        members[NAME] = json.dumps(values).encode()

    return forge(file, target, edit)


def forge_rows(file: Path, target: Path, *statements: str) -> Path:
    """A pack whose database was changed by these statements."""

    def edit(members: dict[str, bytes]) -> None:
        place = target.with_suffix(".db")
        place.write_bytes(members[DATABASE])
        with closing(sqlite3.connect(place, isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)
        members[DATABASE] = place.read_bytes()
        place.unlink()

    return forge(file, target, edit)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def evolve(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Run the command line; -> its exit status."""
    monkeypatch.setattr(sys, "argv", ["evolve", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def member_names(file: Path) -> list[str]:
    with open_pack(file) as pack:
        return [member.path for member in pack.manifest.members]


def copied(file: Path, folder: Path) -> Path:
    return Path(shutil.copy(file, folder / file.name))
