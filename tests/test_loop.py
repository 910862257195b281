"""The loop over real git and a real database; only the worker processes and the model are stand-ins."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pytest

from evolve.budget import run_budget
from evolve.core.attempts import ATTEMPTS_PER_TIP, first_fresh_attempt
from evolve.core.caps import Caps
from evolve.core.config import RunConfig
from evolve.core.errors import BadInput, BudgetExhausted, InfraError
from evolve.core.gate_config import GateConfig
from evolve.core.records import Split, TaskImage, TrialResult, TrialSpec, Usage, Verdict, stable_hash
from evolve.guard import Vocabulary
from evolve.guard.leaks import STRONG, Sign
from evolve.host.run_names import owner_of
from evolve.host.signals import Stop
from evolve.loop.assembly import assemble
from evolve.loop.search import Search
from evolve.loop.watcher import SilentWatcher
from evolve.repo import Lineage
from evolve.sandbox.archive import CollectedFiles
from evolve.store import RunRow, Store
from evolve.suite.tasks import Suite
from evolve.trial import trajectory
from evolve.trial.self_work import SelfWork, SelfWorkResult
from tests.fakes import ProposingModel, ScoringEvaluator, completion, task, tool_call

RUN = "20261123-2144-quiet-otter"
NO_CAPS = Caps()
SEED_TEXT = "LEVEL = 1\n"
TOML = 'name = "s"\nentry = "main.py"\nevolvable = ["*.py"]\n'
# EVOLVE_EVERY_CUT=1 cuts runs off at more places.
EVERY_CUT = bool(os.environ.get("EVOLVE_EVERY_CUT"))
NAMES = {Split.TRAIN: 12, Split.VALIDATION: 8, Split.HOLDOUT: 4}


def slowly(*values: object) -> list[Any]:
    """Parameters for which a test does not run in `make unit`."""
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


def proposing(*levels: object) -> ProposingModel:
    """A model that proposes these values of LEVEL, one a round; None proposes nothing."""

    def answer(level: object) -> Callable[[Any], dict[str, Any]]:
        def complete(body: Any) -> dict[str, Any]:
            if level is None:
                return completion("I have no idea.")
            # More than another amount of the same: that would be the same idea.
            mark = "".join(chr(97 + ord(letter) % 26) for letter in str(level))
            text = f"LEVEL = {level}\n{mark}_way = None\n"
            edit = {"path": "main.py", "old": "", "new": text}
            arguments = {"hypothesis": f"level {level} is better", "prediction": "more pass", "edits": [edit]}
            return completion(None, tool_call("propose", json.dumps(arguments)))

        return complete

    return ProposingModel(*(answer(level) for level in levels))


def by_level(text: str, spec: TrialSpec) -> float:
    """The higher the level, the more tasks pass; the same ones on each attempt."""
    level = int(text.split("=")[1].split()[0])
    return float(int(spec.task.name[-2:]) % 10 < 2 * level)


def by_tenths(text: str, spec: TrialSpec) -> float:
    """The same reward at every task: a tenth for each level."""
    return int(text.split("=")[1].split()[0]) / 10


@dataclass(frozen=True)
class Run:
    """A search with what it writes to. `folder`: the run's."""

    search: Search
    config: RunConfig
    store: Store
    lineage: Lineage
    folder: Path

    def play(self, rounds: int) -> None:
        self.search.run_rounds(rounds)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the seed scaffold, to be copied."""
    return write_repository(tmp_path_factory.mktemp("repository"))


def write_repository(top: Path) -> Path:
    folder = top / "scaffold"
    folder.mkdir()
    (folder / "main.py").write_text(SEED_TEXT)
    (folder / "scaffold.toml").write_text(TOML)
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x"]):
        subprocess.run(["git", "-C", str(top), *words], check=True)
    return top


@pytest.fixture
def made(repository: Path, tmp_path: Path) -> Iterator[Callable[..., Run]]:
    with opened(repository, tmp_path) as make:
        yield make


@dataclass(frozen=True)
class Played:
    """A run of two rounds that no test changes: the first one's patch is kept, the second one's reverted."""

    run: Run
    evaluator: ScoringEvaluator


@pytest.fixture(scope="module")
def played(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    evaluator = ScoringEvaluator(by_level)
    with opened(repository, tmp_path_factory.mktemp("played"), scored=2) as make:
        run = make(proposing(4, 0), evaluator)
        run.play(2)
        yield Played(run, evaluator)


@contextmanager
def opened(repository: Path, tmp_path: Path, scored: int = 1) -> Iterator[Callable[..., Run]]:
    """Open runs on one repository and one database: the second is the first, resumed.

    scored: on how many attempts the reported scores are measured.
    """
    shutil.copytree(repository, tmp_path / "repo")
    folder = tmp_path / "repo" / "scaffold"
    tasks = tuple(task(f"{split}-{n:02}", split) for split, count in NAMES.items() for n in range(count))
    store = Store.open(tmp_path / "runs" / "evolve.db")
    config = RunConfig(
        scaffold=folder,
        model="scripted",
        prompt_price=1.0,
        completion_price=1.0,
        score_attempts=scored,
        holdout_attempts=scored,
    )
    row = ("2026-11-23T21:44:00+00:00", 0, "{}", "0" * 64, "s", "s", "scripted", None, "{}", "0", "r", None)
    store.create_run(RunRow(RUN, *row), tasks)

    def make(
        model: ProposingModel,
        evaluator: ScoringEvaluator,
        caps: Caps = NO_CAPS,
        proposer: Literal["direct", "self"] = "direct",
        database: Store = store,
        **more: Any,
    ) -> Run:
        parts = {name: more.pop(name) for name in ("vocabulary", "stop", "policy", "watcher") if name in more}
        settings = more.pop("settings", {})
        changes = {"gate": GateConfig.model_validate(more), "proposer": proposer, **settings}
        run_config, lineage = config.model_copy(update=changes), Lineage.open(folder, tmp_path / "own.git")
        search = assemble(
            run=RUN,
            config=run_config,
            suite=Suite(tmp_path, tasks),
            store=database,
            lineage=lineage,
            evaluator=evaluator,  # type: ignore[arg-type]
            model_for=lambda what: model,
            budget=run_budget.begin(store, RUN, tmp_path / "runs" / RUN, caps, free=False),
            images={t.name: TaskImage("i", "/app") for t in tasks},
            base_image="base",
            folder=tmp_path / "runs" / RUN,
            **{"watcher": SilentWatcher(), **parts},
        )
        return Run(search, run_config, database, lineage, tmp_path / "runs" / RUN)

    yield make
    store.close()


def verdicts(run: Run) -> list[Verdict]:
    return [row.decision.verdict for row in run.store.rounds(RUN) if row.decision]


def test_better_is_kept_worse_is_reverted_and_nonsense_is_refused(made: Callable[..., Run]) -> None:
    run = made(proposing(4, 0, None, "(", 4, 3), ScoringEvaluator(by_level))
    run.play(6)
    assert verdicts(run) == ["baseline", "keep", "revert", "refused", "refused", "refused", "revert"]
    champion = run.store.champion(RUN)
    assert champion.round == 1
    assert run.lineage.resolve(f"evolve/{RUN}/champion") == champion.commit
    assert str(run.lineage.files(champion.commit)["main.py"]).startswith("LEVEL = 4\n")
    assert (run.config.scaffold / "main.py").read_text() == SEED_TEXT


def test_a_patch_with_words_of_a_single_task_is_refused(made: Callable[..., Run]) -> None:
    known = Vocabulary(literals={"LEVEL = 4": Sign(STRONG, frozenset({0}))})
    run = made(proposing(4, 3), ScoringEvaluator(by_level), vocabulary=lambda: known)
    run.play(2)
    assert [verdict == "refused" for verdict in verdicts(run)] == [False, True, False]
    refused = run.store.rounds(RUN)[1].decision
    assert refused and refused.reason.startswith("leak: `LEVEL = 4`")


def test_a_new_champion_is_measured_on_attempts_it_never_had(played: Played) -> None:
    run, evaluator = played.run, played.evaluator
    assert verdicts(run) == ["baseline", "keep", "revert"]
    champion = run.store.champion(RUN).commit
    used = [s.attempt for s in evaluator.specs if s.candidate == champion and s.task.split is Split.TRAIN]
    assert {ATTEMPTS_PER_TIP} < set(used)
    challenger = [s for s in evaluator.specs if s.candidate not in (champion, run.store.candidates(RUN)[0].commit)]
    assert {s.attempt for s in challenger} == {ATTEMPTS_PER_TIP}


def test_challengers_share_the_answers_of_their_parent_where_decisions_are_made(played: Played) -> None:
    run, evaluator = played.run, played.evaluator
    seed, champion = run.store.candidates(RUN)[0].commit, run.store.champion(RUN).commit
    recordings = {(t.candidate, t.task, t.attempt): t.recording for t in run.store.trials(RUN)}
    parents = {c.commit: c.parent for c in run.store.candidates(RUN)}
    for spec in evaluator.specs:
        challenges = spec.candidate != seed and spec.attempt < ATTEMPTS_PER_TIP * (1 + (spec.candidate != champion))
        decides = challenges and spec.task.split is not Split.HOLDOUT
        shared = recordings[str(parents[spec.candidate]), spec.task.name, spec.attempt] if decides else None
        assert spec.reuse_of == shared, spec.key
    # The one that was kept is measured anew, on answers of its own.
    assert any(spec.reuse_of for spec in evaluator.specs if spec.candidate == champion)
    assert any(spec.attempt >= ATTEMPTS_PER_TIP for spec in evaluator.specs if spec.candidate == champion)


def test_answers_are_not_shared_if_the_run_says_so(made: Callable[..., Run]) -> None:
    evaluator = ScoringEvaluator(by_level)
    made(proposing(4, 0), evaluator, settings={"reuse": "off"}).play(2)
    assert {spec.reuse_of for spec in evaluator.specs} == {None}


def test_a_trial_of_the_parent_that_ran_for_a_score_is_not_shared(made: Callable[..., Run]) -> None:
    """Otherwise a run that ended once would go on differently from one that never ended."""

    def by_luck(text: str, spec: TrialSpec) -> float:
        return float(stable_hash(text, spec.task.name, spec.attempt) % 2)

    evaluator = ScoringEvaluator(by_luck)
    run = made(proposing(1, 2, 3, 4, 5, 6), evaluator, settings={"score_attempts": 4}, tip_passes=1)
    run.play(0)
    seed = run.store.candidates(RUN)[0].commit
    measured = {(trial.task, trial.attempt) for trial in run.store.trials(RUN, seed)}
    assert {attempt for _, attempt in measured} == set(range(4))
    evaluator.specs.clear()
    run.play(6)
    others = [spec for spec in evaluator.specs if spec.candidate != seed and (spec.task.name, spec.attempt) in measured]
    decided = [spec for spec in others if spec.task.split is not Split.HOLDOUT]
    assert {spec.attempt for spec in decided if spec.reuse_of} == {0}
    assert any(spec.attempt > 0 for spec in decided)


def test_what_was_taken_over_costs_the_run_nothing(made: Callable[..., Run]) -> None:
    run = made(proposing(4), ReusingEvaluator(by_level))
    run.play(1)
    trials = run.store.trials(RUN)
    taken = [trial for trial in trials if trial.reuse]
    assert taken and all(trial.usage == REUSED_USAGE for trial in taken)
    fresh = len(trials) - len(taken)
    assert run.store.spent(RUN).tokens == 110 * fresh + 20 * len(taken) + _proposals(run).tokens
    cost = [row for row in run.store.view("cost", RUN) if row["purpose"] == "trials"]
    assert sum(row["calls"] for row in cost) == fresh + len(taken)
    assert sum(row["cost_usd"] for row in cost) == pytest.approx(0.01 * fresh + 0.02 * len(taken))
    assert run.search.measurer.budget.spent().tokens == run.store.spent(RUN).tokens
    rows = {row["id"]: row for row in run.store.view("trials", RUN)}
    assert sum(row["reused_tokens"] for row in rows.values()) == 90 * len(taken)
    assert sum(row["tokens"] for row in rows.values()) == 110 * len(trials)


def _proposals(run: Run) -> Usage:
    made = [row.proposal.usage for row in run.store.rounds(RUN) if row.proposal]
    return sum([*made, *(lesson.usage for lesson in run.store.lessons(RUN))], Usage())


# Three calls, of which two took an answer over.
REUSED_USAGE = Usage(
    3, 100, 10, 0.06, 1,
    reused_calls=2, reused_prompt_tokens=81, reused_completion_tokens=9, reused_cost_usd=0.04,
)  # fmt: skip


class ReusingEvaluator(ScoringEvaluator):
    """Trials that may take answers over do."""

    def _result(self, spec: TrialSpec, reward: float | None) -> TrialResult:
        result = super()._result(spec, reward)
        return result if spec.reuse_of is None else replace(result, usage=REUSED_USAGE, reuse=True)


def test_the_holdout_is_looked_at_twice_and_never_gates(played: Played) -> None:
    run, evaluator = played.run, played.evaluator
    looks = run.store.holdout_looks(RUN)
    assert [look.why for look in looks] == ["seed scaffold at the end", "champion at the end"]
    measured = {s.candidate for s in evaluator.specs if s.task.split is Split.HOLDOUT}
    assert measured == {look.commit for look in looks}


def test_the_proposer_sees_train_trials_and_earlier_rounds_alone(made: Callable[..., Run]) -> None:
    model = proposing(0, None)
    made(model, ScoringEvaluator(by_level)).play(2)
    shown = json.dumps(model.requests[-1])
    assert "level 0 is better" in shown and "revert" in shown
    assert "validation-" not in shown and "holdout-" not in shown


@pytest.mark.parametrize("stop_after", [*slowly(0, 66), 19, *(slowly(7, 30, 50) if EVERY_CUT else ())])
def test_a_run_that_was_cut_off_takes_the_same_decisions(
    made: Callable[..., Run], stop_after: int, tmp_path: Path
) -> None:
    def failing(text: str, spec: TrialSpec) -> float:
        if len(broken.specs) > stop_after:
            raise InfraError("the machine is gone")
        return by_level(text, spec)

    broken = ScoringEvaluator(failing)
    model = proposing(4, 0, 5)
    with pytest.raises(InfraError):
        made(model, broken).play(3)
    again = made(model, ScoringEvaluator(by_level))
    again.play(3)
    assert verdicts(again) == ["baseline", "keep", "revert", "stack"]
    assert len(model.requests) == 3
    slots = [(t.candidate, t.task, t.attempt) for t in again.store.trials(RUN)]
    assert len(slots) == len(set(slots))


def test_the_cap_in_dollars_ends_a_run_and_loses_no_trial(made: Callable[..., Run]) -> None:
    evaluator = ScoringEvaluator(by_level)
    run = made(proposing(4), evaluator, caps=Caps(usd=0.15))
    with pytest.raises(BudgetExhausted, match=r"^the budget of \$0.15 is spent"):
        run.play(3)
    assert len(run.store.trials(RUN)) == len(evaluator.specs) == 15


def final_trials(run: Run) -> list[tuple[Split, int]]:
    """The champion's trials by which nothing is decided."""
    champion = run.store.champion(RUN)
    trials = run.store.trials(RUN, champion.commit)
    fresh = [t for t in trials if t.attempt >= first_fresh_attempt(champion) or t.split is Split.HOLDOUT]
    return sorted((trial.split, trial.attempt) for trial in fresh)


