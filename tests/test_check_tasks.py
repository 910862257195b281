"""Checks of tasks without an engine: progress, continuing, faults of the machine, and what is printed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from evolve.cli import measuring
from evolve.core.errors import DiskFull, EngineError, InfraError
from evolve.core.records import SuiteProfile, Task, TaskImage
from evolve.host.temporary import process_mark
from evolve.loop.watcher import SilentWatcher
from evolve.runs import check_tasks
from evolve.runs.check_record import RECORD_FILE, CheckRecord, TaskCheck
from evolve.runs.settings import Settings
from evolve.suite.tasks import Suite, load_suite
from evolve.trial.reward import Reward
from evolve.trial.verdict import Judgement
from tests.imported import import_from, table

COUNT = 4


def graded(reward: float, output: str) -> Judgement:
    return Judgement(Reward(reward, reward), output)


SOUND = (graded(1.0, "good"), graded(0.0, "nothing"))


class Lines(SilentWatcher):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


class Machine:
    """An engine that only answers questions. judge: what a try of a task gives, with the solution or without."""

    def __init__(self) -> None:
        self.tried: list[str] = []
        self.swept: list[str] = []
        self.alive, self.broken = True, set[str]()
        self.judge: Callable[[Task, bool], Judgement] = lambda task, solve: SOUND[not solve]

    def judgement(self, task: Task, image: TaskImage, solve: bool, stop: Event) -> Judgement:
        check_tasks._raise_if_set(stop)
        self.tried.append(task.name)
        return self.judge(task, solve)

    def build(self, tasks: list[Task], *_: object) -> tuple[dict[str, TaskImage], dict[str, str]]:
        broken = {task.name: "its image can't be built" for task in tasks if task.name in self.broken}
        return {task.name: TaskImage(task.name, "/", ()) for task in tasks if task.name not in broken}, broken

    def sweep(self, owner: str) -> int:
        self.swept.append(owner)
        return 0


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    for name, value in (
        ("engine.bring_up", lambda notify: None),
        ("engine.answers", lambda: made.alive),
        ("engine.sweep", made.sweep),
        ("leftovers.sweep_dead", lambda: None),
        ("images.base_image", lambda notify: "base"),
        ("images.build_all", made.build),
        ("images.image_id", lambda name: f"id-of-{name}"),
        ("_git_problem", lambda image: ""),
        ("_judgement", made.judgement),
    ):
        monkeypatch.setattr(f"evolve.runs.check_tasks.{name}", value)
    return made


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    import_from(table(tmp_path, *({"id": f"t{n}", "instruction": "x", "answer": "1"} for n in range(COUNT))))
    return load_suite(tmp_path / "suite")


def check(suite: Suite, folder: Path, again: bool = False) -> tuple[list[TaskCheck], list[str]]:
    watcher = Lines()
    return check_tasks.check_suite(suite, 2, watcher, CheckRecord(folder / RECORD_FILE, again)), watcher.lines


def test_each_finished_task_is_reported(machine: Machine, suite: Suite, tmp_path: Path) -> None:
    findings, lines = check(suite, tmp_path)
    assert [finding.task for finding in findings] == [task.name for task in suite.tasks]
    assert {finding.verdict for finding in findings} == {"sound"}
    assert [line for line in lines if " of 4: " in line] == [line for line in lines if line.endswith(": sound")]
    assert [line.split(" ")[0] for line in lines if line.endswith(": sound")] == ["1", "2", "3", "4"]


@pytest.mark.parametrize(("profile", "sound"), [(SuiteProfile.STRICT, False), (SuiteProfile.LOOSE, True)])
def test_lost_commits_fail_the_check_of_strict_suites_only(
    machine: Machine, suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: SuiteProfile, sound: bool
) -> None:
    monkeypatch.setattr("evolve.runs.check_tasks._git_problem", lambda image: "a lost commit")
    tasks = tuple(replace(task, profile=profile) for task in suite.tasks)
    findings, _ = check(replace(suite, tasks=tasks, profile=profile), tmp_path)
    assert {(one.problem, one.note) for one in findings} == {("", "a lost commit") if sound else ("a lost commit", "")}
    assert bool(machine.tried) is sound


def test_finished_tasks_are_not_tried_again_until_they_change(machine: Machine, suite: Suite, tmp_path: Path) -> None:
    first, _ = check(suite, tmp_path)
    machine.tried.clear()
    second, _ = check(suite, tmp_path)
    assert [replace(finding, before=False) for finding in second] == first and machine.tried == []
    assert {finding.verdict for finding in second} == {"sound (checked before; --again checks it again)"}
    assert len(check(suite, tmp_path, again=True)[0]) == COUNT and len(machine.tried) == 4 * COUNT
    machine.tried.clear()
    changed = replace(suite.tasks[0], digest="other")
    findings, lines = check(replace(suite, tasks=(changed, *suite.tasks[1:])), tmp_path)
    assert set(machine.tried) == {changed.name} and len(findings) == COUNT
    assert any(line.endswith(f": {changed.name}: sound") for line in lines)


def test_an_image_that_can_not_be_built_is_a_finding_and_is_tried_again(
    machine: Machine, suite: Suite, tmp_path: Path
) -> None:
    machine.broken.add("t3")
    (bad,) = [finding for finding in check(suite, tmp_path)[0] if finding.problem]
    assert (bad.task, bad.problem) == ("t3", "its image can't be built")
    machine.broken.clear()
    assert [finding.before for finding in check(suite, tmp_path)[0]].count(False) == 1


def test_another_image_is_another_check(
    machine: Machine, suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(suite, tmp_path)
    machine.tried.clear()
    monkeypatch.setattr("evolve.runs.check_tasks.images.image_id", lambda name: "another")
    check(suite, tmp_path)
    assert len(machine.tried) == 4 * COUNT


def test_an_interrupted_check_continues(machine: Machine, suite: Suite, tmp_path: Path) -> None:
    stopped = [task.name for task in suite.tasks][2:]

    def judge(task: Task, solve: bool) -> Judgement:
        if task.name in stopped:
            raise KeyboardInterrupt
        return SOUND[not solve]

    machine.judge = judge
    with pytest.raises(KeyboardInterrupt):
        check_tasks.check_suite(suite, 1, SilentWatcher(), CheckRecord(tmp_path / RECORD_FILE))
    assert len(machine.swept) == 2, "the tries in progress are ended"
    machine.judge = lambda task, solve: SOUND[not solve]
    machine.tried.clear()
    findings, _ = check(suite, tmp_path)
    assert set(machine.tried) == set(stopped) and not any(finding.problem for finding in findings)


def test_what_an_interrupted_try_found_is_not_kept(
    machine: Machine, suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its containers, a try may end with any reward, or with an error that looks like the task's own."""
    interrupted = Event()

    def sweep(owner: str) -> int:
        interrupted.set()
        return 0

    def judge(task: Task, solve: bool) -> Judgement:
        if task.name == "t0":
            raise KeyboardInterrupt
        interrupted.wait(20)
        if task.name == "t1":
            raise InfraError("can't copy files into /tests")
        return graded(0.0, "killed")

    machine.judge = judge
    monkeypatch.setattr("evolve.runs.check_tasks.engine.sweep", sweep)
    with pytest.raises(KeyboardInterrupt):
        check_tasks.check_suite(suite, COUNT, SilentWatcher(), CheckRecord(tmp_path / RECORD_FILE))
    assert not (tmp_path / RECORD_FILE).exists()
    assert len(machine.tried) <= COUNT, "no further try is started"


