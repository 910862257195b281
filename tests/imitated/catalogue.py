"""The imitated endpoints by name."""

from __future__ import annotations

from tests.imitated import answers, refusals
from tests.imitated.behaviour import Behaviour, Imitation, Slow
from tests.imitated.probed import probed
from tests.imitated.responses import response_refusal

MODEL = "m"


def catalogue(seconds: float = 1.0) -> dict[str, Imitation]:
    """Return all endpoints.

    Args:
        seconds: The unit of time of those that wait: answers of `cdn` take two, and are given up after one; the
            limit on the rate holds for four.
    """
    imitations = (
        *_openai(), *_thinking(), *_strict(), *_local(), *_passing(seconds), *_listing(), *_billing(), *probed(seconds)
    )  # fmt: skip
    return {imitation.name: imitation for imitation in imitations}


def _plain(name: str, *behaviours: Behaviour) -> Imitation:
    return Imitation(name, behaviours)


def _openai() -> tuple[Imitation, ...]:
    gpt5 = (*refusals.GPT5, answers.REASONING_WITHIN, answers.CACHED_IN_DETAILS)
    responses, unverified = (response_refusal,), refusals.NOT_VERIFIED
    return (
        Imitation("openai-gpt5", gpt5, responses=responses),
        Imitation("openai-gpt56", (*gpt5, refusals.TOOLS_WITH_EFFORT), responses=responses),
        Imitation("openai-unverified", (*gpt5, unverified), responses=(response_refusal, unverified.check)),
    )


def _thinking() -> tuple[Imitation, ...]:
    mistral = (refusals.MISTRAL, answers.RANDOM_SEED, answers.MISTRAL_THINKS)
    gemini = (refusals.GEMINI, answers.SIGNED_CALLS, answers.REASONING_BESIDE)
    return (
        _plain("deepseek", refusals.DEEPSEEK, answers.REASONING_CONTENT, answers.CACHED_HIT_AND_MISS),
        _plain("kimi", *refusals.KIMI, answers.REASONING_CONTENT, answers.CACHED_AT_THE_TOP),
        Imitation("gemini", gemini, models=(f"models/{MODEL}",), served=(MODEL,), split=answers.gemini_chunks),
        Imitation("mistral", mistral, split=answers.mistral_chunks),
    )


def _strict() -> tuple[Imitation, ...]:
    return (
        _plain("tgi", refusals.CONTENT_KEY),
        _plain("openrouter-claude", refusals.TEXTUAL_ARGUMENTS, answers.EMPTY_ARGUMENTS, answers.REASONING),
        _plain("object-arguments", answers.OBJECT_ARGUMENTS),
        _plain("calls-without-id", answers.CALLS_WITHOUT_ID),
        _plain("claude", refusals.NO_SAMPLING),
        Imitation("openrouter", (answers.PROVIDERS,), served=(f"{MODEL}:nitro",)),
    )


def _local() -> tuple[Imitation, ...]:
    path = "/models/model-q4.gguf"
    return (
        _plain("vllm-no-parser", refusals.VLLM_NO_PARSER),
        _plain("llamacpp-no-jinja", refusals.NO_JINJA),
        _plain("llamacpp-history", refusals.BROKEN_HISTORY),
        _plain("misspelt", refusals.misspelt(0.05)),
        _plain("misspelt-always", refusals.misspelt(1.0)),
        _plain("ollama", answers.CUT_PROMPT),
        Imitation("llamacpp-any", (), models=(path,), served=None),
        _plain("nonsense", answers.NONSENSE),
    )


def _passing(seconds: float) -> tuple[Imitation, ...]:
    return (
        Imitation("cdn", (), slow=Slow(2 * seconds, seconds)),
        _plain("rate-limited", refusals.rate_limit(3, 4 * seconds)),
        _plain("groq", refusals.tokens_a_minute(6_000)),
        _plain("refuses-all", refusals.REFUSE_ALL),
        _plain("outage-proposals", refusals.outage("propose", 503, 8)),
        _plain("outage-lessons", refusals.outage("lesson", 503, 8)),
    )


def _listing() -> tuple[Imitation, ...]:
    return (
        Imitation("unlisted", (), models=("m-2026-08-01",), served=(MODEL,)),
        Imitation("azure", (), models=None, served=(MODEL,)),
        Imitation("litellm-wildcard", (), models=("openai/*",), served=(MODEL, "openai/m")),
    )


def _billing() -> tuple[Imitation, ...]:
    return (
        _plain("xai", answers.REASONING_BESIDE, answers.CACHED_IN_DETAILS),
        _plain("bill-within", answers.REASONING_WITHIN, answers.CACHED_HIT_AND_MISS),
        _plain("bill-beside", answers.REASONING_BESIDE, answers.CACHED_AT_THE_TOP),
    )
