"""The suite of a run: as its files are now, read as they were read when the run began."""

from __future__ import annotations

from evolve.core.config import RunConfig
from evolve.core.errors import BadInput
from evolve.suite.tasks import Suite, load_suite


def suite_of_config(config: RunConfig, digest: str | None = None) -> Suite:
    """Read the suite of a config.

    Args:
        digest: The digest that a stored run began with. Earlier versions read a loose suite's absent keys otherwise: if
            the suite has this digest that way, it is read that way.

    Raises:
        BadInput: The suite can't be used.
    """
    has_grader = config.graded_by is not None
    suite = load_suite(config.suite, config.pass_env, has_grader=has_grader)
    if digest is None or not suite.harbor or suite.digest == digest:
        return suite
    try:
        earlier = load_suite(config.suite, config.pass_env, earlier=True, has_grader=has_grader)
    except BadInput:
        return suite
    return earlier if earlier.digest == digest else suite
