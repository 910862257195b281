"""Check the endpoints of models as a run does before its first trial, with every result as a finding."""

from __future__ import annotations

from collections.abc import Iterator

from evolve.core.config import AskedModel, RunConfig
from evolve.core.errors import EvolveError
from evolve.maintenance.doctor.finding import BAD, GOOD, NOTE, Finding
from evolve.models.preflight import API_NAMES, Preflight, check_endpoint, describe_learned
from evolve.models.preflight.requests import SAMPLING
from evolve.runs.model_check import requests_of


def examine_models(config: RunConfig) -> list[Finding]:
    """Check every model that a run with this config would use."""
    return [finding for asked in config.all_models for finding in _examine(asked, config)]


def _examine(asked: AskedModel, config: RunConfig) -> list[Finding]:
    if asked.spec.in_process:
        return [Finding("model", GOOD, f"{asked.model}: in this process, without an endpoint")]
    try:
        found = check_endpoint(asked, requests_of(config))
    except EvolveError as error:
        return [Finding("model", BAD, str(error))]
    return list(findings_of(asked, found))


def findings_of(asked: AskedModel, found: Preflight) -> Iterator[Finding]:
    """What the check found, one finding for each property."""
    spec, terms = asked.model_copy(update={"learned": found.learned}).spec, asked.terms
    names = ", ".join(" ".join(part for part in name if part) for name in found.names)
    yield Finding("model", GOOD, f"{asked.model} at {spec.base_url or 'the OpenAI API'}, answers as {names}")
    yield Finding("api", GOOD, API_NAMES[spec.api])
    yield Finding("tools", GOOD if found.tools else NOTE, "the model calls them" if found.tools else "none was called")
    yield Finding("tool history", GOOD, "accepted" + (", with the model's reasoning" if spec.keep_reasoning else ""))
    yield Finding("streaming", GOOD, {True: "works", False: "refused", None: "not tried"}[found.streaming])
    yield from (Finding("requests", GOOD, f"Evolve {change}") for change in describe_learned(found.learned))
    yield from _parameters(found)
    yield Finding("window", GOOD, _window(found, spec.context_tokens))
    usage = "tokens are reported" if found.reports_usage else "tokens are not reported, so they are estimated"
    yield Finding("usage", GOOD if found.reports_usage else NOTE, f"{usage}; {found.cached_tokens:,} came from a cache")
    yield Finding("answers", GOOD, f"{found.right_answers} of {found.questions} simple questions answered")
    yield Finding("speed", GOOD, _speed(found))
    yield _price(asked, found)
    yield Finding("licence", GOOD if terms.licence else NOTE, terms.licence or "not known")
    yield from (Finding("server", GOOD, f"{key} {value}") for key, value in found.learned.server)
    yield from (Finding("note", NOTE, note) for note in found.notes)
    used = found.usage
    yield Finding("cost of this check", GOOD, f"{used.calls} calls, {used.tokens:,} tokens, ${used.cost_usd:.4f}")


def _parameters(found: Preflight) -> Iterator[Finding]:
    """Which sampling parameters a scaffold may use. Other refusals only change how Evolve asks."""
    yield Finding("parameters", GOOD, f"accepted: {', '.join(found.accepted) or 'none'}")
    for name, reason in found.refused:
        if name in SAMPLING:
            yield Finding("parameters", NOTE, f"{name} has no effect here: {' '.join(reason.split())[:200]}")


def _window(found: Preflight, known: int | None) -> str:
    parts = [
        f"{found.advertised_window:,} tokens advertised" if found.advertised_window else "not advertised",
        f"a prompt of {found.window:,} tokens was read to its end" if found.window else "",
        f"runs keep within {known:,}" if known else "runs assume no limit",
    ]
    return "; ".join(part for part in parts if part)


def _speed(found: Preflight) -> str:
    speed = found.tokens_per_second
    rate = f"{speed:.0f} tokens a second" if speed else "answers were too short to measure tokens a second"
    return f"{rate}; {found.call_seconds:.1f} s a call (median)"


def _price(asked: AskedModel, found: Preflight) -> Finding:
    spec, listed = asked.spec, found.listed_prices
    if spec.priced:
        return Finding("price", GOOD, f"${spec.prompt_price:g} and ${spec.completion_price:g} per million tokens")
    if listed:
        return Finding("price", GOOD, f"${listed[0]:g} and ${listed[1]:g} per million tokens, as the endpoint lists")
    return Finding("price", NOTE, "not known", "give --prompt-price and --completion-price to count dollars")
