"""Deliberate holes: each context manager takes one protection away, so that an attack can be seen to succeed."""

from __future__ import annotations

import contextlib
import json
import os
import queue
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import docker
from starlette.requests import Request
from starlette.responses import Response

from evolve.budget.answers import OwnAnswers
from evolve.core.errors import InfraError
from evolve.core.records import TrialSpec
from evolve.loop import candidates
from evolve.repo import contents
from evolve.sandbox import archive, shell
from evolve.sandbox.container import Container
from evolve.sandbox.inside import ROOT
from evolve.sandbox.resources import FILES, TrialResources
from evolve.sandbox.shell import ContainerShell
from evolve.sandbox.task_containers import verifier_container
from evolve.sandbox.task_state import TaskState
from evolve.trial import run, self_work, verdict
from evolve.trial.gateway import Gateway, wire
from evolve.trial.gateway.endpoint import refusal_response
from evolve.trial.gateway.protocols import protocol_of
from evolve.trial.gateway.spans import LostTime
from evolve.trial.grading import Step
from evolve.trial.reward import NoReward, Reward
from evolve.trial.settling import Settled
from evolve.trial.verdict import Judgement

from ..fakes import FolderWorkspace

Host = dict[str, Any]


def kind_of(host: Mapping[str, Any]) -> str:
    """Which of the three a container is about to be, told by what it has mounted."""
    targets = {mount["Target"] for mount in host.get("Mounts") or []}
    if "/scaffold" in targets:
        return "scaffold"
    return "verifier" if "/tests" in (host.get("Tmpfs") or {}) else "task"


@contextlib.contextmanager
def containers(kind: str, change: Callable[[Host], object] | None = None, **options: Any) -> Iterator[None]:
    """Containers of one kind are created with other options; `change` edits the engine's HostConfig in place."""
    create = docker.APIClient.create_container

    def weaker(self: docker.APIClient, *args: Any, **wanted: Any) -> Any:
        if kind_of(wanted["host_config"]) == kind:
            environment = options.get("environment")
            more = (
                {**options, "environment": _joined(wanted.get("environment"), environment)} if environment else options
            )
            wanted.update(more)
            if change is not None:
                change(wanted["host_config"])
        return create(self, *args, **wanted)

    with mock.patch.object(docker.APIClient, "create_container", weaker):
        yield


def _joined(present: Any, more: Mapping[str, str]) -> Any:
    if isinstance(present, dict):
        return {**present, **more}
    return [*(present or []), *(f"{name}={value}" for name, value in more.items())]


def setting(**values: Any) -> Callable[[Host], None]:
    """A change that sets keys of the HostConfig."""
    return lambda host: host.update(values)


def unlimited_files(host: Host) -> None:
    """No limit on a file's size, on the state's and /tmp's bytes and inodes."""
    host["Ulimits"] = [limit for limit in host["Ulimits"] if limit["Name"] != "fsize"]
    host["Tmpfs"] = {path: _roomy(options) for path, options in host["Tmpfs"].items()}
    for mount in host["Mounts"]:
        if "VolumeOptions" in mount:
            driver = mount["VolumeOptions"]["DriverConfig"]["Options"]
            driver["o"] = _roomy(driver["o"])


def _roomy(options: str) -> str:
    parts = (part for part in options.split(",") if not part.startswith(("size=", "nr_inodes=")))
    return ",".join([*parts, "size=512m", "nr_inodes=0"])


class _Kept(Container):
    """A task's container that nobody ends."""

    def kill(self) -> None: ...
    def stop(self) -> None: ...


class _Judging(Container):
    """The same container, in the verifier's part."""

    def main_shell(self, lasting: bool = False) -> ContainerShell:
        return self.shell(ROOT, "/")


def _shared_host(host: Host) -> None:
    host.update(CapDrop=[], ReadonlyRootfs=False)
    host["Tmpfs"] = {**host["Tmpfs"], "/tests": "rw,exec,mode=0777", "/logs": "rw,mode=0777"}


@contextlib.contextmanager
def one_container() -> Iterator[None]:
    """The agent is root on a root file system that it may write, and the tests run there, beside its processes."""
    made: queue.Queue[Container] = queue.Queue()
    real = run.environment_container

    def environment_container(*args: Any, **options: Any) -> Container:
        with containers("task", _shared_host, user=ROOT):
            container = real(*args, **options)
        made.put(container)
        return _Kept(container.client, container.id)

    def the_same(*args: Any, **options: Any) -> Container:
        container = made.get(timeout=60)
        return _Judging(container.client, container.id)

    with (
        mock.patch.object(run, "environment_container", environment_container),
        mock.patch.object(run, "verifier_container", the_same),
        mock.patch.object(verdict, "verifier_container", the_same),
        mock.patch.object(TaskState, "user", ROOT),
    ):
        yield


@contextlib.contextmanager
def agent_lives_on() -> Iterator[None]:
    """Containers as they are, but the agent's is left alone until the verdict."""
    left: list[Container] = []
    real = run.environment_container

    def environment_container(*args: Any, **options: Any) -> Container:
        left.append(real(*args, **options))
        return _Kept(left[-1].client, left[-1].id)

    class Last(Container):
        def main_shell(self, lasting: bool = False) -> ContainerShell:
            return Container.main_shell(self)

        def kill(self) -> None:
            left[-1].kill()
            super().kill()

    def judging(*args: Any, **options: Any) -> Container:
        container = verifier_container(*args, **options)
        return Last(container.client, container.id)

    with (
        mock.patch.object(run, "environment_container", environment_container),
        mock.patch.object(run, "verifier_container", judging),
        mock.patch.object(verdict, "verifier_container", judging),
    ):
        yield


