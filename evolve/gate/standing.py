"""The gate over named tasks, trials and candidates: a run's standing, and the values that decisions are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from evolve.core.attempts import first_attempt, first_attempt_again
from evolve.core.errors import BadInput
from evolve.core.gate_config import RULE_VERSION, GateConfig
from evolve.core.records import Candidate, Decision, Split, StackFate, TrialResult, stable_hash
from evolve.gate.aims import Aims
from evolve.gate.epochs import Epochs
from evolve.gate.greedy import Greedy
from evolve.gate.plan import Part, SuitePlan, plan
from evolve.gate.population import Population
from evolve.gate.prior import Floats
from evolve.gate.ruling import Rule, RuleMaker, Ruling
from evolve.gate.select import STRATEGIES
from evolve.gate.stack_rule import StackRule
from evolve.gate.voids import Slot, slot_of

Trials = Mapping[Slot, TrialResult]
# All trials of a commit.
TrialsOf = Callable[[str], Sequence[TrialResult]]


@dataclass(frozen=True)
class TaskSlot:
    """A task as the gate sees it. `generates`: each attempt has an instance of its own."""

    name: str
    split: Split
    difficulty: str
    generates: bool = False


@dataclass(frozen=True)
class NeedTrials:
    """The slots (task, attempt) on which each of the commits needs a trial next, unless it had one.

    `shared`: those on which the rule knows the tip's trial, so that challengers share the tip's answers there.
    """

    commits: tuple[str, ...]
    slots: tuple[Slot, ...]
    shared: tuple[Slot, ...] = ()


@dataclass(frozen=True)
class Entrant:
    """A candidate that patches the tip, with all its trials.

    smaller: the share of the tip's size that it saves, or what finds that out: only ties need it. own_attempts: it runs
    on attempts of its own, not the tip's.
    """

    candidate: Candidate
    trials: Sequence[TrialResult]
    smaller: float | Callable[[], float] = 0.0
    own_attempts: bool = False

    def first(self, standing: Standing) -> int:
        """The first of the attempts on which it is judged."""
        return first_attempt(self.candidate) + standing.epoch_first if self.own_attempts else standing.first


@dataclass(frozen=True)
class Standing:
    """Champion and tip of a run (the tip may have patches stacked on the champion), and the evidence on both.

    `tasks`: in the order of the rule's arrays; `taken`: all that were ever built upon, the seed first; `waiting`: what
    fell behind the tip in the last race but deserved more trials, and is merged into it next; `aims`: what else a
    patch must fulfil; `epochs`: what answered the trials so far; `idle`: the last race had no patch.
    """

    tasks: tuple[TaskSlot, ...]
    rule: Rule
    champion: Candidate
    tip: Candidate
    taken: tuple[Candidate, ...]
    waiting: tuple[Candidate, ...] = ()
    aims: Aims = field(default_factory=Aims)
    epochs: Epochs = field(default_factory=Epochs)
    idle: bool = False

    @property
    def first(self) -> int:
        """The first of the attempts on which the tip meets its challengers; a population shares the first ones."""
        return 0 if self.rule.settings.rule in STRATEGIES else first_attempt(self.tip) + self.epoch_first

    @property
    def epoch_first(self) -> int:
        """The first attempt of this epoch, counted from the first one."""
        return self.rule.seeds.first if isinstance(self.rule, StackRule) else 0

    @property
    def compares(self) -> bool:
        """Whether tip and champion run side by side before the next race."""
        return self.idle or (isinstance(self.rule, StackRule) and self.rule.wants_comparison())

    def with_trials(self, trials: Sequence[TrialResult]) -> Standing:
        """The standing that knows what answered these trials, in a new epoch if that is something new."""
        begins = isinstance(self.rule, StackRule) and self.epochs.begins_with(trials)
        rule = self.rule.in_new_epoch() if begins and isinstance(self.rule, StackRule) else self.rule
        return replace(self, rule=rule, epochs=self.epochs.with_trials(trials))

    def to_merge(self, number: int) -> tuple[Candidate, ...]:
        """The candidates that the rounds from this one on should merge into the tip."""
        every = self.rule.settings.merge_every
        if not isinstance(self.rule, Population) or not every or number % every:
            return self.waiting
        other = self.rule.other_branch()
        return () if other is None else (self.taken[other],)

    def slots(self, part: Part, candidate: Candidate, first: int | None = None) -> tuple[Slot, ...]:
        """The part's tasks, on the tip's attempts, on those from `first` on, or on the candidate's own."""
        first = first_attempt_again(candidate) if part.again else self.first if first is None else first
        return tuple((self.tasks[index].name, first + part.attempt) for index in part.tasks)

    @property
    def line(self) -> tuple[Candidate, ...]:
        """The scaffolds from champion to tip: each of the others patches the one before."""
        by_commit, found = {one.commit: one for one in self.taken}, [self.tip]
        while len(found) <= self.rule.stacked:
            parent = found[-1].parent
            assert parent is not None
            found.append(by_commit[parent])
        return tuple(reversed(found))

    def after(self, ruling: Ruling, candidate: Candidate) -> Standing:
        taken = (*self.taken, candidate) if ruling.taken else self.taken
        tip = candidate if ruling.taken else self.tip
        tip = self.line[ruling.left] if ruling.fate is StackFate.GIVEN_UP else tip
        champion = tip if ruling.fate is StackFate.PROMOTED else self.champion
        tip = tip if ruling.tip is None else taken[ruling.tip]
        return replace(self, rule=ruling.rule, champion=champion, tip=tip, taken=taken, waiting=(), idle=False)