@pytest.mark.parametrize("caps", [Caps(usd=1.5), Caps(tokens=16_500), Caps(trials=150)])
def test_a_run_that_reaches_its_cap_ends_with_its_claim_and_plays_no_more_rounds(
    made: Callable[..., Run], caps: Caps
) -> None:
    run = made(proposing(4, 0, 5, 0, 0, 0, 0, 0), ScoringEvaluator(by_level), caps=caps)
    with pytest.raises(BudgetExhausted, match=r"^the rounds' share of the budget of .* is spent$"):
        run.play(30)
    rounds, trials = run.store.rounds(RUN), run.store.trials(RUN)
    assert 2 < len(rounds) < 30 and run.store.champion(RUN).round == 1
    first = first_fresh_attempt(run.store.champion(RUN))
    splits = [split for split, count in NAMES.items() for _ in range(count)]
    assert final_trials(run) == sorted((split, 0 if split is Split.HOLDOUT else first) for split in splits)
    seed = run.store.trials(RUN, run.store.candidates(RUN)[0].commit)
    assert sum(trial.split is Split.HOLDOUT for trial in seed) == NAMES[Split.HOLDOUT]
    assert [look.why for look in run.store.holdout_looks(RUN)][-1] == "champion at the end"
    assert len(trials) <= 150
    resumed = made(proposing(9), evaluator := ScoringEvaluator(by_level), caps=caps)
    with pytest.raises(BudgetExhausted, match="rounds' share"):
        resumed.play(30)
    assert evaluator.specs == [] and resumed.store.rounds(RUN) == rounds


