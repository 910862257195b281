"""What a task asks for that Evolve refuses, apart from single keys and variables: links, compose files, networks."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Collection, Iterator
from pathlib import Path

from evolve.core.composition import Composition
from evolve.core.errors import BadInput
from evolve.core.task_format import (
    ENGINE_FILES,
    KERNEL_FOLDERS,
    MAIN_SERVICE,
    TaskFormat,
    VerifierMode,
    has_allowlist,
)
from evolve.suite.compose import COMPOSE_FILE
from evolve.suite.reading import STEPS
from evolve.suite.walking import names_below

# Docker packs links of a build context as links: none is followed on this machine.
CONTEXT = "environment"
STEP_FILES = "workdir"
LOOSE_FIX = 'set profile = "loose" in suite.toml, or leave it out'


def refuse_links(folder: Path) -> None:
    """Raise BadInput for a link out of the task, or out of what a step shows, that Evolve would follow."""
    for path in (folder / found for found in names_below(folder) if os.path.islink(f"{folder}/{found}")):
        name = path.relative_to(folder)
        if not _is_kept_as_link(name):
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
    if has_allowlist(wanted) and any(map(_connects_itself, _compositions(wanted))):
        problem = "an allowlist is not supported in a task with services, or whose compose file sets its network"
        raise BadInput(where, problem, "set another network_mode")
    composition = wanted.environment.composition
    names = {MAIN_SERVICE, *(composition.names if composition else ())}
    for key, name, source in _named_services(wanted):
        if name not in names:
            raise BadInput(where, f"key `{key}`: `{name}` is no service of the task", f"use one of {', '.join(names)}")
        if name != MAIN_SERVICE and source and not source.startswith("/"):
            raise BadInput(where, f"key `{key}`: `{source}` of `{name}` is no absolute path", "write the whole path")


def _compositions(wanted: TaskFormat) -> list[Composition]:
    """What compose files say about the task's container and the verifiers' own ones."""
    phases = (wanted.verifier, *(step.verifier for step in wanted.steps))
    environments = [wanted.environment, *(phase.environment for phase in phases if phase.environment)]
    return [one.composition for one in environments if one.composition]


def _connects_itself(composition: Composition) -> bool:
    """Whether the container is in networks of the file's, or in none."""
    return bool(composition.services) or not composition.may_go_out(composition.main)


def refuse_headers(where: str, wanted: TaskFormat) -> None:
    """Raise BadInput for an MCP server to which a variable of the host would be sent."""
    for server in wanted.environment.mcp_servers:
        for name, value in server.headers:
            if "${" in value:
                problem = f"key `environment.mcp_servers.headers.{name}` takes a variable of the host"
                raise BadInput(where, problem, "leave the header out, or the task out of the suite")


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
    """Raise BadInput if tests beside the agent's processes reach more than the agent: its processes would too."""
    phases = [(wanted.agent.network, wanted.verifier), *((s.agent.network, s.verifier) for s in wanted.steps)]
    for agent, verifier in phases:
        base = wanted.environment.network
        if verifier.mode is VerifierMode.LIVE and not (verifier.network or base).is_within(agent or base):
            problem = "agent and verifier share a container, but not its network, and the verifier reaches more"
            raise BadInput(where, problem, "set another environment_mode, or the same network_mode for both")
