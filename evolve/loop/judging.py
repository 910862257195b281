"""The gate at work: trials are run until it has decided. And the same decisions once more, from the rows."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TypeVar

from evolve import gate
from evolve.core.config import RunConfig
from evolve.core.errors import BadInput
from evolve.core.records import Candidate, Decision, Proposal, Split, StackFate, Verdict
from evolve.gate import Entrant, Judgement, NeedTrials, Standing, TaskSlot
from evolve.gate.aims import Aims
from evolve.gate.ruling import RuleMaker
from evolve.gate.settling import LAST_PASSES, Settled, compare, decisions_after, settle
from evolve.gate.standing import TrialsOf
from evolve.loop.measuring import Measurer, Parent
from evolve.store import RoundRow
from evolve.suite.tasks import Suite

Answer = TypeVar("Answer")
Texts = Callable[[str], Mapping[str, str]]


@dataclass(frozen=True)
class Patch:
    """A candidate that patches the tip. `smaller`: finds the share of the tip's text that it saves."""

    candidate: Candidate
    smaller: Callable[[], float]


class OtherDecisions(Exception):
    """The rows of a run hold other decisions than this version's gate takes."""


def task_slots(suite: Suite) -> tuple[TaskSlot, ...]:
    """The tasks that the gate may know: never the holdout."""
    tasks = suite.split(Split.TRAIN, Split.VALIDATION)
    return tuple(TaskSlot(task.name, task.split, task.difficulty, task.generates) for task in tasks)


def initial_standing(suite: Suite, config: RunConfig, seed: Candidate, begin: RuleMaker = gate.begin_rule) -> Standing:
    """The standing of a run whose seed scaffold has not been measured yet."""
    return gate.initial_standing(task_slots(suite), config.gate, seed, config.seed, begin, aims_of(suite, config))


def aims_of(suite: Suite, config: RunConfig) -> Aims:
    """What a run's patches must fulfil besides the rule."""
    in_usd = config.scaffold_priced and not config.free and config.limits.usd > 0
    return Aims(
        objective=config.objective,
        margin=config.cost_margin,
        max_cost_ratio=config.max_cost_ratio,
        max_seconds_ratio=config.max_seconds_ratio,
        protected=frozenset(protected_tasks(suite, config.protect)),
        protect_margin=config.protect_margin,
        error=config.keep_error,
        in_usd=in_usd,
        cost_limit=config.limits.usd if in_usd else config.limits.tokens,
    )


def protected_tasks(suite: Suite, protect: Sequence[str]) -> list[str]:
    """The tasks of train and validation that these names and tags name.

    Raises:
        BadInput: One of them names no task.
    """
    tasks, found = suite.split(Split.TRAIN, Split.VALIDATION), list[str]()
    for word in protect:
        named = [task.name for task in tasks if word == task.name or word in task.tags]
        if not named:
            raise BadInput(f"protect {word}", "is neither a task of train or validation nor a tag of one", "correct it")
        found += named
    return found


def measure_tip(measurer: Measurer, standing: Standing) -> Standing:
    """Run trials of the tip until it is known well enough.

    Returns:
        The standing with them.
    """
    while isinstance(answer := gate.learn_tip(standing, measurer.trials(standing.tip.commit)), NeedTrials):
        measurer.measure(answer.commits, answer.slots)
    return answer


def judge_challengers(measurer: Measurer, standing: Standing, patches: Sequence[Patch]) -> Judgement:
    """Run trials of the patches, and of the tip, until each patch is decided."""
    while isinstance(answer := _judge(standing, patches, measurer.trials), NeedTrials):
        measurer.measure(answer.commits, answer.slots, parent=Parent(standing.tip.commit, answer.shared))
    return answer


def settle_stack(measurer: Measurer, standing: Standing, passes: int) -> Settled:
    """Run trials of tip and champion side by side until it is decided what becomes of the stack, if they can tell.

    passes: How often all tasks are run at most.
    """
    while isinstance(answer := _settle(standing, measurer.trials, passes), NeedTrials):
        measurer.measure(answer.commits, answer.slots)
    return answer


def compare_ends(measurer: Measurer, standing: Standing) -> Standing:
    """Run a pass of tip and champion side by side, if they are to be compared; the next judgement draws on it."""
    while isinstance(answer := _compare(standing, measurer.trials), NeedTrials):
        measurer.measure(answer.commits, answer.slots)
    return answer


def _settle(standing: Standing, trials: TrialsOf, passes: int = LAST_PASSES) -> NeedTrials | Settled:
    return settle(standing, trials, passes)


