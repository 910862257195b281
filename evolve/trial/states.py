"""The states that trials leave behind, as far as they can be graded: once, or again and again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Protocol

from evolve.core.records import TrialSpec
from evolve.core.task_format import IN_PLACE
from evolve.sandbox.artifacts import collected_artifacts
from evolve.sandbox.changes_kept import pack_changes
from evolve.sandbox.cleanup import reaper
from evolve.sandbox.container import Container, frozen_image
from evolve.sandbox.kept import pack_artifacts, pack_folder
from evolve.sandbox.shell import ContainerShell
from evolve.sandbox.task_containers import verifier_container
from evolve.sandbox.task_state import TaskState
from evolve.trial.judging import judge_state
from evolve.trial.verdict import Judgement, checked, judge_image, run_tests


class GradableState(Protocol):
    """What a trial left behind."""

    def grade(self) -> Judgement | None:
        """Run the tests on it, in a container without any trace of earlier gradings; None if that isn't possible.

        Raises:
            InfraError: the machine failed.
        """
        ...

    def pack(self) -> bytes | None:
        """All of it as a compressed archive; None if that isn't possible. It can't be graded after that.

        Raises:
            InfraError: the machine failed.
        """
        ...


class FrozenVolume:
    """The working directory of a strict suite, which lives as long as a container mounts it.

    Args:
        verifier: Started before the agent's container was stopped; whoever started it kills it.
    """

    def __init__(self, spec: TrialSpec, state: TaskState, ttl: int, verifier: Container) -> None:
        self._spec, self._state, self._ttl = spec, state, ttl
        self._first = self._verifier = verifier
        self._gradings, self._replaced = 0, 0
        self._shell: ContainerShell | None = None

    def grade(self) -> Judgement | None:
        """Run the tests in a fresh container on the volume; None if it went with a container that ended by itself."""
        if self._gradings and not self._replace_verifier():
            return None
        self._gradings += 1
        # Its container ends with the shell, and the shell with this object.
        self._shell = self._verifier.main_shell(lasting=True)
        with self._state.with_door(self._verifier, self._ttl):
            judgement = run_tests(self._spec, self._state, self._verifier, self._shell)
        return checked(self._state, judgement)

    def pack(self) -> bytes | None:
        if not self._replace_verifier():
            return None
        return pack_folder(self._verifier, self._state.image.workdir)

    def _replace_verifier(self) -> bool:
        """Hand the volume to a fresh container; returns whether it is still the same volume."""
        before, kind = self._verifier, f"verifier-{self._replaced}"
        self._verifier, self._replaced = verifier_container(self._state, self._ttl, kind=kind), self._replaced + 1
        lived = before.is_running()
        before.kill()
        return lived

    def release(self) -> None:
        """Let the container that holds the volume be killed, unless it is the first one, which has another owner."""
        if self._verifier is not self._first:
            reaper().schedule(self._verifier.kill)


class FrozenImage:
    """The whole file system of a loose suite's container, as an image."""

    def __init__(self, spec: TrialSpec, state: TaskState, ttl: int, image: str) -> None:
        self._spec, self._state, self._ttl, self._image = spec, state, ttl, image

    def grade(self) -> Judgement:
        return checked(self._state, judge_image(self._spec, self._state, self._ttl, self._image))

    def pack(self) -> None:
        """It may be a whole system: none is kept."""


class StoppedContainer:
    """The task's own container, which the first grading stops: what each one takes out of it is the same."""

    def __init__(self, spec: TrialSpec, state: TaskState, ttl: int, task: Container) -> None:
        self._spec, self._state, self._ttl, self._task = spec, state, ttl, task

    def grade(self) -> Judgement:
        return judge_state(self._spec, self._state, self._task, self._ttl)

    def pack(self) -> bytes | None:
        """The artifacts, if the tests get nothing else; otherwise what was changed in the whole file system."""
        if self._state.format.verifier.environment is None:
            return pack_changes(self._task)
        with collected_artifacts(self._task, self._state.format.artifacts) as artifacts:
            return pack_artifacts(artifacts)


class PassingState:
    """A state that the tests change, or that ended before: it is graded once."""

    def __init__(self, judge: Callable[[], Judgement]) -> None:
        self._judge: Callable[[], Judgement] | None = judge

    def grade(self) -> Judgement | None:
        judge, self._judge = self._judge, None
        return judge() if judge else None

    def pack(self) -> None:
        """Nothing is left of it."""


@contextlib.contextmanager
def left_state(
    spec: TrialSpec, state: TaskState, ttl: int, task: Container, verifier: Container | None
) -> Iterator[GradableState]:
    """The state that a trial left behind, kept while the context lasts.

    Args:
        task: The container of the agent's commands.
        verifier: That for the tests, if it was started beforehand; then the other one is stopped.
    """
    if verifier is not None:
        volume = FrozenVolume(spec, state, ttl, verifier)
        try:
            yield volume
        finally:
            volume.release()
    elif spec.task.verifier in IN_PLACE:
        yield PassingState(lambda: judge_state(spec, state, task, ttl))
    elif state.format.harbor:
        yield StoppedContainer(spec, state, ttl, task)
    else:
        with frozen_image(task) as image:
            task.kill()
            yield FrozenImage(spec, state, ttl, image)
