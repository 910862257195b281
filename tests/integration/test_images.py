"""Images that can't be built: the task's fault, by name; never the machine's."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.core.errors import EngineError, InfraError
from evolve.core.records import SuiteProfile, Task
from evolve.host.temporary import process_mark
from evolve.loop.watcher import SilentWatcher
from evolve.runs import check_tasks
from evolve.runs.restoring import restore_engine
from evolve.sandbox import engine, images, task_images
from evolve.sandbox.task_build import tag_of
from evolve.suite.tasks import Suite, task_digest

pytestmark = pytest.mark.docker


def broken(task: Task, folder: Path, name: str, dockerfile: str) -> Task:
    """The task with another Dockerfile."""
    made = folder / name
    shutil.copytree(task.folder, made)
    (made / "environment" / "Dockerfile").write_text(dockerfile)
    return replace(task, name=name, folder=made, digest=f"{name}-{dockerfile}")


def test_tasks_that_do_not_build_are_named_and_the_others_are_built(task: Task, base: str, tmp_path: Path) -> None:
    some = [
        task,
        broken(
            task, tmp_path, "fails", "ARG BASE\nFROM $BASE\nWORKDIR /app\nRUN printf 'no \\033[31mluck\\n'; false\n"
        ),
        broken(task, tmp_path, "nonsense", "ARG BASE\nFROM $BASE\nNONSENSE x\n"),
        broken(task, tmp_path, "homeless", "ARG BASE\nFROM $BASE\n"),
    ]
    made, failures = images.build_all(some, base, 2, print)
    assert set(made) == {task.name} and set(failures) == {"fails", "nonsense", "homeless"}
    assert "can't be built" in failures["fails"] and "returned a non-zero code" in failures["fails"]
    assert "(its output ends: no luck)" in failures["fails"]
    assert "NONSENSE" in failures["nonsense"].upper()
    assert "sets no WORKDIR" in failures["homeless"]


def test_an_engine_that_is_not_there_is_no_tasks_fault(
    task: Task, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
        engine.reset_connection()
        with pytest.raises(EngineError, match="does not answer"):
            images.build_all([task], base, 1, print)
        assert not engine.answers()
    engine.reset_connection()
    assert engine.answers()


def other_environment(task: Task, folder: Path, name: str) -> Task:
    """The task under another name and digest, of this process alone, with a file that says so."""
    made = folder / name
    shutil.copytree(task.folder, made)
    return replace(task, name=name, folder=made, digest=f"{name}-{os.getpid()}")


def remove_images(task: Task, base: str) -> None:
    api = engine.connect().api
    tag = tag_of(task, base)
    for row in api.images(name=images.TASK_TAG):
        for found in row["RepoTags"] or []:
            if found.startswith(tag):
                api.remove_image(found, force=True)


BUILD = """
import pickle, sys
from evolve.sandbox import images
task, base = pickle.loads(sys.stdin.buffer.read())
print(images.task_image(task, base).workdir)
"""


def test_processes_that_build_the_same_image_do_not_disturb_each_other(task: Task, base: str, tmp_path: Path) -> None:
    made = other_environment(task, tmp_path, "at-once")
    dockerfile = made.folder / "environment" / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text() + f"RUN sleep 1; echo {os.getpid()} >/x\n")
    try:
        given = pickle.dumps((made, base))
        processes = [
            subprocess.Popen([sys.executable, "-c", BUILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for _ in range(3)
        ]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(given)
            process.stdin.close()
        outputs = [process.stdout.read() if process.stdout else b"" for process in processes]
        assert [process.wait() for process in processes] == [0, 0, 0] and len(set(outputs)) == 1 and outputs[0]
        tags = [tag for row in engine.connect().api.images(name=images.TASK_TAG) for tag in row["RepoTags"] or []]
        assert [tag for tag in tags if tag.startswith(tag_of(made, base))] == [tag_of(made, base)]
    finally:
        remove_images(made, base)


def test_the_unfinished_image_of_a_killed_process_is_removed(base: str) -> None:
    api, name = engine.connect().api, f"{images.TASK_TAG}:{os.getpid():016x}"
    pid, start, machine = process_mark().split(".")
    dead, living = (f"{name}-{pid}.{number}.{machine}{images.RAW}" for number in (int(start) - 1, start))
    for tag in (dead, living):
        api.tag(base, *tag.split(":"))
    try:
        images.build_all([], base, 1, print)
        tags = [tag for row in api.images(name=images.TASK_TAG) for tag in row["RepoTags"] or []]
        assert dead not in tags and living in tags
        assert task_images.is_needed(living, set()) and not task_images.is_needed(dead, {name})
    finally:
        api.remove_image(living)


def test_a_solution_in_the_history_is_refused(task: Task, base: str, tmp_path: Path) -> None:
    """The image has no git; the check reads its files."""
    made = other_environment(task, tmp_path, "history")
    app = made.folder / "environment" / "history"
    app.mkdir()
    for words in ("init -q", "commit -q --allow-empty -m task", "commit -q --allow-empty -m fix", "reset -q HEAD~1"):
        subprocess.run(["git", "-C", app, "-c", "user.name=t", "-c", "user.email=t@t", *words.split()], check=True)
    dockerfile = made.folder / "environment" / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text() + "COPY history/ /srv/app/\n")
    suite = Suite(tmp_path, (made,), SuiteProfile.STRICT)
    try:
        (finding,) = check_tasks.check_suite(suite, 1, SilentWatcher())
        assert "git repository at /srv/app/.git" in finding.problem and "git gc --prune=now" in finding.problem
        assert finding.problem.count("/srv") == 1 and "\n" not in finding.problem and finding.solution == ()
        subprocess.run(["git", "-C", app, "reflog", "expire", "--expire=now", "--all"], check=True)
        (app / ".git/ORIG_HEAD").unlink()
        subprocess.run(["git", "-C", app, "gc", "-q", "--prune=now"], check=True)
        sound = replace(made, digest=f"{made.digest}-2")
        assert check_tasks._git_problem(images.task_image(sound, base)) == ""
        remove_images(sound, base)
    finally:
        remove_images(made, base)


def test_an_image_that_is_removed_during_a_run_is_built_again(task: Task, base: str, tmp_path: Path) -> None:
    made = other_environment(task, tmp_path, "gone")
    dockerfile = made.folder / "environment" / "Dockerfile"
    dockerfile.write_text(f"{dockerfile.read_text()}RUN echo {os.getpid()} >/x\n")
    made = replace(made, digest=task_digest(made.folder))
    tag = images.task_image(made, base).image
    try:
        engine.connect().api.remove_image(tag)
        restore_engine([task, made], base, print)
        assert images.missing_images([made], base) == []
        engine.connect().api.remove_image(tag)
        dockerfile.write_text(dockerfile.read_text() + "RUN true\n")
        with pytest.raises(InfraError, match="have changed since the run began"):
            restore_engine([task, made], base, print)
    finally:
        remove_images(made, base)