def test_a_fault_of_the_engine_is_no_finding(machine: Machine, suite: Suite, tmp_path: Path) -> None:
    failing, faults = suite.tasks[1].name, [EngineError("the daemon restarted")] * 2

    def judge(task: Task, solve: bool) -> Judgement:
        if task.name == failing and faults:
            raise faults.pop()
        return SOUND[not solve]

    machine.judge = judge
    assert {finding.verdict for finding in check(suite, tmp_path)[0]} == {"sound"} and not faults
    faults.extend([EngineError("the daemon restarted")] * 99)
    (bad,) = [finding for finding in check(suite, tmp_path, again=True)[0] if finding.verdict != "sound"]
    assert (bad.task, bad.problem, bad.fault) == (failing, "", "the daemon restarted")
    faults.clear()
    machine.tried.clear()
    (tmp_path / RECORD_FILE).unlink()
    assert {finding.verdict for finding in check(suite, tmp_path)[0]} == {"sound"}


def test_what_the_engine_could_not_check_is_tried_next_time(machine: Machine, suite: Suite, tmp_path: Path) -> None:
    failing = suite.tasks[0].name

    def judge(task: Task, solve: bool) -> Judgement:
        if task.name == failing:
            raise EngineError("lost")
        return SOUND[not solve]

    machine.judge = judge
    check(suite, tmp_path)
    machine.judge = lambda task, solve: SOUND[not solve]
    machine.tried.clear()
    assert not any(finding.problem or finding.fault for finding in check(suite, tmp_path)[0])
    assert set(machine.tried) == {failing}


