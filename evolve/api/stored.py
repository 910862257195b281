"""Reading a stored run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evolve.core.config import RunConfig
from evolve.core.errors import BadInput
from evolve.core.records import Candidate, Split, TrialResult, Usage
from evolve.core.scores import Score
from evolve.core.validity import Validity
from evolve.gate.claim import Claim
from evolve.runs.adopting import AdoptRequest, adopt_run
from evolve.runs.branches import run_and_commit
from evolve.runs.evidence import grounds_of
from evolve.runs.history import run_history
from evolve.runs.lookup import open_results, run_row
from evolve.runs.patches import patch_of
from evolve.runs.results import claim_of, fresh_scores
from evolve.runs.settings import read_arguments
from evolve.runs.stored_config import stored_config
from evolve.store import RoundRow, RunRow, Store


@dataclass(frozen=True, init=False)
class Run:
    """A stored run. Every property is read when it is asked for, so a run that is under way can be followed.

    `id`: the run's name; `runs`: the folder of the results.
    """

    id: str
    runs: Path

    def __init__(self, name: str | None = None, runs: Path | str | None = None) -> None:
        """Find a run.

        Args:
            name: The run's id; None: the newest.
            runs: The folder of the results; None: that of the settings, `runs` by default.

        Raises:
            BadInput: There is no such run.
        """
        folder = read_arguments({"runs": runs}).runs.resolve()
        with open_results(folder) as store:
            found = run_row(store, name).id
        object.__setattr__(self, "id", found)
        object.__setattr__(self, "runs", folder)

    @property
    def config(self) -> RunConfig:
        """The config that the run began with."""
        with self._opened() as (_, row):
            return stored_config(row)

    @property
    def rounds(self) -> tuple[RoundRow, ...]:
        """All rounds in order, round 0 (the seed scaffold) first; what has not happened yet is None."""
        with self._opened() as (store, row):
            return tuple(store.rounds(row.id))

    @property
    def history(self) -> tuple[Mapping[str, Any], ...]:
        """The rounds as `evolve history --json` prints them."""
        with self._opened() as (store, row):
            return tuple(run_history(store, row.id, self.runs))

    def trials(
        self, commit: str | None = None, branch: str | None = None, round: int | None = None
    ) -> tuple[TrialResult, ...]:
        """The trials of one candidate, named by commit, branch or round; without a name, all trials of the run.

        Raises:
            BadInput: The run has no such candidate.
        """
        with self._opened() as (store, row):
            if branch is not None:
                commit = run_and_commit(store, branch, self.runs)[1]
            if round is not None:
                commit = self._candidate(store, round).commit
            return tuple(store.trials(row.id, commit))

    @property
    def seed(self) -> Candidate:
        """The seed scaffold."""
        with self._opened() as (store, _):
            return self._candidate(store, 0)

    @property
    def champion(self) -> Candidate:
        """The best scaffold so far.

        Raises:
            BadInput: The seed scaffold has not been measured yet.
        """
        with self._opened() as (store, row):
            return self._champion(store, row)

    @property
    def scores(self) -> Mapping[str, Mapping[Split, Score]]:
        """The scores of `seed` and `champion` by split, from trials by which nothing was decided."""
        with self._opened() as (store, row):
            pair = {"seed": self._candidate(store, 0), "champion": self._champion(store, row)}
            found = {name: fresh_scores(store, row.id, candidate) for name, candidate in pair.items()}
        return {name: {split: one for split, one in scores.items() if one} for name, scores in found.items()}

    @property
    def validity(self) -> Validity:
        """Whether the run's numbers can be relied on, and if not, why."""
        with self._opened() as (store, row):
            return grounds_of(store, row.id, self.runs).validity

    @property
    def usage(self) -> Usage:
        """All that the run has spent."""
        with self._opened() as (store, row):
            return store.spent(row.id)

    @property
    def ended(self) -> str | None:
        """How the run ended last: `done`, or `budget` at a cap; None if it has not."""
        with self._opened() as (store, row):
            ends = store.ends(row.id)
        return ends[-1].reason if ends else None

    def claim(self) -> Claim:
        """Compare seed and champion on the holdout.

        Raises:
            BadInput: The run has no new champion, or too few holdout trials.
        """
        with self._opened() as (store, row):
            return claim_of(store, row.id)

    def diff(self, round: int | None = None) -> str:
        """The patch of a round, "" for round 0; None: the champion against the seed. For `git apply`.

        Raises:
            BadInput: The round has no candidate.
        """
        if round is not None:
            with self._opened() as (store, _):
                self._candidate(store, round)
        return patch_of(self.runs, self.id, round).decode("utf-8", "replace")

    def adopt(self, each: bool = False, tip: bool = False, branch: str = "") -> Mapping[str, str]:
        """Put the champion's changes on HEAD of the scaffold's repository, as `evolve adopt` does.

        Args:
            each: A branch for each patch, on top of the one before.
            tip: The tip in place of the champion.
            branch: Name of the branch; with `each`, what their names begin with.

        Returns:
            The commits of the branches by name, the first patch first.

        Raises:
            BadInput: There is nothing to adopt, no repository, or HEAD was changed in the same places.
        """
        done = adopt_run(self.runs, AdoptRequest(self.id, tip, each, branch), Path.cwd())
        return {one.step.branch: one.commit for one in done.commits if one.step.branch and one.commit}

    @contextmanager
    def _opened(self) -> Iterator[tuple[Store, RunRow]]:
        with open_results(self.runs) as store:
            yield store, run_row(store, self.id)

    def _candidate(self, store: Store, number: int) -> Candidate:
        found = [candidate for candidate in store.candidates(self.id) if candidate.round == number]
        if not found:
            raise BadInput(f"round {number}", f"run {self.id} has no candidate of it", "see `Run.rounds`")
        return found[0]

    def _champion(self, store: Store, row: RunRow) -> Candidate:
        try:
            return store.champion(row.id)
        except LookupError as error:
            raise BadInput(f"run {row.id}", "no round is decided yet", "resume the run") from error
