"""How many trials of a run are at work at once."""

from __future__ import annotations

from evolve.executor.concurrency import Concurrency, Machine, choose_concurrency, trial_memory_mb
from evolve.executor.evaluate import default_jobs
from evolve.host.platform import available_memory_mb
from evolve.runs.request import RunRequest
from evolve.suite.tasks import Suite


def planned_concurrency(request: RunRequest, suite: Suite) -> Concurrency:
    """The number of trials at once: as the user asked, or by who answers and what this machine has free now."""
    config = request.config
    trial_mb = trial_memory_mb(config.sandbox, (config.task_sandbox(task.sandbox) for task in suite.tasks))
    machine = Machine(default_jobs(), available_memory_mb())
    return choose_concurrency(
        request.jobs, machine, trial_mb, config.model_spec, config.limits.max_tokens, request.own_server
    )
