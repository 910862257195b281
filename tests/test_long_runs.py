"""What a round, and a look at a run, cost does not grow with the rounds before: told by counts, not by times."""

from __future__ import annotations

import copy
import functools
import importlib
import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event

from evolve.analysis import REMEMBERED, RoundFacts, format_memory, task_changes
from evolve.budget import kept_spending, run_budget
from evolve.core.caps import Caps
from evolve.core.config import RunConfig
from evolve.core.gate_config import GateConfig
from evolve.core.records import Candidate, Decision, Proposal, Split, StackFate, TaskImage, Verdict, stable_hash
from evolve.gate import Standing
from evolve.gate.aims import Aims, Spent
from evolve.gate.prior import EstimatedEffect
from evolve.loop import frozen_text, journal
from evolve.loop.assembly import assemble
from evolve.loop.checkpoint import FILE, Checkpoint
from evolve.loop.history import History
from evolve.loop.judging import (
    compare_ends,
    initial_standing,
    judge_challengers,
    measure_tip,
    patch_of,
    standing_of,
)
from evolve.loop.search import Search
from evolve.loop.watcher import SilentWatcher
from evolve.repo import Lineage, shell
from evolve.runs import evidence, round_scores, tally
from evolve.runs.ends import ends_of
from evolve.runs.history import run_history
from evolve.store import RoundOutline, RunRow, Store, queries, reading
from evolve.store import store as store_module
from evolve.suite.tasks import Suite
from tests.fakes import task

RUN = "20261123-2144-long-otter"
BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
FEW, MANY = 40, 160
PLAYED = 3
STAMP = "2026-11-23T21:44:00+00:00"
# Of simulated runs, some in which a tip gives way to an earlier scaffold of its stack.
STEPPING_BACK = (1010, 1036)
# The second round after so many leaves a patch out.
BEFORE_ABLATION = 14
SIZES = {Split.TRAIN: 6, Split.VALIDATION: 4, Split.HOLDOUT: 2}
TASKS = tuple(task(f"{split}-{number}", split) for split, size in SIZES.items() for number in range(size))


class Long:
    """A run of many rounds in a folder, written in bulk and decided by the real gate."""

    def __init__(self, folder: Path, rounds: int) -> None:
        bulk_rounds, simulated_run = (
            importlib.import_module(f"bench.{name}") for name in ("bulk_rounds", "simulated_run")
        )
        self.folder, self.simulated = folder, simulated_run
        scaffold = simulated_run.make_scaffold(folder)
        self.tasks = TASKS
        self.config = RunConfig(scaffold=scaffold, model="embedded", proposer="simulated", score_attempts=1)
        self.store = Store.open(folder / "runs" / "evolve.db")
        row = (STAMP, 0, "{}", "0" * 64, "s", str(scaffold), "embedded", None, "{}", "0", "r", None)
        self.store.create_run(RunRow(RUN, *row), self.tasks)
        self.lineage = Lineage.open(scaffold, folder / "own.git")
        search = self.search()
        standing = search.start()
        trials = bulk_rounds.Trials(search.suite, 0, {standing.tip.commit: 0.0})
        for trial in self.store.trials(RUN):
            trials.known[trial.candidate].append(trial)
        seed, texts = standing.tip.commit, dict(search.candidates.texts(standing.tip.commit))
        with (
            bulk_rounds.FastImport(self.lineage.git_dir, self.lineage.place.prefix) as git,
            self.store._writing.connect() as connection,
        ):
            bulk = bulk_rounds.Bulk(RUN, connection, search.suite, trials, git, lambda line: None)
            self.standing = bulk.play(standing, {seed: texts}, range(1, rounds + 1))

    def search(self) -> Search:
        folder = self.folder / "runs" / RUN
        return assemble(
            run=RUN,
            config=self.config,
            suite=Suite(Path(), self.tasks),
            store=self.store,
            lineage=self.lineage,
            evaluator=self.simulated.SimulatedExecutor(),
            model_for=lambda what: _NoModel(),
            budget=run_budget.begin(self.store, RUN, folder, Caps(), free=True),
            images={one.name: TaskImage("i", "/app") for one in self.tasks},
            base_image="base",
            folder=folder,
            watcher=SilentWatcher(),
            proposer=self.simulated.SimulatedProposer(),
        )

    def initial(self) -> Standing:
        return initial_standing(Suite(Path(), self.tasks), self.config, self.store.seed(RUN))


