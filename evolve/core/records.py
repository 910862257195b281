"""The records: frozen values that all packages share. No I/O, no decisions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Literal, Protocol

from evolve.core.instances import Instance
from evolve.core.launch import Launch
from evolve.core.reward_scale import RewardScale
from evolve.core.task_format import SandboxSpec as SandboxSpec
from evolve.core.task_format import SuiteProfile as SuiteProfile
from evolve.core.task_format import TaskFormat
from evolve.core.task_format import VerifierMode as VerifierMode

# What a token costs that a cache keeps for an hour, beside one with the usual lifetime (Anthropic: 2 to 1.25).
HOUR_PRICE = 1.6


class Split(StrEnum):
    """The part of the suite that a task belongs to.

    train: the proposer sees its trajectories. validation: its scores decide too. holdout: scored at start and end only.
    """

    TRAIN = "train"
    VALIDATION = "validation"
    HOLDOUT = "holdout"


class Outcome(StrEnum):
    """How a trial ended. INFRA_ERROR is retried, and never evidence about a candidate."""

    PASSED = "passed"
    FAILED = "failed"
    SCAFFOLD_ERROR = "scaffold_error"
    TIMEOUT = "timeout"
    BUDGET = "budget"
    INFRA_ERROR = "infra_error"


class Cause(StrEnum):
    """The container limit that a failed trial hit: memory (OOM) or the number of processes (PIDS)."""

    NONE = ""
    OOM = "oom"
    PIDS = "pids"


class Fault(StrEnum):
    """What failed in a trial that ended as an infrastructure error.

    ENDPOINT: the model's API. ACCOUNT: its key or quota, or it refuses what Evolve adds to requests, so waiting does
    not help. ENGINE: the container engine. DISK: the disk is full. CAP: nothing failed, a cap of the run was reached.
    GRADER: the tests gave no reward, on the untouched state neither, or on a state that can't be graded again. OTHER:
    anything else, also our own bugs.
    """

    NONE = ""
    ENDPOINT = "endpoint"
    ACCOUNT = "account"
    ENGINE = "engine"
    DISK = "disk"
    CAP = "cap"
    GRADER = "grader"
    OTHER = "other"


class Verdict(StrEnum):
    """The result of a round.

    REFUSED: no candidate was measured, because the guard refused the patch or there was no usable one.
    STACK: the next rounds build on the candidate, the champion stays.
    KEEP: the candidate becomes champion, with all patches stacked below it.
    """

    BASELINE = "baseline"
    KEEP = "keep"
    STACK = "stack"
    REVERT = "revert"
    REFUSED = "refused"


class StackFate(StrEnum):
    """What happened to the patches stacked on the champion, or to some of them (`Decision.back_to`).

    PROMOTED: the tip became champion. GIVEN_UP: it gave way to the champion, or to an earlier scaffold of the stack.
    """

    OPEN = "open"
    PROMOTED = "promoted"
    GIVEN_UP = "given_up"


# What of a trial's usage is paid for, unless it is reused.
PAID = ("calls", "prompt_tokens", "completion_tokens", "cost_usd")


@dataclass(frozen=True)
class Usage:
    """Model calls, tokens, US dollars, and commands run in the task container.

    `retries`: calls that failed without a fault of the caller and were repeated. `lost_seconds`: the time that these
    calls and the waits after them took. No other number includes them. `cached_tokens` and `cache_write_tokens`: how
    many of the prompt tokens the endpoint read from its cache, and wrote into it. `reused_...`: how much of calls,
    tokens and dollars were answers taken over from another trial: they count here, but nobody is paid for them. Their
    prompts count as read from no cache.
    """

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0
    commands: int = 0
    retries: int = 0
    lost_seconds: float = 0.0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reused_calls: int = 0
    reused_prompt_tokens: int = 0
    reused_completion_tokens: int = 0
    reused_cost_usd: float = 0.0

    def __post_init__(self) -> None:
        if min(vars(self).values()) < 0:
            raise ValueError(f"usage can't be negative: {self}")

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    @property
    def reused_tokens(self) -> int:
        return self.reused_prompt_tokens + self.reused_completion_tokens

    @property
    def paid(self) -> Usage:
        """The usage without what was reused: what the endpoint did."""
        parts = {name: getattr(self, name) - getattr(self, f"reused_{name}") for name in PAID}
        none = {f"reused_{name}": 0 for name in PAID}
        # Sums of dollars in another order may differ in their last digit.
        return replace(self, **{name: max(part, 0) for name, part in parts.items()}, **none)

    def as_reused(self) -> Usage:
        """The usage of a call whose answer is taken over."""
        reused = {f"reused_{name}": getattr(self, name) for name in PAID}
        return replace(self, cached_tokens=0, cache_write_tokens=0, **reused)

    def __add__(self, other: Usage) -> Usage:
        return Usage(**{name: mine + getattr(other, name) for name, mine in vars(self).items()})


@dataclass(frozen=True)
class Limits:
    """The budget of one trial. The first limit that is reached ends it."""

    calls: int = 80
    tokens: int = 400_000
    usd: float = 1.0
    seconds: float = 180.0
    max_tokens: int = 4096
    commands: int | None = None

    def __post_init__(self) -> None:
        amounts = (self.calls, self.tokens, self.seconds, self.max_tokens, self.commands)
        if any(amount is not None and amount <= 0 for amount in amounts) or self.usd < 0:
            raise ValueError(f"limits must be positive: {self}")


Api = Literal["chat", "responses", "messages"]


@dataclass(frozen=True)
class ModelSpec:
    """The model that answers, and how to call it.

    Attributes:
        name: The model's name. `embedded` without a `base_url` is the model in this process, which needs no key.
        key_variable: The host's environment variable that holds the API key. The key itself is never stored.
        prompt_price: US dollars per million tokens; None if unknown. So is `completion_price`.
        context_tokens: Size of the context window, prompt and answer together; None if unknown.
        stream: Fetch answers as a stream.
        text_tools: The model can't call tools: describe them in the prompt, and parse its calls from the text.
        keep_reasoning: Send the model's earlier reasoning back with the conversation.
        sampling: Parameters of every request that does not set them itself.
        api: The protocol of the endpoint: OpenAI's chat completions or Responses, or Anthropic's Messages.
        parameters: Pairs of a parameter's name in our requests and the endpoint's name for it; "" if it is never sent.
        extra_body: Fields that are added to each request, as the text of a JSON object; "" for none.
        headers: Pairs of name and value that are added to each request. They are stored, so they hold no key.
        effort: Value of `reasoning_effort` in each request; "" if it is not sent.
        answer_tokens: The most tokens that the endpoint lets an answer have; None if unknown.
        cached_price: US dollars per million prompt tokens read from the endpoint's cache; None: as `prompt_price`.
        cache_write_price: The same for tokens written into it.
        requests_per_minute: The most requests that the endpoint takes; None if unknown. So is `tokens_per_minute`.
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
    api: Api = "chat"
    parameters: tuple[tuple[str, str], ...] = ()
    extra_body: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    effort: str = ""
    answer_tokens: int | None = None
    cached_price: float | None = None
    cache_write_price: float | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None

    @property
    def embedded(self) -> bool:
        return self.name == "embedded" or self.name.startswith("embedded-")

    @property
    def in_process(self) -> bool:
        """Whether it is the embedded model, called without an endpoint."""
        return self.base_url is None and self.embedded

    @property
    def priced(self) -> bool:
        """Whether the cost in dollars is known: both prices are."""
        return self.prompt_price is not None and self.completion_price is not None

    @property
    def free(self) -> bool:
        """Whether both prices are zero."""
        return self.prompt_price == 0 and self.completion_price == 0

    def cost_usd(
        self,
        prompt_tokens: int,
        completion_tokens: int,
        cached_tokens: int = 0,
        cache_write_tokens: int = 0,
        hour_tokens: int = 0,
    ) -> float:
        """Return the cost of one call in US dollars; 0 if the prices are unknown.

        Args:
            cached_tokens: How many of the prompt tokens were read from the cache.
            cache_write_tokens: How many of them were written into it.
            hour_tokens: How many of the written ones stay there for an hour.
        """
        per_prompt, per_completion = self.prompt_price or 0.0, self.completion_price or 0.0
        per_cached = per_prompt if self.cached_price is None else self.cached_price
        per_write = per_prompt if self.cache_write_price is None else self.cache_write_price
        plain = prompt_tokens - cached_tokens - cache_write_tokens
        written = cache_write_tokens + (HOUR_PRICE - 1) * hour_tokens
        prompt = plain * per_prompt + cached_tokens * per_cached + written * per_write
        return (prompt + completion_tokens * per_completion) / 1e6

    def highest_cost_usd(self, prompt_tokens: int, completion_tokens: int, for_an_hour: bool = False) -> float:
        """Return the most that such a call can cost in US dollars, whatever the endpoint's cache does.

        Args:
            for_an_hour: Whether the request asks the cache to keep something for an hour.
        """
        prices = (self.prompt_price, self.cached_price, self.cache_write_price)
        per_prompt = max(price or 0.0 for price in prices) * (HOUR_PRICE if for_an_hour else 1)
        return (prompt_tokens * per_prompt + completion_tokens * (self.completion_price or 0.0)) / 1e6


