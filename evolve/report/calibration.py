"""A calibration in words: the noise floor, the tasks that say nothing, what a run could show, what it would cost."""

from __future__ import annotations

from collections.abc import Sequence

from evolve.gate.calibrate import GAINS, Cost, Noise, Power

NAMED = 12


def calibration_lines(noise: Noise, power: Power, cost: Cost, rounds: int, priced: bool) -> list[str]:
    seen = "" if noise.seen is None else f"; seen over {noise.pairs} pairs of passes: {_points(noise.seen)}"
    lines = [
        f"score {100 * noise.score:.1f} % over {len(noise.rates)} tasks, {noise.attempts} attempts each",
        f"noise floor: one pass over all tasks scatters by {_points(noise.one_pass)} (standard deviation),",
        f"  the difference of two by {_points(noise.difference)}{seen}",
        f"always passed: {_named(noise.always)}",
        f"never passed: {_named(noise.never)}",
        f"patches that do nothing: {100 * power.null:.0f} % built upon (no keep yet), after {power.trials:.0f} trials",
        f"smallest gain built upon four times in five: {_smallest(power)}",
    ]
    usd = f", ${cost.usd:.2f}" if priced else ", dollars unknown: the model's prices are not given"
    lines.append(f"{rounds} rounds: about {cost.trials:.0f} trials, {cost.time}{usd} (proposals aside)")
    return lines


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"


def _smallest(power: Power) -> str:
    return f"above {_points(GAINS[-1])}, or no room" if power.smallest is None else _points(power.smallest)


def _named(tasks: Sequence[str]) -> str:
    shown = ", ".join(tasks[:NAMED]) + (" ..." if len(tasks) > NAMED else "")
    return f"{len(tasks)} tasks" + (f": {shown}" if tasks else "")
