"""What a run is begun with. Two runs with equal configs, suite, scaffold and model answers take the same decisions."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from evolve.core.records import Limits, ModelSpec, SandboxSpec

EMBEDDED = "embedded"
PROVENANCE = ("terms.", "proposed_by.terms.")
# Paths, which say where something lies and not what it is.
PLACES = ("suite", "scaffold")
MOST_PASSES = 64
MOST_RACERS = 64


class GateConfig(BaseModel):
    """When a patch is built upon, and when what is stacked becomes champion (see docs/statistics.md).

    `rule`: `evolve`; or one to compare with, by `attempts` at each task: `greedy` keeps what scores higher, `archive`,
    `clade` and `pareto` keep all and choose parents (see `evolve/gate/select.py`). The others are of `evolve` alone.
    `risk`: probability of harm up to which the tip is made champion; `give_up`: of being worse, at which it is left.
    `passes` over all tasks at the end of each later stage. `tip_passes`: how well the tip is known before it is
    challenged; `tip_share`: its trials, at least, as a share of its challengers'. `worth` of the first prior, in
    patches. `validation_veto`: standard errors below the tip on validation alone. `tie_saving`: the share of the cost
    (or of the size, where costs are equal) that breaks a tie. `ablate_every`: so many rounds, one leaves out a patch.
    `race`: so many patches of one tip are made at once, and raced. `merge_every`: so many rounds of a rule that keeps
    all, one merges the best of another branch into the parent.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    rule: Literal["evolve", "greedy", "archive", "clade", "pareto"] = "evolve"
    attempts: int = Field(2, ge=1, le=MOST_PASSES)
    risk: float = Field(0.01, gt=0, lt=0.5)
    give_up: float = Field(0.8, gt=0.5, lt=1)
    passes: tuple[int, ...] = Field((1, 2, 3, 4, 6, 8), min_length=1)
    tip_passes: float = Field(2, gt=0)
    tip_share: float = Field(0.05, ge=0, lt=1)
    worth: float = Field(30, gt=0)
    validation_veto: float = Field(1.5, ge=0)
    tie_saving: float = Field(0.05, gt=0, lt=1)
    ablate_every: int = Field(16, ge=0)
    race: int = Field(1, ge=1, le=MOST_RACERS)
    merge_every: int = Field(8, ge=0)

    @property
    def most_passes(self) -> int:
        """Over all tasks, of one challenger."""
        return self.passes[-1] if self.rule == "evolve" else self.attempts

    @model_validator(mode="after")
    def _alone(self) -> Self:
        if self.race > 1 and self.rule != "evolve":
            raise ValueError(f"race: rule {self.rule} judges one patch at a time")
        return self

    @field_validator("passes")
    @classmethod
    def _rising(cls, passes: tuple[int, ...]) -> tuple[int, ...]:
        if passes[0] != 1 or sorted(set(passes)) != list(passes) or passes[-1] > MOST_PASSES:
            raise ValueError(f"passes must begin with 1 and rise, up to {MOST_PASSES} at most")
        return passes


Commercial = Literal["allowed", "barred", "conditions", "unknown"]


class ModelFacts(BaseModel):
    """What a profile says of a model that its requests depend on; the defaults are a model without a profile.

    `sampling`: what a request that names none of them is sent with, by name of the parameter. The rest: `ModelSpec`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    profile: str = ""
    key_variable: str = "OPENAI_API_KEY"
    context_tokens: int | None = Field(None, gt=0)
    stream: bool = False
    text_tools: bool = False
    keep_reasoning: bool = False
    sampling: tuple[tuple[str, int | float], ...] = ()


class ModelTerms(BaseModel):
    """Under which terms a model was used and where its price is from: nothing of it changes a trial.

    Dates are ISO dates, or empty; `licence` is empty where no profile was used. `summary`: of the licence.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    licence: str = ""
    commercial: Commercial = "unknown"
    summary: str = ""
    source: str = ""
    as_of: str = ""
    price_source: str = ""
    price_as_of: str = ""