@dataclass(frozen=True)
class Task:
    """One task of a suite, as read from its folder; `digest` is the sha256 of all its files.

    agent_seconds: None: unlimited. generates: each attempt has an instance of its own, made by the task's generator;
    instance: the one of this trial. format: all that the folder says beyond these fields; where a field says the same
    (`agent_seconds`, `verifier_seconds`, `verifier`, `sandbox`), the field is what holds. tags: its keywords, its
    category and the tags of its metadata.
    """

    name: str
    folder: Path
    split: Split
    instruction: str
    difficulty: str
    digest: str
    agent_seconds: float | None
    verifier_seconds: float
    sandbox: SandboxSpec
    profile: SuiteProfile = SuiteProfile.STRICT
    verifier: VerifierMode = VerifierMode.ISOLATED
    generates: bool = False
    instance: Instance | None = None
    format: TaskFormat = field(default_factory=TaskFormat)
    tags: tuple[str, ...] = ()

    @property
    def scale(self) -> RewardScale:
        """How the number that its tests write becomes a reward."""
        return self.format.reward or RewardScale()

    def as_instance(self, instance: Instance) -> Task:
        """The task with the files of an instance in the place of its own."""
        return replace(self, instance=instance, instruction=instance.instruction or self.instruction)


@dataclass(frozen=True)
class TaskImage:
    """An image that is ready to run: its name, its working directory (absolute) and its environment.

    Attributes:
        user: The image's own user; "": root.
        volumes: Folders that the image declares as volumes: they are no part of a container's file system.
        pinned: The digest of a `docker_image` in its registry, or its id if it came from none; "" for a built image.
        entrypoint: The image's own; it runs what comes after it, or services of the task.
        verifiers: Images of separate verifiers by the step's name, "" for the task itself; only those of their own.
        services: Images of the services beside it, by name.
    """

    image: str
    workdir: str
    env: tuple[str, ...] = ()
    user: str = ""
    volumes: tuple[str, ...] = ()
    pinned: str = ""
    verifiers: tuple[tuple[str, TaskImage], ...] = ()
    entrypoint: tuple[str, ...] = ()
    services: tuple[tuple[str, TaskImage], ...] = ()


