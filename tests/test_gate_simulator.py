"""The simulated campaigns of benchmarks/gate.py: what must hold for every rule that plays them."""

from __future__ import annotations

import csv
import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"
RULES = ("evolve", "greedy-k1", "greedy-k2", "greedy-k5", "gepa", "dgm", "hgm", "hgm-repeats", "sica", "cmh-winner")
MIXES = (
    "standard", "scarce", "rich", "hostile", "heavy", "families", "polar", "coupled", "numeric", "precise",
    "overdispersed", "batches", "mostly-right", "drift", "drift-silent", "drift-steps", "drift-slow",
)  # fmt: skip
ROW = {
    "rule", "mix", "budget", "tasks", "seeds", "gain", "gain_se", "final", "reported", "inflation", "inflation_se",
    "kept", "harmful_kept", "harmful_keep_share", "promised_keep_share", "null_kept", "null_keep_share",
    "proposals", "trials",
}  # fmt: skip


@dataclass(frozen=True)
class Benchmark:
    """Its modules, imported as if its program had been started."""

    gate: ModuleType
    campaigns: ModuleType
    rules: ModuleType
    world: ModuleType

    def new_world(self, mix: str, budget: int, seed: int, tasks: int = 40) -> Any:
        return self.world.World(self.world.MIXES[mix], budget, seed, tasks)


@pytest.fixture(scope="module")
def benchmark() -> Iterator[Benchmark]:
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield Benchmark(*map(importlib.import_module, ("gate", "gates.campaigns", "gates.rules", "gates.world")))
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("gate", "gates", "bench"):
            del sys.modules[name]


def test_the_rules_and_mixes_are_those_tested_here(benchmark: Benchmark) -> None:
    assert set(RULES) <= set(benchmark.rules.RULES)
    assert set(MIXES) == set(benchmark.world.MIXES)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_plays_every_mix_within_its_budget(benchmark: Benchmark, rule: str) -> None:
    for mix in MIXES:
        world = benchmark.new_world(mix, budget=1000, seed=0)
        paid = count_trials(world)
        result = benchmark.rules.RULES[rule](world)
        assert 850 <= sum(paid) <= 1000, "all that is affordable is used, and no more"
        assert 0 <= result.reported <= 100
        assert result.champion.kind != "broken"
        assert result.champion.number in {0} | {scaffold.number for scaffold in result.kept}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_plays_suites_of_other_sizes(benchmark: Benchmark, rule: str) -> None:
    for tasks, mix in ((12, "standard"), (101, "numeric"), (500, "drift")):
        world = benchmark.new_world(mix, 5 * tasks + 500, 0, tasks)
        paid = count_trials(world)
        result = benchmark.rules.RULES[rule](world)
        assert 5 * tasks <= sum(paid) <= 5 * tasks + 500
        assert 0 <= result.reported <= 100


def rewards_of(world: Any, attempts: int) -> Any:
    """Attempts x tasks, of the seed scaffold."""
    return np.array([world.run(world.scaffolds[0], np.arange(world.tasks), number) for number in range(attempts)])


def test_numeric_rewards_have_the_same_mean_and_less_spread(benchmark: Benchmark) -> None:
    numeric, plain = (rewards_of(benchmark.new_world(mix, 40_000, 1), 1000) for mix in ("numeric", "standard"))
    assert len(np.unique(numeric)) > 100 and numeric.min() >= 0 and numeric.max() <= 1
    assert numeric.mean() == pytest.approx(plain.mean(), abs=0.01)
    assert numeric.var(axis=0).sum() == pytest.approx(0.05 * plain.var(axis=0).sum(), rel=0.1)


