"""From what the user typed to an order for the house, or to a row of the results. Raises BadInput."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from evolve.cli.options import (
    SANDBOX_KEYS,
)
from evolve.core.config import AskedModel, GateConfig, ModelTerms, RunConfig
from evolve.core.errors import BadInput
from evolve.core.records import ModelSpec, Split, TrialResult
from evolve.executor.evaluate import default_jobs
from evolve.host.run_names import NEW
from evolve.loop import search
from evolve.models.choice import Choice, choose_model
from evolve.models.profile import read_profiles, split_name
from evolve.report.live import Live
from evolve.report.models import about_model
from evolve.runs import gc_record, opening
from evolve.runs.repository import lineage_of
from evolve.runs.request import DATABASE, RunRequest
from evolve.store import RunRow, Store


def order_of(
    model: str | None,
    base_url: str | None,
    scaffold: Path,
    suite: Path,
    seed: int,
    runs: Path,
    run: str | None,
    jobs: int,
    prompt_price: float | None,
    completion_price: float | None,
    commercial: bool = False,
    models: Path | None = None,
) -> RunRequest:
    made = choose_model(model or None, base_url or None, read_profiles(models))
    asked = _asked(made, prompt_price, completion_price)
    config = RunConfig(suite=suite, scaffold=scaffold, seed=seed, commercial=commercial, **dict(asked))
    return RunRequest(config, runs, run or None, jobs or default_jobs())


def proposed(order: RunRequest, model: str | None, base_url: str | None, models: Path | None) -> RunRequest:
    """The order with the model that proposes, if it is another one; a plain name is one at the scaffold's endpoint."""
    if not model:
        return order
    profiles = read_profiles(models)
    elsewhere = split_name(model, profiles) or ModelSpec(model).embedded
    made = choose_model(model, base_url or (None if elsewhere else order.config.base_url), profiles)
    asked = _asked(made, None, None)
    return replace(order, config=order.config.model_copy(update={"proposed_by": asked}))


def _asked(made: Choice, prompt: float | None, completion: float | None) -> AskedModel:
    """The chosen model as a config holds it."""
    (prompt_price, completion_price), terms = _priced(made, prompt, completion)
    return AskedModel(
        model=made.model,
        base_url=made.base_url,
        prompt_price=prompt_price,
        completion_price=completion_price,
        facts=made.facts,
        terms=terms,
    )


def _priced(
    made: Choice, prompt: float | None, completion: float | None
) -> tuple[tuple[float | None, float | None], ModelTerms]:
    """The prices, where those that were given win over the profile's; and the terms, which say whose they are."""
    if made.base_url is None and made.model.startswith("embedded"):
        return (0.0, 0.0), made.terms
    if prompt is None and completion is None:
        return ((made.price.prompt, made.price.completion) if made.price else (None, None)), made.terms
    if made.price:
        prompt = made.price.prompt if prompt is None else prompt
        completion = made.price.completion if completion is None else completion
    return (prompt, completion), made.terms.model_copy(
        update={"price_source": "given with the command", "price_as_of": ""}
    )


def order_for(
    what: str,
    model: str | None,
    base_url: str | None,
    suite: Path,
    seed: int,
    runs: Path,
    jobs: int,
    prompt_price: float | None,
    completion_price: float | None,
    runtime: str | None,
    network: bool,
    sandbox: list[str] | None,
    commercial: bool = False,
    models: Path | None = None,
) -> tuple[RunRequest, str | None]:
    """The order for measuring one scaffold as a run of its own, and its commit; None for what is on disk."""
    folder, commit, origin = folder_or_commit(what, runs)
    order = order_of(
        model, base_url, folder, suite, seed, runs, NEW, jobs, prompt_price, completion_price, commercial,
        models,
    )  # fmt: skip
    return boxed(replace(order, origin=origin), runtime, network, sandbox), commit


