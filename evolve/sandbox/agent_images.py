"""Images of tasks with the tools of an agent that runs there: made once for each task and each version of the tools."""

from __future__ import annotations

from docker.errors import APIError, BuildError, DockerException, NotFound

from evolve.core.errors import BadInput, InfraError
from evolve.core.records import stable_hash
from evolve.host.locks import taking_turns
from evolve.sandbox import image_store
from evolve.sandbox.build_context import pack_dockerfile
from evolve.sandbox.engine import connect, container_labels
from evolve.sandbox.exit_cause import engine_faults
from evolve.sandbox.image_store import exists

# Between the name of a task's image and what tells the agent's tools apart.
AGENT = "-agent-"
BUILD_SECONDS = 600.0
PROBE_SECONDS = 60


def image_with_tools(image: str, tools_image: str, tools: str) -> str:
    """The name of a task's image with a folder of another image in it, which is made unless the engine has it.

    Nothing is installed: one layer with the files is added, without a network.

    Args:
        image: The task's image.
        tools_image: The image that has the tools.
        tools: The absolute path of the folder, in both.

    Raises:
        InfraError: The engine failed.
    """
    name = f"{image}{AGENT}{stable_hash(image, tools_image, tools):016x}"
    with engine_faults():
        if not exists(connect(), name):
            with taking_turns(image_store.build_lock(name), 2 * BUILD_SECONDS):
                if not exists(connect(), name):
                    _make(name, f"FROM {image}\nCOPY --from={tools_image} {tools}/ {tools}/\n")
    return name


def refuse_missing_tools(where: str, name: str, image: str, tools: str, owner: str) -> None:
    """Raise BadInput unless the image has the folder. Nothing of the image is run. Raises EngineError.

    Args:
        where: The key that names the image.
        name: As the user knows it.
    """
    with engine_faults():
        api = connect().api
        labels = container_labels(owner, PROBE_SECONDS)
        container = api.create_container(image, ["none"], labels=labels)["Id"]
        try:
            stream, _ = api.get_archive(container, tools)
            stream.close()
        except NotFound as error:
            raise BadInput(
                where, f"`{name}` has no folder {tools}", "install the tools there, or set `tools`"
            ) from error
        finally:
            api.remove_container(container, force=True, v=True)


def _make(name: str, text: str) -> None:
    try:
        with pack_dockerfile(text) as context:
            image_store.build(context, name, {}, BUILD_SECONDS)
    except (BuildError, APIError, DockerException) as error:
        fault = image_store.machine_fault(error, name)
        raise fault or InfraError(f"the agent's tools can't be added to {name}: {error}") from error