def correlation(world: Any, attempts: int, other: int) -> float:
    """Of the residuals of two scaffolds alike: on the same attempts, or `other` ones later."""
    twin = world.propose(world.scaffolds[0])
    while twin.kind != "null":
        twin = world.propose(world.scaffolds[0])
    tasks = np.arange(world.tasks)
    one = rewards_of(world, attempts)
    two = np.array([world.run(twin, tasks, number + other) for number in range(attempts)])
    residuals = [rewards - rewards.mean(axis=0) for rewards in (one, two)]
    return float((residuals[0] * residuals[1]).mean() / np.sqrt(np.prod([(r * r).mean() for r in residuals])))


def test_overdispersed_trials_of_one_task_and_attempt_are_correlated(benchmark: Benchmark) -> None:
    world = benchmark.new_world("overdispersed", 200_000, 2)
    assert correlation(world, 500, 0) == pytest.approx(world.mix.dispersion, abs=0.05)
    assert abs(correlation(world, 500, 10_000)) < 0.03
    plain = rewards_of(benchmark.new_world("standard", 40_000, 2), 1000)
    assert rewards_of(world, 1000).mean() == pytest.approx(plain.mean(), abs=0.015), "the mean stays"


def test_the_trials_of_a_batch_share_a_shift(benchmark: Benchmark) -> None:
    def spread(mix: str) -> float:
        return float(rewards_of(benchmark.new_world(mix, 400_000, 0, 400), 400).mean(axis=1).std())

    assert spread("batches") > 1.3 * spread("standard")


def test_a_step_of_drift_makes_all_tasks_easier_by_about_five_points(benchmark: Benchmark) -> None:
    world = benchmark.new_world("drift", 120_000, 0, 400)
    before = world.true_score(world.scaffolds[0]), rewards_of(world, 100).mean()
    assert world.epoch == 0
    after = rewards_of(world, 200)[100:].mean(), world.true_score(world.scaffolds[0])
    assert world.epoch == 1
    assert 4 < after[1] - before[0] < 6
    assert 100 * before[1] == pytest.approx(before[0], abs=0.7)
    assert 100 * after[0] == pytest.approx(after[1], abs=0.7)


def test_silent_drift_is_in_the_rewards_alone(benchmark: Benchmark) -> None:
    for mix in ("drift-silent", "drift-slow"):
        world = benchmark.new_world(mix, 4000, 0)
        before = world.true_score(world.scaffolds[0])
        rewards_of(world, 100)
        assert world.epoch == 0
        assert world.true_score(world.scaffolds[0]) > before + 3


def test_a_rules_promise_is_the_sum_of_its_doubts_over_what_it_kept(benchmark: Benchmark) -> None:
    cells = benchmark.campaigns.cells(["evolve", "greedy-k1"], ["rich"], [4000])
    ours, greedy = benchmark.campaigns.play(cells, range(2), 1, lambda _: None)
    assert 0 < ours.promised_keep_share <= 0.01, "each champion is made at a doubt of at most `risk`"
    assert greedy.promised_keep_share is None


def count_trials(world: Any) -> list[int]:
    """The trials of each call that succeeds, apart from the world's own account; no task twice in a call."""
    paid: list[int] = []
    run = world.run

    def counted(scaffold: Any, tasks: Any, attempt: int | None = None) -> Any:
        assert len(set(tasks.tolist())) == len(tasks) > 0
        rewards = run(scaffold, tasks, attempt)
        paid.append(len(tasks))
        return rewards

    world.run = counted
    return paid


@pytest.mark.parametrize("rule", RULES)
def test_campaigns_depend_only_on_the_seed(benchmark: Benchmark, rule: str) -> None:
    def outcome(seed: int) -> tuple[Any, ...]:
        world = benchmark.new_world("rich", 1000, seed)
        result = benchmark.rules.RULES[rule](world)
        return result.reported, result.champion.number, world.true_score(result.champion), len(world.scaffolds)

    assert outcome(3) == outcome(3)
    assert outcome(3) != outcome(4)


