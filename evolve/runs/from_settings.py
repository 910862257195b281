"""From the settings to the request for a run. Raises BadInput."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evolve.core.caps import Caps
from evolve.core.config import EMBEDDED, LOCAL, RATES, AskedModel, ModelFacts, RunConfig
from evolve.core.errors import BadInput
from evolve.core.model_access import is_model_key
from evolve.core.records import ModelSpec
from evolve.host.run_names import NEW
from evolve.models.choice import Choice, choose_model, profiles_listing
from evolve.models.facts import body_text, header_pairs
from evolve.models.profile import Profile, read_profiles, split_name
from evolve.runs.branches import run_and_commit
from evolve.runs.identity import GIVEN_PRICE, PRICES, resumed_config, with_rates
from evolve.runs.lookup import open_results
from evolve.runs.plugins import Plugins
from evolve.runs.request import RunRequest, stored_row
from evolve.runs.settings import Settings
from evolve.runs.stored_config import stored_config
from evolve.store import RunRow
from evolve.suite.bundled import or_bundled

# Settings that are stored with a run under the same names; those of a model and of containers have others there.
STORED = (
    "suite", "scaffold", "seed", "commercial", "proposer", "executor", "network", "score_attempts", "holdout_attempts",
    "limits", "gate", "pass_env", "grader", "objective", "cost_margin", "max_cost_ratio", "max_seconds_ratio",
    "protect", "protect_margin", "keep_error", "reuse",
)  # fmt: skip
# Facts of a model that settings may give, and the names of these settings.
GIVEN_FACTS = {"effort": "reasoning_effort", "extra_body": "extra_body", "headers": "headers"}


def run_request(settings: Settings, plugins: Plugins | None = None) -> RunRequest:
    """The request for `evolve run`. Settings that are not given for a stored run are as they were stored."""
    row = stored_row(settings.runs, settings.run)
    config = new_config(settings) if row is None else resumed_config(row, given_values(settings, row), settings.runs)
    caps = Caps(settings.budget_usd, settings.budget_tokens, settings.budget_seconds, settings.budget_trials)
    return RunRequest(
        config,
        settings.runs,
        settings.run,
        settings.jobs,
        caps,
        plugins=plugins or Plugins(),
        own_server=_is_own_server(settings, config),
        checks_models=settings.preflight,
    )


def evaluation_request(what: str, settings: Settings, plugins: Plugins | None = None) -> tuple[RunRequest, str | None]:
    """The request for measuring one scaffold as a run of its own, and its commit; None for what is on disk."""
    folder, commit, origin = _folder_or_commit(what, settings.runs)
    config = new_config(settings).model_copy(update={"scaffold": folder})
    return RunRequest(
        config,
        settings.runs,
        NEW,
        settings.jobs,
        origin=origin,
        plugins=plugins or Plugins(),
        own_server=_is_own_server(settings, config),
        checks_models=settings.preflight,
    ), commit


def _is_own_server(settings: Settings, config: RunConfig) -> bool:
    """Whether the scaffold's model has the profile of a server that the user runs."""
    name = config.facts.profile
    profile = read_profiles(settings.models).get(name) if name else None
    return profile is not None and profile.local and profile.base_url is not None


def new_config(settings: Settings) -> RunConfig:
    """The config of a new run."""
    profiles = read_profiles(settings.models)
    choice = choose_model(settings.model, settings.base_url, profiles)
    asked = _asked(choice, settings.prompt_price, settings.completion_price)
    asked = asked.model_copy(update={"facts": _with_given(asked.facts, settings)})
    values: dict[str, Any] = {name: getattr(settings, name) for name in STORED} | dict(asked)
    values["sandbox"] = {**settings.sandbox.model_dump(), "runtime": settings.runtime}
    values["proposed_by"] = _proposing_model(settings, asked, profiles)
    values["graded_by"] = grading_model(settings, asked, profiles)
    values["small"] = _small_model(settings, asked, profiles)
    refuse_keys(settings.pass_env)
    return RunConfig(**values)


