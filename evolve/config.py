"""What a run is begun with. Two runs with equal configs, suite, scaffold and model answers take the same decisions."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from evolve.records import Limits, ModelSpec, SandboxSpec

EMBEDDED = "embedded"


class GateConfig(BaseModel):
    """When a candidate is kept: thresholds on the paired z statistic at each look (see docs/statistics.md)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    drop_below: tuple[float, ...] = Field((-0.6, -0.1, 0.4), min_length=1)
    keep_above: float = 1.3
    last_keep_above: float = 1.0
    attempts: int = Field(2, ge=1, le=16)


class RunConfig(BaseModel):
    """Frozen for the whole run. Paths are as the user gave them.

    `sandbox` is the scaffold's container, which never has a network; its runtime and pids hold for all containers.
    `network`: whether tasks that ask for a network get it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    suite: Path = Path("tasks/bugfix")
    scaffold: Path = Path("scaffolds/single")
    model: str = EMBEDDED
    base_url: str | None = None
    prompt_price: float | None = Field(None, ge=0)
    completion_price: float | None = Field(None, ge=0)
    seed: int = Field(0, ge=0)
    holdout_attempts: int = Field(2, ge=0, le=16)
    limits: Limits = Limits()
    sandbox: SandboxSpec = SandboxSpec()
    network: bool = True
    gate: GateConfig = GateConfig()

    @property
    def model_spec(self) -> ModelSpec:
        return ModelSpec(
            name=self.model,
            base_url=self.base_url,
            prompt_price=self.prompt_price,
            completion_price=self.completion_price,
        )

    def task_sandbox(self, asked: SandboxSpec) -> SandboxSpec:
        """A task's own limits, as the run lets it have them."""
        run = self.sandbox
        return replace(asked, runtime=run.runtime, pids=run.pids, network=asked.network and self.network)

    def canonical(self) -> str:
        """As JSON with sorted keys: what is stored with the run."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)

    def digest(self) -> str:
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    def differences(self, stored: str) -> list[str]:
        """The keys in which this config differs from a stored one, as `key: stored -> this`."""
        old, new = json.loads(stored), json.loads(self.canonical())
        return [f"{key}: {_at(old, key)} -> {_at(new, key)}" for key in _leaves(old, new)]


def _leaves(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [key for key in sorted({*old, *new}) if _at(old, key) != _at(new, key)]


def _at(values: dict[str, Any], key: str) -> Any:
    return values.get(key, "absent")