def test_the_more_attempts_the_less_greedy_selection_inflates(benchmark: Benchmark) -> None:
    def inflation(rule: str) -> float:
        rows = benchmark.campaigns.play(
            [benchmark.campaigns.Cell(rule, "standard", 4000)], range(20), 1, lambda _: None
        )
        return float(rows[0].inflation)

    one, five = inflation("greedy-k1"), inflation("greedy-k5")
    assert one > 8
    assert 1 < five < one / 2


@pytest.mark.parametrize("seeds", [4, pytest.param(8, marks=pytest.mark.slow)])
def test_our_rule_gains_more_than_greedy_selection_without_overstating(benchmark: Benchmark, seeds: int) -> None:
    cells = [benchmark.campaigns.Cell(rule, "standard", 4000) for rule in ("evolve", "greedy-k5")]
    ours, greedy = benchmark.campaigns.play(cells, range(seeds), 1, lambda _: None)
    assert ours.gain > 1.5 * greedy.gain
    assert abs(ours.inflation) < 3 * ours.inflation_se
    assert ours.harmful_kept * ours.seeds <= 3, "of a dozen new champions"


def test_a_keep_is_compared_with_the_champion_that_it_replaced(benchmark: Benchmark) -> None:
    world = benchmark.new_world("rich", 4000, 1)
    result = benchmark.rules.RULES["evolve"](world)
    assert result.replaced == (world.scaffolds[0], *result.kept[:-1])
    steps = world.effects(result)
    assert sum(steps) == pytest.approx(world.true_score(result.champion) - world.true_score(world.scaffolds[0]))


def test_hgm_expands_as_the_evaluations_to_the_power_of_its_alpha(benchmark: Benchmark) -> None:
    world = benchmark.new_world("standard", 2000, 0)
    benchmark.rules.RULES["hgm"](world)
    assert len(world.scaffolds) - 1 == pytest.approx((2000 - world.tasks) ** 0.6, abs=2)


def test_sica_continues_from_the_latest_agent_within_the_best_ones_interval(benchmark: Benchmark) -> None:
    archives = importlib.import_module("gates.archives")
    best, close, far = (np.arange(40) < solved for solved in (24, 19, 12))
    rewards = [some.astype(float) for some in (close, best, close, far)]
    assert archives.sica_base(rewards) == 2
    assert archives.sica_base([rewards[0], rewards[1], rewards[3]]) == 1


def test_gepa_prunes_candidates_that_are_nowhere_the_only_best(benchmark: Benchmark) -> None:
    pareto = importlib.import_module("gates.pareto")
    rewards = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]], float)
    # The task that nobody solves has everyone on its front. The last two of equal use: the better stays.
    assert pareto.front_counts(rewards).tolist() == [0, 3, 2, 0]


def test_the_stratified_test_agrees_with_its_formula(benchmark: Benchmark) -> None:
    greedy = importlib.import_module("gates.greedy")
    new, old = np.array([2.0, 1.0, 2.0, 0.0]), np.array([0.0, 0.0, 2.0, 0.0])
    # By hand: strata with 2 and 1 successes of 4; expected 1 and 0.5; variances 4*2*2/(16*3) and 4*1*3/(16*3).
    assert greedy.cmh(new, old, 2) == pytest.approx(1.5 / (1 / 3 + 1 / 4) ** 0.5)
    assert greedy.cmh(old, old, 2) == 0.0


