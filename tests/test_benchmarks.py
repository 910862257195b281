"""The pure parts of the benchmarks, and that their programs can be imported."""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from rich.console import Console

from evolve.store import Store

FOLDER = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Imports a module of the benchmarks, as if one of its programs had been started."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("adapters", "bench", "overhead", "flat", "proposers"):
            del sys.modules[name]


def named(load: object, name: str) -> ModuleType:
    assert callable(load)
    module = load(name)
    assert isinstance(module, ModuleType)
    return module


def test_a_figure_is_a_median_with_its_spread(load: object) -> None:
    figures = named(load, "bench.figures")
    made = figures.figure([3.0, 1.0, 2.0, 10.0])
    assert (made.median, made.low, made.high, made.count) == (2.5, 1.0, 10.0, 4)
    assert made.format(1) == "2.5 (1.0-10.0)"
    assert figures.rounded({1: made}) == {"1": {"median": 2.5, "low": 1.0, "high": 10.0, "count": 4}}
    with pytest.raises(ValueError, match="nothing was measured"):
        figures.figure([])


def test_a_peers_last_line_is_parsed(load: object) -> None:
    peers = named(load, "bench.peers")
    found = peers.parse_output('chatter\n{"default settings": {"1": [4.0, 2.0, 3.0]}}\n')
    assert found["default settings"]["1"].median == 3.0


def test_the_table_compares_each_figure_with_its_floor(load: object) -> None:
    overhead, figures, shown = (named(load, name) for name in ("overhead", "bench.figures", "bench.overhead_table"))
    one = {"1": figures.figure([1.0])}
    found = {
        "floor_s": one,
        "trial_s": {"1": figures.figure([1.2])},
        "command_ms": {"forked": figures.figure([2.0])},
        "exec_ms": figures.figure([60.0]),
        "shell_floor_ms": {"raw_forked": figures.figure([1.0])},
        "peers": {"harbor": {"init": {"1": figures.figure([4.8])}}, "mini": "no environment"},
    }
    console = Console(file=io.StringIO(), width=200)
    console.print(shown.table(found))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(words in text for words in ("1.20 of the floor", "1/30 of an exec", "ours is 1/4.0", "no environment"))
    assert overhead.parse_arguments(["--json", "--trials", "3"]).trials == 3


def test_the_flat_benchmark_can_be_started(load: object) -> None:
    assert named(load, "flat").resident_mb("self") > 1


def test_a_runs_rounds_are_summarised(load: object, played_home: Path) -> None:
    proposers, proposed = named(load, "proposers"), named(load, "bench.proposer_rows")
    with Store.open(played_home / "runs" / "evolve.db") as store:
        (run,) = store.runs()
        history = store.view("history", run.id)
        row = proposed.build_row(store, played_home / "runs", run.id, "direct", 1)
    assert row.rounds == len(history) - 1 >= row.measured >= row.proposed > row.repeated
    assert row.measured == sum(one["commit_sha"] is not None for one in history) - 1
    assert 0 < row.digest_chars <= row.digest_most
    console = Console(file=io.StringIO(), width=200)
    console.print(proposers.table([row]))
    assert f"{row.measured}/{row.rounds}" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_coding_agents_overhead_is_taken_within_each_pair(load: object) -> None:
    adapters = named(load, "adapters")
    assert {"aider", "codex", "mini-swe-agent", "opencode", "qwen-code"} <= set(adapters.adapters())
    figures = adapters.figures_of([adapters.Pair(1.0, 1.5, 0.1), adapters.Pair(9.0, 9.3, 0.2)])
    assert figures["overhead_s"].median == pytest.approx(0.4)
    console = Console(file=io.StringIO(), width=200)
    console.print(adapters.table({"codex": figures}))
    assert "0.40 (0.30-0.50)" in console.file.getvalue()  # type: ignore[attr-defined]
