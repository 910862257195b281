"""From the tables of `task.toml` to records: absent keys mean what they mean in Harbor, or in a strict suite."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from evolve.core.config import TASK_SECONDS
from evolve.core.errors import BadInput
from evolve.core.task_format import (
    CPUS,
    DISK_MB,
    MAIN_SERVICE,
    MEMORY_MB,
    AgentPhase,
    Artifact,
    Collect,
    Environment,
    Healthcheck,
    McpServer,
    NetworkMode,
    NetworkPolicy,
    RewardStrategy,
    SandboxSpec,
    Step,
    SuiteProfile,
    TaskFormat,
    VerifierMode,
    VerifierPhase,
)
from evolve.suite.compose import COMPOSE_FILE, read_compose
from evolve.suite.composing import compose_values, composed
from evolve.suite.schema import (
    AgentTable,
    ArtifactTable,
    CollectTable,
    EnvironmentTable,
    HealthcheckTable,
    McpServerTable,
    StepTable,
    TaskTable,
    VerifierTable,
)

TESTS, SOLUTION, STEPS = "tests", "solution", "steps"
DOCKERFILE = "Dockerfile"
INSTRUCTION = "instruction.md"
TEST_SCRIPT, SOLVE_SCRIPT = "test.sh", "solve.sh"
SEPARATE = "separate"
# Harbor limits processes not at all; without a limit, one task could stop the machine.
HARBOR_PIDS = 4096
# A strict suite's `shared` is `live`.
MODES = {"shared": VerifierMode.LIVE, "live": VerifierMode.LIVE, SEPARATE: VerifierMode.ISOLATED}


@dataclass(frozen=True)
class Reader:
    """Reads one task's tables.

    Attributes:
        harbor: Absent keys mean what they mean in Harbor; otherwise as in a strict suite.
        emptied: Variables of the host that the user leaves empty.
    """

    folder: Path
    table: TaskTable
    harbor: bool
    profile: SuiteProfile
    instructions: dict[str, str]
    emptied: Collection[str] = ()
    notes: list[str] = field(default_factory=list)

    def format(self, warnings: Iterable[str] = ()) -> TaskFormat:
        """All that the folder says. `instructions`: by the name of the step."""
        steps = tuple(self._step(step) for step in self.table.steps or ())
        has_solution = (self.folder / SOLUTION / SOLVE_SCRIPT).is_file()
        return TaskFormat(
            harbor=self.harbor,
            environment=self.environment(self.table.environment),
            agent=self.agent(self.table.agent),
            verifier=self.verifier(),
            solved=has_solution or any(step.solved for step in steps),
            solution_env=tuple(self.table.solution.env.items()),
            artifacts=_artifacts(self.table.artifacts),
            steps=steps,
            strategy=self.table.multi_step_reward_strategy or RewardStrategy.MEAN,
            warnings=(*warnings, *dict.fromkeys(self.notes)),
            reward=own.scale if (own := self.table.metadata.evolve.reward) else None,
        )

    def environment(self, table: EnvironmentTable, context: str = "environment") -> Environment:
        """A container's image and its sizes."""
        network = self.network(table) or NetworkPolicy(NetworkMode.PUBLIC if self.harbor else NetworkMode.NONE)
        environment = Environment(
            context=context,
            docker_image=table.docker_image or "",
            build_seconds=table.build_timeout_sec,
            env=tuple(table.env.items()),
            workdir=table.workdir or "",
            network=network,
            sandbox=self._sizes(table, network),
            skills_dir=table.skills_dir or "",
            mcp_servers=tuple(map(_mcp_server, table.mcp_servers)),
            healthcheck=_healthcheck(table.healthcheck),
        )
        return self._composed(environment) if self.harbor else environment

    def _composed(self, environment: Environment) -> Environment:
        """The environment as its compose file changes it, if there is one."""
        file = read_compose(self.folder, environment.context, compose_values(environment), self.emptied)
        if file is None:
            return environment
        self.notes.extend(file.warnings)
        try:
            return composed(environment, file.composition)
        except ValueError as error:
            where = str(self.folder / environment.context / COMPOSE_FILE)
            raise BadInput(where, f"service `{MAIN_SERVICE}`: {error}", "correct its limits") from error

    def _sizes(self, table: EnvironmentTable, network: NetworkPolicy) -> SandboxSpec:
        public = network.mode is NetworkMode.PUBLIC
        if self.harbor:
            return SandboxSpec(table.cpus, table.memory_mb, HARBOR_PIDS, table.storage_mb, network=public)
        memory, disk = table.memory_mb or MEMORY_MB, table.storage_mb or DISK_MB
        disk = min(disk, memory) if self.profile is SuiteProfile.STRICT else disk
        return SandboxSpec(table.cpus or CPUS, memory, disk_mb=disk, network=public)

    @staticmethod
    def network(table: AgentTable | VerifierTable | EnvironmentTable) -> NetworkPolicy | None:
        """What a table says about the network; None if it says nothing."""
        mode = table.network_mode
        return None if mode is None else NetworkPolicy(mode, tuple(table.allowed_hosts or ()))

    def agent(self, table: AgentTable, above: AgentTable | None = None) -> AgentPhase:
        """The agent's phase. above: the task's table, for what a step's table leaves open."""
        asked = [one for one in (table, above) if one is not None]
        seconds = next((one.timeout_sec for one in asked if one.timeout_sec), None)
        return AgentPhase(
            seconds=seconds if self.harbor else seconds or TASK_SECONDS,
            user=next((one.user for one in asked if one.user), ""),
            network=next((policy for one in asked if (policy := self.network(one))), None),
        )

    def verifier(self, step: StepTable | None = None) -> VerifierPhase:
        """How the tests run, of the task or of a step, whose table comes first."""
        own = self.table.verifier
        tables = (step.verifier, own) if step else (own,)
        asked = next((mode for mode in map(_mode, tables) if mode), "shared" if self.harbor else "isolated")
        mode = MODES.get(asked, VerifierMode.ISOLATED)
        mode = VerifierMode.SHARED if self.harbor and asked == "shared" else mode
        return VerifierPhase(
            seconds=tables[0].timeout_sec,
            mode=mode,
            env=tuple({**own.env, **tables[0].env}.items()),
            user=next((one.user for one in tables if one.user), ""),
            network=next((policy for one in tables if (policy := self.network(one))), None),
            environment=self._verifier_environment(step) if asked == SEPARATE and self.harbor else None,
            collect=tuple(_collect(one) for one in (*own.collect, *(step.verifier.collect if step else ()))),
        )

    def _verifier_environment(self, step: StepTable | None) -> Environment:
        """A separate verifier's container: an image that brings its tests, or the task's own image again."""
        own = (self.table.verifier.environment, TESTS)
        places = ((step.verifier.environment, f"{STEPS}/{step.name}/{TESTS}"), own) if step else (own,)
        sizes = next((table for table, _ in places if table), self.table.environment)
        for table, folder in places:
            if table and table.docker_image:
                return self._with_tests(sizes, folder, table.docker_image)
            if (self.folder / folder / DOCKERFILE).is_file():
                return self._with_tests(sizes, folder, None)
        image = self.table.environment.docker_image
        return self.environment(sizes.model_copy(update={"docker_image": image}))

    def _with_tests(self, table: EnvironmentTable, folder: str, image: str | None) -> Environment:
        return replace(self.environment(table.model_copy(update={"docker_image": image}), folder), holds_tests=True)

    def _step(self, step: StepTable) -> Step:
        folder = f"{STEPS}/{step.name}"
        own_tests = (self.folder / folder / TESTS).is_dir()
        shared_tests = (self.folder / TESTS).is_dir()
        tests = (*((TESTS,) if shared_tests else ()), *((f"{folder}/{TESTS}",) if own_tests else ()))
        return Step(
            name=step.name,
            folder=folder,
            instruction=self.instructions[step.name],
            agent=self.agent(step.agent, self.table.agent),
            verifier=self.verifier(step),
            min_reward=tuple((step.min_reward or {}).items()),
            healthcheck=_healthcheck(step.healthcheck),
            artifacts=_artifacts(step.artifacts),
            solved=(self.folder / folder / SOLUTION / SOLVE_SCRIPT).is_file(),
            tests=tests,
        )


def _mode(table: VerifierTable) -> str | None:
    return table.environment_mode or (SEPARATE if table.environment else None)


def _collect(table: CollectTable) -> Collect:
    return Collect(table.command, table.service, table.timeout_sec, table.user or "")


def _artifacts(tables: Iterable[ArtifactTable]) -> tuple[Artifact, ...]:
    return tuple(
        Artifact(one.source, one.destination or "", one.exclude, one.service or MAIN_SERVICE) for one in tables
    )


def _mcp_server(table: McpServerTable) -> McpServer:
    headers = tuple(table.headers.items())
    return McpServer(table.name, table.transport, table.url or "", table.command or "", table.args, headers)


def _healthcheck(table: HealthcheckTable | None) -> Healthcheck | None:
    if table is None:
        return None
    values = table.model_dump()
    return Healthcheck(values.pop("command"), **{name.removesuffix("_sec"): value for name, value in values.items()})
