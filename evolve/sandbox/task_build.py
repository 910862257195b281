"""One task's image, named by its content, and those of its verifiers: built from a Dockerfile, or a ready image."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import docker
from docker.errors import APIError, BuildError, DockerException

from evolve.core.composition import Service, ServiceBuild
from evolve.core.errors import BadInput
from evolve.core.records import SuiteProfile, Task, TaskImage, VerifierMode, stable_hash
from evolve.core.task_format import Environment
from evolve.host.locks import taking_turns
from evolve.host.temporary import is_dead, process_mark
from evolve.sandbox import buildkit, image_store
from evolve.sandbox.build_context import DOCKERFILE, pack_context, pack_dockerfile
from evolve.sandbox.dockerfiles import build_arguments, buildkit_features, names_frontend
from evolve.sandbox.engine import ENGINE_FAULTS, connect, info
from evolve.sandbox.exit_cause import engine_faults
from evolve.sandbox.image_store import build_lock, exists, inspect_image
from evolve.sandbox.inside import PRISTINE

REGISTRY_BASE = "python:3.11-slim"
TASK_TAG = "evolve/task"
LAYOUT = 2
# The end of the name of an image that is not finished yet; it is its process's own.
RAW = "-raw"
# Between the name of a task's image and what tells its verifier's apart.
VERIFIER = "-verifier-"
# The same for a service of its compose file.
SERVICE = "-service-"
# The end of the name of an image of which the whole file system is used.
LOOSE = "-loose"
PINNED = "evolve.pinned"
COMPOSE_FILE = "docker-compose.yaml"
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class ImagePlan:
    """How one image is made. `name`: of the finished image; `kept`: a readable copy of its working directory is.

    service: The service of the environment's compose file whose image it is; None: the environment's own.
    """

    name: str
    folder: Path
    environment: Environment
    base: str
    kept: bool
    service: Service | None = None

    @property
    def image(self) -> str:
        """The ready image that it is; "" if it is built."""
        if self.service is None:
            return self.environment.docker_image
        return "" if self.service.build else self.service.image

    @property
    def _build(self) -> ServiceBuild:
        composition = self.environment.composition
        service = self.service or (composition.main if composition else None)
        return (service.build if service else None) or ServiceBuild(self.environment.context)

    @property
    def dockerfile(self) -> Path:
        return self.context / self._build.dockerfile

    @property
    def arguments(self) -> dict[str, str]:
        """What the compose file gives the Dockerfile."""
        return dict(self._build.arguments)

    def workdir(self, config: dict[str, Any]) -> str:
        """Where commands run in an image with this configuration; `/` if nothing says."""
        own = self.environment.workdir if self.service is None else self.service.workdir
        return own or config.get("WorkingDir") or "/"

    @property
    def context(self) -> Path:
        return self.folder / self._build.context

    @property
    def where(self) -> str:
        return str(self.folder)


def task_of_tag(tag: str) -> str:
    """The name that `task_tag` gives the task of which this is an image, a verifier's or an unfinished one too."""
    return tag.partition("-")[0]


def task_tag(digest: str, base_id: str) -> str:
    """The image name of a task with this digest, built on the base image with this id."""
    return f"{TASK_TAG}:{stable_hash(LAYOUT, digest, base_id):016x}"


def tag_of(task: Task, base: str) -> str:
    """The name of a task's image on a local base image."""
    tag = task_tag(task.digest, inspect_image(base)["Id"])
    return tag if task.profile is SuiteProfile.STRICT else f"{tag}{LOOSE}"


def refuse_unbuildable(task: Task) -> None:
    """Raise BadInput if a Dockerfile of the task needs a builder that is not here. Raises EngineError."""
    environments = [task.format.environment, *(environment for _, environment in verifier_environments(task))]
    for plan in [plan for environment in environments for plan in _plans(task, environment, "", "", kept=False)]:
        file = plan.dockerfile
        if plan.image or not file.is_file():
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        with engine_faults():
            problem = buildkit.missing_builder(buildkit_features(text), names_frontend(text))
        if problem:
            raise BadInput(str(file), problem, "install Docker's buildx plugin, or write it without")


def verifier_environments(task: Task) -> list[tuple[str, Environment]]:
    """The verifiers with an image of their own, by the step's name ("" for the task)."""
    phases = [("", task.format.verifier), *((step.name, step.verifier) for step in task.format.steps)]
    asked = [(name, phase.environment) for name, phase in phases if phase.environment is not None]
    return [(name, environment) for name, environment in asked if environment.holds_tests]


