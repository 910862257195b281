"""When a run stops before its last round, decided from its rows: a resumed run decides the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import takewhile

from evolve.core.errors import BadInput, RequestsRefused
from evolve.core.records import Outcome, Split, TrialResult
from evolve.core.text import last_line
from evolve.gate.expected import expected_gain
from evolve.gate.ruling import Rule
from evolve.loop.propose.answer import is_refused_by_endpoint
from evolve.store import RoundRow
from evolve.suite.tasks import Suite

MAX_REFUSED = 3
MAX_QUOTE = 300


class SeedStart(StrEnum):
    """What the seed scaffold's trials say about a search that starts from it. PASSES_ALL: there is nothing to gain."""

    PASSES_ALL = "passes_all"
    PASSES_SOME = "passes_some"
    PASSES_NONE = "passes_none"
    NO_WORK = "no_work"


def seed_start(trials: Iterable[TrialResult]) -> SeedStart:
    """What the trials of the seed scaffold say, those of train and validation that count.

    NO_WORK: it passes none, and none of them made a model call or a command, as far as is known.
    """
    judged = judged_trials(trials)
    if any(trial.outcome is Outcome.PASSED for trial in judged):
        return SeedStart.PASSES_ALL if all(trial.reward == 1 for trial in judged) else SeedStart.PASSES_SOME
    return SeedStart.NO_WORK if judged and not any(map(_worked, judged)) else SeedStart.PASSES_NONE


def _worked(trial: TrialResult) -> bool:
    """Whether a trial did anything; executors other than our own may record nothing."""
    unknown = trial.recording is None and trial.outcome is not Outcome.SCAFFOLD_ERROR
    return bool(trial.usage.calls or trial.usage.commands or unknown)


def judged_trials(trials: Iterable[TrialResult]) -> list[TrialResult]:
    """The trials by which rounds are decided."""
    return [trial for trial in trials if trial.counts and trial.split is not Split.HOLDOUT]


def refuse_crashing(where: str, trials: Iterable[TrialResult]) -> None:
    """Raise BadInput for a measured scaffold whose every trial ended by its own error, before it did anything."""
    counted = [trial for trial in trials if trial.counts]
    crashed = [one for one in counted if one.outcome is Outcome.SCAFFOLD_ERROR and not _worked(one)]
    if counted and len(crashed) == len(counted):
        problem = f"it made no model call and no command in any trial; {commonest_ending(counted)}"
        raise BadInput(where, problem, "make it start, then measure it again")


def seed_notice(trials: Sequence[TrialResult]) -> str:
    """What the user is told about the seed scaffold, in one line; "" for an ordinary one.

    Raises:
        BadInput: No trial did any work: no patch can be judged by its trials.
    """
    judged, start = judged_trials(trials), seed_start(trials)
    if start is SeedStart.NO_WORK:
        problem = f"no trial of the seed scaffold made a model call or a command; {commonest_ending(judged)}"
        raise BadInput("scaffold", problem, "make it start, then run it again")
    if start is SeedStart.PASSES_ALL:
        return (
            f"the seed scaffold passes all {len(judged)} trials, so no patch can be shown to be better: "
            "stopped after round 0; give the suite harder tasks"
        )
    if start is SeedStart.PASSES_NONE:
        return f"the seed scaffold passes none of {len(judged)} trials; the search starts from there"
    return ""


def validation_notice(suite: Suite) -> str:
    """The notice about a suite without validation tasks, one line; "" for any other."""
    if suite.split(Split.VALIDATION):
        return ""
    return "the suite has no validation tasks: nothing guards against patches that only memorise train tasks"


def pays_no_more(rule: Rule, played: int, least: float | None) -> str:
    """Why a run ends before its last round, in one line; "" if it goes on.

    Args:
        played: How many rounds are decided; without any the prior has learned nothing of the proposer.
        least: The gain of ten rounds below which they don't pay; None: they always do.
    """
    expected = None if least is None or not played else expected_gain(rule)
    if expected is None or least is None or expected >= least:
        return ""
    return (
        f"stopped after round {played}: ten more rounds are expected to gain {100 * expected:.1f} points at most, "
        f"less than {100 * least:g}"
    )


def commonest_ending(trials: Sequence[TrialResult]) -> str:
    """How most of these trials ended, in one line."""
    endings = Counter((trial.outcome, last_line(trial.detail)[:MAX_QUOTE]) for trial in trials)
    (outcome, detail), count = endings.most_common(1)[0]
    return f"{count} of {len(trials)} ended with {outcome}{f': {detail}' if detail else ''}"


def refused_in_a_row(rows: Iterable[RoundRow]) -> list[RoundRow]:
    """The latest rounds whose proposals the endpoint refused, without interruption, newest first.

    Rounds that the loop itself proposed say nothing about the endpoint.
    """
    asked = [row for row in rows if row.decision and row.proposal and not row.proposal.by_loop]
    return list(takewhile(lambda row: row.proposal and is_refused_by_endpoint(row.proposal), reversed(asked)))


def check_refusals(rows: Sequence[RoundRow], rounds: int) -> None:
    """Check that the endpoint takes the requests for proposals.

    Args:
        rows: The newest rounds so far, in order.
        rounds: How many the run is to have.

    Raises:
        RequestsRefused: It refused those of MAX_REFUSED rounds or more in a row.
    """
    refused = refused_in_a_row(rows)
    if len(refused) >= MAX_REFUSED:
        last = refused[0]
        again = "again" if rows[-1].number < rounds else f"with more than {rounds} rounds"
        reason = " ".join(last.proposal.note.split())[:MAX_QUOTE] if last.proposal else ""
        raise RequestsRefused(
            f"no proposal in {len(refused)} rounds in a row; in round {last.number} {reason}; "
            f"`evolve doctor` checks the endpoint; fix this, then run the same command {again} to resume"
        )
