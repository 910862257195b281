"""What a compose file changes of a task's own environment: its image, its sizes, its folder and its network."""

from __future__ import annotations

from dataclasses import replace

from evolve.core.composition import Composition
from evolve.core.task_format import Environment, NetworkPolicy, template_name


def compose_values(environment: Environment) -> dict[str, str]:
    """The variables that a task gives its compose file; templates stand for the host's, which are not passed."""
    values = {name: value for name, value in environment.env if template_name(value) is None}
    if environment.docker_image:
        values["PREBUILT_IMAGE_NAME"] = environment.docker_image
    if environment.sandbox.cpus is not None:
        values["CPUS"] = f"{environment.sandbox.cpus:g}"
    if environment.sandbox.memory_mb is not None:
        values["MEMORY"] = f"{environment.sandbox.memory_mb}M"
    return values


def composed(environment: Environment, composition: Composition) -> Environment:
    """The environment with what its compose file says of `main`; the file has the last word, as in Harbor.

    Raises:
        ValueError: A size is too small.
    """
    main, sizes = composition.main, environment.sandbox
    sandbox = replace(
        sizes,
        cpus=main.cpus or sizes.cpus,
        memory_mb=main.memory_mb or sizes.memory_mb,
        pids=main.pids or sizes.pids,
        network=sizes.network and composition.may_go_out(main),
    )
    network = environment.network if composition.may_go_out(main) else NetworkPolicy()
    return replace(
        environment,
        docker_image=_image(environment, composition),
        workdir=environment.workdir or main.workdir,
        sandbox=sandbox,
        network=network,
        composition=composition,
    )


def _image(environment: Environment, composition: Composition) -> str:
    """The ready image, if `main` has one: a `build` of the file is made instead, and without one its `image` counts."""
    main = composition.main
    if main.build is not None or not environment.docker_image:
        return ""
    return main.image or environment.docker_image
