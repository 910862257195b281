"""What a task asks for that Evolve refuses, apart from single keys: templates, links, compose files, networks."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from evolve.core.errors import BadInput
from evolve.core.model_access import ModelAccess, asking_phases
from evolve.core.task_format import (
    ENGINE_FILES,
    KERNEL_FOLDERS,
    MAIN_SERVICE,
    Environment,
    NetworkMode,
    NetworkPolicy,
    SuiteProfile,
    TaskFormat,
    Variables,
    VerifierMode,
    VerifierPhase,
    has_default,
    template_default,
    template_name,
)
from evolve.suite.compose import COMPOSE_FILE
from evolve.suite.reading import STEPS

# Docker packs links of a build context as links: none is followed on this machine.
CONTEXT = "environment"
STEP_FILES = "workdir"
LEAVE_OUT = "leave the task out of the suite"
LOOSE_FIX = 'set profile = "loose" in suite.toml, or leave it out'


def refuse_links(folder: Path) -> None:
    """Raise BadInput for a link out of the task, or out of what a step shows, that Evolve would follow."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_symlink() and not _is_kept_as_link(name):
            shown = name.parts[0] == STEPS and name.parts[2:3] == (STEP_FILES,)
            top = folder.joinpath(*name.parts[:3]) if shown else folder
            if not path.resolve().is_relative_to(top.resolve()):
                place = f"the step's {STEP_FILES}" if shown else "the task"
                raise BadInput(str(path), f"is a link that leads out of {place}", "put the file itself there")


def _is_kept_as_link(path: Path) -> bool:
    return path.parts[0] == CONTEXT and path.as_posix() != f"{CONTEXT}/Dockerfile"


def refuse_files(folder: Path) -> None:
    """Raise BadInput for files with a meaning in Harbor that Evolve doesn't give them."""
    for path in (*folder.glob("trajectory.json"), *folder.glob("steps/*/trajectory.json")):
        raise BadInput(str(path), "an earlier conversation of the agent is not supported", "remove the file")
    for path in (found for part in ("tests", "solution", "steps") for found in (folder / part).rglob(".harborignore")):
        raise BadInput(str(path), "rules for ignored files are not supported", "remove the file, and what it ignores")


def refuse_compose(folder: Path, wanted: TaskFormat) -> None:
    """Raise BadInput for a compose file where absent keys don't mean what they mean in Harbor."""
    phases = (wanted.verifier, *(step.verifier for step in wanted.steps))
    places = {wanted.environment.context, *(phase.environment.context for phase in phases if phase.environment)}
    for place in sorted(places):
        file = folder / place / COMPOSE_FILE
        if file.is_file() and not wanted.harbor:
            raise BadInput(str(file), "compose files are not supported in a strict suite", LOOSE_FIX)


def refuse_services(where: str, wanted: TaskFormat) -> None:
    """Raise BadInput for a key `service` that names none of the task's containers, and for an allowlist of several."""
    composition = wanted.environment.composition
    if composition and composition.services and _has_allowlist(wanted):
        raise BadInput(where, "an allowlist is not supported in a task with services", "set another network_mode")
    names = {MAIN_SERVICE, *(composition.names if composition else ())}
    for key, name, source in _named_services(wanted):
        if name not in names:
            raise BadInput(where, f"key `{key}`: `{name}` is no service of the task", f"use one of {', '.join(names)}")
        if name != MAIN_SERVICE and source and not source.startswith("/"):
            raise BadInput(where, f"key `{key}`: `{source}` of `{name}` is no absolute path", "write the whole path")


def _has_allowlist(wanted: TaskFormat) -> bool:
    """Whether any phase of any step has one."""
    phases = [(wanted.agent, wanted.verifier), *((step.agent, step.verifier) for step in wanted.steps)]
    policies = [wanted.environment.network, *(one.network for pair in phases for one in pair if one.network)]
    return any(policy.mode is NetworkMode.ALLOWLIST for policy in policies)


def _named_services(wanted: TaskFormat) -> Iterator[tuple[str, str, str]]:
    """Each key `service`: the key, its value, and the source of an artifact."""
    parts = [("", wanted.artifacts, wanted.verifier)]
    parts += [(f"steps.{step.name}.", step.artifacts, step.verifier) for step in wanted.steps]
    for prefix, artifacts, phase in parts:
        yield from ((f"{prefix}artifacts.service", one.service, one.source) for one in artifacts)
        yield from ((f"{prefix}verifier.collect.service", one.service, "") for one in phase.collect)


def refuse_strict(where: str, wanted: TaskFormat, explicit: Collection[str]) -> None:
    """Raise BadInput for what a strict suite has no place for. explicit: keys of `task.toml` with dots."""
    asked = {
        "agent.user": bool(wanted.agent.user),
        "verifier.user": bool(wanted.verifier.user),
        "verifier.environment": "verifier.environment" in explicit,
        "verifier.collect": bool(wanted.verifier.collect),
        "steps": bool(wanted.steps),
    }
    for key, is_asked in asked.items():
        if is_asked:
            raise BadInput(where, f"key `{key}` is not supported in a strict suite", LOOSE_FIX)


