"""Images that can't be built: the task's fault, by name; never the machine's."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.core.errors import EngineError
from evolve.core.records import Task
from evolve.sandbox import engine, images

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
        broken(task, tmp_path, "fails", "ARG BASE\nFROM $BASE\nWORKDIR /app\nRUN false\n"),
        broken(task, tmp_path, "nonsense", "ARG BASE\nFROM $BASE\nNONSENSE x\n"),
        broken(task, tmp_path, "homeless", "ARG BASE\nFROM $BASE\n"),
    ]
    made, failures = images.build_all(some, base, 2, print)
    assert set(made) == {task.name} and set(failures) == {"fails", "nonsense", "homeless"}
    assert "can't be built" in failures["fails"] and "returned a non-zero code" in failures["fails"]
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
