"""The nouns: frozen values that every part of the house shares. No I/O, no decisions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Split(StrEnum):
    """train: the proposer sees its trajectories; validation: its scores gate; holdout: scored at start and end."""

    TRAIN = "train"
    VALIDATION = "validation"
    HOLDOUT = "holdout"


class Outcome(StrEnum):
    """How a trial ended. INFRA_ERROR is retried and is never evidence."""

    PASSED = "passed"
    FAILED = "failed"
    SCAFFOLD_ERROR = "scaffold_error"
    TIMEOUT = "timeout"
    BUDGET = "budget"
    INFRA_ERROR = "infra_error"


class SuiteProfile(StrEnum):
    """What a suite's own containers may do. STRICT: an unprivileged user, the root read-only, one folder kept.

    LOOSE: root with the engine's usual capabilities, and the whole file system kept. Scaffolds are always STRICT.
    """

    STRICT = "strict"
    LOOSE = "loose"


class VerifierMode(StrEnum):
    """ISOLATED: a container of its own, all processes of the agent dead. LIVE: beside them, in the task's container."""

    ISOLATED = "isolated"
    LIVE = "live"


class Cause(StrEnum):
    """Which limit of a container was met in a trial that did not pass: memory, or the number of processes."""

    NONE = ""
    OOM = "oom"
    PIDS = "pids"


class Fault(StrEnum):
    """What failed where a trial ended as an infrastructure error.

    ENDPOINT: the model's API. ACCOUNT: its key or its quota, which waiting does not mend. ENGINE: the container engine.
    DISK: no room. CAP: none, the run's own cap was reached. OTHER: all else, bugs of this program too.
    """

    NONE = ""
    ENDPOINT = "endpoint"
    ACCOUNT = "account"
    ENGINE = "engine"
    DISK = "disk"
    CAP = "cap"
    OTHER = "other"


class Verdict(StrEnum):
    """What a round came to. REFUSED: no candidate was measured (guard, or no usable patch).

    STACK: the next rounds build upon the candidate, the champion stays. KEEP: the candidate is the new champion, with
    all that was stacked below it.
    """

    BASELINE = "baseline"
    KEEP = "keep"
    STACK = "stack"
    REVERT = "revert"
    REFUSED = "refused"


class StackFate(StrEnum):
    """What became of the patches stacked on the champion. PROMOTED: the tip is the champion now."""

    OPEN = "open"
    PROMOTED = "promoted"
    GIVEN_UP = "given_up"


@dataclass(frozen=True)
class Usage:
    """What was spent: model calls, tokens, US dollars, and commands run in the task container.

    `retries`: calls that failed by no fault of the caller and were made again; they are in no other number but
    `lost_seconds`, the time that they and the waits before the next try took.
    """

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0
    commands: int = 0
    retries: int = 0
    lost_seconds: float = 0.0

    def __post_init__(self) -> None:
        if min(vars(self).values()) < 0:
            raise ValueError(f"usage can't be negative: {self}")

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(**{name: mine + getattr(other, name) for name, mine in vars(self).items()})


@dataclass(frozen=True)
class Limits:
    """The budget of one trial; whichever is reached first ends it."""

    calls: int = 80
    tokens: int = 400_000
    usd: float = 1.0
    seconds: float = 180.0
    max_tokens: int = 4096

    def __post_init__(self) -> None:
        if min(self.calls, self.tokens, self.seconds, self.max_tokens) <= 0 or self.usd < 0:
            raise ValueError(f"limits must be positive: {self}")