def evaluated(order: RunRequest, commit: str | None, splits: Sequence[Split], attempts: int) -> list[TrialResult]:
    checked = opening.check(order)
    with Live(order.config.priced) as view:
        for line in about_model(order.config):
            view.say(line)
        with opening.open_run(order, checked, view) as campaign:
            return search.evaluate_once(campaign, commit, splits, attempts)


def boxed(order: RunRequest, runtime: str | None, network: bool, settings: list[str] | None) -> RunRequest:
    """The order with what the user said of the containers. Raises BadInput for an unknown key or a bad value."""
    pairs = _pairs("--sandbox", settings, SANDBOX_KEYS)
    return _revised(order, "--sandbox", {"sandbox": {**pairs, "runtime": runtime or None}, "network": network})


def gated(order: RunRequest, settings: list[str] | None) -> RunRequest:
    """The order with what the user said of the gate; a value of several numbers has commas between them."""
    pairs = _pairs("--gate", settings, tuple(GateConfig.model_fields))
    return _revised(order, "--gate", {"gate": {k: v.split(",") if k == "passes" else v for k, v in pairs.items()}})


def proposing(order: RunRequest, proposer: str) -> RunRequest:
    """The order with who makes its patches."""
    return _revised(order, "--proposer", {"proposer": proposer})


def _pairs(option: str, settings: list[str] | None, known: Sequence[str]) -> dict[str, str]:
    pairs = dict(setting.partition("=")[::2] for setting in settings or [])
    if unknown := [key for key in pairs if key not in known]:
        raise BadInput(f"{option} {unknown[0]}", "there is no such key", f"use one of: {', '.join(known)}")
    return pairs


def _revised(order: RunRequest, option: str, changes: dict[str, object]) -> RunRequest:
    try:
        return replace(order, config=RunConfig.model_validate({**order.config.model_dump(), **changes}))
    except ValidationError as error:
        raise BadInput(option, error.errors()[0]["msg"], "correct its value") from error


def folder_or_commit(what: str, runs: Path) -> tuple[Path, str | None, RunRow | None]:
    """(scaffold's folder, commit, the run that it is of); only the folder for what is on disk."""
    if Path(what).is_dir():
        return Path(what), None, None
    if not what.startswith("evolve/"):
        raise BadInput(what, "is neither a folder nor a branch", "name a scaffold's folder or evolve/RUN/champion")
    with opened(runs) as store:
        row, commit = of_branch(store, what, runs)
    return Path(row.scaffold), commit, row


def opened(runs: Path) -> Store:
    return Store.open(results_file(runs))


def results_file(runs: Path) -> Path:
    """The database of the results. Raises BadInput where there are none."""
    database = runs / DATABASE
    if not Store.exists(database):
        raise BadInput(str(database), "there are no results yet", "begin a run: `make evolve ROUNDS=3`")
    return database


def run_row(store: Store, run: str | None) -> RunRow:
    """The run that was named, or the newest."""
    rows = store.runs()
    found = [row for row in rows if row.id == run] if run else rows[:1]
    if not found:
        known = ", ".join(row.id for row in rows[:5]) or "none yet"
        raise BadInput(f"run {run or ''}".strip(), "there is no such run", f"use one of: {known}")
    return found[0]


def of_branch(store: Store, branch: str, runs: Path) -> tuple[RunRow, str]:
    """The run and the commit that a branch of the form evolve/RUN/NAME stands for."""
    parts = branch.split("/")
    if len(parts) != 3 or parts[0] != "evolve":
        raise BadInput(
            f"branch {branch}", "is not a branch of a run", "use evolve/RUN/champion or evolve/RUN/round-0007"
        )
    row = run_row(store, parts[1])
    if branch in gc_record.read(runs / row.id).branches:
        raise BadInput(f"branch {branch}", "`evolve gc` has removed it", "its rows are still there: see `evolve show`")
    return row, lineage_of(row, runs).resolve(branch)
