"""What a trial has to itself in the engine: its user id, the first process of its containers, its owner."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from evolve.core.errors import EngineError
from evolve.core.records import SandboxSpec, TaskImage
from evolve.host.run_names import owner_of
from evolve.sandbox import engine, exit_cause, leftovers
from evolve.sandbox.container import Container
from evolve.sandbox.resources import TrialResources, acquire_resources
from evolve.sandbox.task_containers import task_container
from evolve.sandbox.task_state import TaskState
from evolve.sandbox.uids import UidTable

from .conftest import OWNER

pytestmark = pytest.mark.docker
SPEC = SandboxSpec(memory_mb=128, disk_mb=32)
ORPHANS = "for i in 1 2 3 4 5 6 7 8 9; do (sleep 0.01 & exec true) & done; wait; sleep 0.5; cat /proc/[0-9]*/stat"


@pytest.fixture
def image(built: dict[str, TaskImage]) -> TaskImage:
    return next(iter(built.values()))


@pytest.fixture
def resources(swept: str) -> Iterator[TrialResources]:
    made = acquire_resources(OWNER, f"resources {threading.get_ident()}")
    yield made
    made.remove()


@pytest.fixture(params=[False, True], ids=["exec", "first"])
def started(
    image: TaskImage, resources: TrialResources, request: pytest.FixtureRequest
) -> Iterator[tuple[TaskState, Container]]:
    state = TaskState(OWNER, image, SPEC, resources=resources)
    container = task_container(state, 60, opens_shell=request.param)
    yield state, container
    container.kill()
    state.remove()


def test_the_first_process_reaps_orphans(started: tuple[TaskState, Container]) -> None:
    state, container = started
    shell = container.shell(state.user, "/app")
    stats = shell.run(ORPHANS).stdout.decode().splitlines()
    shell.close()
    states = [line.rpartition(") ")[2].split()[0] for line in stats]
    assert len(states) >= 3 and "Z" not in states


def test_the_engines_own_stop_is_no_end_from_within(started: tuple[TaskState, Container]) -> None:
    state, container = started
    shell = container.shell(state.user, "/app")
    assert shell.run("true").exit_code == 0
    shell.close()
    container.client.api.stop(container.id, timeout=20)
    ended = exit_cause.inspect_state(container.client, container.id)
    assert ended["ExitCode"] == exit_cause.STOPPED
    assert not exit_cause.ended_from_within(container.client, container.id, powerful=True)


def test_the_engine_refuses_a_second_trial_with_the_same_user(
    started: tuple[TaskState, Container], image: TaskImage, resources: TrialResources, tmp_path: Path
) -> None:
    """Another host's table does not know of it; after the refusal, it does."""
    elsewhere = UidTable(tmp_path / "uids")
    twin = TrialResources(elsewhere.reserve(resources.uid.number - 20_000), resources.folder)
    assert twin.user == resources.user
    with pytest.raises(EngineError, match="and so the user id"):
        task_container(TaskState(OWNER, image, SPEC, resources=twin), 60)
    assert elsewhere.reserve(resources.uid.number - 20_000).number == resources.uid.number + 1


def test_files_and_user_are_free_at_the_end(resources: TrialResources) -> None:
    assert resources.door.is_dir() and (resources.files / "hosts").is_file()
    resources.remove()
    resources.remove()
    assert not resources.folder.exists()
    again = acquire_resources(OWNER, f"resources {threading.get_ident()}")
    assert again.uid.number == resources.uid.number
    again.remove()


def test_a_run_of_the_same_name_elsewhere_is_left_alone(base: str, tmp_path: Path, swept: str) -> None:
    here, there = owner_of(tmp_path / "here" / OWNER), owner_of(tmp_path / "there" / OWNER)
    api = engine.connect().api
    with ExitStack() as stack:
        made = []
        for owner in (here, there):
            made.append(api.create_container(base, ["true"], labels=engine.owner_labels(owner))["Id"])
            stack.callback(engine.sweep, owner)
            folder = acquire_resources(owner, owner)
            stack.callback(folder.remove)
        assert made[0] in {found.name for found in leftovers.find_leftovers({here})}
        assert made[1] not in {found.name for found in leftovers.find_leftovers({here})}
        assert engine.sweep(here) == 2
        assert {found.kind for found in leftovers.find_leftovers({there})} == {"container", "folder"}
