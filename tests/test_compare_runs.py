"""Two runs side by side."""

from __future__ import annotations

from dataclasses import replace

from evolve.core.config import RunConfig
from evolve.core.records import Split, Usage
from evolve.core.scores import Score
from evolve.report.compare_runs import ComparedRun, comparison_rows, difference_lines
from evolve.store import RunRow, TaskRow


def run(name: str, config: RunConfig | None = None, **changes: object) -> ComparedRun:
    config = config or RunConfig()
    row = RunRow(name, "", 1, config.canonical(), "", "s", "agent", "m", None, "{}", "0", "", None)
    tasks = [TaskRow("a", Split.TRAIN, "easy", "1"), TaskRow("b", Split.HOLDOUT, "easy", "2", "does not build")]
    known = ComparedRun(
        row=row,
        scaffold_digest="d",
        tasks=tasks,
        rounds=3,
        patches=1,
        trials=1_200,
        minutes=4.4,
        usage=Usage(1, 5_000, 600, 1.5),
        seed={Split.TRAIN: Score(0.25, 0.1)},
        champion={Split.TRAIN: Score(0.5, 0.1)},
        is_valid=True,
        config=config,
    )
    return replace(known, **changes)  # type: ignore[arg-type]


def test_each_fact_is_a_row_with_both_values() -> None:
    rows = {row["fact"]: (row["one"], row["two"]) for row in comparison_rows(run("one"), run("two", is_valid=False))}
    assert rows["champion on train"] == ("50.0 % (± 10.0 points)", "50.0 % (± 10.0 points)")
    assert rows["champion on holdout"][0] == "not measured"
    assert rows["tasks"][0] == "1" and rows["trials"][0] == "1,200" and rows["cost"][0] == "$1.50"
    assert rows["valid"] == ("yes", "no, see `evolve history`")


def test_a_cost_of_nothing_is_not_taken_for_known() -> None:
    rows = {row["fact"]: row["one"] for row in comparison_rows(run("one", usage=Usage(1, 5)), run("two"))}
    assert rows["cost"] == "unknown"


def test_what_makes_scores_differ_is_named() -> None:
    assert difference_lines(run("one"), run("two")) == []
    other = run("two", RunConfig(seed=7), scaffold_digest="e", tasks=[TaskRow("a", Split.TRAIN, "easy", "9")])
    other = replace(other, row=replace(other.row, model="n"))
    assert difference_lines(run("one"), other) == [
        "the models differ: a difference of scores may be the model's",
        "the suites differ in 2 tasks: their scores are not comparable",
        "the seed scaffolds differ: compare gains, not scores",
        "setting seed: 0 -> 7",
    ]
