"""Which variables of the host a task may take: by templates, or to ask a model. All else is refused."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping

from evolve.core.errors import BadInput
from evolve.core.model_access import ModelAccess, asking_phases, is_model_key
from evolve.core.task_format import (
    SuiteProfile,
    TaskFormat,
    Variables,
    VerifierMode,
    VerifierPhase,
    has_default,
    template_default,
    template_name,
)

LEAVE_OUT = "leave the task out of the suite"


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
                fix = f"write the value itself, or leave it empty with --pass-env {variable}="
                raise BadInput(where, f"{problem}, which only a separate verifier may have", fix)
            if variable not in passed:
                raise BadInput(where, f"{problem}, which was not passed", f"pass it with --pass-env {variable}")
            if variable not in host and not has_default(value):
                raise BadInput(where, f"{problem}, which is not set", f"set {variable}")


def solution_lacks(
    where: str, wanted: TaskFormat, passed: Collection[str], host: Mapping[str, str] | None = None
) -> str:
    """Which variable of the host the reference solution can't have; "" if it has all.

    It may have those that the user passes, but no key of a model: nothing of an agent runs in its container. Raises
    BadInput for a default that is a template.
    """
    host = os.environ if host is None else host
    given = {name for name in passed if not is_model_key(name)}
    for name, value in wanted.solution_env:
        variable = template_name(value)
        if variable is None or (variable in given and variable in host):
            continue
        if not has_default(value):
            return variable
        _refuse_nested(where, f"solution.env.{name}", value)
    return ""


def _refuse_nested(where: str, key: str, value: str) -> None:
    """Raise BadInput for a default that is a template again, which is text there: it would be taken for a variable."""
    if template_name(template_default(value) or "") is not None:
        raise BadInput(where, f"key `{key}`: the default of a template can't be a template", "write a plain default")


def _tables(wanted: TaskFormat, profile: SuiteProfile) -> Iterator[tuple[str, Variables, bool]]:
    """The tables of variables by key, and whether they are for a separate verifier alone."""
    yield "environment.env", wanted.environment.env, False
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
        needed = set(_key_templates(phase, access))
        if not has_model and (not needed or (_is_separate(phase, profile) and needed <= set(passed))):
            continue
        asking = next(iter((*access.keys, *access.addresses)))
        problem = f"key `{key}.env.{asking}` asks a model"
        if other := next((api for api in access.keys.values() if not api.served), None):
            raise BadInput(where, f"{problem} by the API of {other.name}, which the gateway does not speak", LEAVE_OUT)
        if not has_model:
            raise BadInput(where, f"{problem}, and the run has none for tests", "name one with --grader-model MODEL")
        if phase.mode is not VerifierMode.ISOLATED:
            problem = f"{problem}, but the tests run beside what the agent left running"
            raise BadInput(where, f"{problem} (environment_mode `{phase.mode}`)", 'set environment_mode = "separate"')
        answered |= {(table, name) for table in (f"{key}.env", f"{key}.environment.env") for name in access.names}
    return answered


def _key_templates(phase: VerifierPhase, access: ModelAccess) -> Iterator[str]:
    """The host's variables that a phase needs for keys and addresses; where one has a default, it can do without."""
    outer = phase.environment.env if phase.environment else ()
    for name, value in (*outer, *phase.env):
        variable = template_name(value)
        if variable is not None and not has_default(value) and name in {*access.keys, *access.addresses}:
            yield variable


def _is_separate(phase: VerifierPhase, profile: SuiteProfile) -> bool:
    """Whether the verifier's container never had a process, a shell or a library of the agent's."""
    own_way = profile is SuiteProfile.STRICT
    return phase.mode is VerifierMode.ISOLATED and (own_way or phase.environment is not None)