@dataclass(frozen=True)
class ScaffoldSource:
    """The exported files of one candidate, ready to mount: `folder` on the host, `entry` within it.

    Attributes:
        entry: "" where `launch` has a command.
        image: Of the scaffold's own container, and of Evolve's helpers; it has Python.
        tools_image: The image whose tools an agent in the task's container gets; "" for none.
    """

    folder: Path
    entry: str
    image: str
    launch: Launch = field(default_factory=Launch)
    tools_image: str = ""


@dataclass(frozen=True)
class Grader:
    """The model that a task's tests may ask, and what they may use of it in one trial, however often they run.

    image: Of the container that leads to the gateway.
    """

    model: ModelSpec
    limits: Limits
    image: str


@dataclass(frozen=True)
class TrialSpec:
    """Everything that one trial needs. Picklable: a trial is a function of this value alone.

    Attributes:
        seed: Depends on the run's seed, the task and the attempt, but not on the candidate: two scaffolds compared
            on the same attempt share their luck.
        owner: Label of the containers, by which a sweep finds them.
        replay_of: Answer from this recording instead of a model.
        concurrency: The number of trials that run at once when it starts, itself included.
        instance_seed: What the task's generator is given; None: the task is used as it is.
        voided: How many tries of this trial ended in a fault of the endpoint before this one.
        ungraded: How many of them ended without a grade.
        judges_failures: With Harbor's defaults, judge also what a scaffold left that failed.
        small: The model that answers where the scaffold asks for a small one by its name; None: `model`.
        grader: What tests may ask; None: no model.
        grader_replay_of: In a replay, answer the tests from this recording; None: they had none.
        reuse_of: The recording of the parent's trial on this attempt, whose answers equal requests get; None: each
            request asks the model.
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
    concurrency: int = 1
    instance_seed: int | None = None
    voided: int = 0
    ungraded: int = 0
    judges_failures: bool = True
    small: ModelSpec | None = None
    grader: Grader | None = None
    grader_replay_of: Path | None = None
    reuse_of: StoredFile | None = None

    @property
    def models(self) -> tuple[ModelSpec, ...]:
        """The models that may answer the scaffold; no two have the same name."""
        return (self.model,) if self.small is None else (self.model, self.small)

    @property
    def task_id(self) -> str:
        """The opaque id that the scaffold sees; equal for the candidates that are compared on this attempt."""
        return opaque_id(self.run, self.task.name, self.attempt, self.seed)

    @property
    def key(self) -> str:
        """Unique within a run; safe as a file name."""
        return trial_key(self.candidate, self.task.name, self.attempt)


@dataclass(frozen=True)
class StoredFile:
    """A compressed file beside the database: its path relative to the runs folder, and the sha256 of its bytes."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Grading:
    """What the tests of a trial asked a model, apart from what the scaffold did. `model`: its name."""

    model: str
    usage: Usage
    recording: StoredFile | None = None