def given_values(settings: Settings, row: RunRow) -> dict[str, Any]:
    """What was given of a stored run's config, by field; of a table only the given keys."""
    given, stored = settings.model_fields_set, stored_config(row)
    values = {name: _given(settings, name) for name in STORED if name in given}
    sandbox = _given(settings, "sandbox") if "sandbox" in given else {}
    sandbox |= {"runtime": settings.runtime} if "runtime" in given else {}
    values |= {"sandbox": sandbox} if sandbox else {}
    values |= {name: getattr(settings, name) for name in ("prompt_price", "completion_price") if name in given}
    profiles = read_profiles(settings.models)
    if given & {"model", "base_url"}:
        choice = choose_model(settings.model or _full_name(stored), settings.base_url, profiles)
        kept = {name: getattr(stored.facts, name) for name in GIVEN_FACTS}
        facts = with_rates(choice.facts.model_copy(update=kept), stored.facts)
        values |= {"model": choice.model, "base_url": choice.base_url, "facts": _with_given(facts, settings)}
    elif given & {*GIVEN_FACTS.values(), *RATES}:
        values["facts"] = _with_given(stored.facts, settings)
    if given & {"proposer_model", "proposer_base_url"}:
        proposing = _proposing_model(settings, stored.models[0], profiles)
        values["proposed_by"] = _same_prices(proposing, stored.proposed_by)
    if given & {"small_model", "small_base_url"}:
        values["small"] = _same_prices(_small_model(settings, stored.models[0], profiles), stored.small)
    if given & {"grader_model", "grader_base_url"}:
        values["graded_by"] = _same_prices(grading_model(settings, stored.models[0], profiles), stored.graded_by)
    return values


def refuse_keys(passed: Sequence[str]) -> None:
    """Raise BadInput for a variable to pass on that holds the key of a model's API: no container gets one."""
    for name in passed:
        if "=" in name.removesuffix("="):
            fix = "write NAME for your variable, or NAME= for an empty one"
            raise BadInput("pass_env", f"{name.partition('=')[0]}: values are not given here", fix)
        if is_model_key(name):
            fix = "name a model that tests may ask with --grader-model MODEL"
            raise BadInput(f"pass_env {name}", "is the key of a model's API, which no container gets", fix)


def _given(settings: Settings, name: str) -> Any:
    value = getattr(settings, name)
    fields = getattr(value, "model_fields_set", None)
    return value if fields is None else {key: getattr(value, key) for key in fields}


def _with_given(facts: ModelFacts, settings: Settings) -> ModelFacts:
    """The facts with what the settings give in their place: limits, the effort, and single fields and headers."""
    values = {name: value for name in RATES if (value := getattr(settings, name)) is not None}
    if settings.reasoning_effort is not None:
        values["effort"] = settings.reasoning_effort
    if settings.extra_body:
        values["extra_body"] = body_text({**json.loads(facts.extra_body or "{}"), **settings.extra_body})
    if settings.headers:
        values["headers"] = header_pairs({**dict(facts.headers), **settings.headers})
    return facts.model_copy(update=values)


def _full_name(config: RunConfig) -> str:
    """A stored model as the user may name it."""
    return f"{config.facts.profile}/{config.model}" if config.facts.profile else config.model


def _small_model(settings: Settings, scaffolds: AskedModel, profiles: dict[str, Profile]) -> AskedModel | None:
    """The scaffold's small model, if any. Raises BadInput if it can't be told apart from the scaffold's model."""
    small = _other_model("small", settings, scaffolds, profiles)
    if small is not None and small.model == scaffolds.model:
        problem = f"{small.model} is the scaffold's model itself"
        raise BadInput("small_model", problem, "drop --small-model, or name another model")
    return small


def _same_prices(asked: AskedModel | None, stored: AskedModel | None) -> AskedModel | None:
    """A model at the prices of the run's start, which a profile may have changed since."""
    if asked is None or stored is None:
        return asked
    prices = {name: getattr(stored, name) for name in PRICES}
    return asked.model_copy(update=prices)


