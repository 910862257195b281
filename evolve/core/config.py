"""The config of a run. Runs with equal configs, suites, scaffolds and model answers take the same decisions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from evolve.core.gate_config import EARLIER_GATE, GateConfig
from evolve.core.model_access import asking_phases
from evolve.core.records import Api, Grader, Limits, ModelSpec, SandboxSpec, Task

EMBEDDED = "embedded"
# The profile of the model that Evolve serves itself, on another port at each start.
LOCAL = "local"
# The user's settings; also in a scaffold's folder, of which it is no part.
SETTINGS_FILE = "evolve.toml"
# Stored, but no part of what makes two runs the same: they were found out, or do not affect requests.
OTHER_MODELS = ("proposed_by", "graded_by", "small")
PROVENANCE = tuple(
    f"{model}{part}." for model in ("", *(f"{one}." for one in OTHER_MODELS)) for part in ("terms", "learned")
)
# What each start of a run sets anew: the limits per minute of an endpoint.
RATES = ("requests_per_minute", "tokens_per_minute")
ANEW = tuple(f"{model}facts.{name}" for model in ("", *(f"{one}." for one in OTHER_MODELS)) for name in RATES)
# Paths, which say where something lies and not what it is.
PLACES = ("suite", "scaffold")
# Of a trial at a strict task that names no time, in a run that sets none.
TASK_SECONDS = 1800.0
# Of a trial without any limit in seconds: its containers must end one day.
UNLIMITED_SECONDS = 86_400.0
# Of all runs of versions in which limits could not be set; a task's shorter time held too.
EARLIER_LIMITS = {"seconds": 180.0, "shorter_of_both": True}
# Of all runs of versions in which each request asked the model.
EARLIER_REUSE = "off"
# So many trials of a score have a standard error of 2.5 points at most; earlier versions had as many as asked for.
SCORE_TRIALS, SIZED_SINCE = 400, 2
# Names that need no plug-in, by kind.
BUILT_IN: Mapping[str, tuple[str, ...]] = {
    "proposer": ("direct", "self"),
    "rule": ("evolve", "greedy", "archive", "clade", "pareto"),
    "executor": ("local",),
    "watcher": (),
    "importer": ("terminal-bench", "swe-bench", "quixbugs", "table"),
}


class TrialLimits(BaseModel):
    """What one trial may use, as it is stored with the run; whichever limit is reached first ends the trial."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    seconds: float | None = Field(
        None,
        gt=0,
        description="Seconds of one trial, whatever the task says; "
        "unset: the task's own `agent.timeout_sec`, or 1800 if it has none (a day with Harbor's defaults).",
    )
    calls: int = Field(Limits.calls, gt=0, description="Model calls of one trial.")
    tokens: int = Field(Limits.tokens, gt=0, description="Tokens of one trial, prompts and answers together.")
    usd: float = Field(Limits.usd, ge=0, description="US dollars of one trial.")
    max_tokens: int = Field(Limits.max_tokens, gt=0, description="Tokens of one answer of the model.")
    commands: int | None = Field(
        None,
        gt=0,
        description="Commands of one trial in the task's container, file reads and writes included; unset: any number.",
    )

    shorter_of_both: bool = Field(
        False, description="Whether a task's own limit in seconds holds too, if it is shorter than the run's."
    )

    def for_task(self, task_seconds: float | None = TASK_SECONDS) -> Limits:
        """The limits of a trial at a task that allows so many seconds; None: any number."""
        task_seconds = UNLIMITED_SECONDS if task_seconds is None else task_seconds
        seconds = task_seconds if self.seconds is None else self.seconds
        seconds = min(seconds, task_seconds) if self.shorter_of_both else seconds
        return Limits(**{**self.model_dump(exclude={"shorter_of_both"}), "seconds": seconds})


