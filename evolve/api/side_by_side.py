"""Measuring a stored run's scaffolds side by side from Python: against opponents, and without each kept patch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evolve.api import comparing
from evolve.api.comparing import ClaimRequest, Findings
from evolve.core.caps import Caps
from evolve.gate.comparison import Comparison
from evolve.host.platform import check_platform
from evolve.loop.watcher import SilentWatcher, Watcher
from evolve.runs.leaving_out import LeftOut
from evolve.runs.settings import Settings, read_arguments


@dataclass(frozen=True)
class Effects:
    """What each patch of a champion is worth. `findings`: None if no patch can be taken out by itself."""

    patches: tuple[LeftOut, ...]
    findings: Findings | None

    @property
    def comparisons(self) -> dict[int, Comparison | None]:
        """The champion without each patch (first) against the champion (second), by the patch's round.

        None: too few trials. A patch that can't be taken out by itself is not among them.
        """
        measured = [patch.number for patch in self.patches if patch.arm]
        found = self.findings.comparisons if self.findings else ()
        return dict(zip(measured, found, strict=True))


def claim_against(
    against: Sequence[str] = ("seed",),
    run: str | None = None,
    runs: Path | str | None = None,
    *,
    other_models: Sequence[str] = (),
    other_suites: Sequence[Path | str] = (),
    attempts: int | None = None,
    caps: Caps | None = None,
    watcher: Watcher | None = None,
    **settings: Any,
) -> tuple[Findings, ...]:
    """Measure a run's champion side by side with opponents, on the holdout. Trials that are stored are not run again.

    Args:
        against: Opponents, as for `evolve claim --against`.
        run: The run's id; None: the newest.
        runs: Folder of the results.
        other_models: Further models, on each of which seed and champion are compared.
        other_suites: Folders of further suites, on all tasks of which the same is compared.
        attempts: Of each task; None: the run's `holdout_attempts`.
        caps: On these trials alone; None: what the run has left of its own.
        watcher: Shows the progress; None: nothing is shown.
        **settings: `jobs`, `models` and other settings of this machine, see docs/configuration.md.

    Returns:
        One for the holdout, then one for each suite and for each model.

    Raises:
        BadInput: An opponent, a suite or a model can't be used, or the champion is the seed scaffold.
        InfraError: The machine, the container engine or the endpoint failed.
    """
    given = _settings(run, runs, settings)
    request = ClaimRequest(tuple(against), tuple(other_models), tuple(map(Path, other_suites)), attempts)
    plans = comparing.claim_plans(given, request)
    for plan in plans:
        comparing.measure(plan, given, caps or Caps(), watcher or SilentWatcher())
    return tuple(comparing.findings(plan, given) for plan in plans)


def effects(
    run: str | None = None,
    runs: Path | str | None = None,
    *,
    attempts: int | None = None,
    caps: Caps | None = None,
    watcher: Watcher | None = None,
    **settings: Any,
) -> Effects:
    """Measure what each patch of a run's champion is worth, by leaving it out, on train and validation.

    The arguments, and what is raised, are those of `claim_against`; attempts: None: the run's `score_attempts`.
    """
    given = _settings(run, runs, settings)
    planned = comparing.effects_plan(given, attempts)
    if planned.plan is None:
        return Effects(planned.patches, None)
    comparing.measure(planned.plan, given, caps or Caps(), watcher or SilentWatcher())
    return Effects(planned.patches, comparing.findings(planned.plan, given))


def _settings(run: str | None, runs: Path | str | None, settings: dict[str, Any]) -> Settings:
    check_platform()
    return read_arguments({**settings, "run": run, "runs": runs})