@dataclass(frozen=True)
class ModelSpec:
    """Which model answers. `base_url` None and name `embedded`: the model in the process, which needs no key.

    Prices are US dollars per million tokens; None: unknown. The key itself is never in here: `key_variable` names the
    environment variable of the host that holds it. `context_tokens`: of prompt and answer together; None: unknown.
    `stream`: answers are fetched as a stream. `text_tools`: the model can't call tools; they are told to it in text.
    `keep_reasoning`: the model wants its earlier reasoning back with the conversation. `sampling`: parameters of a
    request that names none itself.
    """

    name: str
    base_url: str | None = None
    key_variable: str = "OPENAI_API_KEY"
    prompt_price: float | None = None
    completion_price: float | None = None
    context_tokens: int | None = None
    stream: bool = False
    text_tools: bool = False
    keep_reasoning: bool = False
    sampling: tuple[tuple[str, int | float], ...] = ()

    @property
    def embedded(self) -> bool:
        return self.name == "embedded" or self.name.startswith("embedded-")

    @property
    def in_process(self) -> bool:
        """The embedded model, and no endpoint in between."""
        return self.base_url is None and self.embedded

    @property
    def priced(self) -> bool:
        """Whether dollars can be told: both prices are known."""
        return self.prompt_price is not None and self.completion_price is not None

    @property
    def free(self) -> bool:
        """Whether it costs nothing."""
        return self.prompt_price == 0 and self.completion_price == 0

    def cost_usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        """US dollars for one call; 0 where no price is known."""
        per_prompt, per_completion = self.prompt_price or 0.0, self.completion_price or 0.0
        return (prompt_tokens * per_prompt + completion_tokens * per_completion) / 1e6


@dataclass(frozen=True)
class SandboxSpec:
    """The engine's settings for one container: CPUs, memory and pids; `runtime` None is the engine's default."""

    cpus: float = 1.0
    memory_mb: int = 512
    pids: int = 256
    disk_mb: int = 128
    runtime: str | None = None
    network: bool = False

    def __post_init__(self) -> None:
        if self.cpus <= 0 or self.memory_mb < 32 or self.pids < 16 or self.disk_mb < 8:
            raise ValueError("at least some cpus, memory_mb 32, pids 16 and disk_mb 8 are needed")


@dataclass(frozen=True)
class Task:
    """One task of a suite, as read from its folder; `digest` is the sha256 of all its files."""

    name: str
    folder: Path
    split: Split
    instruction: str
    difficulty: str
    digest: str
    agent_seconds: float
    verifier_seconds: float
    sandbox: SandboxSpec
    profile: SuiteProfile = SuiteProfile.STRICT
    verifier: VerifierMode = VerifierMode.ISOLATED


@dataclass(frozen=True)
class TaskImage:
    """A built image: its id, its working directory (absolute, never `/`) and its environment."""

    image: str
    workdir: str
    env: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScaffoldSource:
    """The exported files of one candidate, ready to be mounted: `folder` on the host, `entry` within it."""

    folder: Path
    entry: str
    image: str


@dataclass(frozen=True)
class TrialSpec:
    """Everything that one trial needs, picklable: a trial is a function of this value alone.

    `seed` depends on the run's seed, the task and the attempt, not on the candidate: two scaffolds compared on the
    same attempt share their luck. `task_id` is the opaque id that the scaffold sees. `owner` labels the containers, so
    that a sweep finds them. `replay_of`: answer from this recording instead of a model.
    """

    run: str
    candidate: str
    task: Task
    image: TaskImage
    scaffold: ScaffoldSource
    attempt: int
    seed: int
    model: ModelSpec
    limits: Limits
    sandbox: SandboxSpec
    folder: Path
    owner: str
    replay_of: Path | None = None

    @property
    def task_id(self) -> str:
        return opaque_id(self.run, self.task.name)

    @property
    def key(self) -> str:
        """Unique within a run; safe as a file name."""
        return trial_key(self.candidate, self.task.name, self.attempt)


@dataclass(frozen=True)
class StoredFile:
    """A compressed file beside the database: path relative to the runs folder, sha256 of its bytes."""

    path: str
    sha256: str


