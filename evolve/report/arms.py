"""Format the figures of scaffolds that are compared, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from evolve.core.escaping import plain
from evolve.gate.arms import ArmFigures


def arm_table(arms: Sequence[ArmFigures]) -> list[str]:
    """Lines with a row for each scaffold: score, cost of an attempt and of a success, commands, time."""
    cells = [HEADER, *(_row(arm) for arm in arms)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEADER))]
    return ["  " + "  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in cells]


HEADER = (
    "scaffold", "score", "all attempts", "pass@k", "tokens/attempt", "$/attempt", "tokens/solved", "$/solved",
    "commands", "seconds", "without model",
)  # fmt: skip


def _row(arm: ArmFigures) -> tuple[str, ...]:
    return (
        plain(arm.name),
        percent_or_dash(arm.mean),
        percent_or_dash(arm.every),
        percent_or_dash(arm.at_best),
        f"{arm.tokens:.0f}",
        f"{arm.usd:.4f}" if arm.usd else "-",
        "-" if arm.tokens_per_solved is None else f"{arm.tokens_per_solved:.0f}",
        f"{arm.usd_per_solved:.4f}" if arm.usd_per_solved else "-",
        f"{arm.commands:.1f}",
        f"{arm.seconds:.1f}",
        "-" if arm.own_seconds is None else f"{arm.own_seconds:.1f}",
    )


def arm_facts(arm: ArmFigures) -> dict[str, Any]:
    """What `--json` has of a scaffold's figures."""
    facts = {field.name: getattr(arm, field.name) for field in fields(arm) if field.name != "rewards"}
    return {**facts, "tokens_per_solved": arm.tokens_per_solved, "usd_per_solved": arm.usd_per_solved}


def percent_or_dash(share: float | None) -> str:
    """A share in per cent; a dash if it is not known."""
    return "-" if share is None else f"{100 * share:.1f} %"