def _proposing_model(settings: Settings, scaffolds: AskedModel, profiles: dict[str, Profile]) -> AskedModel | None:
    """The model that proposes, if it is another one."""
    return _other_model("proposer", settings, scaffolds, profiles)


def grading_model(settings: Settings, scaffolds: AskedModel, profiles: dict[str, Profile]) -> AskedModel | None:
    """The model that tests may ask, if any. Raises BadInput."""
    found = _other_model("grader", settings, scaffolds, profiles)
    if found is not None and found.facts.profile == LOCAL and settings.grader_base_url is None:
        raise BadInput("grader_model", "Evolve serves no local model for tests", "give its --grader-base-url")
    return found


def checking_config(settings: Settings) -> RunConfig:
    """A config for checks of tasks, which need no model but the one that tests may ask. Raises BadInput."""
    refuse_keys(settings.pass_env)
    grading = grading_model(settings, AskedModel(model=EMBEDDED), read_profiles(settings.models))
    return RunConfig(graded_by=grading, grader=settings.grader)


def _other_model(
    role: str, settings: Settings, scaffolds: AskedModel, profiles: dict[str, Profile]
) -> AskedModel | None:
    """A model beside the scaffold's; a plain name that no profile lists is at the scaffold's endpoint.

    role: What the names of its settings begin with; scaffolds: the scaffold's model. Raises BadInput.
    """
    name, base_url = getattr(settings, f"{role}_model"), getattr(settings, f"{role}_base_url")
    if name is None and base_url is not None:
        problem = f"there is no {role} model"
        raise BadInput(f"{role}_base_url", problem, f"name it by --{role}-model, or drop the endpoint")
    if name is None:
        return None
    elsewhere = base_url or split_name(name, profiles) or ModelSpec(name).embedded or profiles_listing(name, profiles)
    shared = profiles.get(scaffolds.facts.profile)
    if shared and not base_url and (not elsewhere or name in shared.models):
        name, base_url = f"{shared.name}/{name}", scaffolds.base_url if shared.movable else None
    elif not elsewhere:
        base_url = scaffolds.base_url
    try:
        return _asked(choose_model(name, base_url, profiles), None, None)
    except BadInput as error:
        if error.where != "base_url" or base_url == scaffolds.base_url:
            raise
        raise BadInput(f"{role}_base_url", error.problem, error.fix) from error


def _asked(choice: Choice, prompt: float | None, completion: float | None) -> AskedModel:
    """The chosen model as a config holds it; given prices win over the profile's, and the terms say whose they are."""
    prices, terms = _known_prices(choice), choice.terms
    given = {"prompt_price": prompt, "completion_price": completion}
    if set(given.values()) != {None} and not choice.spec.in_process:
        base = {name: prices[name] for name in given}
        # The profile's prices of the cache belong to its other prices.
        prices = dict.fromkeys(PRICES) | base | {name: price for name, price in given.items() if price is not None}
        terms = terms.model_copy(update={"price_source": GIVEN_PRICE, "price_as_of": ""})
    return AskedModel(model=choice.model, base_url=choice.base_url, facts=choice.facts, terms=terms, **prices)


def _known_prices(choice: Choice) -> dict[str, float | None]:
    if choice.spec.in_process:
        return dict.fromkeys(PRICES) | {"prompt_price": 0.0, "completion_price": 0.0}
    if choice.price is None:
        return dict.fromkeys(PRICES)
    price = choice.price
    return dict(zip(PRICES, (price.prompt, price.completion, price.cached, price.cache_write), strict=True))


def _folder_or_commit(what: str, runs: Path) -> tuple[Path, str | None, RunRow | None]:
    """(scaffold's folder, commit, the run that it is of); only the folder for what is on disk."""
    if or_bundled(Path(what)).is_dir():
        return Path(what), None, None
    if not what.startswith("evolve/"):
        raise BadInput(what, "is neither a folder nor a branch", "name a scaffold's folder or evolve/RUN/champion")
    with open_results(runs) as store:
        row, commit = run_and_commit(store, what, runs)
    return Path(row.scaffold), commit, row
