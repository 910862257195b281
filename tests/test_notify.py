"""The user's command at events: what it is told, and that it can neither fail a run nor hold it up."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from evolve.core.config import RunConfig
from evolve.core.errors import BadInput
from evolve.core.records import Decision, StackFate, Verdict
from evolve.loop.events import PaceChanged, RunEnded, RunOpened, tell
from evolve.loop.watcher import SilentWatcher
from evolve.runs.notify import Notice, Notifier, notifying, parsed, run_command
from tests.fakes import result

# Seconds, for a machine under load.
PATIENT = 300.0
NOTICE = Notice("keep", "r", "round 1 made a new champion", 1, "/runs")


class Kept(SilentWatcher):
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.events: list[object] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def hear(self, event: object) -> None:
        self.events.append(event)

    def trial_done(self, result: object) -> None:
        self.events.append(result)


def writing(folder: Path) -> str:
    """A command that writes what it was given to a file of its own."""
    script = folder / "told.py"
    script.write_text(
        "import json, os, pathlib, sys\n"
        "names = ('EVOLVE_EVENT', 'EVOLVE_RUN', 'EVOLVE_MESSAGE')\n"
        "told = {'stdin': json.load(sys.stdin), 'env': {name: os.environ[name] for name in names}}\n"
        f"pathlib.Path({str(folder)!r}, told['stdin']['event'] + '.json').write_text(json.dumps(told))\n"
    )
    return f"{sys.executable} '{script}'"


def told(folder: Path) -> dict[str, dict[str, dict[str, object]]]:
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


def test_a_command_is_told_by_its_environment_and_by_json(tmp_path: Path) -> None:
    assert run_command(parsed(writing(tmp_path)), NOTICE, PATIENT) == ""
    keep = told(tmp_path)["keep"]
    assert keep["env"] == {
        "EVOLVE_EVENT": "keep", "EVOLVE_RUN": "r", "EVOLVE_MESSAGE": "round 1 made a new champion",
    }  # fmt: skip
    assert keep["stdin"] == {
        "event": "keep", "run": "r", "message": "round 1 made a new champion", "round": 1, "runs": "/runs",
    }  # fmt: skip


def test_keep_and_end_are_notified_and_nothing_else(tmp_path: Path) -> None:
    kept = Kept()
    with notifying(writing(tmp_path), kept, tmp_path, PATIENT) as watcher:
        assert isinstance(watcher, Notifier)
        watcher.hear(RunOpened("r"))
        watcher.hear(PaceChanged(2))
        watcher.trial_done(result())
        watcher.round_decided(0, Decision(Verdict.BASELINE, "the seed"))
        watcher.round_decided(1, Decision(Verdict.STACK, "promising"))
        watcher.round_decided(2, Decision(Verdict.REVERT, "no gain", StackFate.PROMOTED))
        watcher.hear(RunEnded("r", "done"))
    notices = told(tmp_path)
    assert notices.keys() == {"keep", "end"} and notices["keep"]["stdin"]["round"] == 2
    assert notices["end"]["stdin"]["message"] == "run r has ended"
    assert len(kept.events) == 4 and not kept.lines


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("the engine died")])
def test_a_run_that_stops_is_notified_with_the_reason(tmp_path: Path, error: BaseException) -> None:
    def fail() -> None:
        with notifying(writing(tmp_path), Kept(), tmp_path, PATIENT) as watcher:
            tell(watcher, RunOpened("r"))
            raise error

    with pytest.raises(type(error)):
        fail()
    message = told(tmp_path)["stop"]["stdin"]["message"]
    assert message == f"run r stopped: {str(error) or 'KeyboardInterrupt'}"


def test_a_cap_is_a_stop_and_wrong_input_none(tmp_path: Path) -> None:
    with notifying(writing(tmp_path), Kept(), tmp_path, PATIENT) as watcher:
        assert isinstance(watcher, Notifier)
        watcher.hear(RunOpened("r"))
        watcher.hear(RunEnded("r", "budget"))
    assert told(tmp_path).keys() == {"stop"}
    (tmp_path / "stop.json").unlink()
    with pytest.raises(BadInput), notifying(writing(tmp_path), Kept(), tmp_path):
        raise BadInput("suite", "is no folder", "give one")
    assert told(tmp_path) == {}


def test_failures_are_reported_once_and_end_nothing(tmp_path: Path) -> None:
    kept = Kept()
    command = f"{sys.executable} -c \"import sys; sys.exit('no network')\""
    with notifying(command, kept, tmp_path, PATIENT) as watcher:
        assert isinstance(watcher, Notifier)
        watcher.hear(RunOpened("r"))
        watcher.round_decided(1, Decision(Verdict.KEEP, "better"))
        watcher.hear(RunEnded("r", "done"))
    assert kept.lines == [
        "warning: the command of on_event failed with exit status 1: no network; later failures are not reported"
    ]


def test_a_command_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    words = ["sh", "-c", f"sleep 1000 & echo $! > '{file}'; wait"]
    assert run_command(words, NOTICE, 1.0) == "took more than 1 s and was ended"
    if file.exists():  # a slow machine may not have got so far
        for _ in range(500):
            if not is_running(int(file.read_text())):
                return
            time.sleep(0.02)
        pytest.fail("what the command started is still running")


def is_running(pid: int) -> bool:
    try:
        return "(sleep) Z" not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_a_program_that_goes_on_in_the_background_holds_nothing_up() -> None:
    assert run_command(["sh", "-c", "exec 3>&2; sleep 5 & exit 0"], NOTICE, PATIENT) == ""


def test_no_shell_runs_the_command(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    assert run_command(parsed(f"echo hi ; touch '{mark}' $(touch '{mark}')"), NOTICE, PATIENT) == ""
    assert not mark.exists()


@pytest.mark.parametrize(
    ("command", "problem"),
    [("", "is empty"), ("  ", "is empty"), ("echo 'x", "split"), ("no-such-program-here x", "no program")],
)
def test_what_is_no_command_is_refused_before_anything_starts(tmp_path: Path, command: str, problem: str) -> None:
    with pytest.raises(BadInput, match=problem), notifying(command, Kept(), tmp_path):
        pytest.fail("the run has started")


def test_without_a_command_the_watcher_is_the_same(tmp_path: Path) -> None:
    kept = Kept()
    with notifying(None, kept, tmp_path, PATIENT) as watcher:
        assert watcher is kept


def test_the_command_is_no_part_of_a_run() -> None:
    assert "on_event" not in RunConfig.model_fields
    assert "EVOLVE_EVENT" not in os.environ
