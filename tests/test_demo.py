"""The recorded run that is played: in order, as the view of a run shows it, without waiting where nobody watches."""

from __future__ import annotations

import webbrowser
from importlib import resources
from pathlib import Path

import pytest

from evolve.cli import demo
from evolve.core.records import Decision, TrialResult, Verdict
from evolve.pack.archive import open_pack
from evolve.pack.verify import extract_pack
from evolve.report.recording import LONGEST_PAUSE, SECONDS, Moment, PlayedClock, moments_of, play
from evolve.runs.lookup import open_results
from tests.packed import RUN, Played, evolve


class Listening:
    """Notes what it is told, each with the time of the run."""

    def __init__(self, clock: PlayedClock) -> None:
        self.clock, self.heard = clock, list[tuple[float, str, int]]()

    def say(self, text: str) -> None: ...
    def budget_left(self, words: str) -> None: ...

    def round_started(self, number: int, total: int) -> None:
        self.heard.append((self.clock(), "started", number))

    def trials_planned(self, count: int) -> None:
        self.heard.append((self.clock(), "planned", count))

    def trial_done(self, result: TrialResult) -> None:
        self.heard.append((self.clock(), "trial", result.counts))

    def round_decided(self, number: int, decision: Decision) -> None:
        self.heard.append((self.clock(), "decided", number))


@pytest.fixture
def moments(packed_run: Played) -> list[Moment]:
    with open_results(packed_run.runs) as store:
        return moments_of(store, RUN)


def test_rounds_trials_and_decisions_are_told_in_order(moments: list[Moment]) -> None:
    clock = PlayedClock()
    listening = Listening(clock)
    play(moments, listening, clock, 0.0)
    kinds = [(kind, value) for _, kind, value in listening.heard if kind in ("started", "decided")]
    assert kinds == [(kind, number) for number in range(4) for kind in ("started", "decided")]
    planned = sum(value for _, kind, value in listening.heard if kind == "planned")
    assert planned == sum(value for _, kind, value in listening.heard if kind == "trial") > 40
    times = [at for at, _, _ in listening.heard]
    assert times == sorted(times)


def test_time_is_compressed(moments: list[Moment]) -> None:
    start = moments[0].what
    spread = [Moment(number * 100.0, 0, 0, start) for number in range(11)]
    for speed, expected in ((None, [0.0, *[SECONDS / 10] * 10]), (1000.0, [0.0, *[0.1] * 10]), (1.0, None)):
        pauses: list[float] = []
        clock = PlayedClock()
        play(spread, Listening(clock), clock, speed, pauses.append)
        limit = [0.0, *[LONGEST_PAUSE] * 10]
        wanted = limit if expected is None else [min(one, LONGEST_PAUSE) for one in expected]
        assert pauses == pytest.approx(wanted) and clock() == 1000.0


def test_without_a_terminal_the_demo_is_a_listing_and_a_path(
    packed_run: Played, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(demo.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(webbrowser, "get", lambda: pytest.fail("no browser is looked for"))
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent")
    assert evolve(monkeypatch, "demo", str(packed_run.file)) == 0
    shown = capsys.readouterr()
    assert f"a recording of a real run ({RUN}: 3 rounds, model scripted); nothing runs now" in shown.err
    assert "round 1: stack (" in shown.err and "round 3: revert (" in shown.err
    (report,) = tmp_path.glob("evolve-demo-*/*.html")
    assert f"its report: {report}" in shown.out and "that was a recording" in shown.out
    assert "<html" in report.read_text()


class Window(webbrowser.BackgroundBrowser):
    def __init__(self) -> None:
        self.opened: list[str] = []

    def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:
        self.opened.append(url)
        return True


def test_a_report_is_opened_where_a_browser_has_a_window(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    window = Window()
    monkeypatch.setattr(webbrowser, "get", lambda: window)
    demo._open(tmp_path / "report.html")
    assert window.opened == [(tmp_path / "report.html").as_uri()]
    monkeypatch.setattr(webbrowser, "get", lambda: webbrowser.GenericBrowser("w3m"))
    monkeypatch.setattr(webbrowser.GenericBrowser, "open", lambda *_: pytest.fail("it would take the terminal"))
    demo._open(tmp_path / "report.html")

    def none() -> webbrowser.BaseBrowser:
        raise webbrowser.Error("could not locate runnable browser")

    monkeypatch.setattr(webbrowser, "get", none)
    demo._open(tmp_path / "report.html")


def test_the_recording_that_comes_with_evolve_is_small_and_whole(tmp_path: Path) -> None:
    with resources.as_file(resources.files("evolve.report") / demo.RECORDING) as file:
        assert file.stat().st_size < 300_000
        extract_pack(file, tmp_path / "out")
        with open_pack(file) as pack, open_results(tmp_path / "out") as store:
            run = pack.manifest.run
            rounds = store.rounds_in_brief(run)
            assert 3 <= len(rounds) - 1 <= 6
            assert {Verdict.STACK, Verdict.KEEP} & {one.decision.verdict for one in rounds if one.decision}
            assert pack.manifest.facts.models[0].model == "embedded" and moments_of(store, run)


def test_a_file_that_is_no_pack_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert evolve(monkeypatch, "demo", str(tmp_path / "none.zip")) == 2
    assert "no such file" in capsys.readouterr().err
