"""Failed trials in groups: how each ended (one way each), and the patterns in what they did (any number)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from evolve.analysis.features import Document, Features, features
from evolve.core.records import Cause, Outcome, TrialResult

EARLY, ALL = 0.6, 0.9
# The rest of a trial's detail may be the verifier's.
SPENT = re.compile(r"\bbudget( of \w+) was spent$")


class FailureKind(StrEnum):
    """How a failed trial ended: the first that fits, from the top. The value is the end of a sentence about it."""

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
    """One trial with what was noted about it. `label`: of its task, as the proposer knows it."""

    trial: TrialResult
    document: Document
    label: str
    features: Features

    @property
    def failed(self) -> bool:
        return self.trial.outcome is not Outcome.PASSED

    @property
    def reference(self) -> str:
        """What the proposer calls this trial by."""
        return f"{self.label}.{self.trial.attempt}"


@dataclass(frozen=True)
class Group:
    """Failed trials that have something in common. `id`: what a prediction names; `words`: the end of a sentence."""

    id: str
    words: str
    members: tuple[AnalysedTrial, ...]
    exclusive: bool

    @property
    def tasks(self) -> tuple[str, ...]:
        """Labels, sorted."""
        return tuple(sorted({one.label for one in self.members}))

    @property
    def clearest(self) -> AnalysedTrial:
        """The member with the fewest model calls."""
        return min(self.members, key=lambda one: (one.features.model_calls, one.reference))


def analyse_trials(trials: Iterable[tuple[TrialResult, Document]], labels: dict[str, str]) -> list[AnalysedTrial]:
    """labels: by the task's name."""
    return [AnalysedTrial(trial, document, labels[trial.task], features(document)) for trial, document in trials]


def ending(one: AnalysedTrial) -> FailureKind:
    """How this failed trial ended."""
    trial, seen = one.trial, one.features
    facts = {
        FailureKind.CRASHED: bool(seen.crash),
        FailureKind.CONTEXT: "context_length_exceeded" in seen.error_codes[-1:],
        FailureKind.RESOURCES: trial.cause is not Cause.NONE,
        FailureKind.TIMEOUT: trial.outcome is Outcome.TIMEOUT,
        FailureKind.BUDGET: trial.outcome is Outcome.BUDGET,
        FailureKind.ERROR: trial.outcome is Outcome.SCAFFOLD_ERROR,
        FailureKind.NO_EDIT: not seen.edits,
        FailureKind.UNTESTED: not seen.test_runs,
        FailureKind.EDITED_LAST: seen.ended_after_edit,
        FailureKind.TESTS_FAILED: not seen.tests_passed_at_end,
    }
    return next((kind for kind, fits in facts.items() if fits), FailureKind.WRONG)


def groups(read: Sequence[AnalysedTrial], call_limit: int) -> list[Group]:
    """All that there are, the endings first, each kind by size. call_limit: model calls that a trial may make."""
    failed = [one for one in read if one.failed]
    ended: dict[FailureKind, list[AnalysedTrial]] = {}
    for one in failed:
        ended.setdefault(ending(one), []).append(one)
    found = [(_ending_words(kind, some), some, True) for kind, some in ended.items()]
    signs = [(words, [one for one in failed if fits(one.features)]) for words, fits in _signs(failed, call_limit)]
    found += [(words, some, False) for words, some in signs if some]
    found.sort(key=lambda item: (not item[2], -len(item[1])))
    return [Group(f"G{n}", words, tuple(some), alone) for n, (words, some, alone) in enumerate(found, 1)]


def _ending_words(kind: FailureKind, some: Sequence[AnalysedTrial]) -> str:
    if kind is FailureKind.CRASHED:
        return f"{kind}: {_commonest(one.features.crash for one in some)}"
    if kind is FailureKind.BUDGET:
        return f"{kind}{_commonest(''.join(SPENT.findall(one.trial.detail)[:1]) for one in some)}"
    return str(kind)


def _signs(failed: Sequence[AnalysedTrial], call_limit: int) -> list[tuple[str, Callable[[Features], bool]]]:
    """Patterns: the end of a sentence, and whether a trial shows it."""
    repeats = sum(one.features.repeated_calls for one in failed)
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


def _commonest(words: Iterable[str]) -> str:
    counts = Counter(word for word in words if word)
    return counts.most_common(1)[0][0][:200] if counts else ""