def test_a_larger_cap_goes_on_from_the_end_at_a_cap(made: Callable[..., Run]) -> None:
    model = proposing(4, 0, 5)
    with pytest.raises(BudgetExhausted):
        made(model, ScoringEvaluator(by_level), caps=Caps(trials=120)).play(3)
    again = made(model, ScoringEvaluator(by_level))
    again.play(3)
    assert verdicts(again) == ["baseline", "keep", "revert", "stack"]


def test_an_interrupt_ends_what_was_begun_and_the_run_goes_on_from_there(made: Callable[..., Run]) -> None:
    stop = Stop()

    def asking(text: str, spec: TrialSpec) -> float:
        stop.requested = len(interrupted.specs) == 10
        return by_level(text, spec)

    interrupted = ScoringEvaluator(asking)
    with pytest.raises(KeyboardInterrupt):
        made(proposing(4), interrupted, stop=stop).play(1)
    again = made(proposing(4), ScoringEvaluator(by_level))
    assert len(again.store.trials(RUN)) == 10
    again.play(1)
    assert verdicts(again) == ["baseline", "keep"]


def test_infrastructure_errors_are_no_evidence(made: Callable[..., Run]) -> None:
    seen: set[str] = set()

    def shaky(text: str, spec: TrialSpec) -> float | None:
        if spec.key not in seen:
            seen.add(spec.key)
            return None
        return by_level(text, spec)

    run = made(proposing(4), Retrying(shaky))
    run.play(1)
    assert verdicts(run) == ["baseline", "keep"]
    assert {t.reward for t in run.store.trials(RUN) if not t.counts} == {None}


