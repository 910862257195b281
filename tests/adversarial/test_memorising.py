"""A patch that memorises train tasks, in the real loop with simulated trials."""

from __future__ import annotations

from pathlib import Path

import pytest

from evolve.core.records import Split, TrialSpec, Verdict, stable_hash
from tests import test_loop
from tests.fakes import ScoringEvaluator
from tests.test_loop import RUN, opened, proposing, write_repository

SIZES = {Split.TRAIN: 28, Split.VALIDATION: 16, Split.HOLDOUT: 16}
SEEDS = range(20)
# Levels of patches: two that change nothing, one that memorises, one that really helps.
NOTHING, STILL_NOTHING, MEMORISES, HELPS = 2, 5, 3, 4
USUAL = {Split.TRAIN: 0.26, Split.VALIDATION: 0.42, Split.HOLDOUT: 0.28}
RATES = {
    MEMORISES: {Split.TRAIN: 0.98, Split.VALIDATION: 0.28, Split.HOLDOUT: 0.28},
    HELPS: {Split.TRAIN: 0.80, Split.VALIDATION: 0.90, Split.HOLDOUT: 0.80},
}


def by_chance(text: str, spec: TrialSpec) -> float:
    level = int(text.split("=")[1].split()[0])
    luck = stable_hash(level, spec.task.name, spec.seed) % 10_000 / 10_000
    return float(luck < RATES.get(level, USUAL)[spec.task.split])


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture(autouse=True)
def sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_loop, "NAMES", SIZES)


def kept(repository: Path, folder: Path, seed: int, generalise: bool, level: int) -> tuple[bool, bool, str]:
    """Whether round 1's patch was built upon, whether it became champion within three rounds, and why."""
    with opened(repository, folder) as made:
        evaluator = ScoringEvaluator(by_chance)
        model = proposing(level, NOTHING, STILL_NOTHING)
        # Both rules suspect such a patch.
        rules = {} if generalise else {"generalise": False, "jump": 0.0}
        run = made(model, evaluator, **rules, settings={"seed": seed})
        run.play(3)
        decision = run.store.rounds(RUN)[1].decision
        assert decision is not None
        return decision.verdict is not Verdict.REVERT, run.store.champion(RUN).round == 1, decision.reason


def test_a_memorising_patch_is_kept_on_no_seed(repository: Path, tmp_path: Path) -> None:
    for seed in SEEDS:
        taken, champion, reason = kept(repository, tmp_path / str(seed), seed, True, MEMORISES)
        assert not taken and not champion, (seed, reason)
        assert "only on train" in reason or "worse on validation" in reason


def test_without_the_rule_it_is_kept_on_most_seeds(repository: Path, tmp_path: Path) -> None:
    outcomes = [kept(repository, tmp_path / str(seed), seed, False, MEMORISES) for seed in SEEDS[:8]]
    assert sum(taken for taken, _, _ in outcomes) > 4
    assert any(champion for _, champion, _ in outcomes)


def test_a_patch_that_helps_everywhere_is_kept(repository: Path, tmp_path: Path) -> None:
    for seed in SEEDS[:5]:
        taken, _, reason = kept(repository, tmp_path / str(seed), seed, True, HELPS)
        assert taken, (seed, reason)
