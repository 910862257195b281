"""Run a scaffold on files of this program, without a verifier: like a trial, but its output files are read back."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from evolve.budget.ledger import SpendingFile
from evolve.core.errors import InfraError
from evolve.core.records import TrialSpec, Usage
from evolve.sandbox.archive import CollectedFiles, collect_files, pack_texts, unpack_archive
from evolve.sandbox.cleanup import Crew, LateShell, reaper
from evolve.sandbox.container import Container
from evolve.sandbox.resources import acquire_resources
from evolve.sandbox.shell import ContainerShell
from evolve.sandbox.task_containers import reader_container, task_container
from evolve.sandbox.task_state import TaskState
from evolve.trial.run import container_lifetime, freeze, open_trial_model, trial_answers
from evolve.trial.scaffold_run import ChargedFault, ScaffoldEnd, run_scaffold
from evolve.trial.verdict import DETAIL_CHARS

READ_SECONDS = 120.0


@dataclass(frozen=True)
class SelfWork:
    """What the scaffold works on.

    spec: of its task only the instruction is used; its image has a shell, tar and coreutils;
    files: initial texts of the working directory by path; kept: files and folders that are read back;
    what: the name under which the spending file counts the work.
    """

    spec: TrialSpec
    files: Mapping[str, str]
    kept: tuple[str, ...]
    what: str = ""


@dataclass(frozen=True)
class SelfWorkResult:
    """The scaffold's output, however it ended; `ending` says how, "" for exit status 0."""

    left: CollectedFiles
    events: Sequence[Mapping[str, Any]]
    usage: Usage
    ending: str = ""


def run_self_work(work: SelfWork, spending_file: SpendingFile | None = None) -> SelfWorkResult:
    """Run the scaffold to its end or its limits, and remove its containers. Raises InfraError."""
    try:
        return _run_containers(work, spending_file)
    finally:
        with contextlib.suppress(InfraError):  # the run's sweep finds what is left
            reaper().wait()


def _run_containers(work: SelfWork, spending_file: SpendingFile | None) -> SelfWorkResult:
    """Start the three containers in parallel; the reader is used when the other two are dead."""
    spec = work.spec
    ttl = container_lifetime(spec, spec.limits.seconds + READ_SECONDS)
    resources = acquire_resources(spec.owner, spec.task_id)
    state = TaskState(spec.owner, spec.image, spec.task.sandbox, resources=resources)
    try:
        with Crew() as crew:
            task = crew.start(task_container, state, ttl, opens_shell=True)
            shell = crew.submit(_open_shell_with_files, task, state, work.files)
            reader = crew.start(reader_container, state, ttl)
            end = functools.partial(freeze, task, shell, reader)
            model, answers = open_trial_model(spec, spending_file, work.what), trial_answers(spending_file)
            ending = run_scaffold(spec, model, answers, LateShell(shell), ttl, crew, end, resources)
            left = _read_back(work, reader.result(), ending.usage)
            return SelfWorkResult(left, ending.events, ending.usage, _describe_end(ending))
    finally:
        reaper().schedule(state.remove)


def _open_shell_with_files(task: Future[Container], state: TaskState, files: Mapping[str, str]) -> ContainerShell:
    """Open a shell for the scaffold's commands in a working directory with the files, owned by the agent."""
    shell = task.result().shell(state.user, state.image.workdir)
    unpack_archive(shell, pack_texts(files), state.image.workdir)
    return shell


def _read_back(work: SelfWork, reader: Container, spent: Usage) -> CollectedFiles:
    try:
        return collect_files(reader.main_shell(), work.spec.image.workdir, work.kept)
    except InfraError as error:
        raise ChargedFault(error, spent) from error


def _describe_end(ending: ScaffoldEnd) -> str:
    if ending.status is None:
        return "it was killed at the time limit"
    if ending.exhausted:
        return f"the budget of {ending.exhausted} was spent"
    return f"it ended with exit status {ending.status}: {ending.log[-DETAIL_CHARS:]}" if ending.status else ""