class Retrying(ScoringEvaluator):
    """Tries again what did not count, as the real one does."""

    def measure(self, specs: Any, on_result: Any, may_start: Any = lambda: True) -> None:
        results: list[TrialResult] = []

        def keep(result: TrialResult) -> None:
            results.append(result)
            on_result(result)

        for spec in list(specs):
            super().measure([spec], keep)
            while not results[-1].counts:
                super().measure([spec], keep)


def test_a_kept_patch_is_left_out_in_its_turn_and_the_run_can_be_gone_on_with(made: Callable[..., Run]) -> None:
    run = made(proposing(4, 0, 5), ScoringEvaluator(by_level), ablate_every=2)
    run.play(2)
    row = run.store.rounds(RUN)[2]
    assert row.proposal is not None and row.candidate is not None
    assert row.proposal.ablates == 1
    assert "without the patch of round 1" in row.proposal.hypothesis
    assert run.lineage.files(row.candidate.commit)["main.py"] == SEED_TEXT
    assert verdicts(run) == ["baseline", "keep", "revert"]
    made(proposing(0, 5), ScoringEvaluator(by_level), ablate_every=2).play(4)
    assert [row.proposal.ablates for row in run.store.rounds(RUN) if row.proposal] == [None, 1, None, None]


def test_dead_weight_goes_when_it_is_left_out_at_no_loss(made: Callable[..., Run]) -> None:
    def two_files(body: Any) -> dict[str, Any]:
        edits = [{"path": "main.py", "old": "", "new": "LEVEL = 4\n"}, {"path": "more.py", "old": "", "new": "X = 1\n"}]
        arguments = {"hypothesis": "two things", "prediction": "more", "edits": edits}
        return completion(None, tool_call("propose", json.dumps(arguments)))

    def by_file(text: str, spec: TrialSpec) -> float:
        return by_level("LEVEL = 4" if spec.candidate != seed else text, spec)

    run = made(ProposingModel(two_files), ScoringEvaluator(by_file), ablate_every=2)
    seed = run.lineage.seed(RUN, "2026-11-23T21:44:00+00:00")
    run.play(2)
    row = run.store.rounds(RUN)[2]
    assert row.decision is not None and row.decision.verdict is not Verdict.REVERT
    assert "as good, and cheaper" in row.decision.reason


