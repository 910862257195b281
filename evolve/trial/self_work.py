"""A scaffold at work on files of ours, without a verifier: the zones of a trial, and then what it left is read back."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from evolve.budget.ledger import SpendingFile
from evolve.core.errors import InfraError
from evolve.core.records import TrialSpec, Usage
from evolve.sandbox.archive import Left, pack_texts, take_out, unpack_archive
from evolve.sandbox.cleanup import Crew, LateShell, reaper
from evolve.sandbox.container import Container, TaskState, reader_container, task_container
from evolve.sandbox.shell import ContainerShell
from evolve.trial.run import ChargedFault, ScaffoldEnd, container_lifetime, freeze, open_trial_model, run_scaffold
from evolve.trial.verdict import DETAIL_CHARS

READ_SECONDS = 120.0


@dataclass(frozen=True)
class SelfWork:
    """`files`: texts by path that the working directory begins with; `kept`: the files and folders that are read back.

    `what`: as the run's purse knows the work.

    Of the spec's task the instruction alone counts; its image has a shell, tar and coreutils.
    """

    spec: TrialSpec
    files: Mapping[str, str]
    kept: tuple[str, ...]
    what: str = ""


@dataclass(frozen=True)
class SelfWorkResult:
    """What came of it, however the scaffold ended. `ending`: in a few words, "" where it ended as it should."""

    left: Left
    events: tuple[Mapping[str, Any], ...]
    usage: Usage
    ending: str = ""


def run_self_work(work: SelfWork, purse: SpendingFile | None = None) -> SelfWorkResult:
    """Run the scaffold to its end, or to its limits. Nothing is left in the engine. Raises InfraError."""
    try:
        return _done(work, purse)
    finally:
        with contextlib.suppress(InfraError):  # the run's sweep finds what is left
            reaper().settle()


def _done(work: SelfWork, purse: SpendingFile | None) -> SelfWorkResult:
    """The three containers start beside each other; the last is read in when the other two are dead."""
    spec = work.spec
    ttl = container_lifetime(spec.limits.seconds + READ_SECONDS)
    state = TaskState(spec.owner, spec.image, spec.task.sandbox)
    try:
        with Crew() as crew:
            task = crew.start(task_container, state, ttl)
            shell = crew.do(_furnished, task, state, work.files)
            reader = crew.start(reader_container, state, ttl)
            end = functools.partial(freeze, task, shell, reader)
            ending = run_scaffold(spec, open_trial_model(spec, purse, work.what), LateShell(shell), ttl, crew, end)
            left = _left(work, reader.result(), ending.usage)
            return SelfWorkResult(left, ending.events, ending.usage, _words(ending))
    finally:
        reaper().later(state.remove)


def _furnished(task: Future[Container], state: TaskState, files: Mapping[str, str]) -> ContainerShell:
    """A shell for the scaffold's commands, in a working directory that holds the files, as the agent's own."""
    shell = task.result().shell(state.user, state.image.workdir)
    unpack_archive(shell, pack_texts(files), state.image.workdir)
    return shell


def _left(work: SelfWork, reader: Container, spent: Usage) -> Left:
    try:
        return take_out(reader.main_shell(), work.spec.image.workdir, work.kept)
    except InfraError as error:
        raise ChargedFault(error, spent) from error


def _words(ending: ScaffoldEnd) -> str:
    if ending.status is None:
        return "it was killed at the time limit"
    if ending.exhausted:
        return f"the budget of {ending.exhausted} was spent"
    return f"it ended with exit status {ending.status}: {ending.log[-DETAIL_CHARS:]}" if ending.status else ""
