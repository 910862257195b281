"""Read what pages show of a run: the run at a glance, its tasks by candidates, its costs, endings and conditions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evolve.core.attempts import unselected_trials
from evolve.core.config import RunConfig
from evolve.core.records import Candidate, Cause, Fault, Outcome, Split, Verdict
from evolve.core.scores import Score, score
from evolve.pages.round_views import CandidateView
from evolve.pages.rounds import ancestors
from evolve.pages.run_views import CostLine, Endings, Role, RunView, Verdicts
from evolve.pages.task_views import Cell, TaskGrid, TaskLine
from evolve.runs.ends import ends_of
from evolve.runs.results import fresh_scores, of_split
from evolve.runs.stored_config import stored_config
from evolve.store import RoundRow, RunRow, Store

# So many candidates are columns of a grid.
GRID_COLUMNS = 120


def run_view(store: Store, row: RunRow) -> RunView:
    """A run at a glance. Reads no more trials than those of seed scaffold, champion and tip."""
    rounds, config = store.rounds_in_brief(row.id), stored_config(row)
    seed, ends, usage = rounds[0].candidate if rounds else None, ends_of(rounds), store.spent(row.id)
    champion, tip = (candidate_view(store, row.id, end) for end in ends) if ends else (None, None)
    path = ancestors(rounds, tip.round if tip else None)
    of_champion = ancestors(rounds, champion.round if champion else None)
    return RunView(
        row=row,
        config=config,
        verdicts=verdicts_of(rounds),
        newest=rounds[-1].number if rounds else 0,
        seed=candidate_view(store, row.id, seed) if seed and ends else None,
        champion=champion,
        tip=tip,
        patches=max(len(of_champion) - 1, 0),
        stacked=len(set(path) - set(of_champion)),
        trials=store.trial_count(row.id),
        usage=usage,
        usd=usage.cost_usd if config.priced else None,
        minutes=sum(part["minutes"] or 0 for part in store.history(row.id, 0, len(rounds), figures=False)),
        ended=_ended(store, row.id),
    )


def _ended(store: Store, run: str) -> str | None:
    ends, sessions = store.ends(run), store.sessions(run)
    if not ends or (sessions and sessions[-1].started_at > ends[-1].ended_at):
        return None
    return ends[-1].reason


def candidate_view(store: Store, run: str, candidate: Candidate) -> CandidateView:
    """A candidate with its scores, from trials that did not choose it."""
    fresh: dict[Split, Score | None] = dict(fresh_scores(store, run, candidate))
    own = unselected_trials(candidate, store.trials(run, candidate.commit))
    for split in (Split.TRAIN, Split.VALIDATION):
        fresh[split] = score(of_split(own, split))
    return CandidateView(candidate, fresh)


def verdicts_of(rounds: Iterable[RoundRow]) -> Verdicts:
    """How the rounds after round 0 ended."""
    counts: Counter[str] = Counter()
    for row in rounds:
        if row.number:
            counts[_ending(row)] += 1
    return Verdicts(
        kept=counts[Verdict.KEEP],
        stacked=counts[Verdict.STACK],
        reverted=counts[Verdict.REVERT],
        refused=counts[Verdict.REFUSED],
        null_copies=counts["null copy"],
        undecided=counts["undecided"],
    )


def _ending(row: RoundRow) -> str:
    if row.decision is None:
        return "undecided"
    return "null copy" if row.is_null_copy else row.decision.verdict


def task_lines(store: Store, run: str) -> tuple[TaskLine, ...]:
    """The tasks of a run by split, then by name."""
    order = list(Split)
    tasks = sorted(store.tasks(run), key=lambda task: (order.index(task.split), task.name))
    return tuple(TaskLine(t.name, t.split, t.difficulty, t.digest, t.excluded) for t in tasks)


def task_grid(store: Store, run: str, most: int = GRID_COLUMNS, rounds: Sequence[int] | None = None) -> TaskGrid:
    """Tasks by candidates.

    Args:
        most: So many candidates at most: first those on the path to the tip, then the newest.
        rounds: The candidates of these rounds instead.
    """
    every = store.rounds_in_brief(run)
    known = [row.number for row in every if row.candidate]
    columns = _columns(every, known, most) if rounds is None else [one for one in known if one in set(rounds)]
    cells = {
        (row["task"], row["round"]): Cell(row["trials"], row["passes"], row["reward"], row["infra_errors"])
        for row in store.task_cells(run, columns)
    }
    return TaskGrid(task_lines(store, run), tuple(columns), cells, len(known) - len(columns))


def _columns(rounds: Sequence[RoundRow], known: Sequence[int], most: int) -> list[int]:
    """The candidates that a grid shows: the seed scaffold, the path to the tip, the newest."""
    if len(known) <= most:
        return list(known)
    ends = ends_of(rounds)
    path = ancestors(rounds, ends[1].round if ends else 0)
    kept = {0, *path[: most - 1]}
    others = [number for number in known if number not in kept]
    return sorted({*kept, *others[len(others) - (most - len(kept)) :]})


def cost_lines(store: Store, run: str, config: RunConfig) -> tuple[CostLine, ...]:
    """What each role spent, in the order of `Role`; no line for a role that made no call."""
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    seconds: dict[str, float] = {}
    for row in store.view("cost", run):
        for name in ("calls", "prompt_tokens", "completion_tokens", "cached_tokens", "cost_usd", "retries"):
            sums[row["purpose"]][name] += row[name] or 0
        if row["seconds"] is not None:
            seconds[row["purpose"]] = seconds.get(row["purpose"], 0.0) + row["seconds"]
    return tuple(_cost_line(role, sums[role], seconds.get(role), config) for role in Role if sums[role]["calls"])


def _cost_line(role: Role, spent: Mapping[str, Any], seconds: float | None, config: RunConfig) -> CostLine:
    model, priced = _answering(role, config)
    return CostLine(
        role=role,
        model=model,
        calls=int(spent["calls"]),
        prompt_tokens=int(spent["prompt_tokens"]),
        completion_tokens=int(spent["completion_tokens"]),
        cached_tokens=int(spent["cached_tokens"]),
        usd=float(spent["cost_usd"]) if priced else None,
        seconds=seconds,
        retries=int(spent["retries"]),
    )


def _answering(role: Role, config: RunConfig) -> tuple[str, bool]:
    """The model that answered in a role, and whether its prices are known."""
    if role is Role.TRIALS:
        return ", ".join(spec.name for spec in config.scaffold_specs), config.scaffold_priced
    if role in (Role.PROPOSALS, Role.LESSONS):
        return config.proposer_spec.name, config.proposer_spec.priced
    if role is Role.GRADING and config.graded_by:
        return config.graded_by.model, config.graded_by.spec.priced
    return "", config.priced


def ending_lines(store: Store, run: str, first: int = 0, last: int | None = None) -> tuple[Endings, ...]:
    """How the trials of the candidates of the rounds `first` to `last` ended, a line for each candidate."""
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    seconds: dict[int, float] = defaultdict(float)
    for row in store.endings(run, first, store.newest_round(run) if last is None else last):
        counts[row["round"]][ending_name(row["outcome"], row["cause"], row["fault"])] += row["trials"]
        seconds[row["round"]] += row["seconds"]
    return tuple(
        Endings(number, count.total(), dict(count), seconds[number] / count.total())
        for number, count in sorted(counts.items())
    )


def ending_name(outcome: str, cause: str, fault: str) -> str:
    """How a trial ended, with the limit that it hit or the fault that voided it."""
    causes = {Cause.OOM: "out of memory", Cause.PIDS: "too many processes"}
    if outcome == Outcome.INFRA_ERROR:
        return "cap of the run reached" if fault == Fault.CAP else f"fault: {fault or 'unknown'}"
    if cause:
        return causes[Cause(cause)]
    return outcome.replace("_", " ")


def with_total(lines: Sequence[Endings]) -> tuple[Endings, ...]:
    """The same with a line for all candidates together at the end."""
    if not lines:
        return ()
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(line.counts)
    seconds = sum(line.seconds * line.trials for line in lines) / counts.total()
    return (*lines, Endings(None, counts.total(), dict(counts), seconds))