def test_a_run_whose_rows_tell_of_another_rule_is_not_gone_on_with(made: Callable[..., Run]) -> None:
    made(proposing(4, 0), ScoringEvaluator(by_level)).play(2)
    with pytest.raises(BadInput, match="not those of this version's gate"):
        made(proposing(0), ScoringEvaluator(by_level), rule="greedy", attempts=9).play(3)


@pytest.mark.parametrize("rule", ["greedy", *slowly("archive", "clade", "pareto")])
def test_other_rules_run_too_and_can_be_gone_on_with(made: Callable[..., Run], rule: str) -> None:
    levels = (2, 0, 4, 3, 5)
    whole = made(proposing(*levels), ScoringEvaluator(by_level), rule=rule, attempts=1)
    whole.play(3)
    made(proposing(*levels[3:]), ScoringEvaluator(by_level), rule=rule, attempts=1).play(5)
    rows = whole.store.rounds(RUN)
    assert str(whole.lineage.files(whole.store.champion(RUN).commit)["main.py"]).startswith("LEVEL = 5\n")
    assert verdicts(whole)[2] is Verdict.REVERT, "it solves nothing"
    assert all(row.decision and row.decision.evidence is None for row in rows)


def racing(made: Callable[..., Run], *levels: object, **more: Any) -> Run:
    return made(proposing(*levels), more.pop("evaluator", None) or ScoringEvaluator(by_level), **{"race": 3, **more})


def races(run: Run) -> list[int]:
    return [row.race for row in run.store.rounds(RUN)]


def test_patches_of_one_tip_are_made_at_once_and_raced(made: Callable[..., Run]) -> None:
    run = racing(made, 4, 3, 2, 0, -1)
    run.play(5)
    assert races(run) == [0, 1, 1, 1, 4, 4]
    rows = run.store.rounds(RUN)
    assert {row.parent.round for row in rows[1:4] if row.parent} == {0}
    assert sorted(verdicts(run)[1:4]) == ["keep", "revert", "revert"]
    taken = 1 + verdicts(run)[1:4].index(Verdict.KEEP)
    assert {row.parent.round for row in rows[4:] if row.parent} == {taken}
    assert len({row.candidate.commit for row in rows if row.candidate}) == 6


