"""Pages of trials: lists, one trial step by step, and its texts in full."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from evolve.core.errors import InfraError
from evolve.core.records import Outcome, Split, StoredFile, TrialResult
from evolve.store import Store
from evolve.store.paging import TRIAL_ORDERS, TrialFilter
from evolve.trial import trajectory
from evolve.web import steps
from evolve.web.asking import ROWS, Asked, parts
from evolve.web.site import Crumb, asked, missing, site_of

MOST_TRIES = 50


def trials(request: Request) -> Response:
    """All trials of a run, the newest first, or those of one round in any order."""
    site, ask = site_of(request), asked(request)
    with site.run(request) as (store, row):
        chosen = chosen_trials(ask)
        found, older, newer = _part_of_trials(store, row.id, chosen, ask)
        names = [task.name for task in store.tasks(row.id)]
    return site.page(
        request,
        "trials.html",
        "Trials",
        run_crumbs(row.id),
        run=row.id,
        trials=found,
        chosen=chosen,
        tasks=names,
        outcomes=list(Outcome),
        splits=list(Split),
        sortable=TRIAL_ORDERS if chosen.round is not None else {},
        older=older,
        newer=newer,
    )


def _part_of_trials(
    store: Store, run: str, chosen: TrialFilter, ask: Asked
) -> tuple[list[tuple[int, TrialResult]], str, str]:
    """The trials that the address asks for, each with its round; where those after and before them are."""
    if chosen.round is not None:
        page = ask.page(TRIAL_ORDERS)
        found = [(chosen.round, trial) for trial in store.trials_of_round(run, chosen, page)]
        return found, *neighbours(ask, page.first, len(found))
    newest, rest = store.newest_trials(run, chosen, ask.number("before") or 0, ROWS)
    return newest, ask.with_(before=rest) if rest else "", ask.with_(before=None) if "before" in ask.values else ""


def chosen_trials(ask: Asked) -> TrialFilter:
    return TrialFilter(
        ask.number("round"), ask.text("task"), ask.choice("split", [*Split]), ask.choice("outcome", [*Outcome])
    )


def neighbours(ask: Asked, first: int, shown: int) -> tuple[str, str]:
    """The addresses of the next and of the previous part of a list; "" where there is none."""
    after = ask.with_(**{"from": first + ROWS}) if shown == ROWS else ""
    before = ask.with_(**{"from": max(first - ROWS, 0) or None}) if first else ""
    return after, before


def trial(request: Request) -> Response:
    """One trial: how it ended, and what it did. With `text=ADDRESS` one of its texts in full."""
    site, ask = site_of(request), asked(request)
    number, attempt, task = (request.path_params[name] for name in ("number", "attempt", "task"))
    with site.run(request) as (store, row):
        tries = _tries(store, row.id, TrialFilter(number, task, attempt=attempt))
        attempts = store.trials_of_round(row.id, TrialFilter(number, task), ask.page(()))
    which = min(ask.number("try") or len(tries), len(tries)) or 1
    one = tries[which - 1]
    document, problem = load_document(site.runs, one.trajectory)
    if (address := ask.text("text")) or ask.text("raw"):
        return site.text(_raw(document, address))
    return site.page(
        request,
        "trial.html",
        f"{task}, attempt {attempt}",
        (*run_crumbs(row.id), (f"Round {number}", parts("runs", row.id, "rounds", number))),
        run=row.id,
        round=number,
        trial=one,
        which=which,
        tries=len(tries),
        attempts=sorted({other.attempt for other in attempts}),
        problem=problem,
        detail=steps.cut(one.detail.strip()),
        **_steps_shown(ask, document),
    )


def _steps_shown(ask: Asked, document: Mapping[str, Any]) -> dict[str, Any]:
    """The steps that the address asks for, with where the others are."""
    first, known = ask.number("step") or 0, steps.step_count(document)
    return {
        "steps": steps.step_views(document, first, steps.STEPS),
        "refusals": steps.refusals(document),
        "log": steps.log_view(document),
        "first": first,
        "known": known,
        "later": ask.with_(step=first + steps.STEPS) if first + steps.STEPS < known else "",
        "earlier": ask.with_(step=max(first - steps.STEPS, 0) or None) if first else "",
    }


def _tries(store: Store, run: str, chosen: TrialFilter) -> Sequence[TrialResult]:
    """The tries of one attempt in order: infrastructure errors, and at most one that counts."""
    found = store.trials_of_round(run, chosen, Asked("", {}).page((), MOST_TRIES))
    if not found:
        raise missing("There is no such trial.")
    return found


def _raw(document: Mapping[str, Any], address: str) -> str:
    text = steps.text_at(document, address) if address else json.dumps(document, indent=1, ensure_ascii=False)
    if text is None:
        raise missing("The trial has no such text.")
    return text


def load_document(runs: Path, file: StoredFile | None) -> tuple[Mapping[str, Any], str]:
    """A stored trajectory, and why it is not there, if so."""
    found, problem = load_lines(runs, file)
    return (found[0], "") if found else ({}, problem)


def load_lines(runs: Path, file: StoredFile | None) -> tuple[list[dict[str, Any]], str]:
    """The objects of a stored file, and why there are none, if so. Only files in the folder of the results are read."""
    if file is None:
        return [], "It was not kept."
    path = runs / file.path
    if not _is_within(path, runs):
        return [], "Its path leads out of the folder of the results."
    if not path.is_file():
        return [], "Its file was removed."
    try:
        return trajectory.load(path), ""
    except InfraError:
        return [], "Its file can't be read. `evolve doctor --deep` checks the files."


def _is_within(path: Path, folder: Path) -> bool:
    """Whether a path leads into a folder, whatever links are on its way."""
    return folder.resolve() in path.resolve().parents


def run_crumbs(run: str) -> tuple[Crumb, ...]:
    return (("Runs", "/"), (run, parts("runs", run)))