@dataclass(frozen=True)
class TrialResult:
    """One finished attempt. `reward` is in [0, 1] and None exactly for infrastructure errors."""

    candidate: str
    task: str
    split: Split
    attempt: int
    seed: int
    outcome: Outcome
    reward: float | None
    usage: Usage
    started_at: str
    seconds: float
    detail: str = ""
    trajectory: StoredFile | None = None
    recording: StoredFile | None = None
    cause: Cause = Cause.NONE
    verifier: VerifierMode = VerifierMode.ISOLATED
    fault: Fault = Fault.NONE

    def __post_init__(self) -> None:
        if self.fault is not Fault.NONE and self.outcome is not Outcome.INFRA_ERROR:
            raise ValueError(f"a fault belongs to infrastructure errors alone: {self.outcome}")
        if (self.reward is None) != (self.outcome is Outcome.INFRA_ERROR):
            raise ValueError(f"a reward belongs to every trial but infrastructure errors: {self.outcome}")
        if self.reward is not None and not 0.0 <= self.reward <= 1.0:
            raise ValueError(f"a reward is in [0, 1]: {self.reward}")

    @property
    def counts(self) -> bool:
        return self.outcome is not Outcome.INFRA_ERROR

    @property
    def key(self) -> str:
        """As of the spec that it came from."""
        return trial_key(self.candidate, self.task, self.attempt)


@dataclass(frozen=True)
class Candidate:
    """One scaffold commit. `round` 0 is the seed scaffold; `parent` is None for it alone."""

    commit: str
    round: int
    parent: str | None
    branch: str


@dataclass(frozen=True)
class FileEdit:
    """The new text of one file of the scaffold; None deletes it."""

    path: str
    text: str | None


@dataclass(frozen=True)
class Proposal:
    """Patch, hypothesis and predicted effect, as the proposing model gave them.

    `fixes`, `breaks`: the train tasks that it says will pass more often, or may pass less often. `note`: why it can't
    be used. `transcript`: the conversation that it came from. Where the loop itself proposes: `ablates`, the round
    whose patch it leaves out, or `merges`, the one whose candidate it merges into the tip.
    """

    hypothesis: str
    prediction: str
    edits: tuple[FileEdit, ...]
    usage: Usage = field(default_factory=Usage)
    note: str = ""
    ablates: int | None = None
    merges: int | None = None
    fixes: tuple[str, ...] = ()
    breaks: tuple[str, ...] = ()
    transcript: StoredFile | None = None

    @property
    def by_loop(self) -> bool:
        """Whether the loop itself proposes, not a model."""
        return self.ablates is not None or self.merges is not None


@dataclass(frozen=True)
class Lesson:
    """What a round taught, in words. `problem`: why the model's own words were not taken; "" where they were."""

    round: int
    text: str
    problem: str = ""
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True)
class Evidence:
    """What a decision rests on, in shares of the mean reward: the estimated effect of the patch, its standard error.

    `doubt`: the probability that the tip after this round is worse than the champion before it by over a point.
    """

    effect: float
    error: float
    doubt: float

    def __post_init__(self) -> None:
        if self.error < 0 or not 0 <= self.doubt <= 1:
            raise ValueError(f"an error is not negative, a doubt in [0, 1]: {self}")


@dataclass(frozen=True)
class Decision:
    """The gate's answer to one round, with its reason in one line.

    `fate` of what was stacked before, where the candidate itself is reverted: it may be promoted, or given up with it.
    """

    verdict: Verdict
    reason: str
    fate: StackFate = StackFate.OPEN
    evidence: Evidence | None = None

    def __post_init__(self) -> None:
        if self.fate is not StackFate.OPEN and self.verdict is not Verdict.REVERT:
            raise ValueError(f"{self.verdict} says itself what becomes of the stack, not {self.fate}")

    @property
    def crowns(self) -> bool:
        """Whether the run has another champion from here on."""
        return self.verdict in (Verdict.BASELINE, Verdict.KEEP) or self.fate is StackFate.PROMOTED


def stable_hash(*parts: object) -> int:
    """A 63-bit integer that depends on the parts alone: the source of all randomness."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def trial_key(candidate: str, task: str, attempt: int) -> str:
    return f"{candidate[:12]}-{task}-{attempt}"


def opaque_id(run: str, task: str) -> str:
    """The task's id as a scaffold sees it: stable within a run, and no hint of the task's name."""
    return hashlib.sha256(f"{run}\x1f{task}".encode()).hexdigest()[:12]
