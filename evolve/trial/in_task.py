"""An agent in the task's container: what it gets there, its start, and the record of what it changed."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, replace

from evolve.core.errors import InfraError
from evolve.core.launch import INSTRUCTION_FILE, SCAFFOLD, Launch, gateway_variables
from evolve.core.records import TrialSpec
from evolve.sandbox.agent_images import image_with_tools
from evolve.sandbox.agent_process import NOTHING, AgentCommand, AgentProcess
from evolve.sandbox.cleanup import Crew
from evolve.sandbox.container import Container
from evolve.sandbox.forwarder import Forwarder, start_forwarder
from evolve.sandbox.inside import DOOR_HOME
from evolve.sandbox.resources import TrialResources
from evolve.sandbox.shell import ContainerShell
from evolve.sandbox.task_containers import AgentFiles
from evolve.sandbox.task_state import TaskState
from evolve.sandbox.working_files import Files, WorkingChanges, file_of, original_files, working_changes
from evolve.trial.changes import TEXT_BYTES, state_event
from evolve.trial.gateway import SOCKET_NAME
from evolve.trial.recording import Recording
from evolve.trial.scaffold_run import ChargedFault, ScaffoldEnd, Start, filled_launch, write_instruction

PYTHON_ENTRY = ("python3",)


def agent_files(spec: TrialSpec, resources: TrialResources) -> AgentFiles | None:
    """What the task's container needs for the agent; None for one in a container of its own. Raises InfraError."""
    source = spec.scaffold
    if not source.launch.in_task:
        return None
    image = spec.image.image
    if source.tools_image:
        image = image_with_tools(image, source.tools_image, source.launch.tools)
    return AgentFiles(image, resources.copy_scaffold(source.folder), resources.files)


@dataclass(frozen=True)
class TaskAgent:
    """What starts the agent in the task's container."""

    state: TaskState
    task: Future[Container]
    shell: Future[ContainerShell]
    forwarder: Future[Forwarder]
    original: Future[tuple[Files, bool]]
    resources: TrialResources

    def ready(self) -> Start:
        """Wait until the agent can start, and return what starts it: its time begins only then. Raises InfraError."""
        self.forwarder.result()
        self.shell.result()
        return self.start

    def start(self, spec: TrialSpec) -> AgentProcess:
        """Run the agent's command as the agent's user, in the working directory. Raises InfraError."""
        url = self.forwarder.result().url
        launch = filled_launch(spec, url)
        write_instruction(self.resources, spec.task.instruction)
        command = AgentCommand(
            launch.command or (*PYTHON_ENTRY, f"{SCAFFOLD}/{spec.scaffold.entry}"),
            self.state.user,
            self.state.image.workdir,
            {**gateway_variables(url), "EVOLVE_URL": url, **_python_path(launch, self.state), **dict(launch.env)},
            INSTRUCTION_FILE if launch.stdin else NOTHING,
        )
        return AgentProcess(self.task.result(), command, self.shell.result().sessions)

    def with_changes(self, spec: TrialSpec, ending: ScaffoldEnd) -> ScaffoldEnd:
        """The same with an event of what changed in the working directory. Raises ChargedFault."""
        try:
            changes = self._changes(spec)
        except InfraError as error:
            raise ChargedFault(error, ending.usage) from error
        events = ending.events if isinstance(ending.events, Recording) else Recording(ending.events)
        events.append(state_event(changes))
        return replace(ending, events=events)

    def _changes(self, spec: TrialSpec) -> WorkingChanges:
        files, is_complete = self.original.result()
        given = spec.task.instance.part("workdir") if spec.task.instance else {}
        before = {**files, **{path: file_of(file.data, TEXT_BYTES) for path, file in given.items()}}
        return working_changes(self.task.result(), self.state, TEXT_BYTES, (before, is_complete))

    def during(self, state: TaskState, shell: Future[ContainerShell]) -> TaskAgent:
        """The same in one step of the task."""
        return replace(self, state=state, shell=shell)


def _python_path(launch: Launch, state: TaskState) -> dict[str, str]:
    """For a Python entry point, the door comes first, before what the image has there."""
    if launch.command:
        return {}
    present = dict(pair.partition("=")[::2] for pair in state.image.env).get("PYTHONPATH", "")
    return {"PYTHONPATH": ":".join(filter(None, (DOOR_HOME, present)))}


def start_agent_place(
    crew: Crew,
    spec: TrialSpec,
    state: TaskState,
    task: Future[Container],
    shell: Future[ContainerShell],
    resources: TrialResources,
    ttl: int,
) -> TaskAgent | None:
    """Prepare the task's container for the agent, while that starts; None for an agent that runs elsewhere.

    What leads to the gateway lives as long as the container, through all steps of a task.
    """
    if not spec.scaffold.launch.in_task:
        return None
    socket, image, runtime = resources.door / SOCKET_NAME, spec.scaffold.image, spec.sandbox.runtime
    forwarder = crew.start(
        lambda: start_forwarder(spec.owner, image, task.result(), socket, ttl, resources, runtime=runtime)
    )
    original = crew.submit(lambda: original_files(task.result(), state, TEXT_BYTES))
    return TaskAgent(state, task, shell, forwarder, original, resources)