@dataclass(frozen=True)
class Judgement:
    """The decision on each entrant, and the standing after all of them."""

    decisions: tuple[Decision, ...]
    standing: Standing


def begin_rule(settings: GateConfig, plan: SuitePlan, salt: int) -> Rule:
    """The rule of this name. Raises BadInput if it is a plug-in's, or of another version than this one."""
    if settings.rule in STRATEGIES:
        return Population(settings, plan, salt)
    if settings.rule == "greedy":
        return Greedy(settings, plan)
    if settings.rule == "evolve":
        _check_version(settings)
        return StackRule.begin(settings, plan, salt)
    raise BadInput("gate.rule", f"there is no rule `{settings.rule}` here", "install or pass the plug-in")


def _check_version(settings: GateConfig) -> None:
    if settings.version != RULE_VERSION:
        problem = f"the run began under version {settings.version} of the rule, and this Evolve has {RULE_VERSION}"
        raise BadInput("gate.version", problem, "finish it with the Evolve that began it, or use --run new")


def initial_standing(
    tasks: Iterable[TaskSlot],
    settings: GateConfig,
    seed: Candidate,
    salt: int = 0,
    begin: RuleMaker = begin_rule,
    aims: Aims | None = None,
) -> Standing:
    """The standing at the start. The order of the suite's tasks does not matter; `salt`: for random choices."""
    ordered = sorted(tasks, key=lambda task: (task.difficulty, stable_hash(task.name)))
    train = [index for index, task in enumerate(ordered) if task.split is Split.TRAIN]
    validation = [index for index, task in enumerate(ordered) if task.split is Split.VALIDATION]
    # Fresh attempts of a fixed train task show nothing new: its proposer has seen all of it.
    new = [index for index, task in enumerate(ordered) if task.generates or task.split is Split.VALIDATION]
    again = new if settings.jump else ()
    stages = plan(train[::2], train, validation, settings.passes, again, settings.stage_trials)
    return Standing(tuple(ordered), begin(settings, stages, salt), seed, seed, (seed,), aims=aims or Aims())


def by_slot(trials: Sequence[TrialResult]) -> Trials:
    """The trials that count."""
    return {(trial.task, trial.attempt): trial for trial in trials if trial.counts}


def rewards_of(standing: Standing, shown: Trials, first: int, passes: int) -> Floats:
    """Rewards of a scaffold, passes x tasks, NaN where there is no trial. `first`: the attempt of the first pass."""
    rewards = np.full((passes, len(standing.tasks)), np.nan)
    places = {task.name: index for index, task in enumerate(standing.tasks)}
    for (task, attempt), trial in shown.items():
        rewards[attempt - first, places[task]] = trial.reward
    return rewards


def tip_slots(standing: Standing, tip: Sequence[TrialResult]) -> set[Slot]:
    """The slots on which the tip has been run so far for decisions: as a challenger, and then for its own level."""
    shared = standing.rule.settings.attempts if standing.rule.settings.rule in STRATEGIES else 0
    end, places = standing.first + shared, {task.name: index for index, task in enumerate(standing.tasks)}
    asked = {
        (standing.tasks[index].name, standing.first + attempt)
        for attempt, rewards in enumerate(standing.rule.own)
        for index in np.flatnonzero(~np.isnan(rewards))
    }
    slots = {slot_of(trial) for trial in tip if trial.counts and trial.task in places}
    return {slot for slot in slots if slot[1] < end or slot in asked}
