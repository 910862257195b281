"""Grade a kept state again, in fresh containers."""

from __future__ import annotations

from evolve.core.errors import InfraError
from evolve.core.records import TrialSpec
from evolve.sandbox.artifacts import artifact_sources
from evolve.sandbox.changes_kept import unpack_changes
from evolve.sandbox.container import Container
from evolve.sandbox.kept import kept_artifacts, unpack_folder
from evolve.sandbox.task_state import TaskState
from evolve.trial.grader_gateway import GraderGateway
from evolve.trial.grading import Gradings
from evolve.trial.instances import with_instance
from evolve.trial.judging import judge_state
from evolve.trial.run import container_lifetime, sandboxes
from evolve.trial.separate import judge_artifacts
from evolve.trial.settling import after_grade
from evolve.trial.verdict import Judgement, checked


def regrade(spec: TrialSpec, archive: bytes, door: GraderGateway | None = None) -> Judgement:
    """Grade a state until it has a reward, as often as that of a trial.

    Args:
        archive: As it was kept.
        door: For the tests.

    Raises:
        BadInput: The task's generator is at fault.
        InfraError: The machine failed, or the archive can't be read.
    """
    spec, gradings = with_instance(spec), Gradings()
    ttl = container_lifetime(spec, spec.task.verifier_seconds)
    while True:
        with sandboxes(spec, ttl, door) as (state, container):
            judgement = _judge_kept(spec, state, container, archive, ttl)
        gradings = after_grade(gradings, judgement.grade)
        if gradings.graded or gradings.exhausted or gradings.spent:
            return judgement


def _judge_kept(spec: TrialSpec, state: TaskState, container: Container, archive: bytes, ttl: int) -> Judgement:
    environment = state.format.verifier.environment
    if environment is not None:
        with kept_artifacts(archive, artifact_sources(state.format.artifacts)) as artifacts:
            return checked(state, judge_artifacts(spec, state, artifacts, ttl, environment))
    if state.format.harbor:
        unpack_changes(container, archive)
    elif state.loose:
        raise InfraError("of loose suites read as strict ones, no state is kept")
    else:
        unpack_folder(container, state.image.workdir, archive, state.user)
    return judge_state(spec, state, container, ttl)