class GraderLimits(BaseModel):
    """What the tests of one trial may use of the grader's model, as it is stored with the run."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    calls: int = Field(100, gt=0, description="Calls that the tests of one trial may make of the grader's model.")
    tokens: int = Field(400_000, gt=0, description="Tokens of these calls, prompts and answers together.")
    usd: float = Field(1.0, ge=0, description="US dollars of these calls.")
    max_tokens: int = Field(4096, gt=0, description="Tokens of one answer of the grader's model.")

    def for_tests(self, seconds: float) -> Limits:
        """The limits for tests that may run for so many seconds."""
        return Limits(**self.model_dump(), seconds=seconds)


# What a patch is kept for: a higher mean reward, or a lower cost at no loss beyond a margin.
Objective = Literal["score", "cost"]
Commercial = Literal["allowed", "barred", "conditions", "unknown"]
COMMERCIAL_USE: Mapping[Commercial, str] = {
    "allowed": "commercial use allowed",
    "barred": "commercial use barred",
    "conditions": "commercial use under conditions",
    "unknown": "commercial use unknown",
}


class ModelFacts(BaseModel):
    """What a profile says about a model's requests. The defaults are those of a model without a profile.

    `sampling`: parameters of every request that does not set them itself. The other fields: see `ModelSpec`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    profile: str = ""
    key_variable: str = "OPENAI_API_KEY"
    context_tokens: int | None = Field(None, gt=0)
    stream: bool = False
    text_tools: bool = False
    keep_reasoning: bool = False
    sampling: tuple[tuple[str, int | float], ...] = ()
    api: Api = "chat"
    parameters: tuple[tuple[str, str], ...] = ()
    extra_body: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    effort: str = ""
    answer_tokens: int | None = Field(None, gt=0)
    requests_per_minute: int | None = Field(None, gt=0)
    tokens_per_minute: int | None = Field(None, gt=0)


class LearnedFacts(BaseModel):
    """What the check of an endpoint found out before the run; it takes precedence over the profile.

    None: nothing was found. `parameters`: as in `ModelSpec`, for those that the endpoint refused. `server`: pairs of
    name and value, what a local server says about itself (file, quantisation, build, chat template).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    api: Api | None = None
    parameters: tuple[tuple[str, str], ...] = ()
    stream: bool | None = None
    keep_reasoning: bool | None = None
    effort: str | None = None
    context_tokens: int | None = Field(None, gt=0)
    answer_tokens: int | None = Field(None, gt=0)
    server: tuple[tuple[str, str], ...] = ()

    def over(self, facts: ModelFacts) -> ModelFacts:
        """The facts with what was learned in their place."""
        parameters = tuple(sorted({**dict(facts.parameters), **dict(self.parameters)}.items()))
        values = self.model_dump(exclude={"parameters", "server"}, exclude_none=True)
        return facts.model_copy(update={**values, "parameters": parameters})


class LicenceStatement(BaseModel):
    """What one source says about a model's licence.

    `duties`: what its users must do, such as showing a notice. `prohibited`: uses that it rules out. `as_of`: an ISO
    date, or empty.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    licence: str
    commercial: Commercial = "unknown"
    summary: str = ""
    duties: tuple[str, ...] = ()
    prohibited: tuple[str, ...] = ()
    source: str = ""
    as_of: str = ""


