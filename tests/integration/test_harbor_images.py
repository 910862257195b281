"""Images of tasks in Harbor's format, built by a real engine: what is kept of them, and whose fault a failure is."""

from __future__ import annotations

import http.server
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.core.errors import BadInput, EngineError
from evolve.core.records import SandboxSpec, Split, SuiteProfile, Task, TaskImage, VerifierMode
from evolve.sandbox import engine, image_store, images, task_images
from evolve.sandbox.task_build import tag_of
from evolve.sandbox.task_containers import task_container
from evolve.sandbox.task_state import TaskState
from evolve.suite.tasks import load_task
from tests.harbor_tasks import BASE, USABLE, write

pytestmark = pytest.mark.docker
BUILT = (
    "plain", "workdir", "no-workdir", "user", "entrypoint", "volume", "image-env", "own-base", "asked-base", "platform",
    "ignored-files", "ready-image", "both-images", "verifier-image",
)  # fmt: skip


def load(folder: Path, files: Mapping[str, str]) -> Task:
    return load_task(write(folder, files), Split.TRAIN, SuiteProfile.LOOSE, harbor=True)


@pytest.fixture(scope="module")
def made(base: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, TaskImage]]:
    top = tmp_path_factory.mktemp("tasks")
    # Other processes may build the same tasks: these images are this one's own.
    mine = {"README.md": f"{os.getpid()}\n"}
    tasks = [load(top / name, {**USABLE[name], **mine}) for name in BUILT]
    (top / "ignored-files" / "environment" / "link").symlink_to("answer.txt")
    built, failures = images.build_all(tasks, base, 2, print)
    assert failures == {}
    yield built
    names = {name for image in built.values() for name in (image.image, *(one.image for _, one in image.verifiers))}
    for name in names:
        engine.connect().api.remove_image(name, force=True)


def output(image: TaskImage, command: str) -> str:
    """What a command prints in a loose task's container."""
    state = TaskState("evolve-tests-images", image, SandboxSpec(memory_mb=None, disk_mb=None), SuiteProfile.LOOSE)
    container = task_container(state, 60)
    try:
        return container.shell("0:0", image.workdir).run(command, timeout=20).stdout.decode()
    finally:
        container.kill()


def test_the_working_directory_is_the_images_or_the_tasks(made: dict[str, TaskImage]) -> None:
    folders = {name: made[name].workdir for name in ("plain", "workdir", "no-workdir", "both-images")}
    assert folders == {"plain": "/app", "workdir": "/work", "no-workdir": "/", "both-images": "/app"}


def test_user_volumes_and_variables_of_an_image_are_known(made: dict[str, TaskImage]) -> None:
    assert (made["user"].user, made["plain"].user) == ("ann", "")
    assert made["volume"].volumes == ("/data",)
    assert "COLOUR=blue" in made["image-env"].env


def test_an_entry_point_runs_before_the_commands(made: dict[str, TaskImage]) -> None:
    assert made["entrypoint"].entrypoint == ("env", "STARTED=1")
    command = "cat /proc/[0-9]*/environ | tr '\\0' '\\n' | grep -c STARTED=1"
    assert output(made["entrypoint"], command).strip() != "0"
    assert output(made["plain"], command).strip() == "0"


def test_a_container_without_sizes_has_the_machines(made: dict[str, TaskImage]) -> None:
    assert output(made["plain"], "ulimit -f").strip() == "unlimited"


def test_rules_for_the_context_and_links_hold(made: dict[str, TaskImage]) -> None:
    names = output(made["ignored-files"], "ls -A /app; readlink /app/link").split()
    assert names == [".dockerignore", "Dockerfile", "answer.txt", "link", "answer.txt"]


def test_the_platform_is_named(made: dict[str, TaskImage]) -> None:
    assert output(made["platform"], "cat /arch").strip() in ("amd64", "arm64")


