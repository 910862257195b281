"""The simulated campaigns of benchmarks/gate.py: what must hold for every rule that plays them."""

from __future__ import annotations

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
MIXES = ("standard", "scarce", "rich", "hostile", "heavy", "families", "polar", "coupled")
ROW = {
    "rule", "mix", "budget", "seeds", "gain", "gain_se", "final", "reported", "inflation", "inflation_se", "kept",
    "harmful_kept", "harmful_keep_share", "null_kept", "null_keep_share", "proposals", "trials",
}  # fmt: skip


@dataclass(frozen=True)
class Benchmark:
    """Its modules, imported as if its program had been started."""

    gate: ModuleType
    campaigns: ModuleType
    rules: ModuleType
    world: ModuleType

    def new_world(self, mix: str, budget: int, seed: int) -> Any:
        return self.world.World(self.world.MIXES[mix], budget, seed)


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
        assert 900 <= sum(paid) <= 1000, "all that is affordable is used, and no more"
        assert 0 <= result.reported <= 100
        assert result.champion.kind != "broken"
        assert result.champion.number in {0} | {scaffold.number for scaffold in result.kept}


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


def test_json_output_has_exactly_the_documented_keys(
    benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    plot = tmp_path / "gate.png"
    words = f"gate.py --budget 400,800 --rules greedy-k1,dgm --mixes polar --seeds 3 --jobs 1 --json --plot {plot}"
    monkeypatch.setattr(sys, "argv", words.split())
    benchmark.gate.main()
    out, err = capsys.readouterr()
    rows = json.loads(out)["rows"]
    assert [(row["rule"], row["budget"]) for row in rows] == [
        ("greedy-k1", 400), ("dgm", 400), ("greedy-k1", 800), ("dgm", 800),
    ]  # fmt: skip
    assert all(set(row) == ROW and row["seeds"] == 3 for row in rows)
    assert "polar, 800 trials, 3 seeds" in err
    assert plot.read_bytes().startswith(b"\x89PNG")


REFUSED = ("--rules nobody", "--mixes nowhere", "--budget 100", "--budget x", "--seeds 0", "--plot nowhere/a.png")


@pytest.mark.parametrize("words", REFUSED)
def test_invalid_options_are_rejected(benchmark: Benchmark, words: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        benchmark.gate.parse_arguments(words.split())
