"""Whole trials on generated instances, and generators that no run can use."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.cli import measuring
from evolve.core.errors import BadInput
from evolve.core.instances import Instance
from evolve.core.records import Outcome, Split, Task, TaskImage, TrialSpec
from evolve.project.init import new_task
from evolve.runs import check_tasks, sampling
from evolve.runs.settings import Settings
from evolve.sandbox import images
from evolve.sandbox.cleanup import reaper
from evolve.suite.instances import GENERATOR, instance_seed
from evolve.suite.tasks import Suite, load_suite, load_task
from evolve.suite.unbuildable import UsableSuite
from evolve.suite.vocabulary import vocabulary_of
from evolve.trial import comparison, trajectory
from evolve.trial.instances import generate
from evolve.trial.run import run_trial

from .conftest import OWNER, Trials

pytestmark = pytest.mark.docker

# Reads the bug from the file, as an agent would, and shows what it can see.
MENDS = """
import evolve_door as door
text = door.read("greeting.py")
start = text.index('return f"') + len('return f"')
end = text.index("{name}")
door.write("greeting.py", text[:start] + text[start:end].rstrip() + ", " + text[end:])
door.run("ls -A . tests; ls -A /instances /instance /tests /solution /.evolve/workdir; env")
door.run("grep -rlE 'Greeting(Hidden)?Test' / --exclude-dir=proc --exclude-dir=sys 2>/dev/null")
door.run("echo " + repr(door.task()["instruction"].split(chr(10))[0].replace("`", "")))
"""
REMEMBERS = "import evolve_door as door\ndoor.write('greeting.py', {text!r})\n"


@pytest.fixture(scope="session")
def suite_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The suite of `evolve tasks new greetings --instances`."""
    folder = tmp_path_factory.mktemp("generating")
    new_task(folder, "greetings", instances=True)
    return folder / "tasks"


@pytest.fixture(scope="session")
def suite(suite_folder: Path) -> Suite:
    return load_suite(suite_folder)


# A fixture of its own: one of the session that others share would be that of the first module which used it.
@pytest.fixture(scope="session")
def built(suite: Suite, base: str) -> dict[str, TaskImage]:
    made, failures = images.build_all(suite.tasks, base, 2, print)
    assert not failures
    return made


@pytest.fixture(autouse=True)
def no_container(trials: Trials) -> Iterator[None]:
    """Nothing is left of a generator once its container is removed."""
    yield
    reaper().wait()


def attempt(trials: Trials, main: str, number: int) -> TrialSpec:
    seed = instance_seed(0, Split.TRAIN, trials.task.name, number)
    return replace(trials.spec(main), attempt=number, instance_seed=seed)


def instance_of(trials: Trials, number: int) -> Instance:
    return generate(trials.task, trials.image, instance_seed(0, Split.TRAIN, trials.task.name, number), OWNER)


def test_a_trial_is_a_trial_of_its_instance_and_shows_nothing_of_its_tests(trials: Trials) -> None:
    spec = attempt(trials, MENDS, 0)
    result = run_trial(spec)
    assert (result.outcome, result.reward) == (Outcome.PASSED, 1.0), result.detail
    events = trajectory.load(trials.folder / result.recording.path)  # type: ignore[union-attr]
    listed, found, instruction = (event["stdout"] for event in events if event["kind"] == "run")
    assert "greeting.py" in listed and "generate" not in listed and "test_hidden" not in listed
    visible = ["/.evolve/workdir/tests/test_greeting.py", f"{trials.image.workdir}/tests/test_greeting.py"]
    assert sorted(found.split()) == visible, "the visible tests are found, and no hidden ones"
    own = instance_of(trials, 0)
    assert own.instruction is not None and own.instruction != trials.task.instruction
    assert instruction.strip() == own.instruction.splitlines()[0].replace("`", "")
    recording = trials.folder / result.recording.path  # type: ignore[union-attr]
    again = run_trial(replace(spec, replay_of=recording, folder=trials.folder / "again"))
    replayed = trajectory.load(trials.folder / again.recording.path)  # type: ignore[union-attr]
    assert (again.outcome, again.reward) == (Outcome.PASSED, 1.0)
    assert comparison.first_difference(events, replayed) is None


def test_what_a_scaffold_remembers_of_one_instance_fails_on_the_next(trials: Trials) -> None:
    answer = instance_of(trials, 0).files["solution/greeting.py"].data.decode()
    main = REMEMBERS.format(text=answer)
    assert [run_trial(attempt(trials, main, number)).reward for number in (0, 1)] == [1.0, 0.0]
    fixed = (trials.task.folder / "solution" / "greeting.py").read_text()
    assert run_trial(trials.spec(REMEMBERS.format(text=fixed))).reward == 1.0, "the fixed task can be remembered"
    assert run_trial(attempt(trials, REMEMBERS.format(text=fixed), 0)).reward == 0.0