@contextlib.contextmanager
def commands_on_the_host(folder: Path) -> Iterator[None]:
    """What the scaffold reads, writes and runs is this machine's."""

    class OnHost(FolderWorkspace):
        def close(self) -> None: ...

    with mock.patch.object(run, "populated_shell", return_value=OnHost(folder)):
        yield


@contextlib.contextmanager
def named_tasks() -> Iterator[None]:
    """The scaffold is told its task's name in place of an opaque id."""
    with mock.patch.object(TrialSpec, "task_id", property(lambda spec: spec.task.name)):
        yield


@contextlib.contextmanager
def children_survive() -> Iterator[None]:
    """A command past its time limit only loses its client."""
    with mock.patch.object(ContainerShell, "_kill_all", ContainerShell.close):
        yield


@contextlib.contextmanager
def giving_up_is_the_endpoints() -> Iterator[None]:
    """Whoever gives up a failing call has the endpoint to blame, whomever that answers meanwhile."""
    with mock.patch.object(OwnAnswers, "any_between", return_value=False):
        yield


@contextlib.contextmanager
def any_bytes() -> Iterator[None]:
    """Bodies are read as `json` reads bytes: in any encoding of Unicode, and with half characters."""
    with mock.patch.object(wire, "parse_body", json.loads):
        yield


@contextlib.contextmanager
def any_host() -> Iterator[None]:
    """The text of an error is made from the request's address, which its Host header is part of."""

    async def refuse(self: Gateway, request: Request, error: Exception) -> Response:
        return refusal_response(wire.Refusal(404, "not_found", request.url.path), protocol_of("chat"))

    with mock.patch.object(Gateway, "_no_such_route", refuse):
        yield


@contextlib.contextmanager
def all_lost_time_is_given_back() -> Iterator[None]:
    """Time in which a call is stuck is given back, whatever else the trial does."""
    with mock.patch.object(LostTime, "given_back", lambda self: self._lost):
        yield


@contextlib.contextmanager
def folders_are_readable() -> Iterator[None]:
    """A folder that can't be opened is a fault of the machine, and nobody makes it readable."""
    real = archive.collect_files

    def trusting(*args: Any) -> archive.CollectedFiles:
        left = real(*args)
        if left.problem:
            raise InfraError(f"can't read the files: {left.problem}")
        return left

    command = archive.COLLECT_COMMAND.partition("; ")[2]
    with (
        mock.patch.object(archive, "COLLECT_COMMAND", command),
        mock.patch.object(self_work, "collect_files", trusting),
    ):
        yield


@contextlib.contextmanager
def one_shell_for_all() -> Iterator[None]:
    """All commands are told to one shell, whatever runs beside it."""

    def is_open(self: ContainerShell, deadline: float) -> bool:
        if self._socket is None:
            self._open()
        return True

    with mock.patch.object(ContainerShell, "_is_alone", is_open), open_shells():
        yield


@contextlib.contextmanager
def open_shells() -> Iterator[None]:
    """The agent's shell is one like any other, which processes of its user may look into."""
    with (
        mock.patch.object(shell, "OPEN", shell.OPEN_AS_ROOT),
        mock.patch.object(
            ContainerShell, "_is_closed", lambda self, deadline: self._run(":", deadline, b"") is not None
        ),
    ):
        yield


@contextlib.contextmanager
def host_files_shared() -> Iterator[None]:
    """Containers mount the host's own files, and the engine's init."""
    with (
        mock.patch.object(TrialResources, "files", FILES),
        mock.patch.object(TrialResources, "copy_scaffold", lambda _, source: source),
        engine_init(),
    ):
        yield


@contextlib.contextmanager
def engine_init() -> Iterator[None]:
    """PID 1 of every container is the engine's init, and control groups are in the host's namespace."""
    with contextlib.ExitStack() as stack:
        for kind in ("scaffold", "task", "verifier"):
            stack.enter_context(containers(kind, setting(Init=True, CgroupnsMode="host")))
        yield


@contextlib.contextmanager
def one_user() -> Iterator[None]:
    """All trials run as one user, which other test processes on this machine don't use."""
    uid = 10_002 + os.getpid() % 9_000
    with mock.patch.object(TrialResources, "user", f"{uid}:{uid}"):
        yield


@contextlib.contextmanager
def locks_listed() -> Iterator[None]:
    """The kernel's list of locks can be read."""
    with contextlib.ExitStack() as stack:
        for kind in ("scaffold", "task", "verifier"):
            stack.enter_context(containers(kind, _list_locks))
        yield


def _list_locks(host: Host) -> None:
    host["MaskedPaths"] = [path for path in host["MaskedPaths"] if path != "/proc/locks"]


@contextlib.contextmanager
def all_files_are_the_scaffolds() -> Iterator[None]:
    """Nothing in a scaffold's folder is left out, and no content is compared with the suite's."""
    with (
        mock.patch.object(contents, "scaffold_paths", lambda folder, paths, without: (list(paths), {})),
        mock.patch.object(candidates, "check_hidden"),
    ):
        yield


def _void_if_ungraded(
    grade: Callable[[], Judgement | None], untouched: Callable[[], Reward | NoReward], tries: int
) -> Settled:
    judgement = grade()
    assert judgement is not None
    return Settled(judgement, step=Step.RUN_AGAIN if isinstance(judgement.grade, NoReward) else Step.COUNT)


@contextlib.contextmanager
def ungraded_is_void() -> Iterator[None]:
    """A trial whose tests give no reward is void, whatever state it left."""
    with mock.patch.object(run, "settle", _void_if_ungraded):
        yield