def test_kept_campaigns_are_not_played_again(
    benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file, cells = tmp_path / "kept.jsonl", benchmark.campaigns.cells(["greedy-k1", "evolve"], ["polar"], [400])
    kept = importlib.import_module("gates.kept").KeptCampaigns

    def play(seeds: int) -> Any:
        return benchmark.campaigns.play(cells, range(seeds), 1, lambda _: None, kept(file))

    rows = play(7)
    with file.open("a") as torn:
        torn.write('{"code": "')
    with monkeypatch.context() as patch:
        patch.setattr(benchmark.campaigns, "RULES", {})
        assert play(7) == rows
        with pytest.raises(KeyError, match="greedy-k1"):
            play(8)
    assert [row.seeds for row in play(8)] == [8, 8]
    monkeypatch.setattr(benchmark.campaigns, "RULES", {})
    assert [row.seeds for row in play(8)] == [8, 8]
    monkeypatch.setattr("gates.kept.code_digest", lambda: "other code")
    with pytest.raises(KeyError, match="greedy-k1"):
        play(7)


def test_json_output_has_exactly_the_documented_keys(
    benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    plot = tmp_path / "gate.png"
    words = "gate.py --budget 400,800 --tasks 40,60 --rules greedy-k1,dgm --mixes polar --seeds 3 --jobs 1 --json"
    monkeypatch.setattr(sys, "argv", [*words.split(), "--plot", str(plot)])
    benchmark.gate.main()
    out, err = capsys.readouterr()
    rows = json.loads(out)["rows"]
    assert [(row["tasks"], row["budget"], row["rule"]) for row in rows] == [
        (tasks, budget, rule) for tasks in (40, 60) for budget in (400, 800) for rule in ("greedy-k1", "dgm")
    ]
    assert all(set(row) == ROW and row["seeds"] == 3 for row in rows)
    assert "polar, 60 tasks, 800 trials, 3 seeds" in err
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_a_summary_has_a_line_for_each_cell_of_a_rule(
    benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    values, played = tmp_path / "rows.csv", "gate.py --budget 400,800 --mixes polar,rich --seeds 3 --jobs 1"
    words = f"{played} --rules greedy-k1,dgm --summary dgm --csv {values}"
    monkeypatch.setattr(sys, "argv", words.split())
    monkeypatch.setenv("COLUMNS", "160")
    benchmark.gate.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:4] for line in lines if line.split()[3:4] == ["3"]] == [
        [mix, "40", budget, "3"] for mix in ("polar", "rich") for budget in ("400", "800")
    ]
    with values.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert {*rows[0]} == ROW
    assert [row["rule"] for row in rows] == ["greedy-k1", "dgm"] * 4


def test_a_summary_compares_with_the_best_other_rule_and_with_huxley_goedel_machines(benchmark: Benchmark) -> None:
    def row(rule: str, gain: float, error: float) -> object:
        known = {"rule": rule, "mix": "rich", "gain": gain, "gain_se": error, "promised_keep_share": None}
        return benchmark.campaigns.Row(**(dict.fromkeys(ROW, 0) | known))

    module = importlib.import_module("gates.summary")
    rows = [row("evolve", 26.0, 1.0), row("hgm", 20.0, 2.0), row("gepa", 22.0, 3.0)]
    (found,) = module.summaries(rows, "evolve")
    assert (found.best.rule, round(found.lead, 3)) == ("gepa", round(4 / 10**0.5, 3))
    assert found.factor == pytest.approx((1.3, (1 + (1.3 * 2) ** 2) ** 0.5 / 20))
    (machines,) = module.summaries([row("evolve", 0.0, 0.0), row("hgm", 0.0, 0.0)], "evolve")
    assert (machines.lead, machines.factor) == (0.0, None)
    (single,) = module.summaries([row("evolve", 2.0, 0.0), row("hgm", 1.0, 0.0)], "evolve")
    assert (single.lead, single.factor) == (0.0, (2.0, 0.0)), "one campaign has no standard error"
    assert not module.summaries(rows[:1], "evolve"), "nothing to compare with"


REFUSED = (
    "--rules nobody",
    "--mixes nowhere",
    "--budget 100",
    "--budget x",
    "--seeds 0",
    "--tasks 11",
    "--tasks x",
    "--budget 2400 --tasks 40,500",
    "--plot nowhere/a.png",
    "--keep nowhere/a.jsonl",
    "--csv nowhere/a.csv",
    "--summary nobody",
    "--rules dgm --summary evolve",
)


@pytest.mark.parametrize("words", REFUSED)
def test_invalid_options_are_rejected(benchmark: Benchmark, words: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        benchmark.gate.parse_arguments(words.split())