@pytest.mark.parametrize("stop_after", [*slowly(50, 60, 90, 105, 130), 75])
def test_a_race_that_was_cut_off_takes_the_same_decisions(made: Callable[..., Run], stop_after: int) -> None:
    def failing(text: str, spec: TrialSpec) -> float:
        if len(broken.specs) > stop_after:
            raise InfraError("the machine is gone")
        return by_level(text, spec)

    broken, model = ScoringEvaluator(failing), proposing(3, 4, 2, 0, -1, -2)
    with pytest.raises(InfraError):
        made(model, broken, race=3).play(6)
    again = made(model, ScoringEvaluator(by_level), race=3)
    again.play(6)
    assert len(verdicts(again)) == 7
    assert races(again) == [0, 1, 1, 1, 4, 4, 4]
    slots = [(t.candidate, t.task, t.attempt) for t in again.store.trials(RUN)]
    assert len(slots) == len(set(slots))


def test_a_race_that_was_cut_off_between_its_decisions_is_decided_to_the_end(made: Callable[..., Run]) -> None:
    run = racing(made, 3, 4, 2)
    add, told = run.store.add_decision, []

    def one_only(name: str, number: int, *rest: Any) -> None:
        if number and told:
            raise InfraError("the disk is full")
        told.append(number) if number else None
        add(name, number, *rest)

    run.store.add_decision = one_only  # type: ignore[method-assign]
    with pytest.raises(InfraError):
        run.play(3)
    run.store.add_decision = add  # type: ignore[method-assign]
    assert len(verdicts(run)) == 2
    racing(made).play(3)
    assert len(verdicts(run)) == 4


def test_what_was_as_good_as_the_winner_is_merged_into_it(made: Callable[..., Run]) -> None:
    def answer(path: str, level: int) -> Callable[[Any], dict[str, Any]]:
        edits = [{"path": path, "old": "", "new": f"LEVEL = {level}\n"}]
        words = {"hypothesis": f"{path} at {level}", "prediction": "more", "edits": edits}
        return lambda body: completion(None, tool_call("propose", json.dumps(words)))

    def by_either(text: str, spec: TrialSpec) -> float:
        files = [(spec.scaffold.folder / name) for name in ("main.py", "more.py")]
        return max(by_level(file.read_text(), spec) for file in files if file.is_file())

    answers = [answer("main.py", 4), answer("more.py", 4), answer("main.py", 0)]
    run = made(ProposingModel(*answers), ScoringEvaluator(by_either), race=2)
    # A module that nothing speaks of would be refused.
    (run.config.scaffold / "parts.toml").write_text('parts = ["main.py", "more.py"]\n')
    run.play(4)
    merged = run.store.rounds(RUN)[3]
    assert merged.proposal and merged.candidate
    assert merged.proposal.merges in (1, 2)
    assert "merges round" in merged.proposal.hypothesis
    files = run.lineage.files(merged.candidate.commit)
    assert (files["main.py"], files["more.py"]) == ("LEVEL = 4\n", "LEVEL = 4\n")
    assert merged.parent is not None and merged.parent.round != merged.proposal.merges


def test_answers_that_came_before_one_failed_are_kept(made: Callable[..., Run]) -> None:
    def fails(body: Any) -> dict[str, Any]:
        raise InfraError("no answer")

    good = proposing(4, 3).answers
    run = made(ProposingModel(good[0], fails, good[1]), ScoringEvaluator(by_level), race=3)
    with pytest.raises(InfraError, match="no answer"):
        run.play(3)
    assert sum(row.proposal is not None for row in run.store.rounds(RUN)) == 2
    racing(made, 4).play(3)
    assert len(verdicts(run)) == 4


def told(run: Run) -> list[tuple[Verdict, str]]:
    return [(row.decision.verdict, row.decision.reason) for row in run.store.rounds(RUN) if row.decision]


def test_a_patch_that_does_not_start_costs_no_trial(made: Callable[..., Run]) -> None:
    evaluator = ScoringEvaluator(by_level)
    run = made(proposing("CRASH"), evaluator)
    run.play(1)
    verdict, reason = told(run)[1]
    assert verdict is Verdict.REFUSED
    assert reason.startswith("it does not start") and "NameError: CRASH" in reason
    assert len({spec.candidate for spec in evaluator.specs}) == 1
    assert not list((run.folder / "smoke").iterdir())


def test_an_idea_in_other_words_is_refused(made: Callable[..., Run]) -> None:
    run = made(proposing(0, 0), ScoringEvaluator(by_tenths))
    run.play(2)
    verdict, reason = told(run)[2]
    assert verdict is Verdict.REFUSED
    assert reason.startswith("it repeats the idea of round 1 (revert: ")


