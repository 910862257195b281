"""What an agent leaves in the place of its answer in an imported task, whose grader is root and can read everything."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker.errors import APIError

from evolve.core.records import Outcome, Split, SuiteProfile, Task
from evolve.sandbox import engine, images
from evolve.suite.tasks import load_task
from tests.imported import import_from, table

from .conftest import Arena

pytestmark = pytest.mark.docker

ROW = {"id": "secret", "instruction": "Guess the word.", "answer": "xylophone"}
RUNS = "import evolve_door as door\nprint(door.run({command!r}, timeout=9).stderr)\n"
ATTACKS = {
    "a link to the expected answer": "ln -s /tests/expected answer.txt",
    "a chain of links": "ln -s /tests/expected /tmp/a; ln -s /tmp/a answer.txt",
    "a relative link": "ln -s ../tests/expected answer.txt",
    "a link into the grader's memory": "ln -s /proc/self/cwd/../tests/expected answer.txt",
    "a folder of links": "rmdir /work; mkdir /tmp/w; ln -s /tests/expected /tmp/w/answer.txt; ln -s /tmp/w /work",
}
CHECK = '[ "$(readlink -f -- "$answer")" = "$answer" ] && '


@pytest.fixture
def task(tmp_path: Path, base: str) -> Iterator[Task]:
    import_from(table(tmp_path, ROW))
    made = load_task(tmp_path / "suite/secret", Split.TRAIN, SuiteProfile.LOOSE)
    yield made
    with contextlib.suppress(APIError):
        engine.connect().api.remove_image(images.task_tag(made.digest, images.image_id(base)))


def weaken(task: Task) -> None:
    """Let the grader follow links; the task's image stays the one of its digest."""
    script = task.folder / "tests/compare.sh"
    text = script.read_text()
    assert text.count(CHECK) == 1
    script.write_text(text.replace(CHECK, ""))


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_link_leads_the_grader_to_the_answer(arena: Arena, base: str, task: Task, attack: str) -> None:
    image = images.task_image(task, base)
    main = RUNS.format(command=ATTACKS[attack])
    result = arena.run(main, task=task, image=image)
    assert (result.outcome, result.reward) == (Outcome.FAILED, 0.0), result.detail
    weaken(task)
    result = arena.run(main, task=task, image=image)
    assert (result.outcome, result.reward) == (Outcome.PASSED, 1.0), result.detail