class ModelTerms(BaseModel):
    """The licence of a model and the source of its price. They do not affect trials.

    Dates are ISO dates or empty; `licence` is empty without a profile. `summary`: of the licence. `statements`: all
    that is known about the licence, the one that decides first; empty in runs of earlier versions.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    licence: str = ""
    commercial: Commercial = "unknown"
    summary: str = ""
    source: str = ""
    as_of: str = ""
    price_source: str = ""
    price_as_of: str = ""
    statements: tuple[LicenceStatement, ...] = ()


ModelRole = Literal["scaffold", "proposer", "small", "grader"]


class AskedModel(BaseModel):
    """A model that a run uses: name, endpoint, prices in US dollars per million tokens, and facts of its profile."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    model: str
    base_url: str | None = None
    prompt_price: float | None = Field(None, ge=0)
    completion_price: float | None = Field(None, ge=0)
    cached_price: float | None = Field(None, ge=0)
    cache_write_price: float | None = Field(None, ge=0)
    facts: ModelFacts = ModelFacts()
    learned: LearnedFacts = LearnedFacts()
    terms: ModelTerms = ModelTerms()

    @property
    def spec(self) -> ModelSpec:
        return ModelSpec(
            name=self.model,
            base_url=self.base_url,
            prompt_price=self.prompt_price,
            completion_price=self.completion_price,
            cached_price=self.cached_price,
            cache_write_price=self.cache_write_price,
            **self.learned.over(self.facts).model_dump(exclude={"profile"}),
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
    at work on its own files; or the name of a plug-in. `executor`: what runs the trials, `local` (containers on this
    machine) or the name of a plug-in. `facts` and `terms` are the model's, as its profile had them, and `learned` is
    what its endpoint showed before the run. `proposed_by`: the model that proposes (unless the scaffold does) and
    writes lessons, None: the same one. `small`: the model that answers the scaffold where it asks for a small one by
    its name, None: the same one. `pass_env`: names of the host's variables that separate verifiers may have; their
    values are never stored; `NAME=` is one that tasks get empty. `graded_by`: the model that tests may ask, None: none;
    `grader`: what they may use of it.
    `objective` to `keep_error`: what patches must fulfil besides the gate's rule; `protect`: names or tags of tasks.
    `reuse`: whether a request of a challenger that its parent made too, in the same task and attempt, gets the same
    answer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    suite: Path = Path("tasks/bugfix")
    scaffold: Path = Path("scaffolds/single")
    model: str = EMBEDDED
    base_url: str | None = None
    prompt_price: float | None = Field(None, ge=0)
    completion_price: float | None = Field(None, ge=0)
    cached_price: float | None = Field(None, ge=0)
    cache_write_price: float | None = Field(None, ge=0)
    seed: int = Field(0, ge=0)
    holdout_attempts: int = Field(2, ge=0, le=16)
    score_attempts: int = Field(2, ge=1, le=16)
    limits: TrialLimits = TrialLimits()
    sandbox: SandboxSpec = SandboxSpec()
    network: bool = True
    gate: GateConfig = GateConfig()
    commercial: bool = False
    proposer: str = "direct"
    executor: str = "local"
    facts: ModelFacts = ModelFacts()
    learned: LearnedFacts = LearnedFacts()
    terms: ModelTerms = ModelTerms()
    proposed_by: AskedModel | None = None
    small: AskedModel | None = None
    pass_env: tuple[str, ...] = ()
    graded_by: AskedModel | None = None
    grader: GraderLimits = GraderLimits()
    objective: Objective = "score"
    cost_margin: float = Field(0.05, gt=0, lt=1)
    max_cost_ratio: float | None = Field(None, gt=0)
    max_seconds_ratio: float | None = Field(None, gt=0)
    protect: tuple[str, ...] = ()
    protect_margin: float = Field(0.1, gt=0, lt=1)
    keep_error: float = Field(0.05, gt=0, lt=0.5)
    reuse: Literal["on", "off"] = "on"

    @field_validator("sandbox")
    @classmethod
    def _sized(cls, sandbox: SandboxSpec) -> SandboxSpec:
        if None in (sandbox.cpus, sandbox.memory_mb, sandbox.disk_mb):
            raise ValueError("a scaffold's container has a size")
        return sandbox

    @model_validator(mode="after")
    def _told_apart(self) -> RunConfig:
        if self.small is not None and self.small.model == self.model:
            raise ValueError("the small model must have another name than the model")
        return self

    @property
    def model_spec(self) -> ModelSpec:
        """The model that the scaffold works with."""
        return self._own.spec

    @property
    def proposer_spec(self) -> ModelSpec:
        """The model that proposes and writes lessons."""
        return (self.proposed_by or self._own).spec

    @property
    def small_spec(self) -> ModelSpec | None:
        """The small model that the scaffold may ask for."""
        return self.small.spec if self.small else None

    @property
    def scaffold_specs(self) -> tuple[ModelSpec, ...]:
        """All models that answer the scaffold."""
        return (self.model_spec,) if self.small_spec is None else (self.model_spec, self.small_spec)

    @property
    def scaffold_priced(self) -> bool:
        """Whether the cost of trials in dollars is known."""
        return all(spec.priced for spec in self.scaffold_specs)

    @property
    def models(self) -> tuple[AskedModel, ...]:
        """The models that make and run scaffolds, the scaffold's first."""
        return tuple(self.models_by_role.values())

    @property
    def models_by_role(self) -> dict[ModelRole, AskedModel]:
        """These models by what they are for, the scaffold's first."""
        named: dict[ModelRole, AskedModel | None] = {
            "scaffold": self._own,
            "proposer": self.proposed_by,
            "small": self.small,
        }
        return {role: asked for role, asked in named.items() if asked is not None}

    @property
    def all_models_by_role(self) -> dict[ModelRole, AskedModel]:
        """All models that the run uses by what they are for: also the one that tests may ask."""
        graders: dict[ModelRole, AskedModel] = {"grader": self.graded_by} if self.graded_by else {}
        return self.models_by_role | graders

    @property
    def all_models(self) -> tuple[AskedModel, ...]:
        """All models that the run uses, also the grader's."""
        return tuple(self.all_models_by_role.values())

    @property
    def priced(self) -> bool:
        """Whether the cost in dollars is known."""
        return all(one.spec.priced for one in self.all_models)

    @property
    def free(self) -> bool:
        return all(one.spec.free for one in self.all_models)

    def score_attempts_at(self, tasks: int) -> int:
        """Attempts at each of so many tasks for the champion's score; fewer where that many trials tell enough."""
        return self._attempts_at(self.score_attempts, tasks)

    def holdout_attempts_at(self, tasks: int) -> int:
        """The same for the holdout."""
        return self._attempts_at(self.holdout_attempts, tasks)

    def _attempts_at(self, asked: int, tasks: int) -> int:
        if self.gate.version < SIZED_SINCE or not tasks:
            return asked
        return min(asked, max(SCORE_TRIALS // tasks, 1))

    def trial_grader(self, task: Task, image: str) -> Grader | None:
        """What a task's tests may ask; None if they ask no model, or the run has none for them.

        image: Of the container that leads to the gateway.
        """
        if self.graded_by is None or not asking_phases(task.format):
            return None
        return Grader(self.graded_by.spec, self.grader.for_tests(task.verifier_seconds), image)

    @property
    def _own(self) -> AskedModel:
        return AskedModel(**{name: getattr(self, name) for name in AskedModel.model_fields})

    def task_sandbox(self, asked: SandboxSpec) -> SandboxSpec:
        """A task's own limits, as the run lets it have them."""
        run = self.sandbox
        pids = asked.pids if run.pids == SandboxSpec.pids else run.pids
        return replace(asked, runtime=run.runtime, pids=pids, network=asked.network and self.network)

    def canonical(self) -> str:
        """Return the config as JSON with sorted keys, as it is stored with the run."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)

    def digest(self) -> str:
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    def differences(self, stored: str) -> list[Difference]:
        """The settings in which this config differs from a stored one.

        A key that the stored one lacks did not exist yet: the value of that time is its default. Where the folders
        are is no difference, their digests are compared; neither are the model's terms: the stored ones stay; nor are
        the limits per minute and the port of a local model, which each start sets anew. Nor is it one that this config
        leaves the seconds of a trial open, which no earlier version could, or has the usual value of a part of the gate
        that no earlier version had, or of `reuse`. The version of the rule is nobody's choice: the stored one stays.
        """
        values = json.loads(stored)
        is_usual = "reuse" not in values and self.reuse == RunConfig.model_fields["reuse"].default
        values.setdefault("reuse", self.reuse if is_usual else EARLIER_REUSE)
        values["limits"], given = _with_earlier(values.get("limits", {})), json.loads(self.canonical())
        values["gate"] = EARLIER_GATE | (had := values.get("gate", {}))
        earlier = {key: values["gate"][key] for key in EARLIER_GATE if key not in had or key == "version"}
        usual = json.loads(RunConfig().canonical())
        given["gate"] |= {key: earlier[key] for key in earlier if given["gate"][key] == usual["gate"][key]}
        if values["limits"].items() >= EARLIER_LIMITS.items() and self.limits.seconds is None:
            given["limits"] |= EARLIER_LIMITS
        new, old = _leaves(given), _leaves(_merged(usual, values))
        anew = {*PLACES, *ANEW, *(_moving_endpoints(new) & _moving_endpoints(old))}
        found = [
            Difference(key, old.get(key), new.get(key))
            for key in sorted({*old, *new})
            if key not in anew and not key.startswith(PROVENANCE)
        ]
        return [one for one in found if one.stored != one.given]

    @classmethod
    def from_stored(cls, stored: str) -> RunConfig:
        """A stored config. Of a gate that no longer exists, only what this version knows."""
        values = {key: value for key, value in json.loads(stored).items() if key in cls.model_fields}
        gate = EARLIER_GATE | values.get("gate", {})
        values["gate"] = {key: value for key, value in gate.items() if key in GateConfig.model_fields}
        values["limits"] = _with_earlier(values.get("limits", {}))
        return cls.model_validate({"reuse": EARLIER_REUSE} | values)


def _moving_endpoints(leaves: dict[str, Any]) -> set[str]:
    """The keys of endpoints that Evolve starts itself."""
    models = ("", *(f"{one}." for one in OTHER_MODELS))
    return {f"{model}base_url" for model in models if leaves.get(f"{model}facts.profile") == LOCAL}


def _with_earlier(limits: dict[str, Any]) -> dict[str, Any]:
    """Stored limits; those of a version in which they could not be set are completed."""
    return limits if "commands" in limits else {**EARLIER_LIMITS, **limits}


def _merged(usual: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """The values, and the usual ones of keys that they lack, at any depth."""
    both = {key: (usual[key], value) for key, value in values.items() if key in usual}
    deeper = {key: _merged(*pair) for key, pair in both.items() if all(isinstance(one, dict) for one in pair)}
    return usual | values | deeper


def _leaves(values: dict[str, Any], path: str = "") -> dict[str, Any]:
    """By dotted key."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _leaves(value, f"{path}{key}.") if isinstance(value, dict) else {path + key: value}
    return found
