"""Format models, their prices and licences: at a run's start, with its claim, and for `evolve models`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from evolve.core.config import COMMERCIAL_USE, AskedModel, LicenceStatement, ModelRole, ModelTerms, RunConfig
from evolve.core.errors import BadInput
from evolve.core.escaping import plain
from evolve.core.invalid import nearest
from evolve.models.facts import FreeTable, Headers, Sourced
from evolve.models.profile import KnownModel, Profile, split_name

MODEL_COLUMNS = ("model", "context", "prices", "price_date", "commercial", "key", "licence")
FACTS = (
    "context", "answer_tokens", "price", "rates", "sampling", "api", "parameters", "extra_body", "headers", "effort",
)  # fmt: skip
# Facts of which nothing is shown if the profile states none: then nothing is sent, or the usual protocol is spoken.
OPTIONAL = ("rates", "api", "parameters", "extra_body", "headers", "effort", "answer_tokens")

MODEL_NAMES: Mapping[ModelRole, str] = {
    "scaffold": "model",
    "proposer": "proposing model",
    "small": "small model",
    "grader": "grader's model",
}


def about_model(config: RunConfig) -> list[str]:
    """Describe a run's models: each with its price, and its licence if a profile states it."""
    return [
        line for role, asked in config.all_models_by_role.items() for line in _model_lines(MODEL_NAMES[role], asked)
    ]


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
    """All that is known about the licence, whatever its verdict; empty if no profile was used."""
    if not terms.licence:
        return []
    decisive = LicenceStatement(
        **terms.model_dump(include=LicenceStatement.model_fields.keys() & ModelTerms.model_fields)
    )
    statements = terms.statements or (decisive,)
    lines = [_statement_line("licence", statements[0])]
    lines += [f"  {_statement_line('also stated', other)}" for other in statements[1:]]
    lines += [f"  {line}" for line in demand_lines(statements)]
    return [plain(f"{indent}{line}") for line in lines]


def licences_of_models(config: RunConfig, indent: str = "  ") -> list[str]:
    """The licences of all models of a run; each under the model's name, if there are several."""
    if len(config.all_models) == 1:
        return licence_lines(config.terms, indent)
    lines = []
    for asked in config.all_models:
        licence = licence_lines(asked.terms, f"{indent}  ")
        lines += [plain(f"{indent}model {asked.model}:"), *licence] if licence else []
    return lines


def _statement_line(title: str, stated: LicenceStatement) -> str:
    source = ", ".join(filter(None, (stated.source, stated.as_of)))
    summary = f" {stated.summary}" if stated.summary else ""
    return f"{title}: {stated.licence}; {COMMERCIAL_USE[stated.commercial]} (source: {source}){summary}"


def demand_lines(statements: Sequence[LicenceStatement]) -> list[str]:
    """A line for each duty and each prohibited use, with the licence that states it."""
    duties = [f"duty: {duty} ({stated.licence})" for stated in statements for duty in stated.duties]
    return duties + [f"prohibited: {use} ({stated.licence})" for stated in statements for use in stated.prohibited]


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


def commercial_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The licences of models that may be used commercially, with the models, the duties and what is prohibited."""
    groups: dict[tuple[Any, ...], list[str]] = {}
    for row in rows:
        demands = [f"duty: {duty}" for duty in row["duties"]] + [f"prohibited: {use}" for use in row["prohibited"]]
        title = f"{row['licence']}: {COMMERCIAL_USE[row['commercial']]}"
        groups.setdefault((title, *dict.fromkeys(demands)), []).append(row["model"])
    lines = []
    for (title, *demands), models in groups.items():
        lines += [title, *(f"  {model}" for model in models), *(f"    {demand}" for demand in demands)]
    return [plain(line) for line in lines]


def commercial_rows(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows of models that are licensed for commercial use, perhaps under conditions."""
    return [row for row in rows if row["commercial"] in ("allowed", "conditions")]


def _row(profile: Profile, name: str, environment: Mapping[str, str]) -> dict[str, Any]:
    known, terms = profile.known(name), profile.terms(name)
    price = known.price
    return {
        "model": _full_name(profile, name),
        "context": known.context.tokens if known.context else None,
        "prices": f"{price.prompt:g} / {price.completion:g}" if price else "not known",
        "price_date": price.day if price else "",
        "licence": terms.licence,
        "commercial": terms.commercial,
        "duties": [duty for stated in terms.statements for duty in stated.duties],
        "prohibited": [use for stated in terms.statements for use in stated.prohibited],
        "key": _key_state(profile, environment),
        "key_variable": profile.key_variable,
        "prompt_price": price.prompt if price else None,
        "completion_price": price.completion if price else None,
        "cached_price": price.cached if price else None,
        "cache_write_price": price.cache_write if price else None,
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
        known = KnownModel().completed(profile)
    else:
        known = profile.known(model)
        facts = {"model": _full_name(profile, model), **facts, "keep_reasoning": known.keep_reasoning}
        facts["about"] = known.note or None
    for key in FACTS:
        facts |= _with_source(key, getattr(known, key))
    facts |= _licence_facts(profile.terms(model or ""))
    return {key: value for key, value in facts.items() if value is not None}


def _licence_facts(terms: ModelTerms) -> dict[str, Any]:
    """The licence as it is printed elsewhere, one entry for each line."""
    facts: dict[str, Any] = {"licence": f"{terms.licence}: {COMMERCIAL_USE[terms.commercial]}"}
    if terms.statements:
        facts["licence_source"] = ", ".join(filter(None, (terms.source, terms.as_of)))
        facts["licence_summary"] = terms.summary or None
    for number, other in enumerate(terms.statements[1:], start=2):
        facts[f"licence_{number}"] = _statement_line("also stated", other)
    for kind in ("duties", "prohibited"):
        texts = [f"{text} ({stated.licence})" for stated in terms.statements for text in getattr(stated, kind)]
        facts[kind] = "; ".join(texts) or None
    return facts


def _resolve(name: str, profiles: Mapping[str, Profile]) -> tuple[Profile, str | None]:
    if name in profiles:
        return profiles[name], None
    match = split_name(name, profiles)
    if match is None or match[1] not in match[0].models:
        known = [f"{match[0].name}/{model}" for model in match[0].models] if match else list(profiles)
        fix = f"{nearest(name, known)}; see `evolve models`"
        raise BadInput(f"model {name}", "is in no profile", fix)
    return match


def _with_source(key: str, fact: Sourced | None) -> dict[str, Any]:
    """A fact and its source, as two entries."""
    if fact is None:
        return {} if key in OPTIONAL else {key: "not known"}
    return {key: _summary(fact), f"{key}_source": " ".join(filter(None, (fact.source, fact.day)))}


def _summary(fact: Sourced) -> str:
    if isinstance(fact, Headers):
        return "; ".join(fact.entries)
    values = fact.entries if isinstance(fact, FreeTable) else fact.model_dump(exclude=set(Sourced.model_fields))
    return "; ".join(f"{name} {_shown(value)}" for name, value in values.items() if value is not None)


def _shown(value: object) -> str:
    if value is False:
        return "never sent"
    return str(value) if isinstance(value, str | int | float) else json.dumps(value)


def _full_name(profile: Profile, model: str) -> str:
    """The name that `MODEL` takes."""
    return f"{profile.name}/{model}" if profile.base_url or profile.base_url_form else model


def _key_state(profile: Profile, environment: Mapping[str, str]) -> str:
    if profile.local:
        return "not needed"
    return "set" if environment.get(profile.key_variable) else "not set"
