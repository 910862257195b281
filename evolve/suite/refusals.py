"""What a task asks for that Evolve refuses, apart from single keys: templates, links, compose files, networks."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from evolve.core.errors import BadInput
from evolve.core.task_format import (
    SuiteProfile,
    TaskFormat,
    Variables,
    VerifierMode,
    VerifierPhase,
    has_default,
    template_name,
)

# Docker packs links of a build context as links: none is followed on this machine.
CONTEXT = "environment"
COMPOSE_FILE = "docker-compose.yaml"
LOOSE_FIX = 'set profile = "loose" in suite.toml, or leave it out'


def refuse_links(folder: Path) -> None:
    """Raise BadInput for a link that leads out of the task, where Evolve would follow it."""
    top = folder.resolve()
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() and not _is_kept_as_link(path.relative_to(folder)):
            target = path.resolve()
            if not target.is_relative_to(top):
                raise BadInput(str(path), "is a link that leads out of the task", "put the file itself there")


def _is_kept_as_link(path: Path) -> bool:
    return path.parts[0] == CONTEXT and path.as_posix() != f"{CONTEXT}/Dockerfile"


def refuse_files(folder: Path) -> None:
    """Raise BadInput for files with a meaning in Harbor that Evolve doesn't give them."""
    for path in (*folder.glob("trajectory.json"), *folder.glob("steps/*/trajectory.json")):
        raise BadInput(str(path), "an earlier conversation of the agent is not supported", "remove the file")
    for path in (found for part in ("tests", "solution", "steps") for found in (folder / part).rglob(".harborignore")):
        raise BadInput(str(path), "rules for ignored files are not supported", "remove the file, and what it ignores")


def refuse_compose(folder: Path, wanted: TaskFormat) -> None:
    """Raise BadInput for a compose file beside a Dockerfile: Evolve runs one container for each task."""
    phases = (wanted.verifier, *(step.verifier for step in wanted.steps))
    places = {wanted.environment.context, *(phase.environment.context for phase in phases if phase.environment)}
    for place in sorted(places):
        file = folder / place / COMPOSE_FILE
        if file.is_file():
            raise BadInput(str(file), "compose files are not supported", "describe one container in the Dockerfile")


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
) -> None:
    """Raise BadInput for a template where the host's variables may not go, and for one that the user did not pass."""
    host = os.environ if host is None else host
    for key, variables, separate in _tables(wanted, profile):
        for name, value in variables:
            variable = template_name(value)
            if variable is None:
                continue
            problem = f"key `{key}.{name}` takes the host's variable {variable}"
            if not separate:
                fix = "write the value itself, or leave the key out"
                raise BadInput(where, f"{problem}, which only a separate verifier may have", fix)
            if variable not in passed:
                raise BadInput(where, f"{problem}, which was not passed", f"pass it with --pass-env {variable}")
            if variable not in host and not has_default(value):
                raise BadInput(where, f"{problem}, which is not set", f"set {variable}")


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


def _is_separate(phase: VerifierPhase, profile: SuiteProfile) -> bool:
    """Whether the verifier's container never had a process, a shell or a library of the agent's."""
    own_way = profile is SuiteProfile.STRICT
    return phase.mode is VerifierMode.ISOLATED and (own_way or phase.environment is not None)


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