def task_image(task: Task, base: str) -> TaskImage:
    """Find or build a task's image and those of its verifiers.

    Raises:
        BadInput: the task's files are wrong, or need a builder that is not here.
        EngineError, DiskFull: the machine failed.
    """
    refuse_unbuildable(task)
    with engine_faults():
        tag = tag_of(task, base)
    strict = task.profile is SuiteProfile.STRICT
    image = _environment_image(task, task.format.environment, tag, base, strict)
    if image.volumes and not strict and _freezes(task):
        folders = ", ".join(image.volumes)
        problem = f"its image declares a VOLUME ({folders}), which an isolated verifier would not get"
        raise BadInput(str(task.folder), problem, "set environment_mode = 'shared' under [verifier]")
    made: dict[Environment, TaskImage] = {}
    for _, environment in verifier_environments(task):
        if environment not in made:
            name = _verifier_name(tag, environment)
            made[environment] = _environment_image(task, environment, name, base, kept=False)
    return replace(image, verifiers=tuple((name, made[one]) for name, one in verifier_environments(task)))


def _environment_image(task: Task, environment: Environment, name: str, base: str, kept: bool) -> TaskImage:
    """The image of an environment, with those of its services, as its compose file changes them."""
    own, *others = (found_or_made(plan) for plan in _plans(task, environment, name, base, kept))
    if (composition := environment.composition) is None:
        return own
    services = zip(composition.services, others, strict=True)
    pairs = tuple((service.name, service_image(image, service)) for service, image in services)
    return replace(service_image(own, composition.main), services=pairs)


def _plans(task: Task, environment: Environment, name: str, base: str, kept: bool) -> list[ImagePlan]:
    """What to make for an environment: its own image, and one for each service of its compose file."""
    own = ImagePlan(name, task.folder, environment, base, kept)
    services = environment.composition.services if environment.composition else ()
    return [own, *(replace(own, name=service_name(name, one), kept=False, service=one) for one in services)]


def service_image(image: TaskImage, service: Service) -> TaskImage:
    """An image as a service of a compose file uses it: with the file's variables, user and entry point."""
    variables = dict(pair.partition("=")[::2] for pair in image.env) | dict(service.env)
    return replace(
        image,
        env=tuple(f"{name}={value}" for name, value in variables.items()),
        user=service.user or image.user,
        entrypoint=image.entrypoint if service.entrypoint is None else service.entrypoint,
    )


def service_name(tag: str, service: Service) -> str:
    """The name of a service's image, for an environment whose image has this name."""
    return f"{tag}{SERVICE}{stable_hash(service.name):016x}"


def _freezes(task: Task) -> bool:
    """Whether the verifier gets a copy of the file system alone, without volumes."""
    isolated = task.verifier is VerifierMode.ISOLATED and task.format.verifier.environment is None
    return isolated and not task.format.harbor


def image_names(task: Task, base: str) -> list[str]:
    """The names of all images that a task needs."""
    tag = tag_of(task, base)
    names = {_verifier_name(tag, environment): environment for _, environment in verifier_environments(task)}
    asked = {tag: task.format.environment} | dict(sorted(names.items()))
    return [plan.name for name, one in asked.items() for plan in _plans(task, one, name, base, kept=False)]


def _verifier_name(tag: str, environment: Environment) -> str:
    """The name of a verifier's own image, for a task whose image has this name."""
    return f"{tag}{VERIFIER}{stable_hash(environment.context, environment.docker_image):016x}"


def found_or_made(plan: ImagePlan) -> TaskImage:
    """The image of a plan, which is made if the engine doesn't have it. Raises BadInput, EngineError or DiskFull."""
    with engine_faults():
        client = connect()
        if not exists(client, plan.name):
            with taking_turns(build_lock(plan.name), 2 * plan.environment.build_seconds):
                if not exists(client, plan.name):
                    _make(client, plan)
        return _described(plan)


def _described(plan: ImagePlan) -> TaskImage:
    facts = inspect_image(plan.name)
    config: dict[str, Any] = facts["Config"]
    return TaskImage(
        image=plan.name,
        workdir=plan.workdir(config),
        env=tuple(config.get("Env") or ()),
        user=config.get("User") or "",
        volumes=tuple(sorted(config.get("Volumes") or ())),
        pinned=_pinned(plan, facts),
        entrypoint=tuple(config.get("Entrypoint") or ()),
    )


def _pinned(plan: ImagePlan, facts: dict[str, Any]) -> str:
    if not plan.image:
        return ""
    label = (facts["Config"].get("Labels") or {}).get(PINNED)
    return str(label or _digest(plan.image, facts))


