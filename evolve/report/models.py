"""Models, their prices and their licences in words: at a run's start, with its claim, and by `evolve models`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evolve.core.config import AskedModel, ModelTerms, RunConfig
from evolve.core.errors import BadInput
from evolve.models.profile import KnownModel, Profile, Sourced, split_name
from evolve.report.escaping import plain

MODEL_COLUMNS = ("model", "context", "prices", "price_date", "commercial", "key", "licence")
WORDS = {
    "allowed": "commercial use allowed",
    "barred": "commercial use barred",
    "conditions": "commercial use under conditions",
    "unknown": "commercial use: not known",
}


def about_model(config: RunConfig) -> list[str]:
    """What a run says of its models at its start: each with its price, and its licence if a profile states it."""
    names = ("model", "proposing model")
    return [line for name, asked in zip(names, config.models, strict=False) for line in _about(name, asked)]


def _about(name: str, asked: AskedModel) -> list[str]:
    spec, terms = asked.spec, asked.terms
    if spec.in_process:
        words = "embedded (no key is set: a seeded program, not a language model; see docs/embedded-model.md)"
        return [f"{name}: {words}"]
    price = "" if spec.priced else "; its price is not known, so dollars are not counted"
    if spec.priced and terms.price_source:
        price = f"; ${spec.prompt_price:g} and ${spec.completion_price:g} a million tokens of prompt and completion"
        price += f", as of {terms.price_as_of}" if terms.price_as_of else ""
    return [f"{name}: {spec.name} at {spec.base_url or 'the OpenAI API'}{price}", *licence_lines(terms, "")]


def licence_lines(terms: ModelTerms, indent: str = "  ") -> list[str]:
    """The licence on a line of its own; nothing where no profile was used."""
    if not terms.licence:
        return []
    summary = f" {terms.summary}" if terms.commercial == "conditions" else ""
    return [plain(f"{indent}licence: {terms.licence}; {WORDS[terms.commercial]} (source: {terms.source}){summary}")]


def model_rows(profiles: Mapping[str, Profile], environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """One row for each known model; a profile without any has one of its own. Of keys, only whether they are set."""
    pairs = [(p, name) for p in profiles.values() for name in (p.models or ("...",))]
    return [_row(profile, name, environment) for profile, name in pairs]


def model_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The rows as columns, never cut: names are there to be copied, and found with grep."""
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
        "key": _key(profile, environment),
        "key_variable": profile.key_variable,
        "prompt_price": known.price.prompt if known.price else None,
        "completion_price": known.price.completion if known.price else None,
    }


def model_facts(name: str, profiles: Mapping[str, Profile], environment: Mapping[str, str]) -> dict[str, Any]:
    """All that is known of `profile` or `profile/model`, with sources. Raises BadInput."""
    profile, model = _asked(name, profiles)
    facts: dict[str, Any] = {
        "profile": f"{profile.name}: {profile.title}",
        "base_url": profile.base_url,
        "key": _key(profile, environment),
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
        facts |= _sourced(key, getattr(known, key))
    return {key: value for key, value in facts.items() if value is not None}


def _asked(name: str, profiles: Mapping[str, Profile]) -> tuple[Profile, str | None]:
    if name in profiles:
        return profiles[name], None
    found = split_name(name, profiles)
    if found is None or found[1] not in found[0].models:
        known = found[0].models if found else profiles
        listed = ", ".join(f"{found[0].name}/{model}" if found else model for model in known)
        raise BadInput(
            f"model {name}", "no profile knows it", f"use one of: {listed or 'none here'}; see `evolve models`"
        )
    return found


def _sourced(key: str, fact: Sourced | None) -> dict[str, Any]:
    """The fact and, beside it, its source."""
    if fact is None:
        return {key: "not known"}
    values = fact.model_dump(exclude={"source", "as_of", "undated"}, exclude_none=True)
    words = "; ".join(f"{name} {value}" for name, value in values.items() if value != "")
    return {key: words, f"{key}_source": " ".join(filter(None, (fact.source, fact.day)))}


def _full_name(profile: Profile, model: str) -> str:
    """As MODEL names it."""
    return f"{profile.name}/{model}" if profile.base_url else model


def _key(profile: Profile, environment: Mapping[str, str]) -> str:
    if profile.local:
        return "not needed"
    return "set" if environment.get(profile.key_variable) else "not set"
