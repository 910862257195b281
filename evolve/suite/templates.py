"""Templates of the host's variables that say themselves what they mean without one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from evolve.core.task_format import Environment, TaskFormat, Variables, VerifierPhase, template_default, template_name


def settle_defaults(wanted: TaskFormat, passed: Collection[str], kept: Collection[tuple[str, str]] = ()) -> TaskFormat:
    """Put their defaults in the place of templates whose variables are not passed.

    Args:
        passed: The host's variables that the user passes.
        kept: Tables, such as `verifier.env`, and variables in them that stay templates.
    """

    def settled(key: str, variables: Variables) -> Variables:
        return tuple((name, value if (key, name) in kept else _settled(value, passed)) for name, value in variables)

    def environment(key: str, own: Environment) -> Environment:
        return replace(own, env=settled(f"{key}.env", own.env))

    def verifier(key: str, phase: VerifierPhase) -> VerifierPhase:
        own = environment(f"{key}.environment", phase.environment) if phase.environment else None
        return replace(phase, env=settled(f"{key}.env", phase.env), environment=own)

    steps = (replace(step, verifier=verifier(f"steps.{step.name}.verifier", step.verifier)) for step in wanted.steps)
    return replace(
        wanted,
        environment=environment("environment", wanted.environment),
        verifier=verifier("verifier", wanted.verifier),
        solution_env=settled("solution.env", wanted.solution_env),
        steps=tuple(steps),
    )


def _settled(value: str, passed: Collection[str]) -> str:
    default = template_default(value)
    return value if default is None or template_name(value) in passed else default
