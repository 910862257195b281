"""Scaffolds of a run that are measured side by side: the order, best of several, caps, resuming, a whole claim."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from evolve.api import comparing
from evolve.api.comparing import ClaimRequest
from evolve.api.side_by_side import claim_against, effects
from evolve.cli.comparing import facts
from evolve.core.caps import Caps
from evolve.core.errors import BadInput
from evolve.core.records import Outcome, Split, TrialResult, Usage
from evolve.gate.arms import figures, samples_within
from evolve.loop.side_by_side import Arm, schedule
from evolve.loop.watcher import SilentWatcher
from evolve.report.side_by_side import effect_facts, effect_lines, finding_lines, plan_lines
from evolve.runs import opening, opponents
from evolve.runs.lookup import open_results, run_row
from evolve.runs.opponents import check_opponent, refining
from evolve.runs.settings import Settings
from evolve.runs.side_by_side import estimate, left_of_caps, rest_of
from evolve.runs.stored_config import is_measurement
from evolve.store import SessionRow
from evolve.trial.visible import Evidence, visible_evidence
from tests.fakes import result, run_event
from tests.faults import victim

AT = "2026-11-23T21:44:00+00:00"
ARMS = (Arm("champion", "c" * 40), Arm("seed", "a" * 40), Arm("best-of-3", "a" * 40, 3))


def test_every_trial_is_planned_once_and_arms_are_mixed_task_by_task() -> None:
    planned = schedule(ARMS, ["x", "y"], 2)
    assert len(planned) == len(set(planned)) == 2 * 2 * (1 + 3)
    assert {slot for commit, slot in planned if commit == "a" * 40} == {(t, n) for t in "xy" for n in range(6)}
    assert [slot[0] for _, slot in planned] == ["x"] * 4 + ["y"] * 4 + ["x"] * 4 + ["y"] * 4
    firsts = {schedule(ARMS[:2], [name], 1)[0][0] for name in map(str, range(20))}
    assert len(firsts) == 2, "no arm always comes first"


def test_the_samples_of_an_attempt_are_its_own() -> None:
    taken = [number for attempt in range(4) for number in Arm("b", "a", 3).sampled(attempt, 4)]
    assert sorted(taken) == list(range(12)) and Arm("b", "a", 3).sampled(1, 4) == (1, 6, 7)


@pytest.mark.parametrize(
    ("outcome", "events", "seen"),
    [
        (Outcome.PASSED, [], Evidence.NO_TESTS),
        (Outcome.FAILED, [], Evidence.NO_TESTS),
        (Outcome.FAILED, [run_event("python -m pytest -q", 1), run_event("cd x && pytest", 0)], Evidence.TESTS_PASS),
        (Outcome.PASSED, [run_event("npm run test", 0), run_event("go test ./...", 2)], Evidence.TESTS_FAIL),
        (Outcome.PASSED, [run_event("cat tests.txt", 1)], Evidence.NO_TESTS),
        (Outcome.TIMEOUT, [run_event("pytest", 0)], Evidence.CUT_OFF),
    ],
)
def test_what_is_seen_of_a_trial_says_nothing_of_its_verdict(
    outcome: Outcome, events: list[dict[str, object]], seen: Evidence
) -> None:
    assert visible_evidence(outcome, events) is seen


def sampled(*rewards: float) -> list[TrialResult]:
    return [result("x", reward, number, usage=Usage(1, 90, 10, 0.5, 3)) for number, reward in enumerate(rewards)]


def test_the_best_of_several_is_chosen_by_its_looks_and_costs_what_all_cost() -> None:
    groups = {("x", 0): sampled(0.0, 1.0, 0.0), ("y", 0): sampled(0.0, 0.0, 0.0), ("z", 0): sampled(1.0)}
    looks = {0: 1, 1: 3, 2: 2}
    arm = figures("best-of-3", groups, 3, lambda t: looks[t.attempt], lambda t: t.reward == 1)
    assert (arm.attempts, arm.mean, arm.at_best, arm.solved) == (2, 0.5, 0.5, 1), "an attempt that lacks samples is out"
    assert (arm.tokens, arm.tokens_per_solved, arm.usd_per_solved, arm.commands) == (300, 600, 3.0, 9)
    blind = figures("best-of-3", groups, 3, lambda t: 0, lambda t: t.reward == 1)
    assert (blind.mean, blind.at_best, blind.usd_per_solved) == (0.0, 0.5, None)


def test_all_attempts_are_shown_beside_their_mean() -> None:
    groups = {("x", n): [trial] for n, trial in enumerate(sampled(1.0, 1.0))}
    groups |= {("y", n): [trial] for n, trial in enumerate(sampled(1.0, 0.0))}
    arm = figures("seed", groups, 1, lambda t: 0, lambda t: t.reward == 1)
    assert (arm.mean, arm.every, arm.at_best) == (0.75, 0.5, None)


def test_so_many_samples_cost_what_the_champion_does() -> None:
    assert [samples_within(10.0, budget) for budget in (0.0, 4.0, 26.0, 1e9)] == [1, 1, 3, 32]
    assert samples_within(0.0, 5.0) == 1


def test_what_is_left_of_caps() -> None:
    spent = Usage(prompt_tokens=60, cost_usd=1.0)
    assert rest_of(Caps(2.0, 100, None, 9), spent, 5.0, 4) == Caps(1.0, 40, None, 5)
    with pytest.raises(BadInput, match="--max-trials"):
        rest_of(Caps(trials=4), spent, 5.0, 4)
    assert rest_of(Caps(usd=0.0), spent, 5.0, 4) == Caps(usd=0.0)


def test_an_estimate_follows_the_known_trials() -> None:
    found = estimate(10, sampled(0.0, 1.0), 2, priced=True)
    assert (found.tokens, found.usd, found.seconds) == (1000, 5.0, pytest.approx(7.5))
    assert estimate(10, [], 2, priced=False).usd is None


@pytest.mark.parametrize("word", ["best-of-0", "best-of-99", "best-of-x", "nobody"])
def test_an_unknown_opponent_is_refused(word: str) -> None:
    with pytest.raises(BadInput, match="--against"):
        check_opponent(word)


def test_a_scaffold_with_a_command_is_not_refined() -> None:
    seed = {"scaffold.toml": ("100644", b'name = "s"\ncommand = ["x"]\nevolvable = ["*"]\n'), "x": ("100755", b"")}
    with pytest.raises(BadInput, match="refine"):
        refining(seed)


def test_the_refining_scaffold_starts_the_seeds_entry_twice() -> None:
    seed = {path: ("100644", text.encode()) for path, text in victim.FILES.items()}
    made = refining(seed)
    assert b'entry = "evolve_refine.py"' in made["scaffold.toml"][1] and made["main.py"] == seed["main.py"]
    script = made["evolve_refine.py"][1].decode()
    compile(script, "evolve_refine.py", "exec")
    assert 'FOLDER, "main.py"' in script and "@" not in script


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Settings]:
    """A run with a champion, played without containers; all else is real."""
    (tmp_path / "scaffold").mkdir()
    (tmp_path / "tasks").mkdir()
    for name, text in victim.FILES.items():
        (tmp_path / "scaffold" / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        victim.without_containers(patch)
        suite = victim.suite(tmp_path)
        patch.setattr(comparing, "suite_of_run", lambda *_: suite)
        patch.setattr(comparing, "suite_of_config", lambda *_: suite)
        patch.setattr(opening, "suite_of_config", lambda *_: suite)
        patch.setattr("evolve.runs.identity.suite_of", lambda row, runs: tmp_path / "tasks")
        patch.setattr(opponents, "check_scaffold", lambda *_: None)
        victim.play_run(tmp_path, "first", 10)
        yield Settings(runs=tmp_path / "runs", run="first", preflight=False, jobs=2)


def test_a_claim_against_all_opponents_is_resumed_and_repeated_without_trials(played: Settings, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for name, text in victim.FILES.items():
        (other / name).write_text(text.replace("LEVEL = 3", "LEVEL = 8"))
    words = ("seed", "best-of-2", "refine", str(other), "evolve/first/round-0000")
    plans = comparing.claim_plans(played, ClaimRequest(words, attempts=3))
    [plan], [cost] = plans, comparing.estimates(plans, played)
    assert plan.trials == cost.trials == 2 * 3 * (1 + 2 + 1 + 1 + 1)
    comparing.measure(plan, played, Caps(trials=10), SilentWatcher())
    with open_results(played.runs) as store:
        row = plan.stored_run(store)
        assert row is not None and store.trial_count(row.id) == 10 and store.ends(row.id)[-1].reason == "budget"
        assert run_row(store, None).id == "first", "a measurement is nobody's newest run"
    for _ in range(2):
        comparing.measure(plan, played, Caps(), SilentWatcher())
        with open_results(played.runs) as store:
            assert [one.id for one in store.runs() if is_measurement(one)] == [row.id]
            assert store.trial_count(row.id) == plan.trials
            assert left_of_caps(store, run_row(store, "first")) == Caps()
    found = comparing.findings(plan, played)
    assert [arm.name for arm in found.arms] == ["champion", *words]
    assert all(arm.attempts == 6 and arm.tokens == 40 * arm.samples for arm in found.arms)
    made = {one.comparisons for one in found.comparisons if one}
    assert made == {1 + len(words)}, "the run's own look at its champion, and one for each opponent"
    text = "\n".join([*plan_lines(plans, comparing.estimates(plans, played)), *finding_lines(found)])
    assert "all of them are stored" in text and "corrected for 6 comparisons" in text
    assert len(facts(found)["comparisons"]) == len(words)


def test_the_best_of_one_sample_is_the_seed_and_is_compared_once(played: Settings) -> None:
    [plan] = comparing.claim_plans(played, ClaimRequest(("seed", "best-of-1"), attempts=1))
    assert [(arm.name, arm.samples) for arm in plan.arms] == [("champion", 1), ("seed", 1)]


def test_another_suite_and_another_model_are_measured_by_themselves(played: Settings, tmp_path: Path) -> None:
    request = ClaimRequest(("seed", "best-of-2"), ("embedded",), (tmp_path / "tasks",), 2)
    first, second, third = comparing.claim_plans(played, request)
    assert [plan.splits for plan in (first, second, third)] == [(Split.HOLDOUT,), tuple(Split), (Split.HOLDOUT,)]
    assert [len(plan.tasks) for plan in (first, second, third)] == [2, 12, 2]
    assert (first.config.model, third.config.model) == ("scripted", "embedded")
    assert [arm.name for arm in third.arms] == ["champion", "seed"], "the same pair on another model"
    assert first.arms == second.arms and first.identity != second.identity != third.identity
    comparing.measure(second, played, Caps(), SilentWatcher())
    assert comparing.findings(second, played).arms[0].attempts == 24


def test_a_claim_stays_within_what_the_run_has_left(played: Settings) -> None:
    [plan] = comparing.claim_plans(played, ClaimRequest(("seed",), attempts=3))
    with open_results(played.runs) as store:
        used = store.trial_count("first")
        session = SessionRow(AT, "0", "h", 1, json.dumps({**asdict(Caps()), "trials": used + 5}))
        store.start_session("first", session)
        assert left_of_caps(store, run_row(store, "first")) == Caps(trials=5)
    comparing.measure(plan, played, Caps(), SilentWatcher())
    with open_results(played.runs) as store:
        row = plan.stored_run(store)
        assert row is not None and store.trial_count(row.id) == 5
    with pytest.raises(BadInput, match="used up its cap of"):
        comparing.measure(plan, played, Caps(), SilentWatcher())
    comparing.measure(plan, played, Caps(trials=100), SilentWatcher())
    assert comparing.findings(plan, played).arms[0].attempts == 6


def test_rounds_cannot_be_played_in_a_measurement(played: Settings, tmp_path: Path) -> None:
    [plan] = comparing.claim_plans(played, ClaimRequest(("seed",), attempts=1))
    comparing.measure(plan, played, Caps(), SilentWatcher())
    with open_results(played.runs) as store:
        row = plan.stored_run(store)
    assert row is not None
    with pytest.raises(BadInput, match="has no rounds"):
        opening.check(victim.order(tmp_path, row.id))


def test_python_measures_opponents_and_effects_too(played: Settings, tmp_path: Path) -> None:
    given = {"run": "first", "runs": played.runs, "preflight": False, "jobs": 2}
    (found,) = claim_against(["seed", "best-of-2"], attempts=1, **given)
    assert [arm.name for arm in found.arms] == ["champion", "seed", "best-of-2"] and len(found.comparisons) == 2
    assert claim_against(["seed", "best-of-2"], attempts=1, **given)[0].run == found.run, "no trial is run again"
    with pytest.raises(BadInput, match="--against"):
        claim_against(["nobody"], **given)
    measured = effects(attempts=2, **given)
    numbers = [patch.number for patch in measured.patches if patch.arm]
    assert [*measured.comparisons] == numbers and (measured.findings is None) == (not numbers)


def test_each_patch_has_its_effect_by_leaving_it_out(played: Settings) -> None:
    effects = comparing.effects_plan(played, 4)
    assert effects.patches and all((patch.arm is None) == bool(patch.why) for patch in effects.patches)
    if effects.plan is not None:
        comparing.measure(effects.plan, played, Caps(), SilentWatcher())
    found = comparing.findings(effects.plan, played) if effects.plan else None
    lines, rows = effect_lines(effects.patches, found), effect_facts(effects.patches, found)
    for patch, row in zip(effects.patches, rows, strict=True):
        [line] = [line for line in lines if line.startswith(f"  round {patch.number}: ")]
        assert ("can't be taken out" in line) == (patch.arm is None) == ("effect" not in row)
    with open_results(played.runs) as store:
        assert not [look for row in store.runs() if is_measurement(row) for look in store.holdout_looks(row.id)]