def test_a_ready_image_gets_loose_files_and_is_pinned(made: dict[str, TaskImage]) -> None:
    ready, both = made["ready-image"], made["both-images"]
    assert ready.pinned == both.pinned == images.image_id("evolve/base:python3")
    assert output(ready, "find / -name notes.txt -not -path '/proc/*'").strip() == "/notes.txt"


def test_a_verifiers_own_image_is_built_and_needed(made: dict[str, TaskImage], base: str) -> None:
    ((step, image),) = made["verifier-image"].verifiers
    assert step == "" and "test.sh" in output(image, "ls /tests")
    needed = {task_images.task_of_tag(made["verifier-image"].image)}
    assert task_images.is_needed(image.image, needed) and not task_images.is_needed(image.image, set())


def test_a_volume_is_refused_where_the_verifier_gets_a_copy_without_it(base: str, tmp_path: Path) -> None:
    files = {**USABLE["volume"], "task.toml": '[verifier]\nenvironment_mode = "isolated"\n'}
    task = load(tmp_path / "volume", files)
    assert task.verifier is VerifierMode.ISOLATED and images.task_image(task, base).volumes == ("/data",)
    task = replace(task, format=replace(task.format, harbor=False))
    with pytest.raises(BadInput, match=r"declares a VOLUME \(/data\)"):
        images.task_image(task, base)


def test_the_time_for_a_build_is_the_tasks(base: str, tmp_path: Path) -> None:
    text = "[environment]\nbuild_timeout_sec = 1\n"
    task = load(tmp_path / "slow", {"task.toml": text, "environment/Dockerfile": f"{BASE}RUN sleep 8 && true\n"})
    began = time.monotonic()
    with pytest.raises(BadInput, match="took longer than 1 s"):
        images.task_image(task, base)
    assert time.monotonic() - began < 7


def test_buildkit_is_asked_for_or_the_task_refused(base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evolve.sandbox.buildkit.has_buildx", lambda: False)
    files = {"environment/Dockerfile": f"{BASE}RUN <<EOF\ntrue\nEOF\n", "task.toml": ""}
    _, failures = images.build_all([load(tmp_path / "modern", files)], base, 1, print)
    assert "needs BuildKit (heredocs), and `docker buildx` is not installed" in failures["modern"]


class Registry(http.server.BaseHTTPRequestHandler):
    """Refuses every request; `status` says how."""

    status = 429
    requests = 0

    def do_GET(self) -> None:
        type(self).requests += self.path != "/v2/"
        self.send_response(200 if self.path == "/v2/" else self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a registry of this test's own."""
    monkeypatch.setattr(image_store, "WAITS", (0.1, 0.1, 0.1))
    monkeypatch.setattr(Registry, "requests", 0)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("ready", [True, False])
def test_a_registry_that_refuses_is_no_tasks_fault(
    base: str, registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, ready: bool
) -> None:
    monkeypatch.setattr(Registry, "status", status)
    name = f"{registry}/some/image:1"
    own = (
        {"task.toml": f'[environment]\ndocker_image = "{name}"\n'}
        if ready
        else {"environment/Dockerfile": f"FROM {name}\n"}
    )
    tasks = [load(tmp_path / "remote", own), load(tmp_path / "plain", {"instruction.md": f"{tmp_path}\n"})]
    with pytest.raises(EngineError, match="remote: the network or a registry failed"):
        images.build_all(tasks, base, 1, print)
    assert Registry.requests >= 4
    assert images.missing_images(tasks, base) == tasks[:1]
    engine.connect().api.remove_image(tag_of(tasks[1], base), force=True)


def test_an_image_that_a_registry_does_not_have_is_the_tasks_fault(
    base: str, registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Registry, "status", 404)
    task = load(tmp_path / "gone", {"environment/Dockerfile": f"FROM {registry}/some/image:1\n"})
    _, failures = images.build_all([replace(task, digest=str(tmp_path))], base, 1, print)
    assert "its image can't be built" in failures["gone"]
