"""Format models, their prices and licences: at a run's start, with its claim, and for `evolve models`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evolve.core.config import AskedModel, ModelTerms, RunConfig
from evolve.core.errors import BadInput
from evolve.models.profile import KnownModel, Profile, Sourced, split_name
from evolve.report.escaping import plain

MODEL_COLUMNS = ("model", "context", "prices", "price_date", "commercial", "key", "licence")
COMMERCIAL_USE = {
    "allowed": "commercial use allowed",
    "barred": "commercial use barred",
    "conditions": "commercial use under conditions",
    "unknown": "commercial use unknown",
}


def about_model(config: RunConfig) -> list[str]:
    """Describe a run's models: each with its price, and its licence if a profile states it."""
    names = ("model", "proposing model")
    return [line for name, asked in zip(names, config.models, strict=False) for line in _model_lines(name, asked)]


def _model_lines(name: str, asked: AskedModel) -> list[str]:
    spec, terms = asked.spec, asked.terms
    if spec.in_process:
        return [f"{name}: embedded (no key is set: a seeded program, not a language model; see docs/embedded-model.md)"]
    price = "" if spec.priced else "; its price is not known, so costs in dollars are not counted"
    if spec.priced and terms.price_source:
        price = f"; ${spec.prompt_price:g} and ${spec.completion_price:g} per million prompt and completion tokens"
        price += f", as of {terms.price_as_of}" if terms.price_as_of else ""
    return [f"{name}: {spec.name} at {spec.base_url or 'the OpenAI API'}{price}", *licence_lines(terms, "")]


def licence_lines(terms: ModelTerms, indent: str = "  ") -> list[str]:
    """The licence on a line of its own; empty if no profile was used."""
    if not terms.licence:
        return []
    summary = f" {terms.summary}" if terms.commercial == "conditions" else ""
    return [
        plain(f"{indent}licence: {terms.licence}; {COMMERCIAL_USE[terms.commercial]} (source: {terms.source}){summary}")
    ]


def model_rows(profiles: Mapping[str, Profile], environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """One row for each known model, or for a profile without models. Of a key, only whether it is set."""
    pairs = [(p, name) for p in profiles.values() for name in (p.models or ("...",))]
    return [_row(profile, name, environment) for profile, name in pairs]


def model_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The rows as aligned columns, never truncated, so that names can be copied and grepped."""
    cells = [[name.replace("_", " ") for name in MODEL_COLUMNS]]
    cells += [[plain(str(row[name] or "")) for name in MODEL_COLUMNS] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(MODEL_COLUMNS))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def _row(profile: Profile, name: str, environment: Mapping[str, str]) -> dict[str, Any]:
    known = profile.known(name)
    return {
        "model": _full_name(profile, name),
        "context": known.context.tokens if known.context else None,
        "prices": f"{known.price.prompt:g} / {known.price.completion:g}" if known.price else "not known",
        "price_date": known.price.day if known.price else "",
        "licence": known.licence.name if known.licence else "not known",
        "commercial": known.licence.commercial if known.licence else "unknown",
        "key": _key_state(profile, environment),
        "key_variable": profile.key_variable,
        "prompt_price": known.price.prompt if known.price else None,
        "completion_price": known.price.completion if known.price else None,
    }


def model_facts(name: str, profiles: Mapping[str, Profile], environment: Mapping[str, str]) -> dict[str, Any]:
    """Everything known about `profile` or `profile/model`, with sources. Raises BadInput for an unknown name."""
    profile, model = _resolve(name, profiles)
    facts: dict[str, Any] = {
        "profile": f"{profile.name}: {profile.title}",
        "base_url": profile.base_url,
        "key": _key_state(profile, environment),
        "key_variable": profile.key_variable,
        "tool_calls": profile.tool_calls,
        "streaming": profile.streaming,
        "note": profile.note or None,
    }
    if model is None:
        facts["models"] = ", ".join(profile.models) or None
        known = KnownModel(licence=profile.licence, sampling=profile.sampling)
    else:
        known = profile.known(model)
        facts = {"model": _full_name(profile, model), **facts, "keep_reasoning": known.keep_reasoning}
        facts["about"] = known.note or None
    for key in ("context", "price", "sampling", "licence"):
        facts |= _with_source(key, getattr(known, key))
    return {key: value for key, value in facts.items() if value is not None}


def _resolve(name: str, profiles: Mapping[str, Profile]) -> tuple[Profile, str | None]:
    if name in profiles:
        return profiles[name], None
    match = split_name(name, profiles)
    if match is None or match[1] not in match[0].models:
        known = [f"{match[0].name}/{model}" for model in match[0].models] if match else list(profiles)
        fix = f"use one of: {', '.join(known) or 'none here'}; see `evolve models`"
        raise BadInput(f"model {name}", "is in no profile", fix)
    return match


def _with_source(key: str, fact: Sourced | None) -> dict[str, Any]:
    """A fact and its source, as two entries."""
    if fact is None:
        return {key: "not known"}
    values = fact.model_dump(exclude={"source", "as_of", "undated"}, exclude_none=True)
    summary = "; ".join(f"{name} {value}" for name, value in values.items() if value != "")
    return {key: summary, f"{key}_source": " ".join(filter(None, (fact.source, fact.day)))}


def _full_name(profile: Profile, model: str) -> str:
    """The name that `MODEL` takes."""
    return f"{profile.name}/{model}" if profile.base_url else model


def _key_state(profile: Profile, environment: Mapping[str, str]) -> str:
    if profile.local:
        return "not needed"
    return "set" if environment.get(profile.key_variable) else "not set"