class AskedModel(BaseModel):
    """A model that a run asks: name, endpoint, prices in US dollars per million tokens, and what its profile says."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    model: str
    base_url: str | None = None
    prompt_price: float | None = Field(None, ge=0)
    completion_price: float | None = Field(None, ge=0)
    facts: ModelFacts = ModelFacts()
    terms: ModelTerms = ModelTerms()

    @property
    def spec(self) -> ModelSpec:
        return ModelSpec(
            name=self.model,
            base_url=self.base_url,
            prompt_price=self.prompt_price,
            completion_price=self.completion_price,
            **self.facts.model_dump(exclude={"profile"}),
        )


@dataclass(frozen=True)
class Difference:
    """A setting whose stored value is not the given one. `key`: with dots, such as `gate.risk`."""

    key: str
    stored: object
    given: object

    def __str__(self) -> str:
        return f"{self.key}: {self.stored} -> {self.given}"


class RunConfig(BaseModel):
    """Frozen for the whole run. Paths are as the user gave them.

    `sandbox` is the scaffold's container, which never has a network; its runtime and pids hold for all containers.
    `network`: whether tasks that ask for a network get it. `score_attempts`: at each train and validation task, for the
    champion's score at the end; no decision is taken on these trials. `commercial`: the run is for commercial use, and
    wants a model whose licence lets it. `proposer`: `direct`, one conversation with the model; `self`, the tip scaffold
    at work on its own files. `facts` and `terms` are the model's, as its profile had them. `proposed_by`: the model
    that proposes (unless the scaffold does) and writes lessons, None: the same one.
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
    score_attempts: int = Field(2, ge=1, le=16)
    limits: Limits = Limits()
    sandbox: SandboxSpec = SandboxSpec()
    network: bool = True
    gate: GateConfig = GateConfig()
    commercial: bool = False
    proposer: Literal["direct", "self"] = "direct"
    facts: ModelFacts = ModelFacts()
    terms: ModelTerms = ModelTerms()
    proposed_by: AskedModel | None = None

    @property
    def model_spec(self) -> ModelSpec:
        """The model that the scaffold works with."""
        return self._own.spec

    @property
    def proposer_spec(self) -> ModelSpec:
        """The model that proposes and writes lessons."""
        return (self.proposed_by or self._own).spec

    @property
    def models(self) -> tuple[AskedModel, ...]:
        """All that the run asks, with their terms: the scaffold's first."""
        return (self._own, self.proposed_by) if self.proposed_by else (self._own,)

    @property
    def priced(self) -> bool:
        """Whether dollars can be told."""
        return all(one.spec.priced for one in self.models)

    @property
    def free(self) -> bool:
        return all(one.spec.free for one in self.models)

    @property
    def _own(self) -> AskedModel:
        return AskedModel(**{name: getattr(self, name) for name in AskedModel.model_fields})

    def task_sandbox(self, asked: SandboxSpec) -> SandboxSpec:
        """A task's own limits, as the run lets it have them."""
        run = self.sandbox
        return replace(asked, runtime=run.runtime, pids=run.pids, network=asked.network and self.network)

    def canonical(self) -> str:
        """As JSON with sorted keys: what is stored with the run."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)

    def digest(self) -> str:
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    def differences(self, stored: str) -> list[Difference]:
        """The settings in which this config differs from a stored one.

        A key that the stored one lacks did not exist yet: the value of that time is its default. Where the folders
        are is no difference, their digests are compared; neither are the model's terms: the stored ones stay.
        """
        new, old = _leaves(json.loads(self.canonical())), _leaves(json.loads(RunConfig().canonical()))
        old |= _leaves(json.loads(stored))
        found = [
            Difference(key, old.get(key, "absent"), new.get(key, "absent"))
            for key in sorted({*old, *new})
            if key not in PLACES and not key.startswith(PROVENANCE)
        ]
        return [one for one in found if one.stored != one.given]


def _leaves(values: dict[str, Any], path: str = "") -> dict[str, Any]:
    """By dotted key."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _leaves(value, f"{path}{key}.") if isinstance(value, dict) else {path + key: value}
    return found