@dataclass(frozen=True)
class TrialCondition:
    """The conditions of one trial, which no candidate chooses: what may have drifted between two trials.

    Attributes:
        endpoint_models: The names under which the endpoint answered, distinct and sorted. So are `fingerprints`, its
            own marks of the version that answered (`system_fingerprint`).
        base_image: The id of the scaffold's image; "" without containers. So is `task_image`.
        concurrency: Number of trials that might run at once.
    """

    endpoint_models: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    base_image: str = ""
    task_image: str = ""
    concurrency: int = 1

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise ValueError(f"at least one trial runs at once: {self.concurrency}")


@dataclass(frozen=True)
class TrialResult:
    """One finished attempt. `reward` is in [0, 1], and None if and only if the infrastructure failed.

    `rewards`: the numbers that its tests wrote, by name, if there is more than the main one.
    `condition`: None if whatever ran the trial did not report it. `outage`: the endpoint's fault was one in which it
    answered nobody. `failed_gradings`: how many gradings of its state gave no reward. `state`: the state that could not
    be graded, if it was kept. `grading`: None if its tests asked no model. `own_seconds`: how long
    its scaffold ran without a call of the model in progress; None if that is unknown. `reuse`: whether it had the
    answers of its parent's trial; how many it took over is in `usage`.
    """

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
    condition: TrialCondition | None = None
    outage: bool = False
    failed_gradings: int = 0
    state: StoredFile | None = None
    rewards: tuple[tuple[str, float], ...] = ()
    grading: Grading | None = None
    own_seconds: float | None = None
    reuse: bool = False

    def __post_init__(self) -> None:
        if self.own_seconds is not None and self.own_seconds < 0:
            raise ValueError(f"a time can't be negative: {self.own_seconds}")
        if self.failed_gradings < 0:
            raise ValueError(f"a number of gradings can't be negative: {self.failed_gradings}")
        if self.state is not None and self.fault is not Fault.GRADER:
            raise ValueError(f"only a state that could not be graded is kept: {self.fault}")
        if self.outage and self.fault is not Fault.ENDPOINT:
            raise ValueError(f"an outage is a fault of the endpoint: {self.fault}")
        if self.fault is not Fault.NONE and self.outcome is not Outcome.INFRA_ERROR:
            raise ValueError(f"only infrastructure errors have a fault: {self.outcome}")
        if (self.reward is None) != (self.outcome is Outcome.INFRA_ERROR):
            raise ValueError(f"every trial except an infrastructure error has a reward: {self.outcome}")
        if self.reward is not None and not 0.0 <= self.reward <= 1.0:
            raise ValueError(f"a reward must be in [0, 1]: {self.reward}")
        if self.usage.reused_calls and not self.reuse:
            raise ValueError(f"no answers could be reused: {self.usage}")

    @property
    def files(self) -> tuple[StoredFile, ...]:
        """Its trajectory and its recordings, as far as there are any."""
        graders = self.grading.recording if self.grading else None
        return tuple(file for file in (self.trajectory, self.recording, graders) if file)

    @property
    def counts(self) -> bool:
        """Whether the trial is evidence about its candidate."""
        return self.outcome is not Outcome.INFRA_ERROR

    @property
    def key(self) -> str:
        """The key of its `TrialSpec`."""
        return trial_key(self.candidate, self.task, self.attempt)


class Scored(Protocol):
    """What of a trial a scaffold's scores are made of; the attributes are those of `TrialResult`."""

    @property
    def candidate(self) -> str: ...
    @property
    def task(self) -> str: ...
    @property
    def split(self) -> Split: ...
    @property
    def attempt(self) -> int: ...
    @property
    def outcome(self) -> Outcome: ...
    @property
    def reward(self) -> float | None: ...
    @property
    def verifier(self) -> VerifierMode: ...
    @property
    def fault(self) -> Fault: ...
    @property
    def outage(self) -> bool: ...
    @property
    def counts(self) -> bool: ...


