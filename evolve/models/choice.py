"""Choose a run's model from the options, the profiles, the keys that are set and the models that the endpoint lists."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from evolve import llm
from evolve.core.config import EMBEDDED, ModelFacts, ModelTerms, RunConfig
from evolve.core.errors import BadInput, InfraError
from evolve.core.records import ModelSpec
from evolve.models.profile import USER_FILE, Price, Profile, split_name


@dataclass(frozen=True)
class Choice:
    """A model with its endpoint and the facts of its profile, if it has one."""

    model: str
    base_url: str | None
    price: Price | None = None
    facts: ModelFacts = field(default_factory=ModelFacts)
    terms: ModelTerms = field(default_factory=ModelTerms)

    @property
    def spec(self) -> ModelSpec:
        return RunConfig(model=self.model, base_url=self.base_url, facts=self.facts).model_spec


def choose_model(model: str | None, base_url: str | None, profiles: Mapping[str, Profile]) -> Choice:
    """Choose the model from options and environment; without a key, the embedded one.

    `profile/model` selects a profile. Together with `base_url` it does so only for a local server's profile, as other
    endpoints list names of that form themselves.

    Raises:
        BadInput: The endpoint doesn't list the model, its key is missing, or EVOLVE_CALL_SECONDS is invalid.
    """
    llm.call_seconds()
    endpoint = base_url or os.environ.get("OPENAI_BASE_URL") or None
    named = split_name(model, profiles) if model else None
    if named and (named[0].local or endpoint is None):
        return _choose_from_profile(*named, base_url)
    keyed = bool(os.environ.get("OPENAI_API_KEY"))
    if model is not None and (model == EMBEDDED or model.startswith(f"{EMBEDDED}-")) and endpoint is None:
        return Choice(_check_listed(model, None), None)
    if not keyed and endpoint is None:
        if model is None:
            return Choice(EMBEDDED, None)
        raise BadInput(f"model {model}", "no API key is set", "set OPENAI_API_KEY, or use --model embedded")
    return Choice(_check_listed(model, endpoint), endpoint)


def check_commercial(config: RunConfig) -> None:
    """Raise BadInput if the run is for commercial use and a model is not known to be licensed for it."""
    for asked in config.models if config.commercial else ():
        if not asked.spec.in_process:
            _check_terms(f"model {asked.model}", asked.terms)


def _check_terms(where: str, terms: ModelTerms) -> None:
    if terms.commercial == "barred":
        problem = f"its licence bars commercial use ({terms.licence})"
        raise BadInput(where, problem, "use another model or provider, or drop --commercial; see docs/models.md")
    if terms.commercial == "unknown":
        fix = f"state its licence in {USER_FILE} and name it as profile/model; see docs/models.md"
        raise BadInput(where, "it is not known whether its licence allows commercial use", fix)


def _choose_from_profile(profile: Profile, model: str | None, base_url: str | None) -> Choice:
    endpoint = base_url or profile.base_url
    if not profile.local and not os.environ.get(profile.key_variable):
        fix = f"set {profile.key_variable}, or use --model embedded"
        raise BadInput(f"model {profile.name}/{model}", "no API key is set", fix)
    if model is None or model not in profile.models or profile.local:
        model = _check_listed(model, endpoint, profile.facts(model or ""))
    if profile.base_url is None and endpoint is None:
        return Choice(model, None)
    return Choice(model, endpoint, profile.known(model).price, profile.facts(model), profile.terms(model))


def _check_listed(model: str | None, base_url: str | None, facts: ModelFacts | None = None) -> str:
    """Check that the endpoint lists the model.

    Returns:
        The model's name: the only one that the endpoint lists if `model` is None.
    """
    spec = Choice(model or EMBEDDED, base_url, facts=facts or ModelFacts()).spec
    llm.check_address(spec)
    try:
        listed = llm.known_models(spec) if model is None or base_url or spec.embedded else []
    except InfraError as error:
        raise BadInput("base_url", str(error), "correct it, or start the endpoint") from error
    if model is None:
        if len(listed) == 1:
            return listed[0]
        fix = f"give --model, one of: {', '.join(listed[:8]) or 'see the endpoint'}"
        raise BadInput("model", "no model is given, and the endpoint does not serve exactly one", fix)
    if listed and model not in listed:
        raise BadInput(f"model {model}", "the endpoint does not list it", f"use one of: {', '.join(listed[:8])}")
    return model