@pytest.mark.slow
def test_an_idea_in_other_words_is_refused_until_the_scaffold_has_moved_on(made: Callable[..., Run]) -> None:
    run = made(proposing(0, 0, 4, 5, 6, 7, 8, 0, 9, 0), ScoringEvaluator(by_tenths))
    run.play(10)
    verdict, reason = told(run)[2]
    assert verdict is Verdict.REFUSED
    assert reason.startswith("it repeats the idea of round 1 (revert: ")
    taken = [told(run)[number][0] in (Verdict.KEEP, Verdict.STACK) for number in (3, 4, 5, 6, 7, 9)]
    assert taken == [True] * 6
    assert told(run)[8][0] is Verdict.REFUSED, "five patches were taken since"
    assert told(run)[10][0] is Verdict.REVERT, "six patches were taken since"


@pytest.mark.slow
def test_of_the_ideas_that_may_come_again_a_short_run_has_one(made: Callable[..., Run]) -> None:
    run = made(proposing(0, 2, 4, 5, 6, 7, 8, 9, 0, 2), ScoringEvaluator(by_tenths))
    run.play(10)
    assert [verdict in (Verdict.KEEP, Verdict.STACK) for verdict, _ in told(run)[3:9]] == [True] * 6
    assert told(run)[9][0] is Verdict.REVERT
    verdict, reason = told(run)[10]
    assert verdict is Verdict.REFUSED
    assert reason.startswith("it repeats the idea of round 2 (keep: ")


def test_each_measured_round_has_a_lesson_and_the_page_tells_all(made: Callable[..., Run]) -> None:
    run = made(proposing(4, None, 0), ScoringEvaluator(by_level))
    run.play(3)
    assert [(lesson.round, lesson.text) for lesson in run.store.lessons(RUN)] == [
        (1, "It was tried."),
        (3, "It was tried."),
    ]
    page = (run.folder / "memory.md").read_text()
    assert page.index("## Round 3: revert") < page.index("## Round 2: refused") < page.index("## Round 1: keep")
    assert page.count("Lesson: It was tried.\n") == 2
    made(proposing(0), ScoringEvaluator(by_level)).play(3)
    assert len(run.store.lessons(RUN)) == 2


def test_rounds_that_an_older_version_played_are_not_asked_about(made: Callable[..., Run]) -> None:
    older = made(proposing(4, 0), ScoringEvaluator(by_level), ablate_every=3)
    older.play(3)
    database = older.folder.parent / "evolve.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("update proposal set transcript_path = null, transcript_sha256 = null")
        connection.execute("delete from lesson")
    with Store.open(database) as store:
        newer = made(proposing(0, 5, 3), ScoringEvaluator(by_level), ablate_every=3, database=store)
        newer.play(6)
        own = [row.number for row in store.rounds(RUN) if row.proposal and row.proposal.ablates is not None]
        taught = [lesson.round for lesson in store.lessons(RUN)]
    measured = [n for n, verdict in enumerate(verdicts(newer)) if n > 3 and verdict is not Verdict.REFUSED]
    assert taught == measured and len(taught) > 1
    assert 3 in own, "one of the older version's, of the loop's own"


def test_a_lesson_that_the_facts_do_not_bear_out_is_not_taken(made: Callable[..., Run]) -> None:
    model = proposing(4)
    proposes = model.complete

    def boasting(body: Any, on_lost: Any = None) -> dict[str, Any]:
        on_lost(Usage(retries=1, lost_seconds=0.5))
        if body["tools"][0]["function"]["name"] == "lesson":
            return completion(None, tool_call("lesson", {"effect": "better", "lesson": "It gained 99 points."}))
        return proposes(body, on_lost)

    model.complete = boasting  # type: ignore[method-assign]
    run = made(model, ScoringEvaluator(by_level))
    run.play(1)
    lesson = run.store.lessons(RUN)[0]
    assert lesson.problem == "the number 99 is not in the facts"
    assert lesson.text == "Effect better."
    assert (lesson.usage.calls, lesson.usage.retries, lesson.usage.lost_seconds) == (2, 2, 1.0)
    proposal = run.store.rounds(RUN)[1].proposal
    assert proposal and proposal.usage.retries == proposal.usage.calls > 0


