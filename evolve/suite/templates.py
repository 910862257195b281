"""Templates of the host's variables that need none: by their own default, or since the user leaves them empty."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from evolve.core.task_format import Environment, TaskFormat, Variables, VerifierPhase, template_default, template_name

# Changes one table of variables, given its key, such as `verifier.env`.
Change = Callable[[str, Variables], Variables]
EMPTY = "="


def emptied_names(passed: Collection[str]) -> frozenset[str]:
    """The variables that the user leaves empty, as `NAME=`: no task gets the host's value."""
    return frozenset(name.removesuffix(EMPTY) for name in passed if name.endswith(EMPTY))


def passed_names(passed: Collection[str]) -> tuple[str, ...]:
    """The host's variables that the user passes."""
    return tuple(name for name in passed if not name.endswith(EMPTY))


def leave_empty(wanted: TaskFormat, names: Collection[str]) -> TaskFormat:
    """Put an empty text in the place of templates of these variables, wherever they are; a default still counts."""

    def emptied(value: str) -> str:
        return "" if template_name(value) in names and template_default(value) is None else value

    return _changed(wanted, lambda _, variables: tuple((name, emptied(value)) for name, value in variables))


def settle_defaults(wanted: TaskFormat, passed: Collection[str], kept: Collection[tuple[str, str]] = ()) -> TaskFormat:
    """Put their defaults in the place of templates whose variables are not passed.

    Args:
        passed: The host's variables that the user passes.
        kept: Tables, such as `verifier.env`, and variables in them that stay templates.
    """

    def settled(key: str, variables: Variables) -> Variables:
        return tuple((name, value if (key, name) in kept else _settled(value, passed)) for name, value in variables)

    return _changed(wanted, settled)


def _changed(wanted: TaskFormat, change: Change) -> TaskFormat:
    """The format with all its tables of variables changed."""

    def environment(key: str, own: Environment) -> Environment:
        return replace(own, env=change(f"{key}.env", own.env))

    def verifier(key: str, phase: VerifierPhase) -> VerifierPhase:
        own = environment(f"{key}.environment", phase.environment) if phase.environment else None
        return replace(phase, env=change(f"{key}.env", phase.env), environment=own)

    steps = (replace(step, verifier=verifier(f"steps.{step.name}.verifier", step.verifier)) for step in wanted.steps)
    return replace(
        wanted,
        environment=environment("environment", wanted.environment),
        verifier=verifier("verifier", wanted.verifier),
        solution_env=change("solution.env", wanted.solution_env),
        steps=tuple(steps),
    )


def _settled(value: str, passed: Collection[str]) -> str:
    default = template_default(value)
    return value if default is None or template_name(value) in passed else default
