"""Replays of an agent that looks at times, processes and inodes: identical, or different by nature."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evolve.core.records import TaskImage, TrialResult
from evolve.sandbox import engine
from evolve.sandbox.cleanup import reaper
from evolve.trial import trajectory
from evolve.trial.comparison import Differences, differences
from evolve.trial.nature import Window
from evolve.trial.run import run_trial

from .conftest import Trials

pytestmark = pytest.mark.docker
MAIN = """
import json
import evolve_door as door
seen = []
for command in {commands!r}:
    result = door.run(command)
    seen.append(json.dumps({{"command": command, "out": result.stdout + result.stderr}}))
    door.chat([{{"role": "user", "content": line}} for line in seen])
"""
LOOKING = [
    "ls -la",
    "ls -la --time-style=full-iso",
    "stat .",
    "ps",
    "ps aux",
    "date",
    "date +%s",
    "cat vending.py | wc -l",
]


def replayed(trials: Trials, *commands: str, then: str = "", **changes: Any) -> tuple[Differences, list[Any]]:
    """The comparison of a trial with its replay, in which a `then` in place of the last command runs."""
    # A name of its own, since all tests' trials of one name want the same user's number.
    changes |= {"run": f"nature-{uuid.uuid4().hex}"}
    spec = replace(trials.spec(MAIN.format(commands=[*commands])), **changes)
    first = run_trial(spec)
    # The user's number is free again when the containers are gone. Another second, so that times do differ.
    reaper().wait()
    time.sleep(1.1)
    again_spec = trials.spec(MAIN.format(commands=[*commands[:-1], then])) if then else spec
    recording = trials.folder / first.recording.path  # type: ignore[union-attr]
    again = run_trial(replace(again_spec, **changes, replay_of=recording, folder=trials.folder / "again"))
    old, new = trajectory.load(recording), trajectory.load(trials.folder / again.recording.path)  # type: ignore[union-attr]
    return differences(old, new, window(first), window(again)), [event for event in old if event["kind"] == "run"]


def window(result: TrialResult) -> Window:
    return Window.of(result.started_at, result.seconds)


@pytest.fixture(params=[True, False], ids=["procps", "no ps"])
def image(request: pytest.FixtureRequest, trials: Trials, tmp_path: Path) -> Iterator[TaskImage]:
    """The task's image, with this machine's `ps` or without."""
    if not request.param:
        yield trials.image
        return
    program = shutil.which("ps")
    assert program is not None, "needs procps"
    folder = tmp_path / "context"
    (folder / "lib").mkdir(parents=True)
    shutil.copy(program, folder / "lib" / "ps")
    libraries = re.findall(
        r"=> (/\S+)", subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    )
    for library in libraries:
        if not Path(library).name.startswith("libc.so"):
            shutil.copy(library, folder / "lib")
    (folder / "ps").write_text('#!/bin/sh\nLD_LIBRARY_PATH=/opt/ps exec /opt/ps/ps "$@"\n')
    (folder / "ps").chmod(0o755)
    (folder / "Dockerfile").write_text(f"FROM {trials.image.image}\nCOPY lib /opt/ps\nCOPY ps /usr/bin/ps\n")
    client = engine.connect()
    made, _ = client.images.build(path=str(folder), rm=True)
    yield replace(trials.image, image=str(made.id))
    client.images.remove(made.id, force=True)


def test_a_bash_agent_that_looks_around_can_be_replayed(trials: Trials, image: TaskImage) -> None:
    found, runs = replayed(trials, *LOOKING, image=image, limits=replace(trials.spec("").limits, calls=20))
    assert len(runs) == len(LOOKING)
    assert found.first is None, (found, runs[:5])
    named = [step.partition("`")[2].rstrip("`") for step in found.by_nature]
    assert {"date", "date +%s", "stat ."} <= {*named} <= {*LOOKING[:-1]}
    with_ps = "PID" in runs[3]["stdout"]
    assert with_ps or runs[3]["exit_code"] == 127


def test_files_of_the_image_have_the_same_times_again(trials: Trials) -> None:
    found, runs = replayed(trials, "ls -lA --time-style=full-iso", "stat -c '%n %Y %a' *")
    assert found.first is None and not found.by_nature
    image_times = engine.connect().containers.run(
        trials.image.image, ["sh", "-c", "cd /.evolve/workdir && stat -c '%n %Y' *"], remove=True
    )  # fmt: skip
    listed = [line.rpartition(" ")[0] for line in runs[1]["stdout"].splitlines()]
    assert listed == image_times.decode().splitlines()


@pytest.mark.parametrize(
    ("command", "then"),
    [
        ("date; echo 1", "date; echo 2"),
        ("stat . | head -1", "stat .. | head -1"),
        ("echo 2001-01-01", "echo 2001-01-02"),
    ],
)
def test_a_real_difference_beside_them_is_seen(trials: Trials, command: str, then: str) -> None:
    found, _ = replayed(trials, "date", command, then=then)
    assert found.first == 3
