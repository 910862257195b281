"""Which model a run gets: from what the user named, the profiles, the keys of this machine and the endpoint's list."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from evolve import llm
from evolve.core.config import EMBEDDED, ModelFacts, ModelTerms, RunConfig
from evolve.core.errors import BadInput, InfraError
from evolve.core.records import ModelSpec
from evolve.models.profile import OWN_FILE, Price, Profile, split


@dataclass(frozen=True)
class Choice:
    """A model with its endpoint, and what its profile says; a model that is named plainly has none."""

    model: str
    base_url: str | None
    price: Price | None = None
    facts: ModelFacts = field(default_factory=ModelFacts)
    terms: ModelTerms = field(default_factory=ModelTerms)

    @property
    def spec(self) -> ModelSpec:
        return RunConfig(model=self.model, base_url=self.base_url, facts=self.facts).model_spec


def choose_model(model: str | None, base_url: str | None, profiles: Mapping[str, Profile]) -> Choice:
    """The model from options and environment; the embedded one where there is no key.

    `profile/model` means that profile; with another endpoint only if it is a local server's, for other endpoints list
    such names themselves. Raises BadInput for a model that the endpoint doesn't list, or that needs a key that is not
    there, and for a CALL_SECONDS that is none.
    """
    llm.call_seconds()
    endpoint = base_url or os.environ.get("OPENAI_BASE_URL") or None
    picked = split(model, profiles) if model else None
    if picked and (picked[0].local or endpoint is None):
        return _of_profile(*picked, base_url)
    keyed = bool(os.environ.get("OPENAI_API_KEY"))
    if model is not None and (model == EMBEDDED or model.startswith(f"{EMBEDDED}-")) and endpoint is None:
        return Choice(_listed(model, None), None)
    if not keyed and endpoint is None:
        if model is None:
            return Choice(EMBEDDED, None)
        raise BadInput(f"model {model}", "there is no key for it", "set OPENAI_API_KEY, or use MODEL=embedded")
    return Choice(_listed(model, endpoint), endpoint)


def check_commercial(config: RunConfig) -> None:
    """Refuse a model for commercial use unless its licence is known to let it. Raises BadInput."""
    for asked in config.models if config.commercial else ():
        if not asked.spec.in_process:
            _check_terms(f"model {asked.model}", asked.terms)


def _check_terms(where: str, terms: ModelTerms) -> None:
    if terms.commercial == "barred":
        problem = f"its licence bars commercial use ({terms.licence})"
        raise BadInput(where, problem, "use another model or provider, or drop --commercial; see docs/models.md")
    if terms.commercial == "unknown":
        mend = f"state its licence in {OWN_FILE} and name it as profile/model; see docs/models.md"
        raise BadInput(where, "it is not known whether its licence lets it be used commercially", mend)


def _of_profile(profile: Profile, model: str | None, base_url: str | None) -> Choice:
    endpoint = base_url or profile.base_url
    if not profile.local and not os.environ.get(profile.key_variable):
        mend = f"set {profile.key_variable}, or use MODEL=embedded"
        raise BadInput(f"model {profile.name}/{model}", "there is no key for it", mend)
    if model is None or model not in profile.models or profile.local:
        model = _listed(model, endpoint, profile.facts(model or ""))
    if profile.base_url is None and endpoint is None:
        return Choice(model, None)
    return Choice(model, endpoint, profile.known(model).price, profile.facts(model), profile.terms(model))


def _listed(model: str | None, base_url: str | None, facts: ModelFacts | None = None) -> str:
    """A name that the endpoint lists; where only one is listed it need not be named."""
    spec = Choice(model or EMBEDDED, base_url, facts=facts or ModelFacts()).spec
    try:
        known = llm.known_models(spec) if model is None or base_url or spec.embedded else []
    except InfraError as error:
        raise BadInput("BASE_URL", str(error), "correct it, or start the endpoint") from error
    if model is None:
        if len(known) == 1:
            return known[0]
        raise BadInput(
            "MODEL", "no model is named", f"set MODEL to one of: {', '.join(known[:8]) or 'see the endpoint'}"
        )
    if known and model not in known:
        raise BadInput(f"model {model}", "the endpoint does not know it", f"use one of: {', '.join(known[:8])}")
    return model