def _digest(name: str, facts: dict[str, Any]) -> str:
    """The digest of an image in the registry that its name says; its id if it was made here."""
    repository = name.partition("@")[0]
    repository = repository if "/" in repository.rpartition(":")[2] else repository.rpartition(":")[0] or repository
    digests = [str(one) for one in facts.get("RepoDigests") or () if str(one).partition("@")[0] == repository]
    return digests[0] if digests else str(facts["Id"])


def _make(client: docker.DockerClient, plan: ImagePlan) -> None:
    raw = f"{plan.name}-{process_mark()}{RAW}"
    try:
        if plan.image:
            _make_from_image(client, plan, raw)
        else:
            _build_dockerfile(plan, raw)
            _finish(client, plan, raw)
    except (BuildError, APIError, DockerException) as error:
        if (fault := image_store.machine_fault(error, plan.where)) is not None:
            raise fault from error
        raise image_store.task_fault(plan.where, error) from error
    finally:
        with contextlib.suppress(*ENGINE_FAULTS):
            client.api.remove_image(raw, noprune=True)


def _build_dockerfile(plan: ImagePlan, tag: str) -> None:
    text = plan.dockerfile.read_text(encoding="utf-8", errors="replace")
    arguments = build_arguments(text, plan.base, REGISTRY_BASE, _platform()) | plan.arguments
    other = None if plan.dockerfile == plan.context / DOCKERFILE else text
    by_buildkit = bool(buildkit_features(text))

    def work() -> None:
        with pack_context(plan.context, other) as context:
            build = buildkit.build if by_buildkit else image_store.build
            build(context, tag, arguments, plan.environment.build_seconds)

    image_store.with_retries(work, plan.where)


def _platform() -> str:
    machine = str(info()["Architecture"])
    return f"linux/{MACHINES.get(machine, machine)}"


def _make_from_image(client: docker.DockerClient, plan: ImagePlan, raw: str) -> None:
    """Take a ready image, with the loose files beside it in its working directory."""
    name, seconds = plan.image, plan.environment.build_seconds
    if not exists(client, name):
        image_store.with_retries(lambda: image_store.pull(name, seconds), plan.where)
    facts = inspect_image(name)
    if plan.service is not None or not _has_loose_files(plan.context):
        _name(client, facts["Id"], raw)
        _finish(client, plan, raw)
        return
    workdir = plan.workdir(facts["Config"])
    label = f"LABEL {PINNED}={_digest(name, facts)}"
    with pack_context(plan.context, f"FROM {facts['Id']}\n{label}\nCOPY . {workdir}/\n") as context:
        image_store.build(context, raw, {}, seconds)
    _finish(client, plan, raw)


def _has_loose_files(context: Path) -> bool:
    """Whether there are files beside no Dockerfile and no compose file."""
    if not context.is_dir() or any((context / name).exists() for name in (DOCKERFILE, COMPOSE_FILE)):
        return False
    return any(context.iterdir())


def _finish(client: docker.DockerClient, plan: ImagePlan, raw: str) -> None:
    """Give the image its name; where only the working directory is kept, after a readable copy of it was added."""
    if not plan.kept:
        _name(client, raw, plan.name)
        return
    facts = inspect_image(raw)
    workdir = plan.workdir(facts["Config"])
    if workdir == "/":
        raise BadInput(plan.where, "its image sets no WORKDIR", "set WORKDIR in its Dockerfile")
    copy = f"mkdir -p {PRISTINE} && cp -a {workdir}/. {PRISTINE}/ && chmod -R a+rX {PRISTINE}"
    label = _labels(plan, facts)
    _build_text(f"FROM {raw}\nUSER 0\n{label}RUN {copy}\n", plan.name, plan.environment.build_seconds)


def _name(client: docker.DockerClient, image: str, name: str) -> None:
    repository, _, tag = name.partition(":")
    client.api.tag(image, repository, tag)


def _labels(plan: ImagePlan, facts: dict[str, Any]) -> str:
    image = plan.image
    return f"LABEL {PINNED}={_digest(image, inspect_image(image))}\n" if image else ""


def _build_text(text: str, tag: str, seconds: float) -> None:
    context: IO[bytes] = pack_dockerfile(text)
    with context:
        image_store.build(context, tag, {}, seconds)


def sweep_raw() -> None:
    """Remove the unfinished images of processes that have ended."""
    rows = connect().api.images(name=TASK_TAG)
    tags = [tag for row in rows for tag in row["RepoTags"] or [] if tag.endswith(RAW)]
    for tag in filter(is_dead, tags):
        with contextlib.suppress(*ENGINE_FAULTS):
            connect().api.remove_image(tag, noprune=True)
