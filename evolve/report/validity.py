"""Format what a run's numbers rest on: whether it is valid, and how its tests ran."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evolve.core.coverage import Coverage
from evolve.core.records import VerifierMode
from evolve.core.validity import Validity

MEANINGS = {
    VerifierMode.SHARED: "the tests ran in the agent's container after its own processes",
    VerifierMode.LIVE: "the tests ran beside the agent's processes",
}


def validity_lines(validity: Validity, weak: Mapping[VerifierMode, int]) -> list[str]:
    """One line on the run, and one for each verifier mode that is weaker than `isolated`."""
    lines = [f"verifier: {mode} in {_tasks(count)} ({MEANINGS[mode]})" for mode, count in weak.items()]
    return [f"run: {validity}", *lines]


def network_lines(networks: Mapping[str, int] | None) -> list[str]:
    """One line on the tasks that have a network, by its mode; None if an older version stored nothing."""
    counts = [f"{mode} in {_tasks(count)}" for mode, count in sorted((networks or {}).items())]
    return [f"network: {', '.join(counts)}"] if counts else []


def validity_facts(validity: Validity, weak: Mapping[VerifierMode, int]) -> dict[str, Any]:
    """The same for JSON."""
    facts = {"valid": validity.valid, "invalid_because": list(validity.reasons)}
    return {**facts, "weaker_verifiers": {str(mode): count for mode, count in weak.items()}}


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"


def with_coverage(score: str, covered: Coverage) -> str:
    """A score such as `98.0 % (± 5.1 points)` with its coverage behind it."""
    if not covered.planned:
        return score
    begin = f"{score[:-1]}; " if score.endswith(")") else f"{score} ("
    return f"{begin}{covered} graded)"