def refuse_templates(
    where: str,
    wanted: TaskFormat,
    profile: SuiteProfile,
    passed: Collection[str],
    host: Mapping[str, str] | None = None,
    answered: Collection[tuple[str, str]] = (),
) -> None:
    """Raise BadInput for a template where the host's variables may not go, and for one that the user did not pass.

    One with a default means its default unless its variable is passed, so it is allowed everywhere then.

    answered: Tables and variables that get something else than the host's.
    """
    host = os.environ if host is None else host
    for key, variables, separate in _tables(wanted, profile):
        for name, value in variables:
            variable = template_name(value)
            if variable is None or (key, name) in answered:
                continue
            problem = f"key `{key}.{name}` takes the host's variable {variable}"
            if variable not in passed and has_default(value):
                _refuse_nested(where, f"{key}.{name}", value)
                continue
            if not separate:
                fix = "write the value itself, or leave the key out"
                raise BadInput(where, f"{problem}, which only a separate verifier may have", fix)
            if variable not in passed:
                raise BadInput(where, f"{problem}, which was not passed", f"pass it with --pass-env {variable}")
            if variable not in host and not has_default(value):
                raise BadInput(where, f"{problem}, which is not set", f"set {variable}")


def _refuse_nested(where: str, key: str, value: str) -> None:
    """Raise BadInput for a default that is a template again, which is text there: it would be taken for a variable."""
    if template_name(template_default(value) or "") is not None:
        raise BadInput(where, f"key `{key}`: the default of a template can't be a template", "write a plain default")


def _tables(wanted: TaskFormat, profile: SuiteProfile) -> Iterator[tuple[str, Variables, bool]]:
    """The tables of variables by key, and whether they are for a separate verifier alone."""
    yield "environment.env", wanted.environment.env, False
    yield "solution.env", wanted.solution_env, False
    phases = [("verifier", wanted.verifier), *((f"steps.{step.name}.verifier", step.verifier) for step in wanted.steps)]
    for key, phase in phases:
        separate = _is_separate(phase, profile)
        yield f"{key}.env", phase.env, separate
        if phase.environment is not None:
            yield f"{key}.environment.env", phase.environment.env, separate


def refuse_questions(
    where: str, wanted: TaskFormat, profile: SuiteProfile, passed: Collection[str], has_model: bool
) -> set[tuple[str, str]]:
    """Raise BadInput for tests that ask a model where they can't.

    Args:
        passed: Variables that separate verifiers may have; in runs of earlier versions, keys may be among them.
        has_model: Whether the run has a model for them.

    Returns:
        The tables and variables that get the gateway's address, a token and the like.
    """
    answered: set[tuple[str, str]] = set()
    for key, phase, access in asking_phases(wanted):
        if not has_model and _is_separate(phase, profile) and set(_key_templates(phase, access)) <= set(passed):
            continue
        asking = next(iter((*access.keys, *access.addresses)))
        problem = f"key `{key}.env.{asking}` asks a model"
        if other := next((api for api in access.keys.values() if not api.served), None):
            raise BadInput(where, f"{problem} by the API of {other.name}, which the gateway does not speak", LEAVE_OUT)
        if phase.mode is not VerifierMode.ISOLATED:
            problem = f"{problem}, but the tests run beside what the agent left running"
            raise BadInput(where, f"{problem} (environment_mode `{phase.mode}`)", 'set environment_mode = "separate"')
        if not has_model:
            raise BadInput(where, f"{problem}, and the run has none for tests", "name one with --grader-model MODEL")
        answered |= {(table, name) for table in (f"{key}.env", f"{key}.environment.env") for name in access.names}
    return answered


def _key_templates(phase: VerifierPhase, access: ModelAccess) -> Iterator[str]:
    """The host's variables that the keys and addresses of a phase are templates of."""
    outer = phase.environment.env if phase.environment else ()
    for name, value in (*outer, *phase.env):
        variable = template_name(value)
        if variable is not None and name in {*access.keys, *access.addresses}:
            yield variable


def _is_separate(phase: VerifierPhase, profile: SuiteProfile) -> bool:
    """Whether the verifier's container never had a process, a shell or a library of the agent's."""
    own_way = profile is SuiteProfile.STRICT
    return phase.mode is VerifierMode.ISOLATED and (own_way or phase.environment is not None)


def refuse_artifacts(where: str, wanted: TaskFormat) -> None:
    """Raise BadInput for artifacts at places that are the engine's own in the container of the tests."""
    phases = [
        (wanted.verifier, wanted.artifacts),
        *((s.verifier, (*wanted.artifacts, *s.artifacts)) for s in wanted.steps),
    ]
    for phase, artifacts in phases:
        for artifact in artifacts if phase.environment else ():
            path = posixpath.normpath(f"/{artifact.source.lstrip('/')}")
            if path in ("/", *ENGINE_FILES) or f"{path}/".startswith(tuple(f"{one}/" for one in KERNEL_FOLDERS)):
                problem = (
                    f"artifact `{artifact.source}` can't be put into the container of the tests, which has its own"
                )
                raise BadInput(where, problem, "copy it to /logs/artifacts by a command of `verifier.collect`")


def refuse_modes(where: str, wanted: TaskFormat) -> None:
    """Raise BadInput for a verifier that would end the container in which the next step begins."""
    for step in wanted.steps:
        mode = step.verifier.mode
        if mode is not VerifierMode.SHARED and step.verifier.environment is None:
            problem = f"step {step.name}: environment_mode `{mode}` is not supported in a task with steps"
            raise BadInput(where, problem, "set `shared` or `separate`")


def refuse_networks(where: str, wanted: TaskFormat) -> None:
    """Raise BadInput if tests beside the agent's processes need another network than the agent had there."""
    phases = [(wanted.agent.network, wanted.verifier), *((s.agent.network, s.verifier) for s in wanted.steps)]
    for agent, verifier in phases:
        if verifier.mode is VerifierMode.LIVE and _differs(wanted.environment, agent, verifier.network):
            problem = "agent and verifier share a container, but not its network"
            raise BadInput(where, problem, "set another environment_mode, or the same network_mode for both")


def _differs(environment: Environment, agent: NetworkPolicy | None, verifier: NetworkPolicy | None) -> bool:
    return (agent or environment.network) != (verifier or environment.network)