@pytest.mark.parametrize("error", [EngineError("gone"), DiskFull("no space left")])
def test_a_dead_engine_or_a_full_disk_ends_the_check(
    machine: Machine, suite: Suite, tmp_path: Path, error: InfraError
) -> None:
    def judge(task: Task, solve: bool) -> Judgement:
        raise error

    machine.judge, machine.alive = judge, isinstance(error, DiskFull)
    with pytest.raises(type(error)):
        check(suite, tmp_path)


def test_a_task_at_fault_is_a_finding_with_the_end_of_its_output(
    machine: Machine, suite: Suite, tmp_path: Path
) -> None:
    def judge(task: Task, solve: bool) -> Judgement:
        if task.name == "t1" and solve:
            raise InfraError("solution/solve.sh failed: no")
        return graded(0.0, "assert 1 == 2\n") if task.name == "t2" else SOUND[not solve]

    machine.judge = judge
    found = {finding.task: finding for finding in check(suite, tmp_path)[0]}
    assert (found["t1"].problem, found["t1"].fault) == ("solution/solve.sh failed: no", "")
    assert (found["t2"].problem, found["t2"].output) == ("the reference solution earns 0, 0", "assert 1 == 2\n")
    assert found["t0"].output == ""


def test_a_solution_that_lacks_a_variable_is_not_tried(
    machine: Machine, suite: Suite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, variable in (("t1", "MY_TOKEN"), ("t2", "OPENAI_API_KEY")):
        file = suite.folder / name / "task.toml"
        file.write_text(f'{file.read_text()}\n[solution.env]\nA = "${{{variable}}}"\n')
    settings = Settings(suite=suite.folder, runs=tmp_path / "runs", jobs=2)
    assert measuring.check_tasks(settings, as_json=False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition("takes the host's variable ")[2] for line in sorted(lines[:-1])] == [
        "MY_TOKEN, which --pass-env MY_TOKEN passes: only the untouched state was checked",
        "OPENAI_API_KEY, which no container gets: only the untouched state was checked",
    ]
    assert (machine.tried.count("t1"), machine.tried.count("t0")) == (2, 4)


def test_the_command_prints_the_end_of_the_output(
    machine: Machine, suite: Suite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = "".join(f"line {number}\n" for number in range(50)) + "\x1b[31mred\n"
    machine.judge = lambda task, solve: graded(0.0, output) if task.name == "t2" else SOUND[not solve]
    settings = Settings(suite=suite.folder, runs=tmp_path / "runs", jobs=2)
    assert measuring.check_tasks(settings, as_json=False) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "t2: the reference solution earns 0, 0" and lines[-1] == "3 of 4 tasks are sound"
    assert "    | line 49" in lines and "    | line 1" not in lines and "\x1b" not in "".join(lines)
    assert measuring.check_tasks(settings, as_json=True) == 1
    rows = {row["task"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["t2"]["output"] == output and rows["t0"]["problem"] == rows["t0"]["fault"] == ""


def test_two_processes_have_containers_of_their_own() -> None:
    assert process_mark() in check_tasks._owner()


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]", b'{"key": "x"}', b"\xff", b'{"key": "x", "task": 1, "solution": 3}']
)
def test_a_broken_record_is_ignored(machine: Machine, suite: Suite, tmp_path: Path, line: bytes) -> None:
    check(suite, tmp_path)
    file = tmp_path / RECORD_FILE
    file.write_bytes(line + b"\n" + file.read_bytes() + line)
    machine.tried.clear()
    check(suite, tmp_path)
    assert machine.tried == []
