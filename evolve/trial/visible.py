"""What can be seen of a trial's success without its verdict. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any

from evolve.core.records import Outcome

# Commands that run tests, whatever the language.
TESTS = re.compile(
    r"\b(pytest|unittest|nosetests|tox|nox|doctest|jest|vitest|mocha|rspec|phpunit|ctest|run_tests?|runtests?|"
    r"(npm|yarn|pnpm|bun|deno|go|cargo|make|mvn|gradlew?|dotnet|mix|swift|zig|stack|cabal|bundle exec rake)"
    r"\s+(run\s+)?(test|check)s?)\b"
)
# Outcomes of trials in which the scaffold came to its own end: the verdict makes the one or the other of it.
ENDED = (Outcome.PASSED, Outcome.FAILED)


class Evidence(IntEnum):
    """How good a trial looks, the best last. The verdict has no part in it.

    CUT_OFF: it was ended by a limit or an error. TESTS_FAIL: the last tests that it ran itself failed. NO_TESTS: it ran
    none. TESTS_PASS: the last ones passed.
    """

    CUT_OFF = 0
    TESTS_FAIL = 1
    NO_TESTS = 2
    TESTS_PASS = 3


def visible_evidence(outcome: Outcome, events: Iterable[Mapping[str, Any]]) -> Evidence:
    """How good a trial looks, by how it ended and its recording."""
    if outcome not in ENDED:
        return Evidence.CUT_OFF
    statuses = [event.get("exit_code") for event in events if event.get("kind") == "run" and _runs_tests(event)]
    if not statuses:
        return Evidence.NO_TESTS
    return Evidence.TESTS_PASS if statuses[-1] == 0 else Evidence.TESTS_FAIL


def _runs_tests(event: Mapping[str, Any]) -> bool:
    return TESTS.search(str(event.get("command", ""))) is not None