def _compare(standing: Standing, trials: TrialsOf) -> NeedTrials | Standing:
    if not standing.compares:
        return standing
    return compare(standing, trials(standing.tip.commit), trials(standing.champion.commit))


def _judge(standing: Standing, patches: Sequence[Patch], trials: TrialsOf) -> NeedTrials | Judgement:
    if not patches:
        return Judgement((), replace(standing, waiting=(), idle=True))
    entrants = [Entrant(patch.candidate, trials(patch.candidate.commit), patch.smaller) for patch in patches]
    return gate.judge(standing, entrants, trials(standing.tip.commit))


def patch_of(texts: Texts, tip: Candidate, candidate: Candidate, proposal: Proposal) -> Patch:
    """A candidate with its share of text saved; a patch that is left out at no loss goes, whatever its size."""
    if proposal.ablates is not None:
        return Patch(candidate, lambda: 1.0)

    @functools.cache
    def smaller() -> float:
        before, after = (sum(map(len, texts(commit).values())) for commit in (tip.commit, candidate.commit))
        return 1 - after / before if before else 0.0

    return Patch(candidate, smaller)


def standing_of(run: str, standing: Standing, rows: Sequence[RoundRow], trials: TrialsOf, texts: Texts) -> Standing:
    """Decide the decided rounds once more, from their rows: so the standing need not be stored.

    A race of which one round is not decided is left out whole.

    Args:
        run: The run's name, for the error.
        standing: The standing after the first of the rows, such as the initial one.
        rows: The rounds from that one on.
        trials: Gives a commit's trials.
        texts: Gives a commit's text files.

    Raises:
        BadInput: The rows hold other decisions than this version's gate takes.
    """
    try:
        for race in decided_again(standing, rows, trials, texts):
            standing = race.after
    except OtherDecisions:
        problem, fix = "its decisions are not those of this version's gate", "start another run with --run new"
        raise BadInput(f"run {run}", problem, fix) from None
    return standing


@dataclass(frozen=True)
class DecidedRace:
    """A race whose patches were judged once more.

    `before`: the standing against which they were judged; `decisions`: on the rounds that were measured.
    """

    before: Standing
    after: Standing
    rounds: tuple[RoundRow, ...]
    decisions: tuple[tuple[RoundRow, Decision], ...]


def decided_again(
    standing: Standing, rows: Sequence[RoundRow], trials: TrialsOf, texts: Texts
) -> Iterator[DecidedRace]:
    """Decide each race of the decided rounds once more: see `standing_of`.

    Raises:
        OtherDecisions: The rows of the next race hold other decisions than this version's gate takes.
    """
    for _, race in groupby(rows[1:], lambda row: row.race):
        rounds = tuple(race)
        if any(row.decision is None for row in rounds):
            return
        standing = _answered(_compare(standing, trials))
        before = _answered(gate.learn_tip(standing, trials(standing.tip.commit)))
        standing, decisions = _judged(before, rounds, trials, texts)
        yield DecidedRace(before, standing, rounds, decisions)


def _judged(
    standing: Standing, rounds: Iterable[RoundRow], trials: TrialsOf, texts: Texts
) -> tuple[Standing, tuple[tuple[RoundRow, Decision], ...]]:
    """The standing after a race that is decided, and its decisions. A null copy changes nothing."""
    if not (patched := [row for row in rounds if not row.is_null_copy]):
        return standing, ()
    measured = [row for row in patched if row.decision and row.decision.verdict is not Verdict.REFUSED]
    patches = [
        patch_of(texts, standing.tip, row.candidate, row.proposal) for row in measured if row.candidate and row.proposal
    ]
    ruled = _answered(_judge(standing, patches, trials))
    stored = _outcomes([row.decision for row in measured if row.decision])
    if _outcomes(ruled.decisions) == stored:
        return ruled.standing, tuple(zip(measured, ruled.decisions, strict=True))
    settled = _answered(_settle(ruled.standing, trials))
    decisions = decisions_after(ruled.decisions, settled)
    if _outcomes(decisions) != stored:
        raise OtherDecisions
    return settled.standing, tuple(zip(measured, decisions, strict=True))


def _outcomes(decisions: Sequence[Decision]) -> list[tuple[Verdict, StackFate, int | None]]:
    return [(decision.verdict, decision.fate, decision.back_to) for decision in decisions]


def _answered(answer: NeedTrials | Answer) -> Answer:
    if isinstance(answer, NeedTrials):
        raise OtherDecisions
    return answer
