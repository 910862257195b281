"""What makes two runs the same: their configs, and the digests of suite and scaffold."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from evolve.core.config import GateConfig, RunConfig
from evolve.repo import scaffold_paths
from evolve.store import RunRow
from evolve.suite.bundled import or_bundled
from evolve.suite.tasks import Suite

NOT_FILES = frozenset(["__pycache__", ".git"])
# Stored beside the config.
DIGESTS = ("suite_digest", "scaffold_digest", "suite_profile")


def identity(config: RunConfig, suite: Suite) -> str:
    """The config as it is stored: with the digests of suite and scaffold, and the suite's profile."""
    values = json.loads(config.canonical())
    values |= {"suite_digest": suite.digest, "scaffold_digest": folder_digest(config.scaffold)}
    values["suite_profile"] = str(suite.profile)
    return json.dumps(values, sort_keys=True)


def stored_config(row: RunRow) -> RunConfig:
    """The config that a run began with; of a gate that no longer exists only what this version knows."""
    values = {k: v for k, v in json.loads(row.config).items() if k in RunConfig.model_fields}
    values["gate"] = {k: v for k, v in values.get("gate", {}).items() if k in GateConfig.model_fields}
    return RunConfig.model_validate(values)


def differences(config: RunConfig, suite: Suite, row: RunRow) -> list[str]:
    """In what a config and a suite differ from those that a run began with."""
    stored = {key: value for key, value in json.loads(row.config).items() if key not in DIGESTS}
    return config.differences(json.dumps(stored)) or suite_differences(suite, row)


def suite_differences(suite: Suite, row: RunRow) -> list[str]:
    same = json.loads(row.config).get("suite_digest") == suite.digest
    return [] if same else ["the suite's files have changed"]


def began_alike(config: RunConfig, suite: Suite, row: RunRow) -> bool:
    """Whether a run began with this config, this suite and this scaffold."""
    same = json.loads(row.config).get("scaffold_digest") == folder_digest(config.scaffold)
    return same and not differences(config, suite, row)


def folder_digest(folder: Path) -> str:
    """sha256 over the names and contents of a scaffold's files."""
    total, folder = hashlib.sha256(), or_bundled(folder)
    files = [p for p in folder.rglob("*") if p.is_file() and NOT_FILES.isdisjoint(p.relative_to(folder).parts)]
    own = set(scaffold_paths(folder, (path.relative_to(folder).as_posix() for path in files)))
    for path in sorted(p for p in files if p.relative_to(folder).as_posix() in own):
        total.update(f"{path.relative_to(folder).as_posix()}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
