"""Format a run's claim: what was compared, the difference with its interval, and earlier looks at the holdout."""

from __future__ import annotations

from collections.abc import Sequence

from evolve.core.coverage import Coverage
from evolve.core.escaping import plain
from evolve.gate.arms import ArmFigures
from evolve.gate.claim import Claim
from evolve.report.arms import arm_table
from evolve.report.gaps import gap_line, gap_warning, points
from evolve.report.standings import tip_lines
from evolve.report.validity import with_coverage
from evolve.runs.ends import scores_of_ends
from evolve.store import Store
from evolve.store.rows import LookRow

# The looks of a run by itself: at its seed and at its champion.
PLANNED_LOOKS = 2
MOST_LOOKS = 12


def claim_lines(
    run: str,
    model: str,
    claim: Claim,
    looks: Sequence[LookRow],
    covered: Sequence[Coverage] = (),
    more: Sequence[str] = (),
    arms: Sequence[ArmFigures] = (),
) -> list[str]:
    """The lines of a claim.

    Args:
        looks: all looks at this holdout that the database knows, by whichever run.
        covered: how many holdout attempts of the seed scaffold and of the champion could be graded.
        more: lines on what the run's numbers rest on.
        arms: what both cost, and how much of their work was the model's.
    """
    seed, champion = (
        with_coverage(f"{100 * mean:.1f} %", known)
        for mean, known in zip((claim.seed, claim.champion), covered or (Coverage(), Coverage()), strict=True)
    )
    lines = [
        f"run {run}, model {model}: seed scaffold against champion on {claim.tasks} holdout tasks, "
        f"{claim.trials} trials",
        f"  seed scaffold {seed}, champion {champion}",
        f"  difference {points(claim.difference)} points, 95 % interval {points(claim.low)} to {points(claim.high)}",
        f"  {claim.better} tasks better, {claim.worse} worse; exact paired test, two-sided: p = {claim.p_value:.3g}"
        + corrected_note(claim.p_corrected, claim.comparisons),
        *(arm_table(arms) if arms else ()),
        *_gap_lines(claim),
        *_drift_lines(claim),
        *_mode_lines(claim),
        *(f"  {plain(line)}" for line in more),
        *look_lines(looks, claim.comparisons),
    ]
    return lines


def print_null(store: Store, run: str) -> None:
    """Print that a run has nothing to claim, with its tip if a gain is held back."""
    rounds = store.rounds_in_brief(run)
    print("\n".join(null_lines(run, tip_lines(run, rounds, scores_of_ends(store, run, rounds)))))


def null_lines(run: str, tip: Sequence[str] = ()) -> list[str]:
    """That a run has nothing to claim, which is a result. tip: the lines on its tip, if it is not the champion."""
    held = ["  the gain of the tip is held back until it is proven, and no claim can be made of it"] if tip else []
    lines = [f"run {run}: the champion is still the seed scaffold, so there is no gain to claim", *held]
    return lines + [f"  {line}" for line in tip]


def corrected_note(p: float, comparisons: int) -> str:
    """The p-value corrected for several comparisons, after the plain one; "" for a single comparison."""
    return "" if comparisons == 1 else f", corrected for {comparisons} comparisons: p = {p:.3g}"


def look_lines(looks: Sequence[LookRow], comparisons: int) -> list[str]:
    """The looks at a holdout, the latest of many, and what is corrected for."""
    lines = [f"  looks at the holdout: {len(looks)}"]
    if left_out := len(looks) - len(looks[-MOST_LOOKS:]):
        lines.append(f"    {left_out} earlier ones")
    lines += [f"    {plain(' '.join(_look_words(look)))}" for look in looks[-MOST_LOOKS:]]
    if len(looks) > PLANNED_LOOKS or comparisons > 1:
        many = "1 comparison, so nothing is" if comparisons == 1 else f"{comparisons} comparisons, so all are"
        lines.append(f"  more looks than a run makes by itself, {many} corrected for choosing among them (Bonferroni)")
    return lines


def _look_words(look: LookRow) -> list[str]:
    return [look.looked_at, *([look.run] if look.run else []), look.commit[:12], look.why]


def _gap_lines(claim: Claim) -> list[str]:
    if claim.gap is None:
        return []
    return [f"  champion {gap_line(claim.gap)}", *(f"  {line}" for line in gap_warning(claim.gap))]


def _mode_lines(claim: Claim) -> list[str]:
    if not claim.weaker:
        return []
    return [
        f"  verifier: {', '.join(claim.weaker)}: tests ran in the agent's own container, where what it left may "
        "have changed their result"
    ]


def _drift_lines(claim: Claim) -> list[str]:
    if not claim.drifted:
        return []
    seed, champion = (plain(", ".join(answers)) for answers in (claim.seed_answers, claim.champion_answers))
    return [
        f"  the endpoint answered the seed scaffold as {seed}, and the champion as {champion}: "
        "the difference may be the model's"
    ]
