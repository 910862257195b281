"""A patch that memorises train tasks: the real loop with simulated trials on 28 train, 16 validation, 16 holdout tasks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from evolve.core.records import Split, TrialSpec, Verdict, stable_hash
from tests import test_loop
from tests.fakes import ScoringEvaluator
from tests.test_loop import RUN, Run, opened, proposing, write_repository

SIZES = {Split.TRAIN: 28, Split.VALIDATION: 16, Split.HOLDOUT: 16}
SEEDS = range(20)
# By level: the seed scaffold, two patches that change nothing, the one that memorises, one that really helps.
SEED, NOTHING, STILL_NOTHING, MEMORISES, HELPS = 1, 2, 5, 3, 4
HONEST = {Split.TRAIN: 0.26, Split.VALIDATION: 0.42, Split.HOLDOUT: 0.28}
RATES = {
    MEMORISES: {Split.TRAIN: 0.98, Split.VALIDATION: 0.28, Split.HOLDOUT: 0.28},
    HELPS: {Split.TRAIN: 0.80, Split.VALIDATION: 0.90, Split.HOLDOUT: 0.80},
}


def by_chance(text: str, spec: TrialSpec) -> float:
    level = int(text.split("=")[1].split()[0])
    luck = stable_hash(level, spec.task.name, spec.seed) % 10_000 / 10_000
    return float(luck < RATES.get(level, HONEST)[spec.task.split])


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture(autouse=True)
def sizes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(test_loop, "NAMES", SIZES)
    yield


def decided(repository: Path, folder: Path, seed: int, generalise: bool, *levels: int) -> tuple[list[Verdict], Run]:
    """The verdicts of rounds that propose these levels."""
    with opened(repository, folder) as made:
        evaluator = ScoringEvaluator(by_chance)
        run = made(proposing(*levels), evaluator, generalise=generalise, settings={"seed": seed})
        run.play(len(levels))
        champion = run.store.champion(RUN).round
        rows = run.store.rounds(RUN)
        verdicts = [row.decision.verdict for row in rows if row.decision]
        reasons = [row.decision.reason for row in rows if row.decision]
        return verdicts, champion, reasons


def kept(repository: Path, folder: Path, seed: int, generalise: bool, level: int) -> tuple[bool, bool, str]:
    """Whether round 1's patch was built upon, whether it became champion, and why."""
    verdicts, champion, reasons = decided(repository, folder, seed, generalise, level, NOTHING, STILL_NOTHING)
    return verdicts[1] in (Verdict.KEEP, Verdict.STACK), champion == 1, reasons[1]


def test_a_memorising_patch_is_kept_on_no_seed(repository: Path, tmp_path: Path) -> None:
    for seed in SEEDS:
        taken, champion, reason = kept(repository, tmp_path / str(seed), seed, True, MEMORISES)
        assert not taken and not champion, (seed, reason)
        assert "only on train" in reason or "worse on validation" in reason


def test_without_the_rule_it_is_kept_on_most_seeds(repository: Path, tmp_path: Path) -> None:
    outcomes = [kept(repository, tmp_path / str(seed), seed, False, MEMORISES) for seed in SEEDS]
    assert sum(taken for taken, _, _ in outcomes) > len(SEEDS) / 2
    assert sum(champion for _, champion, _ in outcomes) > len(SEEDS) / 4


def test_a_patch_that_helps_everywhere_is_kept(repository: Path, tmp_path: Path) -> None:
    for seed in SEEDS[:5]:
        taken, _, reason = kept(repository, tmp_path / str(seed), seed, True, HELPS)
        assert taken, (seed, reason)