@dataclass(frozen=True)
class Candidate:
    """One scaffold commit. `round` 0 is the seed scaffold, the only one whose `parent` is None."""

    commit: str
    round: int
    parent: str | None
    branch: str


@dataclass(frozen=True)
class FileEdit:
    """The new text of one scaffold file; None deletes the file."""

    path: str
    text: str | None


@dataclass(frozen=True)
class Proposal:
    """Patch, hypothesis and predicted effect, as the proposing model gave them.

    Attributes:
        note: Why the proposal can't be used; "" if it can.
        ablates: The round whose patch is left out, if the loop itself proposes that.
        merges: The round whose candidate is merged into the tip, if the loop itself proposes that.
        null_copy: The loop itself proposes an unchanged copy of the tip, to see how often the gate keeps one.
        fixes: Train tasks predicted to pass more often.
        breaks: Train tasks that may pass less often.
        transcript: The conversation that led to the proposal.
    """

    hypothesis: str
    prediction: str
    edits: tuple[FileEdit, ...]
    usage: Usage = field(default_factory=Usage)
    note: str = ""
    ablates: int | None = None
    merges: int | None = None
    null_copy: bool = False
    fixes: tuple[str, ...] = ()
    breaks: tuple[str, ...] = ()
    transcript: StoredFile | None = None

    @property
    def by_loop(self) -> bool:
        """Whether the loop itself made the proposal, not a model."""
        return self.ablates is not None or self.merges is not None or self.null_copy


@dataclass(frozen=True)
class Lesson:
    """What was learned from a round. `problem`: why the model's own text was rejected; "" if it was accepted."""

    round: int
    text: str
    problem: str = ""
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True)
class Evidence:
    """The evidence for a decision: the patch's effect on the mean reward against its parent's trials, and its error.

    `doubt`: the probability that the tip after this round is worse than the champion before it by over a point.
    """

    effect: float
    error: float
    doubt: float

    def __post_init__(self) -> None:
        if self.error < 0 or not 0 <= self.doubt <= 1:
            raise ValueError(f"an error can't be negative, and a doubt must be in [0, 1]: {self}")


@dataclass(frozen=True)
class Decision:
    """The gate's decision on one round, with a reason of one line.

    `fate`: if the candidate is reverted, what happens to the patches stacked before it. `back_to`: the round of the
    stack whose candidate is the tip again, before the fate is that of the tip; the patches after it are given up.
    `would_be`: of a null copy, the verdict that a patch with its trials would have got; it changes nothing.
    """

    verdict: Verdict
    reason: str
    fate: StackFate = StackFate.OPEN
    evidence: Evidence | None = None
    would_be: Verdict | None = None
    back_to: int | None = None

    def __post_init__(self) -> None:
        if self.would_be is not None and (self.verdict, self.fate) != (Verdict.REVERT, StackFate.OPEN):
            raise ValueError(f"a null copy changes nothing: {self.verdict}, {self.fate}")
        if self.would_be not in (None, Verdict.REVERT, Verdict.STACK, Verdict.KEEP):
            raise ValueError(f"no verdict on a measured patch: {self.would_be}")
        if self.fate is not StackFate.OPEN and self.verdict is not Verdict.REVERT:
            raise ValueError(f"only a reverted round has a fate of the stack: {self.verdict}, {self.fate}")
        if self.back_to is not None and (self.back_to < 1 or self.fate is StackFate.OPEN):
            raise ValueError(f"no round that a stack goes back to: {self.back_to}, {self.fate}")

    @property
    def accepts(self) -> bool:
        """Whether the round's candidate is the tip, before the stack's fate."""
        return self.verdict in (Verdict.BASELINE, Verdict.KEEP, Verdict.STACK)

    @property
    def crowns(self) -> bool:
        """Whether the run has a new champion after this round."""
        return self.verdict in (Verdict.BASELINE, Verdict.KEEP) or self.fate is StackFate.PROMOTED


def stable_hash(*parts: object) -> int:
    """Return a 63-bit integer that depends on the parts alone: the source of all randomness."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def trial_key(candidate: str, task: str, attempt: int) -> str:
    """Return the trial's key: unique within a run, and safe as a file name."""
    return f"{candidate[:12]}-{task}-{attempt}"


def grader_key(trial: str) -> str:
    """The ledger's name for what the tests of the trial with this key ask a model."""
    return f"grader of {trial}"


def opaque_id(run: str, task: str, attempt: int, seed: int) -> str:
    """Return a trial's id as its scaffold sees it: no hint of the task, nor of which other trials have the same one."""
    return f"{stable_hash('trial id', run, task, attempt, seed):016x}"
