"""Format a calibration: noise floor, uninformative tasks, the smallest gain a run could detect, and its cost."""

from __future__ import annotations

from collections.abc import Sequence

from evolve.core.gate_config import GateConfig
from evolve.gate.calibrate import GAINS, Cost, Noise, Power

SHOWN_TASKS = 12


def calibration_lines(
    noise: Noise, power: Power, cost: Cost, rounds: int, priced: bool, gate: GateConfig | None = None
) -> list[str]:
    """The lines of a calibration. gate: of the run that it is made for; None: the usual one."""
    observed = "" if noise.seen is None else f"; observed over {noise.pairs} pairs of passes: {_points(noise.seen)}"
    lines = [
        f"score {100 * noise.score:.1f} % over {len(noise.rates)} tasks, {noise.attempts} attempts each",
        f"noise floor: the score of one pass over all tasks has a standard deviation of {_points(noise.one_pass)},",
        f"  the difference between two passes {_points(noise.difference)}{observed}",
        f"always passed: {_format_tasks(noise.always)}",
        f"never passed: {_format_tasks(noise.never)}",
        _format_rule(gate or GateConfig()),
        f"patches without effect: {100 * power.null:.0f} % built upon (not yet kept), after {power.trials:.0f} trials",
        f"smallest gain built upon with 80 % probability: {_format_smallest(power)}",
    ]
    usd = f", ${cost.usd:.2f}" if priced else ", cost unknown: the model has no prices"
    lines.append(f"{rounds} rounds: about {cost.trials:.0f} trials, {cost.time}{usd} (without proposals)")
    return lines


def _format_rule(gate: GateConfig) -> str:
    """The rule that was simulated, with the settings that are not the usual ones."""
    usual = GateConfig()
    changed = [f"{name}={value}" for name, value in gate if name != "rule" and value != getattr(usual, name)]
    return f"rule {gate.rule}" + (f" with {', '.join(changed)}" if changed else "") + ":"


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"


def _format_smallest(power: Power) -> str:
    return (
        f"above {_points(GAINS[-1])}, or the score is too high for one"
        if power.smallest is None
        else _points(power.smallest)
    )


def _format_tasks(tasks: Sequence[str]) -> str:
    shown = ", ".join(tasks[:SHOWN_TASKS]) + (" ..." if len(tasks) > SHOWN_TASKS else "")
    return f"{len(tasks)} tasks" + (f": {shown}" if tasks else "")
