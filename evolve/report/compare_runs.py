"""Compare two stored runs: what they were, what they spent, what they reached, and what makes them differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from evolve.core.config import RunConfig
from evolve.core.records import Split, Usage
from evolve.core.scores import Score
from evolve.report.tables import Row, percent
from evolve.runs.identity import differences
from evolve.store import RunRow, TaskRow


@dataclass(frozen=True)
class ComparedRun:
    """What is compared of a run. `seed`, `champion`: scores by split, from trials by which nothing was decided."""

    row: RunRow
    scaffold_digest: str | None
    tasks: Sequence[TaskRow]
    rounds: int
    patches: int
    trials: int
    minutes: float
    usage: Usage
    seed: Mapping[Split, Score | None]
    champion: Mapping[Split, Score | None]
    is_valid: bool
    config: RunConfig


def comparison_rows(first: ComparedRun, second: ComparedRun) -> list[Row]:
    """One row for each fact, with the values of both runs under their names."""
    pairs = zip(_facts(first), _facts(second), strict=True)
    return [{"fact": name, first.row.id: value, second.row.id: other} for (name, value), (_, other) in pairs]


def difference_lines(first: ComparedRun, second: ComparedRun) -> list[str]:
    """One line for each reason why the scores of two runs may differ by themselves, and for each other setting."""
    lines = []
    if first.row.model != second.row.model or first.row.base_url != second.row.base_url:
        lines.append("the models differ: a difference of scores may be the model's")
    if changed := _changed_tasks(first.tasks, second.tasks):
        lines.append(f"the suites differ in {changed} tasks: their scores are not comparable")
    if first.scaffold_digest != second.scaffold_digest:
        lines.append("the seed scaffolds differ: compare gains, not scores")
    settings = [one for one in differences(second.config, first.row) if one.key != "model"]
    return lines + [f"setting {one}" for one in settings]


def _changed_tasks(first: Iterable[TaskRow], second: Iterable[TaskRow]) -> int:
    """How many tasks one run has and the other has not, or with other files, or in another split."""
    one, other = ({(task.name, task.split, task.digest): None for task in tasks} for tasks in (first, second))
    return len({name for name, *_ in one.keys() ^ other.keys()})


def _facts(run: ComparedRun) -> list[tuple[str, str]]:
    scores = [(f"{name} on {split}", scores.get(split)) for split in Split for name, scores in _pair(run)]
    return [
        ("model", run.row.model),
        ("scaffold", run.row.scaffold),
        ("seed", str(run.row.seed)),
        ("tasks", str(sum(task.excluded is None for task in run.tasks))),
        ("rounds", str(run.rounds)),
        ("patches in the champion", str(run.patches)),
        *((name, percent(score)) for name, score in scores),
        ("trials", f"{run.trials:,}"),
        ("tokens", f"{run.usage.tokens:,}"),
        ("cost", f"${run.usage.cost_usd:.2f}" if run.usage.cost_usd or run.config.priced else "unknown"),
        ("minutes", f"{run.minutes:.0f}"),
        ("valid", "yes" if run.is_valid else "no, see `evolve history`"),
    ]


def _pair(run: ComparedRun) -> tuple[tuple[str, Mapping[Split, Score | None]], ...]:
    return ("seed scaffold", run.seed), ("champion", run.champion)