def test_predictions_are_rows_and_their_hits_are_told(made: Callable[..., Run]) -> None:
    def predicting(body: Any) -> dict[str, Any]:
        edit = {"path": "main.py", "old": "", "new": "LEVEL = 4\n"}
        words = {"hypothesis": "higher", "prediction": "more", "edits": [edit]}
        named = {"fixes": ["train-05", "train-10", "train-99"], "may_break": ["train-01.0"]}
        return completion(None, tool_call("propose", json.dumps({**words, **named})))

    run = made(ProposingModel(predicting), ScoringEvaluator(by_level))
    run.play(1)
    proposal = run.store.rounds(RUN)[1].proposal
    assert proposal and (proposal.fixes, proposal.breaks) == (("train-04", "train-09"), ("train-00",))
    row = run.store.view("history", RUN)[1]
    assert [row[name] for name in ("predicted", "fixed", "feared", "broken")] == [2, 1, 1, 0]
    moves = {(r["kind"], r["task"]): r["move"] for r in run.store.view("predictions", RUN)}
    assert moves == {("fix", "train-04"): 1.0, ("fix", "train-09"): 0.0, ("break", "train-00"): 0.0}
    assert "1 of 2 tasks predicted to be fixed went better" in (run.folder / "memory.md").read_text()


def test_the_conversation_of_a_proposal_is_kept(played: Played) -> None:
    run = played.run
    proposal = run.store.rounds(RUN)[1].proposal
    assert proposal and proposal.transcript
    messages = trajectory.load(run.folder.parent / proposal.transcript.path)
    assert [message["role"] for message in messages] == ["system", "user", "assistant"]
    assert trajectory.is_intact(proposal.transcript, run.folder.parent)


def test_the_tip_scaffold_makes_the_patches_where_it_is_asked_to(made: Callable[..., Run]) -> None:
    def leaving(level: int) -> Callable[[SelfWork], SelfWorkResult]:
        paper = {"hypothesis": f"level {level}", "prediction": "more", "fixes": ["train-05"]}
        left = {"scaffold/main.py": f"LEVEL = {level}\n".encode(), "proposal.json": json.dumps(paper).encode()}
        return lambda work: SelfWorkResult(
            CollectedFiles({**left, "scaffold/scaffold.toml": TOML.encode()}), (), Usage(3)
        )

    evaluator = ScoringEvaluator(by_level)
    evaluator.works = [leaving(4), leaving(4), leaving(3)]
    run = made(proposing(0), evaluator, proposer="self")
    run.play(2)
    rows = run.store.rounds(RUN)
    assert verdicts(run)[1] is Verdict.KEEP
    assert rows[1].proposal and rows[1].proposal.fixes == ("train-04",) and rows[1].proposal.transcript
    seeds = [stable_hash(0, "propose", number) for number in (1, 2)]
    assert [work.spec.seed for work in evaluator.worked] == [
        stable_hash(seeds[0], 0), stable_hash(seeds[1], 0), stable_hash(seeds[1], 1)
    ]  # fmt: skip
    second, repair = evaluator.worked[1:]
    assert rows[1].candidate and second.spec.candidate == rows[1].candidate.commit, "the tip works on itself"
    assert second.files["scaffold/main.py"] == "LEVEL = 4\n" and "level 4" in second.files["notes/memory.md"]
    assert "changed nothing" in repair.spec.task.instruction
    assert (repair.spec.image.image, repair.spec.owner, repair.spec.limits) == (
        "base",
        owner_of(run.folder),
        run.config.limits.for_task(),
    )
    shown = json.dumps([second.files, second.spec.task.instruction])
    assert "validation-" not in shown and "holdout-" not in shown
    assert rows[2].proposal and rows[2].proposal.usage.calls == 6


def test_two_patches_of_a_race_with_one_idea_are_one(made: Callable[..., Run]) -> None:
    run = racing(made, 4, 4, 3)
    run.play(3)
    refused = [reason for verdict, reason in told(run) if verdict is Verdict.REFUSED]
    assert refused == ["another patch of this race has the same idea"]


def test_a_patch_of_which_nothing_came_true_is_left_out_first(made: Callable[..., Run]) -> None:
    def answer(level: int, fixes: list[str]) -> dict[str, Any]:
        edit = {"path": f"part{level}.py", "old": "", "new": f"PART = {level}\n"}
        words = {"hypothesis": f"part {level}", "prediction": "more", "edits": [edit], "fixes": fixes}
        return completion(None, tool_call("propose", json.dumps(words)))

    def by_parts(text: str, spec: TrialSpec) -> float:
        parts = len(list(spec.scaffold.folder.glob("part*.py")))
        return by_level(f"LEVEL = {1 + 2 * parts}", spec)

    answers = [answer(1, ["train-03"]), answer(2, ["train-12"])]
    run = made(ProposingModel(*answers), ScoringEvaluator(by_parts), ablate_every=3)
    # A module that nothing speaks of would be refused.
    (run.config.scaffold / "parts.toml").write_text('parts = ["part1.py", "part2.py"]\n')
    run.play(3)
    assert [verdict in (Verdict.KEEP, Verdict.STACK) for verdict, _ in told(run)[1:3]] == [True, True]
    row = run.store.rounds(RUN)[3]
    assert row.proposal and row.proposal.ablates == 2
