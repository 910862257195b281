"""What no page shows: the keys of the runs' models, and what this process's environment names as secrets."""

from __future__ import annotations

from contextlib import suppress

from evolve.core.errors import EvolveError
from evolve.export.redaction import Redactor
from evolve.runs.stored_config import stored_config
from evolve.store import RunRow


class Secrets:
    """The names of the variables that hold the keys of all runs that pages have read."""

    def __init__(self) -> None:
        self._variables: dict[str, frozenset[str]] = {}

    def learn(self, row: RunRow) -> None:
        """Hide the keys of a run's models from now on; of one whose config can't be read, only the environment's."""
        if row.id not in self._variables:
            with suppress(EvolveError):
                models = stored_config(row).all_models
                self._variables[row.id] = frozenset(model.spec.key_variable for model in models)

    @property
    def redactor(self) -> Redactor:
        """Takes out the values that the variables have now."""
        return Redactor.of_variables({name for names in list(self._variables.values()) for name in names})
