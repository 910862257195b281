"""Choose a run's model from options, profiles, the keys that are set, and what the endpoint serves."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from evolve import llm
from evolve.core.config import EMBEDDED, ModelFacts, ModelTerms, RunConfig
from evolve.core.errors import BadInput
from evolve.core.records import ModelSpec
from evolve.models.facts import Price
from evolve.models.profile import USER_FILE, Profile, split_name
from evolve.models.served import check_served, only_model


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

    `profile/model` selects a profile, and so does the plain name of a model that exactly one profile lists. Together
    with an endpoint of the user's, only profiles whose endpoint can be given are selected: others list names of the
    form `profile/model` themselves.

    Raises:
        BadInput: The endpoint doesn't serve the model, several profiles list it, its key or endpoint is missing, or
            EVOLVE_CALL_SECONDS is invalid.
    """
    llm.call_seconds()
    endpoint = base_url or os.environ.get("OPENAI_BASE_URL") or None
    if model is not None and (named := _profile_of(model, endpoint, profiles)):
        return _choose_from_profile(*named, base_url)
    if model is not None and endpoint is None:
        _refuse_unknown_profile(model, profiles)
    keyed = bool(os.environ.get("OPENAI_API_KEY"))
    if model is not None and ModelSpec(model).embedded and endpoint is None:
        return Choice(_checked(model, None), None)
    if not keyed and endpoint is None:
        if model is None:
            return Choice(EMBEDDED, None)
        raise BadInput(f"model {model}", "no API key is set", "set OPENAI_API_KEY, or use --model embedded")
    if model is None and endpoint is None:
        raise BadInput(
            "model", "OPENAI_API_KEY is set, and no model is named", "give --model NAME, or --model embedded"
        )
    return Choice(_checked(model, endpoint), endpoint)


def _profile_of(model: str, endpoint: str | None, profiles: Mapping[str, Profile]) -> tuple[Profile, str | None] | None:
    """The profile that a name selects, and the model; None for a name that is sent as it is."""
    named = split_name(model, profiles)
    if named or endpoint:
        return named if named and (endpoint is None or named[0].movable) else None
    listing = profiles_listing(model, profiles)
    if len(listing) > 1:
        forms = ", ".join(f"{profile.name}/{model}" for profile in listing)
        raise BadInput(f"model {model}", "more than one profile lists it", f"use one of: {forms}")
    keyed = bool(os.environ.get("OPENAI_API_KEY"))
    usable = (profile for profile in listing if profile.local or _has_key(profile) or not keyed)
    return next(((profile, model) for profile in usable), None)


def _refuse_unknown_profile(model: str, profiles: Mapping[str, Profile]) -> None:
    """Raise BadInput for PROFILE/MODEL without such a profile: OpenAI's API, which would get it, has no such names."""
    name, slash, rest = model.partition("/")
    if not slash:
        return
    if name in profiles:
        raise BadInput(f"model {model}", "names a profile and no model", f"see `evolve models {name}`")
    close = get_close_matches(name, profiles, n=1)
    fix = f"did you mean `{close[0]}/{rest}`?" if close else "see `evolve models`, or give --base-url"
    raise BadInput(f"model {model}", f"there is no profile `{name}`", fix)


def profiles_listing(model: str, profiles: Mapping[str, Profile]) -> list[Profile]:
    """The profiles that list a model under this name; the embedded model's does not count."""
    return [profile for profile in profiles.values() if model in profile.models and profile.name != EMBEDDED]


def _has_key(profile: Profile) -> bool:
    return bool(os.environ.get(profile.key_variable))


def check_commercial(config: RunConfig) -> None:
    """Raise BadInput if the run is for commercial use and a model is not known to be licensed for it."""
    for asked in config.all_models if config.commercial else ():
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
    endpoint, shown = base_url or profile.base_url, f"model {profile.name}/{model}"
    if endpoint is None and profile.base_url_form:
        raise BadInput(shown, "each customer has an endpoint of their own", f"give --base-url {profile.base_url_form}")
    if not profile.local and not _has_key(profile):
        raise BadInput(shown, "no API key is set", f"set {profile.key_variable}, or use --model embedded")
    if model is None or model not in profile.models or profile.local:
        model = _checked(model, endpoint, profile)
    if endpoint is None:
        return Choice(model, None)
    return Choice(model, endpoint, profile.known(model).price, profile.facts(model), profile.terms(model))


def _checked(model: str | None, base_url: str | None, profile: Profile | None = None) -> str:
    """The model's name, if the endpoint serves it; the only one that the endpoint lists if `model` is None."""
    facts = profile.facts(model or "") if profile else ModelFacts()
    spec = Choice(model or EMBEDDED, base_url, facts=facts).spec
    llm.check_address(spec)
    if model is None:
        return only_model(spec)
    if base_url or spec.embedded:
        check_served(spec)
    return model