class _NoModel:
    """Writes no lesson that is accepted, so that each is made of the facts."""

    def complete(self, body: Any, on_lost: Any = None) -> dict[str, Any]:
        message = {"role": "assistant", "content": ""}
        return {"choices": [{"message": message, "finish_reason": "stop"}], "usage": {}}


@contextmanager
def bench_path() -> Iterator[None]:
    """While it lasts, modules of the benchmarks can be imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield
        for name in [name for name in sys.modules if name.partition(".")[0] == "bench"]:
            del sys.modules[name]


@pytest.fixture(scope="module")
def long_runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Long]]:
    # Commits are named by their time too, and by these names trials pass or fail.
    with bench_path(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "now", lambda: STAMP)
        patch.setenv("GIT_AUTHOR_DATE", STAMP)
        patch.setenv("GIT_COMMITTER_DATE", STAMP)
        made = {rounds: Long(tmp_path_factory.mktemp(f"long-{rounds}"), rounds) for rounds in (FEW, MANY)}
        yield made
    for one in made.values():
        one.store.close()


@contextmanager
def counting(one: Long) -> Iterator[Counter[str]]:
    """Counts statements, rows that are read, and git processes."""
    counts: Counter[str] = Counter()

    def count_statement(*_: object) -> None:
        counts["statements"] += 1

    def count_rows(rows: Any, read: Callable[[Any], Any]) -> list[Any]:
        found = reading.read_rows(rows, read)
        counts["rows"] += len(found)
        return found

    execute = shell.Git.execute

    @functools.wraps(execute)
    def count_git(*words: Any, **options: Any) -> Any:
        counts["git"] += 1
        return execute(*words, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_module, "read_rows", count_rows)
        patch.setattr(shell.Git, "execute", count_git)
        event.listen(one.store._engine, "after_cursor_execute", count_statement)
        yield counts
        event.remove(one.store._engine, "after_cursor_execute", count_statement)


def rounds_cost(one: Long, rounds: int) -> Counter[str]:
    """What rounds cost once the first one after the start is over; less what their trials cost."""
    search = one.search()
    standing = search.play_race(search.start(), [rounds + 1])
    before = one.store.trial_count(RUN)
    with counting(one) as counts:
        for number in range(rounds + 2, rounds + 2 + PLAYED):
            standing = search.play_race(standing, [number])
    counts["trials"] = one.store.trial_count(RUN) - before
    return counts


def test_a_round_reads_no_more_after_many_rounds_than_after_few(long_runs: dict[int, Long]) -> None:
    few, many = (rounds_cost(long_runs[rounds], rounds) for rounds in (FEW, MANY))
    extra = PLAYED * (MANY - FEW)
    # Whatever read each earlier round once, or ran git for it, would add one for each of the extra rounds.
    trials = max(many["trials"] - few["trials"], 0)
    assert many["rows"] - few["rows"] - 4 * trials < extra / 3, (few, many)
    assert many["git"] - few["git"] < extra / 6, (few, many)
    assert many["statements"] - few["statements"] - 6 * trials < extra / 3, (few, many)


def test_what_is_kept_beside_the_run_is_the_standing_that_follows_from_its_rows(long_runs: dict[int, Long]) -> None:
    one = long_runs[FEW]
    rows, texts = one.store.rounds_in_brief(RUN), one.search().candidates.texts
    folded = standing_of(RUN, one.initial(), rows, lambda commit: one.store.trials(RUN, commit), texts)
    checkpoint = Checkpoint(RUN, one.store, one.folder / "runs" / RUN, texts)
    checkpoint.keep(one.initial(), folded)
    with counting(one) as counts:
        kept = checkpoint.standing(one.initial())
    assert frozen_text.to_text(kept) == frozen_text.to_text(folded) and counts["git"] == 0
    assert checkpoint.problem(one.initial()) == ""


def test_a_kept_standing_of_other_rows_is_not_used(long_runs: dict[int, Long]) -> None:
    one = long_runs[FEW]
    rows, texts = one.store.rounds_in_brief(RUN), one.search().candidates.texts
    checkpoint = Checkpoint(RUN, one.store, one.folder / "runs" / RUN, texts)
    folded = checkpoint.standing(one.initial())
    Checkpoint(RUN, one.store, one.folder / "runs" / RUN, texts).keep(one.initial(), one.initial())
    wrong = json.loads((one.folder / "runs" / RUN / FILE).read_text())
    assert checkpoint.standing(one.initial()).tip == one.initial().tip and "other standing" in checkpoint.problem(
        one.initial()
    )
    changes: list[dict[str, Any]] = [{"trials": 1}, {"basis": "0"}, {"after": len(rows)}, {"last_trial": None}]
    changes.append({"standing": '{"kind":"os:system"}'})
    for change in changes:
        (one.folder / "runs" / RUN / FILE).write_text(json.dumps(wrong | change))
        assert checkpoint.standing(one.initial()).tip == folded.tip
    (one.folder / "runs" / RUN / FILE).write_text("{")
    assert checkpoint.standing(one.initial()).tip == folded.tip


def test_what_is_read_of_few_columns_is_what_all_rows_say(long_runs: dict[int, Long]) -> None:
    one = long_runs[FEW]
    store, labels = one.store, {task.name: task.name.upper() for task in one.tasks}
    history, rows = History(RUN, store, labels), store.rounds(RUN)
    patches = [row for row in rows if row.proposal and row.decision and not row.is_null_copy]
    whole = [(row.number, row.decision.verdict, row.proposal.hypothesis) for row in patches]
    assert history.outlines() == history.outlines() == whole and store.newest_outline(RUN) == whole[-1][0]
    for row in (row for row in patches if row.candidate and row.parent):
        old, new = (
            [trial for trial in store.trials(RUN, made.commit) if trial.split is Split.TRAIN]
            for made in (row.parent, row.candidate)
        )
        changes, facts = task_changes(old, new), history.facts(row)
        assert [[labels[name] for name in names] for names in astuple(changes)] == [*map(list, astuple(facts.change))]
        counted = {(trial.task, trial.attempt) for trial in store.trials(RUN, row.candidate.commit) if trial.counts}
        assert store.counted_slots(RUN, row.candidate.commit, 0, 10**12) == counted
    facts = [RoundFacts(row.number, row.proposal, row.decision) for row in patches]
    for newest in (12, REMEMBERED):
        shown = history.newest(newest)
        assert [(one.round, one.hypothesis, one.decision) for one in shown] == [
            (one.round, one.hypothesis, one.decision) for one in facts[-newest:]
        ]
    assert format_memory(history.newest(REMEMBERED), [], history.outlines()[:-REMEMBERED]) == format_memory(facts, [])


def test_the_oldest_rounds_are_remembered_by_their_outlines() -> None:
    facts = [
        RoundFacts(number, Proposal(f"idea {number}", "", ()), Decision(Verdict.REVERT, "no"))
        for number in range(1, 99)
    ]
    outlines = [RoundOutline(one.round, one.verdict, one.hypothesis) for one in facts]
    assert format_memory(facts[-REMEMBERED:], [], outlines[:-REMEMBERED]) == format_memory(facts, [])


def test_a_run_that_is_resumed_before_each_round_decides_as_one_that_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "now", lambda: STAMP)
    with bench_path():
        whole = Long(tmp_path / "whole", BEFORE_ABLATION)
        cut = copy.copy(whole)
        shutil.copytree(tmp_path / "whole", tmp_path / "cut")
        cut.folder, cut.store = tmp_path / "cut", Store.open(tmp_path / "cut" / "runs" / "evolve.db")
        cut.lineage = Lineage.open(tmp_path / "cut" / "repo" / "scaffold", tmp_path / "cut" / "own.git")
        search = whole.search()
        standing = search.start()
        for number in range(BEFORE_ABLATION + 1, BEFORE_ABLATION + 1 + PLAYED):
            standing = search.play_race(standing, [number])
            again = cut.search()
            after = again.play_race(again.start(), [number])
    assert frozen_text.to_text(after) == frozen_text.to_text(standing)
    assert decided(cut.store) == decided(whole.store)
    for one in (whole, cut):
        one.store.close()


def played_and_decided_again(salt: int, rounds: int = BEFORE_ABLATION) -> list[Decision]:
    """The decisions of a simulated run, which its rows give once more."""
    with bench_path():
        simulated, bulk = (importlib.import_module(f"bench.{name}") for name in ("simulated_run", "bulk_rounds"))
    suite = Suite(Path(), TASKS)
    commits = [f"{stable_hash(salt, 'c', number):016x}" * 2 for number in range(rounds + 1)]
    seed = Candidate(commits[0], 0, None, "b")
    config = RunConfig(scaffold=Path("scaffold"), model="embedded", proposer="simulated", score_attempts=1)
    standing = initial_standing(suite, config, seed)
    trials = bulk.Trials(suite, 0, {seed.commit: 0.0})
    texts = {seed.commit: {"main.py": simulated.text_of(0.0, "start"), "notes.py": " " * 5_000}}
    rows, initial = [SimpleNamespace(number=0, race=0)], standing
    for number, commit in enumerate(commits[1:], 1):
        standing = measure_tip(trials, compare_ends(trials, standing))
        tip, before = standing.tip, texts[standing.tip.commit]
        proposal = simulated.patch(simulated.skill_of(before["main.py"]), stable_hash(0, "propose", number))
        made = Candidate(commit, number, tip.commit, "b")
        texts[commit] = {**before, "main.py": proposal.edits[0].text}
        trials.skills[commit] = simulated.skill_of(texts[commit]["main.py"])
        ruled = judge_challengers(trials, standing, [patch_of(texts.__getitem__, tip, made, proposal)])
        row = {"candidate": made, "proposal": proposal, "decision": ruled.decisions[0], "is_null_copy": False}
        rows.append(SimpleNamespace(number=number, race=number, **row))
        standing = ruled.standing
    again = standing_of(RUN, initial, rows, trials.trials, texts.__getitem__)  # type: ignore[arg-type]
    assert frozen_text.to_text(again) == frozen_text.to_text(standing)
    return [row.decision for row in rows[1:]]


@pytest.mark.parametrize("salt", [359, 514, 10_664])
def test_what_the_tip_costs_in_later_rounds_does_not_change_a_decision(salt: int) -> None:
    """Of thousands of runs, some in which a patch tied with the tip at first, and was cheaper by trials of later on."""
    played_and_decided_again(salt)


def test_a_run_whose_tip_gave_way_to_an_earlier_scaffold_is_decided_again_alike() -> None:
    assert all(any(one.back_to for one in played_and_decided_again(salt, 60)) for salt in STEPPING_BACK)


def decided(store: Store) -> list[tuple[Any, ...]]:
    """What the rounds that were played by the loop proposed and decided."""
    rows = store.rounds(RUN)[BEFORE_ABLATION + 1 :]
    return [(row.candidate, row.proposal and (row.proposal.edits, row.proposal.ablates), row.decision) for row in rows]


def test_a_sum_that_is_kept_is_that_of_all_trials(long_runs: dict[int, Long], monkeypatch: pytest.MonkeyPatch) -> None:
    one, folder = long_runs[FEW], long_runs[FEW].folder / "runs" / RUN
    monkeypatch.setattr(kept_spending, "WORTH_KEEPING", 1)
    with Store.open(one.folder / "runs" / "evolve.db") as fresh:
        whole = fresh.spent(RUN)
    (folder / kept_spending.FILE).unlink(missing_ok=True)
    for _ in range(2):
        with Store.open(one.folder / "runs" / "evolve.db") as fresh:
            kept_spending.add_up(fresh, RUN, folder)
            assert fresh.spent(RUN) == whole
            assert kept_spending.problem(fresh, RUN, folder) == ""
    kept = json.loads((folder / kept_spending.FILE).read_text())
    kept["usage"]["calls"] += 1
    (folder / kept_spending.FILE).write_text(json.dumps(kept))
    assert "another sum" in kept_spending.problem(one.store, RUN, folder)
    for broken in (kept | {"key": ["another"]}, kept | {"usage": {"calls": -1}}, kept | {"usage": None}, []):
        (folder / kept_spending.FILE).write_text(json.dumps(broken))
        with Store.open(one.folder / "runs" / "evolve.db") as fresh:
            kept_spending.add_up(fresh, RUN, folder)
            assert fresh.spent(RUN) == whole


def test_a_resumed_run_goes_on_from_what_is_kept(long_runs: dict[int, Long]) -> None:
    one = long_runs[MANY]
    one.search().start()
    with counting(one) as counts:
        one.search().start()
    assert counts["git"] < 40 and counts["rows"] < 4 * MANY + 800, counts


def test_every_kind_of_value_comes_back_as_it_was() -> None:
    effect, numbers = EstimatedEffect(0.1 + 0.2, 1e-300), np.random.default_rng(1).random((2, 3))
    aims = Aims(protected=frozenset({"b", "a"}), seed={"a": Spent(0.1, float("inf"))})
    values = (effect, aims, numbers, np.float64(0.3), StackFate.OPEN, GateConfig(risk=0.02), (), None, True, "x")
    back = frozen_text.from_text(frozen_text.to_text(values))
    assert back[:2] == values[:2] and (back[2] == numbers).all() and back[3:] == values[3:]
    assert frozen_text.to_text(back) == frozen_text.to_text(values)
    with pytest.raises(frozen_text.NotWritable):
        frozen_text.to_text((Long,))


@pytest.mark.parametrize(
    "text", ["[1,", "{}", '{"kind":"evolve.gate.standing:os"}', '{"kind":"builtins:eval","fields":{}}']
)
def test_text_that_is_no_value_of_the_gate_makes_nothing(text: str) -> None:
    with pytest.raises(ValueError, match=r"gate|Expecting"):
        frozen_text.from_text(text)


def test_counts_that_are_kept_give_the_validity_that_all_trials_give(
    long_runs: dict[int, Long], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, runs = long_runs[FEW], long_runs[FEW].folder / "runs"
    monkeypatch.setattr(tally, "WORTH_KEEPING", 1)
    whole = evidence.judge_trials(one.store.trials(RUN), runs, RUN)
    for _ in range(2):
        assert evidence.grounds_of(one.store, RUN, runs) == whole
        assert tally.problem(one.store, RUN, runs / RUN) == ""
    kept = json.loads((runs / RUN / tally.FILE).read_text())
    kept["groups"][0][1] += 1
    (runs / RUN / tally.FILE).write_text(json.dumps(kept))
    assert "other counts" in tally.problem(one.store, RUN, runs / RUN)
    (runs / RUN / tally.FILE).write_text(json.dumps(kept | {"key": [*kept["key"][:-1], "another time"]}))
    assert evidence.grounds_of(one.store, RUN, runs) == whole


def test_scores_that_are_kept_are_those_of_all_trials(
    long_runs: dict[int, Long], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, folder = long_runs[FEW], long_runs[FEW].folder / "runs" / RUN
    monkeypatch.setattr(round_scores, "WORTH_KEEPING", 1)
    whole = one.store.round_scores(RUN, 0, one.store.newest_round(RUN))
    for _ in range(2):
        assert round_scores.round_scores(one.store, RUN, folder) == whole
        assert round_scores.problem(one.store, RUN, folder) == ""
    kept = json.loads((folder / round_scores.FILE).read_text())
    assert kept["last"] == one.store.last_trial(RUN)
    kept["scores"][0][3] += 0.01
    (folder / round_scores.FILE).write_text(json.dumps(kept))
    assert "other scores" in round_scores.problem(one.store, RUN, folder)
    (folder / round_scores.FILE).write_text(json.dumps(kept | {"key": [*kept["key"][:-1], "another time"]}))
    assert round_scores.round_scores(one.store, RUN, folder) == whole


def test_milestones_say_where_champion_and_tip_are(long_runs: dict[int, Long]) -> None:
    store = long_runs[MANY].store
    assert ends_of(store.milestones(RUN)) == ends_of(store.rounds_in_brief(RUN)) is not None
    assert len(store.milestones(RUN)) < MANY / 2


def test_a_part_of_the_history_is_that_part_of_the_whole(long_runs: dict[int, Long]) -> None:
    store, runs = long_runs[FEW].store, long_runs[FEW].folder / "runs"
    whole = store.view("history", RUN)
    last = whole[-1]["round"]
    assert store.history(RUN, 1, last) == whole
    assert store.history(RUN, 7, 9) == [whole[0], *whole[7:10]]
    brief = store.history(RUN, 1, last, figures=False)
    assert [(row["verdict"], row["champion_round"], row["doubt"]) for row in brief] == [
        (row["verdict"], row["champion_round"], row["doubt"]) for row in whole
    ]
    assert [row["round"] for row in run_history(store, RUN, runs)] == [row["round"] for row in whole]


def test_git_reads_notes_in_folders_and_those_without(long_runs: dict[int, Long]) -> None:
    one = long_runs[FEW]
    commits: Sequence[str] = [row.candidate.commit for row in one.store.rounds_in_brief(RUN)[1:] if row.candidate]
    assert all(one.lineage.decision(commit)["Evolve-Run"] == RUN for commit in commits[:5])


@pytest.mark.parametrize("figures", [True, False])
def test_a_part_of_the_history_reads_the_times_of_its_rounds_alone(figures: bool) -> None:
    words = str(queries.history("run", 3, 5, figures))
    for table, number in (("round", "number"), ("decision", "round")):
        assert f"FROM {table} WHERE run_id = :run AND ({number} = 0 OR {number} BETWEEN :first AND :last)" in words
