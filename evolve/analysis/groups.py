"""Group the failed trials: by how they ended (one group each), and by patterns in what they did (any number).

The embedded model reads these texts by their words: change them only together with `evolve.embedded`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from evolve.analysis.features import Document, Features, features
from evolve.core.records import Cause, Outcome, TrialResult

EARLY, ALL = 0.6, 0.9
# The rest of a trial's detail may come from the verifier.
SPENT = re.compile(r"\bbudget( of \w+) was spent$")


class FailureKind(StrEnum):
    """How a failed trial ended: the first kind that fits. The value completes the sentence "N failed trials ..."."""

    CRASHED = "crashed"
    CONTEXT = "ended with context_length_exceeded: the conversation history grew too long for the context"
    RESOURCES = "met a limit of a container: memory or the number of processes"
    TIMEOUT = "ran out of time"
    BUDGET = "ran out of budget"
    ERROR = "ended with an error of the scaffold, without a traceback"
    NO_EDIT = "ended without a single edit"
    UNTESTED = "never ran the tests"
    EDITED_LAST = "never ran the tests after the last edit"
    TESTS_FAILED = "submitted although the tests failed"
    WRONG = "ended with the visible tests passing, yet the fix was wrong"


@dataclass(frozen=True)
class AnalysedTrial:
    """One trial with its trajectory and features. `label`: the proposer's label of its task."""

    result: TrialResult
    document: Document
    label: str
    features: Features

    @property
    def failed(self) -> bool:
        return self.result.outcome is not Outcome.PASSED

    @property
    def reference(self) -> str:
        """The proposer's name for this trial."""
        return f"{self.label}.{self.result.attempt}"


@dataclass(frozen=True)
class Group:
    """Failed trials that have something in common.

    Attributes:
        id: The name by which a prediction refers to the group.
        description: Completes the sentence "N failed trials ...".
        members: The trials.
        exclusive: The group is a way to end: a trial is in exactly one of these.
    """

    id: str
    description: str
    members: tuple[AnalysedTrial, ...]
    exclusive: bool

    @property
    def tasks(self) -> tuple[str, ...]:
        """The labels of the tasks, sorted."""
        return tuple(sorted({trial.label for trial in self.members}))

    @property
    def clearest(self) -> AnalysedTrial:
        """The member with the fewest model calls."""
        return min(self.members, key=lambda trial: (trial.features.model_calls, trial.reference))


def analyse_trials(trials: Iterable[tuple[TrialResult, Document]], labels: dict[str, str]) -> list[AnalysedTrial]:
    """Add features and labels to the trials. labels: by the task's name."""
    return [AnalysedTrial(result, document, labels[result.task], features(document)) for result, document in trials]


def ending(trial: AnalysedTrial) -> FailureKind:
    """Return how this failed trial ended."""
    result, seen = trial.result, trial.features
    signs = {
        FailureKind.CRASHED: bool(seen.crash),
        FailureKind.CONTEXT: "context_length_exceeded" in seen.error_codes[-1:],
        FailureKind.RESOURCES: result.cause is not Cause.NONE,
        FailureKind.TIMEOUT: result.outcome is Outcome.TIMEOUT,
        FailureKind.BUDGET: result.outcome is Outcome.BUDGET,
        FailureKind.ERROR: result.outcome is Outcome.SCAFFOLD_ERROR,
        FailureKind.NO_EDIT: not seen.edits,
        FailureKind.UNTESTED: not seen.test_runs,
        FailureKind.EDITED_LAST: seen.ended_after_edit,
        FailureKind.TESTS_FAILED: not seen.tests_passed_at_end,
    }
    return next((kind for kind, fits in signs.items() if fits), FailureKind.WRONG)


def groups(trials: Sequence[AnalysedTrial], call_limit: int) -> list[Group]:
    """Return all groups, the endings first, each kind by size. call_limit: model calls that a trial may make."""
    failed = [trial for trial in trials if trial.failed]
    by_ending: dict[FailureKind, list[AnalysedTrial]] = {}
    for trial in failed:
        by_ending.setdefault(ending(trial), []).append(trial)
    found = [(_describe_ending(kind, members), members, True) for kind, members in by_ending.items()]
    for description, fits in _patterns(failed, call_limit):
        if members := [trial for trial in failed if fits(trial.features)]:
            found.append((description, members, False))
    found.sort(key=lambda item: (not item[2], -len(item[1])))
    return [
        Group(f"G{number}", description, tuple(members), exclusive)
        for number, (description, members, exclusive) in enumerate(found, 1)
    ]


def _describe_ending(kind: FailureKind, members: Sequence[AnalysedTrial]) -> str:
    if kind is FailureKind.CRASHED:
        return f"{kind}: {_most_common(trial.features.crash for trial in members)}"
    if kind is FailureKind.BUDGET:
        return f"{kind}{_most_common(''.join(SPENT.findall(trial.result.detail)[:1]) for trial in members)}"
    return str(kind)


def _patterns(failed: Sequence[AnalysedTrial], call_limit: int) -> list[tuple[str, Callable[[Features], bool]]]:
    """Return each pattern's description, and a function that tells whether a trial shows it."""
    repeats = sum(trial.features.repeated_calls for trial in failed)
    return [
        (f"gave up early with budget left: stopped after few steps of the {call_limit} model calls allowed",
         lambda f: f.model_calls < call_limit * EARLY and not f.crash),
        ("spent the whole budget of model calls", lambda f: f.model_calls >= call_limit * ALL),
        (f"repeated an edit or action that had been tried before ({repeats} times)", lambda f: f.repeated_calls > 0),
        ("failed edits piled up: edits that did not help were not reverted",
         lambda f: f.edits > 2 and f.tests_passed_at_end is False),
        ("edited only files that no traceback of the tests names", lambda f: f.off_traceback),
        ("edited a file of the tests", lambda f: f.edited_tests),
        ("met a malformed tool call", lambda f: f.malformed_calls > 0),
        ("had an edit whose text was not found in the file", lambda f: f.not_found > 0),
        ("had tool output cut, so that the failure's detail was hidden", lambda f: f.cut_outputs > 0),
        ("had answers without a tool call", lambda f: f.plain_answers > 0),
        ("used several model calls for each run of the tests",
         lambda f: 2 * f.test_runs < f.model_calls and f.test_runs > 0),
    ]  # fmt: skip


def _most_common(texts: Iterable[str]) -> str:
    counts = Counter(text for text in texts if text)
    return counts.most_common(1)[0][0][:200] if counts else ""
