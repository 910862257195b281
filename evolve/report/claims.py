"""Format a run's claim: what was compared, the difference with its interval, and earlier looks at the holdout."""

from __future__ import annotations

from collections.abc import Sequence

from evolve.core.coverage import Coverage
from evolve.core.escaping import plain
from evolve.gate.claim import Claim
from evolve.report.gaps import gap_line, gap_warning, points
from evolve.report.validity import with_coverage
from evolve.store.rows import LookRow

PLANNED_LOOKS = 2


def claim_lines(
    run: str,
    model: str,
    claim: Claim,
    looks: Sequence[LookRow],
    covered: Sequence[Coverage] = (),
    more: Sequence[str] = (),
) -> list[str]:
    """The lines of a claim.

    Args:
        looks: all looks at this run's holdout; more than the two that a run makes by itself cause a warning.
        covered: how many holdout attempts of the seed scaffold and of the champion could be graded.
        more: lines on what the run's numbers rest on.
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
        f"  {claim.better} tasks better, {claim.worse} worse; exact paired test, two-sided: p = {claim.p_value:.3g}",
        *_gap_lines(claim),
        *_drift_lines(claim),
        *_mode_lines(claim),
        *(f"  {plain(line)}" for line in more),
        f"  looks at the holdout: {len(looks)}",
    ]
    lines += [f"    {plain(look.looked_at)} {look.commit[:12]} {plain(look.why)}" for look in looks]
    if len(looks) > PLANNED_LOOKS:
        lines.append(
            "  more looks than a run makes by itself: interval and p are not corrected for choosing among them"
        )
    return lines


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
