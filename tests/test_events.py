"""What a run tells a watcher that hears events, and what its commands then show."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from evolve import cli
from evolve.core.caps import Spending
from evolve.core.records import Decision, Verdict
from evolve.loop.events import EndsKnown, Event, PatchEntered, StageStarted, WorkExpected, tell_pace, tell_wait
from evolve.loop.watcher import SilentWatcher
from evolve.report.progress import Progress
from tests import played


class Hearing(SilentWatcher):
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.decided: list[tuple[int, Verdict]] = []

    def hear(self, event: Event) -> None:
        self.events.append(event)

    def round_decided(self, number: int, decision: Decision) -> None:
        self.decided.append((number, decision.verdict))


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> tuple[Hearing, Path]:
    """A run of three rounds in whose second half nothing is kept, and what it told."""
    watcher, folder = Hearing(), tmp_path_factory.mktemp("events")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(played, "SilentWatcher", lambda: watcher)
        played.play()
    return watcher, folder


def test_a_run_tells_its_stages_in_order(heard: tuple[Hearing, Path]) -> None:
    stages = [(event.name, event.rounds) for event in heard[0].events if isinstance(event, StageStarted)]
    assert stages[:4] == [
        ("measuring the seed scaffold", (0,)),
        ("measuring the tip of round 0", (1,)),
        ("proposing", (1,)),
        ("measuring the patch", (1,)),
    ]
    assert stages[-1][0] == "measuring the champion's score on fresh trials" or "holdout" in stages[-1][0]


def test_each_patch_is_told_with_its_idea_and_its_parent(heard: tuple[Hearing, Path]) -> None:
    patches = [event for event in heard[0].events if isinstance(event, PatchEntered)]
    assert [(patch.candidate.round, patch.parent.round) for patch in patches] == [(1, 0), (2, 1), (3, 1)]
    assert patches[0].hypothesis == "raise the level at once"


def test_the_ends_are_told_with_their_trials(heard: tuple[Hearing, Path]) -> None:
    ends = [event for event in heard[0].events if isinstance(event, EndsKnown)]
    assert ends[0].champion.round == ends[0].tip.round == 0
    assert ends[-1].tip.round == 1 and {trial.candidate for trial in ends[-1].trials} >= {ends[-1].tip.commit}


def test_work_and_spending_are_told(heard: tuple[Hearing, Path]) -> None:
    assert any(isinstance(event, WorkExpected) and event.high > 0 for event in heard[0].events)
    assert any(isinstance(event, Spending) for event in heard[0].events)


def test_waits_and_pace_are_told() -> None:
    watcher, state = Hearing(), Progress()
    tell_wait(watcher, "the model's API fails", 5.0)
    tell_pace(watcher, 3)
    tell_wait(watcher, "", 0.0)
    for event in watcher.events[:2]:
        state.hear(event, 10.0)
    assert (state.waits_for, state.waits_until, state.jobs) == ("the model's API fails", 15.0, 3)
    state.hear(watcher.events[2], 12.0)
    assert state.waits_for == ""


@pytest.mark.parametrize("words", [["history"], ["show", "1"], ["show", "2", "--trials"]])
def test_what_is_shown_of_a_run_fits_80_columns(
    heard: tuple[Hearing, Path], words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(heard[1])
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "argv", ["evolve", *words])
    with pytest.raises(SystemExit):
        cli.main()
    out = capsys.readouterr().out
    assert "points against round" in out or "vs round" in out
    table = out.split("scores by round:")[0]
    assert max(map(len, table.splitlines())) <= 80
    if words[0] == "show":
        assert "+LEVEL" in out
