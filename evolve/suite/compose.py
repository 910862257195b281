"""Compose files beside a Dockerfile: refused by name, as Evolve runs one container for each task."""

from __future__ import annotations

from pathlib import Path

from evolve.core.errors import BadInput
from evolve.core.task_format import TaskFormat

FILE = "docker-compose.yaml"


def apply_compose(folder: Path, wanted: TaskFormat) -> TaskFormat:
    """What a task wants, with what its compose file adds. Raises BadInput for more than Evolve can do."""
    phases = (wanted.verifier, *(step.verifier for step in wanted.steps))
    places = {wanted.environment.context, *(phase.environment.context for phase in phases if phase.environment)}
    for place in sorted(places):
        file = folder / place / FILE
        if file.is_file():
            raise BadInput(str(file), "compose files are not supported", "describe one container in the Dockerfile")
    return wanted
