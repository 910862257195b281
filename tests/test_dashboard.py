"""The live view of a run, drawn for consoles of a fixed size."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from evolve.core.caps import Caps, Spending
from evolve.core.records import Candidate, Decision, Evidence, Outcome, TrialResult, Usage, Verdict
from evolve.loop.events import (
    EndsKnown,
    PaceChanged,
    PatchEntered,
    RunOpened,
    StageStarted,
    WaitEnded,
    WaitStarted,
    WorkExpected,
    tell,
)
from evolve.loop.watcher import SilentWatcher
from evolve.report.dashboard import LABEL, Look, dashboard
from evolve.report.live import Live
from evolve.report.marks import ASCII_LEGEND, LEGEND, bar, fitted, spark, strip_of
from evolve.report.progress import Progress, duration
from tests.fakes import result

SEED, TIP = Candidate("s", 0, None, "b"), Candidate("p", 1, "s", "b")
PATCH = Candidate("q", 2, "p", "b")
HOSTILE = "\x1b[31m\x1b]0;t\x07 漢字\u202e\u200b\r\nround 9: keep " * 9


def trial(commit: str, name: str, reward: float = 1.0, outcome: Outcome | None = None) -> TrialResult:
    ending = outcome or (Outcome.PASSED if reward else Outcome.FAILED)
    return replace(result(name, reward), candidate=commit, outcome=ending)


def ran(commit: str, count: int, every: int) -> list[TrialResult]:
    return [trial(commit, f"t{number}", float(number % every == 0)) for number in range(count)]


def at_work(hypothesis: str = "Run the tests first.", run: str = "20261130-0809-gentle-heron") -> Progress:
    """Round 2 of 3 has 10 of 20 trials, after round 1 was stacked."""
    state = Progress()
    state.hear(WorkExpected(100, 400), 0)
    state.hear(RunOpened(run), 0)
    state.hear(PaceChanged(2), 0)
    state.hear(EndsKnown(SEED, SEED, ran("s", 20, 4)), 0)
    state.round_decided(0, Decision(Verdict.BASELINE, "the seed"))
    state.hear(PatchEntered(TIP, SEED, hypothesis), 0)
    state.round_decided(1, Decision(Verdict.STACK, "better", evidence=Evidence(0.25, 0.05, 0.2)))
    state.round_started(2, 3, 0)
    state.hear(EndsKnown(SEED, TIP, ran("s", 20, 4) + [replace(t, attempt=4096) for t in ran("p", 20, 2)]), 0)
    state.hear(StageStarted("measuring the patch", (2,)), 0)
    state.hear(PatchEntered(PATCH, TIP, hypothesis), 0)
    state.trials_planned(20, 0)
    for one in ran("q", 10, 2):
        state.trial_done(replace(one, attempt=4096))
    return state


def texts(lines: Sequence[Text]) -> list[str]:
    return [line.plain for line in lines]


def test_the_view_shows_rounds_stage_evidence_ends_spending_pace_and_waits() -> None:
    state = at_work()
    state.hear(
        Spending(Usage(prompt_tokens=90_000, completion_tokens=10_000, cost_usd=1.25, calls=7), 60, 50, Caps(5.0)), 60
    )
    state.hear(WaitStarted("the model's API fails (429)", 90), 60)
    shown = texts(dashboard(state, Look(100, 40, priced=True), 60))
    assert shown[0] == "20261130-0809-gentle-heron  round 2 of 3  60 s so far, 9 to 39 min left"
    assert shown[1].split()[:4] == ["rounds", "S", "1", "stacked;"]
    assert shown[2].split() == ["1", "stack", "+25.0", "±", "9.8", "Run", "the", "tests", "first."]
    assert "now       measuring the patch" in shown
    assert "idea      Run the tests first." in shown
    assert "trials    ■·■·■·■·■·░░░░░░░░░░  10 of 20" in shown
    (evidence,) = [line for line in shown if line.startswith("evidence")]
    assert evidence.startswith("evidence  +0.0 ± ") and evidence.endswith(" points against round 1 after 10 trials")
    assert [line for line in shown if line.startswith("champion  round 0  train 25.0 ± ")]
    assert [line for line in shown if line.startswith("tip       round 1  train 50.0 ± ")]
    assert "spent     100k tokens, $1.25, 7 calls" in shown
    assert any(line.startswith("cap") and line.endswith("25 % of the dollars") for line in shown)
    assert "pace      10.0 trials a minute, up to 2 at once" in shown
    assert shown[-1] == "waiting   tried again in 90 s: the model's API fails (429)"
    state.hear(WaitEnded(), 61)
    assert not [line for line in texts(dashboard(state, Look(100, 40), 61)) if line.startswith("waiting")]


def test_the_cause_is_shown_while_a_trial_is_run_again() -> None:
    state = at_work()
    state.trial_done(result("t9", None, candidate="q", detail="nothing listens"))
    shown = texts(dashboard(state, Look(100, 40), 60))
    assert "run again t9: nothing listens" in shown
    state.trial_done(trial("q", "t9"))
    assert not [line for line in texts(dashboard(state, Look(100, 40), 60)) if line.startswith("run again")]


def test_an_interval_that_says_nothing_is_no_evidence() -> None:
    state = at_work()
    state.hear(PatchEntered(Candidate("z", 3, "p", "b"), TIP, "Another."), 0)
    for name in ("t0", "t1"):
        state.trial_done(replace(trial("z", name), attempt=4096))
    shown = texts(dashboard(state, Look(100, 40), 60))
    assert "evidence  2 trials of round 3; no effect can be told yet" in shown


def test_an_unknown_price_is_not_zero() -> None:
    shown = texts(dashboard(at_work(), Look(100, 40), 60))
    assert "spent     0k tokens, dollars unknown (no price), 0 calls" in shown


def test_the_time_left_is_known_in_round_0_and_after_a_resume() -> None:
    state = Progress()
    state.hear(WorkExpected(100, 400), 0)
    state.trials_planned(36, 0)
    assert state.time_left(0) == ""
    state.trial_done(trial("s", "a"))
    assert state.time_left(10) == "16 to 66 min left"
    resumed = Progress()
    resumed.hear(RunOpened("r", [(1, Decision(Verdict.REVERT, "x"))], [(1, "idea")]), 0)
    resumed.hear(WorkExpected(30, 30), 0)
    resumed.trials_planned(10, 0)
    resumed.trial_done(trial("s", "a"))
    assert resumed.time_left(10) == "about 5 min left"


def test_a_pause_is_no_part_of_the_pace() -> None:
    state = at_work()
    before = state.time_left(60)
    state.hear(WaitStarted("the model's API fails", 90), 60)
    state.hear(WaitStarted("the model's API still fails", 90), 200)
    assert state.worked_seconds(600) == 60 and state.time_left(600) == before
    state.hear(WaitEnded(), 660)
    assert state.waited == 600 and state.worked_seconds(720) == 120


def test_a_trial_that_is_run_again_has_one_mark() -> None:
    state = Progress()
    state.trials_planned(3, 0)
    for _ in range(4):
        state.trial_done(result("a", None))
    state.trial_done(result("b"))
    assert strip_of(state.batch, 3, 9).plain == "?■░░"
    state.trial_done(result("a"))
    assert strip_of(state.batch, 3, 9).plain == "■■░"


def test_what_was_spent_before_is_counted_once() -> None:
    state = Progress()
    state.trial_done(replace(trial("s", "a"), usage=Usage(prompt_tokens=5)))
    state.hear(Spending(Usage(prompt_tokens=100), 0, 0, Caps()), 0)
    assert state.spent.tokens == 100
    state.trial_done(replace(trial("s", "b"), usage=Usage(prompt_tokens=7)))
    assert state.spent.tokens == 107


@pytest.mark.parametrize("height", range(1, 25))
def test_a_low_terminal_keeps_the_title_and_drops_the_least_important_first(height: int) -> None:
    shown = texts(dashboard(at_work(), Look(80, height), 60))
    assert len(shown) <= height and shown[0].startswith("20261130-0809-gentle-heron")
    if height >= 3:
        assert any(line.startswith("trials") for line in shown)
    if height < 8:
        assert not any("in part" in line for line in shown)


@given(st.text(max_size=300), st.integers(1, 200), st.integers(1, 60), st.booleans())
def test_no_line_is_wider_than_the_console(text: str, width: int, height: int, ascii_only: bool) -> None:
    state = at_work(text + HOSTILE, run=text or "r")
    state.hear(WaitStarted(text + HOSTILE, 5), 60)
    lines = dashboard(state, Look(width, height, ascii_only=ascii_only), 60)
    assert 1 <= len(lines) <= height
    for line in lines:
        assert line.cell_len <= width
        assert "\n" not in line.plain and all(character.isprintable() for character in line.plain)


@given(st.text(max_size=200), st.integers(1, 100))
def test_a_line_is_cut_by_cells_not_by_characters(text: str, width: int) -> None:
    assert fitted(Text(text), width).cell_len <= max(width, cell_len("…"))


def test_small_drawings_fit_their_room() -> None:
    assert spark([0.0, None, 0.5, 1.0], 10) == "▁ ▅█"
    assert spark([0.0, 1.0], 1) == "█" and spark([1.0], 0) == ""
    assert spark([0.0, 1.0], 5, ascii_only=True) == "_@"
    assert max(map(len, (LEGEND, ASCII_LEGEND))) + LABEL <= 80
    assert strip_of(ran("s", 2, 2), 6, 20, running=2).plain == "■·▒▒░░"
    assert strip_of(ran("s", 2, 2), 3, 20, running=2, ascii_only=True).plain == "#.~"
    assert bar(0.5, 4) == "▓▓░░" and bar(7.0, 3, ascii_only=True) == "###"
    many = strip_of(ran("s", 50, 2), 60, 10)
    assert many.cell_len == 10 and many.plain.startswith("<")
    assert strip_of([trial("s", "a", 0.5, Outcome.FAILED)], 2, 9).plain == "▪░"
    assert strip_of([trial("s", "a", 0.0, Outcome.TIMEOUT)], 2, 9, ascii_only=True).plain == "t-"
    assert [duration(seconds) for seconds in (40, 600, 9000)] == ["40 s", "10 min", "2.5 h"]


def test_a_terminal_gets_the_view_and_the_rounds_once_it_is_gone() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, color_system=None, width=80, height=24)
    with Live(priced=False, console=console) as view:
        view.hear(RunOpened("r"))
        view.round_decided(1, Decision(Verdict.REVERT, "no gain"))
        assert "round 1: revert (no gain)" not in file.getvalue()
    assert file.getvalue().splitlines()[-1].endswith("round 1: revert (no gain)")


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"TERM": "unknown"}])
def test_a_dumb_terminal_gets_plain_lines(environment: dict[str, str]) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, _environ=environment)
    with Live(priced=False, console=console) as view:
        view.round_decided(1, Decision(Verdict.REVERT, "no gain"))
    assert file.getvalue() == "round 1: revert (no gain)\n"


def test_only_watchers_that_hear_are_told() -> None:
    tell(SilentWatcher(), PaceChanged(2))
    view = Live(priced=False, console=Console(file=io.StringIO()))
    tell(view, PaceChanged(3))
    assert view.state.jobs == 3
