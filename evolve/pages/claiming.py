"""What a run may claim, in one sentence: proven, not shown, held back, or nothing yet; and what to do next."""

from __future__ import annotations

from evolve.core.coverage import Coverage
from evolve.core.errors import BadInput
from evolve.core.records import Split
from evolve.gate.claim import Claim
from evolve.pages.claim_views import ClaimState, ClaimView
from evolve.pages.run_views import RunView
from evolve.pages.wording import with_interval
from evolve.report.claims import corrected_note
from evolve.report.gaps import points
from evolve.runs.results import claim_of, fresh_coverage, suite_looks
from evolve.store import LookRow, Store

CERTAIN = 0.05
MORE_ROUNDS = 10
DECIDING = (Split.TRAIN, Split.VALIDATION)


def claim_view(store: Store, run: RunView) -> ClaimView:
    """The claim of a run, from its own trials. Nothing is measured."""
    looks = tuple(suite_looks(store, run.id))
    if run.champion is None or run.seed is None:
        return _undecided(run)
    if run.champion.round == 0:
        return _held_back(run, looks) if run.holds_back else _no_gain(run, looks)
    covered = tuple(
        fresh_coverage(store, run.id, one.candidate, run.config)[Split.HOLDOUT] for one in (run.seed, run.champion)
    )
    try:
        return _claimed(run, claim_of(store, run.id), covered, looks)
    except BadInput:
        return _unmeasured(run, looks)


def _undecided(run: RunView) -> ClaimView:
    return ClaimView(
        ClaimState.UNDECIDED,
        "Nothing can be claimed yet: the seed scaffold has not been measured.",
        commands=((f"evolve run --run {run.id}", "resume the run"),),
    )


def _no_gain(run: RunView, looks: tuple[LookRow, ...]) -> ClaimView:
    many = "1 round" if run.verdicts.rounds == 1 else f"{run.verdicts.rounds} rounds"
    yet = "" if run.ended else " yet"
    return ClaimView(
        ClaimState.NO_GAIN,
        f"No gain to claim{yet}: after {many} the champion is still the seed scaffold.",
        commands=(_search_on(run),),
        looks=looks,
    )


def _search_on(run: RunView) -> tuple[str, str]:
    if run.ended is None:
        return f"evolve run --run {run.id}", "resume the run, if no process is working on it"
    return f"evolve run --run {run.id} --rounds {run.newest + MORE_ROUNDS}", "search on"


def _held_back(run: RunView, looks: tuple[LookRow, ...]) -> ClaimView:
    many = "1 patch is" if run.stacked == 1 else f"{run.stacked} patches are"
    return ClaimView(
        ClaimState.HELD_BACK,
        f"A gain is held back: {many} stacked on the seed scaffold, not yet proven better than it."
        if tip_leads(run)
        else f"No gain is shown: {many} stacked on the seed scaffold, and the tip does not score higher yet.",
        detail=(_tip_sentence(run),),
        commands=_tip_commands(run),
        looks=looks,
    )


def tip_leads(run: RunView) -> bool:
    """Whether the tip scores higher than the champion on the splits that both have, on trials that chose neither."""
    if run.tip is None or run.champion is None:
        return False
    pairs = [(run.tip.scores.get(split), run.champion.scores.get(split)) for split in DECIDING]
    return sum(tip.mean - champion.mean for tip, champion in pairs if tip and champion) > 0


def _unmeasured(run: RunView, looks: tuple[LookRow, ...]) -> ClaimView:
    assert run.champion is not None
    return ClaimView(
        ClaimState.UNMEASURED,
        f"The champion of round {run.champion.round} is not yet compared with the seed scaffold on the holdout.",
        detail=(*_stacked_sentences(run),),
        commands=((f"evolve run --run {run.id}", "let the run end: it then measures both side by side"),),
        looks=looks,
    )


def _claimed(run: RunView, claim: Claim, covered: tuple[Coverage, ...], looks: tuple[LookRow, ...]) -> ClaimView:
    assert run.champion is not None
    certain = claim.p_corrected < CERTAIN and claim.difference > 0
    verb = "beats" if certain else "is not shown to beat"
    return ClaimView(
        ClaimState.CLAIMED,
        f"The champion of round {run.champion.round} {verb} the seed scaffold on the holdout: "
        f"{points(claim.difference)} points (95 % interval {points(claim.low)} to {points(claim.high)}).",
        certain=certain,
        detail=(
            f"{claim.tasks} tasks that no decision used, {claim.trials} trials; {claim.better} tasks better, "
            f"{claim.worse} worse; exact paired test, two-sided: p = {claim.p_value:.3g}"
            + corrected_note(claim.p_corrected, claim.comparisons)
            + ".",
            *_drift_sentences(claim),
            *_stacked_sentences(run),
        ),
        commands=(
            (f"evolve adopt {run.id}", "put the champion's changes on a branch of your repository"),
            (f"evolve claim {run.id} --against seed --against best-of-k", "measure again, in fresh trials"),
            *(_tip_commands(run)[:1] if run.holds_back else ()),
        ),
        claim=claim,
        coverage=covered,
        looks=looks,
    )


def _drift_sentences(claim: Claim) -> list[str]:
    if not claim.drifted:
        return []
    seed, champion = (", ".join(answers) for answers in (claim.seed_answers, claim.champion_answers))
    return [
        f"The endpoint answered the seed scaffold as {seed} and the champion as {champion}: "
        "the difference may be the model's."
    ]


def _stacked_sentences(run: RunView) -> list[str]:
    if not run.holds_back:
        return []
    many = "1 more patch is" if run.stacked == 1 else f"{run.stacked} more patches are"
    return [f"{many} stacked on the champion, not yet proven better than it. {_tip_sentence(run)}"]


def _tip_sentence(run: RunView) -> str:
    assert run.tip is not None and run.champion is not None
    name = "the champion" if run.champion.round else "the seed scaffold"
    pairs = {split: [with_interval(one.scores.get(split)) for one in (run.tip, run.champion)] for split in DECIDING}
    parts = [f"{own} on {split} ({name}: {other})" for split, (own, other) in pairs.items()]
    return f"The tip, of round {run.tip.round}, scores {' and '.join(parts)}, on trials that did not choose it."


def _tip_commands(run: RunView) -> tuple[tuple[str, str], ...]:
    return (
        (f"evolve adopt {run.id} --tip", "take the tip over all the same"),
        _search_on(run),
    )