def test_the_first_instances_are_those_of_the_first_attempts(trials: Trials, suite: Suite) -> None:
    usable = UsableSuite(suite, {trials.task.name: trials.image}, {})
    found = sampling.first_instances(usable, 0, OWNER, 2)
    assert found == {trials.task.name: [instance_of(trials, number) for number in range(sampling.SAMPLES)]}
    vocabulary = vocabulary_of(suite.tasks, found)
    assert "GreetingHiddenTest" in vocabulary.identifiers


BAD = {
    "fails": ("exec sh -c 'echo no such animal >&2; exit 3'", "(exit status 3: no such animal)"),
    "silent": ("exit 1", "(exit status 1: no output)"),
    "writes nothing": ("true", "it wrote nothing for seed"),
    "random": ("mkdir workdir; head -c 16 /dev/urandom >workdir/noise", "gave two different instances"),
    "constant": ("mkdir workdir; echo 1 >workdir/one", "seeds gave the same instance"),
    "too big": ("mkdir workdir; head -c 5000000 /dev/zero >workdir/zeros", "it has more than 4000000 bytes"),
    "too many": ("mkdir workdir; for n in $(seq 600); do : >workdir/$n; done", "it has more than 500 files"),
    "elsewhere": ("echo $1 >notes.txt", "it wrote 'notes.txt', which is no part of an instance"),
    "outside": ("echo $1 >/app/greeting.py", "Read-only file system"),
    "a link": ("mkdir workdir; ln -s /etc/passwd workdir/link", "is no regular file"),
    "no script": ("mkdir tests; echo $1 >tests/test.sh", "tests/test.sh is not executable"),
    "no text": ("printf '\\377' >instruction.md", "instruction.md is not UTF-8 text"),
    "network": (
        "python3 -c 'import socket; socket.create_connection((\"1.1.1.1\", 53), 1)'",
        "(exit status 1: OSError",
    ),
}


def generating(folder: Path, task: Task, script: str) -> Task:
    """A copy of the task with another generator."""
    shutil.copytree(task.folder, folder)
    (folder / GENERATOR).write_text(f"#!/bin/sh\nset -e\n{script}\n")
    return load_task(folder, Split.TRAIN)


@pytest.mark.parametrize("kind", BAD)
def test_a_generator_that_no_run_can_use_is_one_line(
    trials: Trials, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, problem = BAD[kind]
    task = generating(trials.folder / "bad", trials.task, script)
    with pytest.raises(BadInput) as caught:
        sampling.checked_instances(task, trials.image, OWNER)
    assert problem in str(caught.value)
    assert str(caught.value).startswith(f"{task.folder / GENERATOR}: ")
    assert len(str(caught.value).splitlines()) == 1


def test_a_generator_that_hangs_is_stopped(trials: Trials, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evolve.trial.instances.GENERATE_SECONDS", 2.0)
    task = generating(trials.folder / "bad", trials.task, "sleep 60")
    with pytest.raises(BadInput, match=r"\(it ran for over 2 seconds\)"):
        generate(task, trials.image, 1, OWNER)


def checked(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, object]]:
    status = measuring.check_tasks(Settings(suite=folder, runs=folder.parent / "runs", jobs=2), as_json=True)
    (row,) = json.loads(capsys.readouterr().out)
    return status, row


def test_the_check_tries_instances_and_refuses_a_bad_generator(
    trials: Trials, suite_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, row = checked(suite_folder, capsys)
    assert (status, row["problem"]) == (0, "")
    assert row["solution"] == [1.0] * 5 and row["nothing"] == [0.0] * 5
    shutil.copytree(suite_folder, tmp_path / "bad")
    (tmp_path / "bad" / "greetings" / GENERATOR).write_text("#!/bin/sh\nexit 3\n")
    status, row = checked(tmp_path / "bad", capsys)
    assert status == 2 and "it failed for seed" in str(row["problem"])


def test_a_solution_that_fails_on_an_instance_is_found(
    trials: Trials,
    suite_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("evolve.runs.check_tasks.CHECKED", "evolve.runs.sampling.CHECKED"):
        monkeypatch.setattr(name, 2)
    monkeypatch.setattr(check_tasks, "TRIES", 1)
    shutil.copytree(suite_folder, tmp_path / "wrong")
    generator = tmp_path / "wrong" / "greetings" / "instances" / "generate.py"
    generator.write_text(generator.read_text().replace('write("solution/greeting.py"', 'write("solution/other.py"'))
    status, row = checked(tmp_path / "wrong", capsys)
    assert status == 1 and row["problem"] == "the reference solution earns 1, 0, 0"
