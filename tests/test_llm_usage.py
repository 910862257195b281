"""What a call is charged: as endpoints report it in their many ways, against bills that a server keeps by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.budget.ledger import SpendingFile
from evolve.budget.metered import Metered, ledger_of
from evolve.core.caps import Caps
from evolve.core.errors import BudgetExhausted
from evolve.core.records import ModelSpec, Usage
from evolve.llm import estimate_prompt_tokens, highest_usage, usage_of
from evolve.llm.client import OpenAIModel
from evolve.llm.estimates import ADDED_TOKENS, DEFAULT_ANSWER_TOKENS, most_prompt_tokens
from tests.fakes import completion
from tests.upstream import Upstream, raw

BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1000}
# Dollars per million tokens: prompt, answer, read from the cache, written into it.
PRICES = {"prompt_price": 2.0, "completion_price": 10.0, "cached_price": 0.5, "cache_write_price": 2.5}
SPEC = ModelSpec("m", **PRICES)  # type: ignore[arg-type]
# (what is billed: uncached prompt, cached, written, answer with reasoning; what is reported)
Bill = tuple[int, int, int, int]
SPELLINGS: dict[str, tuple[Bill, dict[str, Any]]] = {
    "plain": ((700, 0, 0, 90), {"prompt_tokens": 700, "completion_tokens": 90, "total_tokens": 790}),
    "without a total": ((700, 0, 0, 90), {"prompt_tokens": 700, "completion_tokens": 90}),
    "OpenAI": (
        (200, 500, 0, 90),
        {
            "prompt_tokens": 700, "completion_tokens": 90, "total_tokens": 790,
            "prompt_tokens_details": {"cached_tokens": 500, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 64},
        },
    ),
    "OpenAI, Responses": (
        (200, 500, 0, 90),
        {
            "input_tokens": 700, "output_tokens": 90, "total_tokens": 790,
            "input_tokens_details": {"cached_tokens": 500}, "output_tokens_details": {"reasoning_tokens": 64},
        },
    ),
    "DeepSeek": (
        (200, 500, 0, 90),
        {
            "prompt_tokens": 700, "completion_tokens": 90, "total_tokens": 790, "prompt_cache_hit_tokens": 500,
            "prompt_cache_miss_tokens": 200, "completion_tokens_details": {"reasoning_tokens": 30},
        },
    ),
    "Moonshot": (
        (200, 500, 0, 90),
        {"prompt_tokens": 700, "completion_tokens": 90, "total_tokens": 790, "cached_tokens": 500},
    ),
    "Anthropic": (
        (100, 500, 100, 90),
        {
            "input_tokens": 100, "output_tokens": 90, "cache_read_input_tokens": 500,
            "cache_creation_input_tokens": 100, "cache_creation": {"ephemeral_5m_input_tokens": 100},
        },
    ),
    "Anthropic, nothing read": (
        (100, 0, 600, 90),
        {
            "input_tokens": 100, "output_tokens": 90, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 600,
        },
    ),
    "a gateway before Anthropic that counts cached tokens within": (
        (100, 500, 100, 90),
        {
            "prompt_tokens": 700, "completion_tokens": 90, "total_tokens": 790, "cache_read_input_tokens": 500,
            "cache_creation_input_tokens": 100, "prompt_tokens_details": {"cached_tokens": 500},
        },
    ),
    "a gateway that counts them beside": (
        (100, 500, 100, 90),
        {
            "prompt_tokens": 100, "completion_tokens": 90, "total_tokens": 790, "cache_read_input_tokens": 500,
            "cache_creation_input_tokens": 100,
        },
    ),
    "a gateway that counts them beside, and reasoning too": (
        (600, 500, 0, 90),
        {
            "prompt_tokens": 600, "completion_tokens": 30, "total_tokens": 1190, "cache_read_input_tokens": 500,
            "completion_tokens_details": {"reasoning_tokens": 60},
        },
    ),
    "Qwen": (
        (100, 500, 100, 90),
        {
            "prompt_tokens": 700, "completion_tokens": 90, "total_tokens": 790,
            "prompt_tokens_details": {"cached_tokens": 500, "cache_creation_input_tokens": 100},
        },
    ),
    "xAI": (
        (200, 500, 0, 2899),
        {
            "prompt_tokens": 700, "completion_tokens": 90, "total_tokens": 3599,
            "prompt_tokens_details": {"cached_tokens": 500, "text_tokens": 700},
            "completion_tokens_details": {"reasoning_tokens": 2809},
        },
    ),
    "reasoning beside the answer without a total": (
        (700, 0, 0, 2899),
        {"prompt_tokens": 700, "completion_tokens": 90, "completion_tokens_details": {"reasoning_tokens": 2809}},
    ),
    "Gemini, thoughts in the total alone": (
        (700, 0, 0, 495), {"prompt_tokens": 700, "completion_tokens": 90, "total_tokens": 1195},
    ),
    "Gemini, thoughts alone": (
        (700, 0, 0, 60),
        {
            "prompt_tokens": 700, "completion_tokens": 0, "total_tokens": 760,
            "completion_tokens_details": {"reasoning_tokens": 60},
        },
    ),
}  # fmt: skip


def billed_usd(bill: Bill) -> float:
    """What the server bills by its price list."""
    plain, cached, written, answer = bill
    return (plain * 2.0 + cached * 0.5 + written * 2.5 + answer * 10.0) / 1e6


def usage(reported: Any, spec: ModelSpec = SPEC, body: Mapping[str, Any] = BODY) -> Usage:
    return usage_of({**completion(), "usage": reported}, spec, body)


@pytest.mark.parametrize("spelling", list(SPELLINGS))
def test_every_way_of_reporting_gives_the_billed_counts(spelling: str) -> None:
    bill, reported = SPELLINGS[spelling]
    plain, cached, written, answer = bill
    expected = Usage(1, plain + cached + written, answer, cached_tokens=cached, cache_write_tokens=written)
    assert replace(usage(reported), cost_usd=0.0) == expected
    assert usage(reported).cost_usd == pytest.approx(billed_usd(bill))


@pytest.fixture
def terms(tmp_path: Path) -> Iterator[SpendingFile]:
    yield SpendingFile(tmp_path / "spending.db")
    ledger_of.cache_clear()


def test_the_total_equals_the_servers_own_ledger(upstream: Upstream, terms: SpendingFile) -> None:
    answers = [{**completion(), "usage": reported} for _, reported in SPELLINGS.values()]
    upstream.script(*(raw(json.dumps(answer)) for answer in answers))
    spec = upstream.spec(**PRICES)
    model = Metered(OpenAIModel(spec, 0.01), spec, terms, "a trial")
    for _ in answers:
        model.complete(BODY)
    spent = ledger_of(terms).spent()
    assert len(upstream.requests()) == len(answers) == spent.calls
    assert spent.cost_usd == pytest.approx(sum(billed_usd(bill) for bill, _ in SPELLINGS.values()), abs=1e-9)
    assert spent.cached_tokens == sum(bill[1] for bill, _ in SPELLINGS.values())
    assert spent.tokens == sum(sum(bill) for bill, _ in SPELLINGS.values())


@pytest.mark.parametrize("spelling", ["OpenAI", "DeepSeek", "Anthropic", "xAI", "Gemini, thoughts in the total alone"])
def test_a_cap_holds_against_the_servers_own_ledger(upstream: Upstream, terms: SpendingFile, spelling: str) -> None:
    bill, reported = SPELLINGS[spelling]
    upstream.script(raw(json.dumps({**completion(), "usage": reported})))
    spec, cap = upstream.spec(**PRICES), 6.5 * billed_usd(bill)
    model = Metered(OpenAIModel(spec, 0.01), spec, replace(terms, caps=Caps(usd=cap)), "a trial")
    for _ in range(7):
        model.complete(BODY)
    with pytest.raises(BudgetExhausted):
        model.complete(BODY)
    assert len(upstream.requests()) == 7


# The endpoint's own cost


@pytest.mark.parametrize(
    ("reported", "usd"),
    [
        ({"cost": 0.25}, 0.25),
        ({"cost": 0.25, "cost_details": {"upstream_inference_cost": None}}, 0.25),
        ({"cost": 0.25, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.25}}, 0.25),
        ({"cost": 0.25, "is_byok": True, "cost_details": {"upstream_inference_cost": 5.0}}, 5.25),
        ({"cost": 0.95, "cost_details": {"upstream_inference_cost": 19}}, 19.95),
        ({"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": 5.0}}, 5.0),
        ({"cost_in_usd_ticks": 37_756_000}, 0.0037756),
        ({"cost_usd_total": 0.000125}, 0.000125),
        ({"estimated_cost": 2.68e-05}, 2.68e-05),
        ({"cost": {"input_tokens_cost": 0.1, "total_cost": 0.3}}, 0.3),
    ],
)
def test_the_endpoints_own_cost_wins_over_listed_prices(reported: dict[str, Any], usd: float) -> None:
    charged = usage({"prompt_tokens": 700, "completion_tokens": 90, **reported})
    assert charged.cost_usd == pytest.approx(usd) and charged.tokens == 790
    assert (
        usage({"prompt_tokens": 700, "completion_tokens": 90, **reported}, ModelSpec("m")).cost_usd == charged.cost_usd
    )


@pytest.mark.parametrize("cost", [0, -1, float("nan"), float("inf"), 1e300, True, "0.1", None, {}, {"total_cost": -1}])
def test_a_cost_that_cannot_be_true_is_computed_from_the_prices(cost: Any) -> None:
    assert usage({"prompt_tokens": 700, "completion_tokens": 90, "cost": cost}).cost_usd == pytest.approx(0.0023)


# Usage that makes no sense

NUMBERS = st.one_of(
    st.integers(), st.floats(), st.sampled_from([2**62, -1, 10**400, True, float("nan"), 19_999_999, 20_000_001])
)
NAMES = st.sampled_from(
    [
        "prompt_tokens", "completion_tokens", "total_tokens", "cost", "cached_tokens", "input_tokens", "output_tokens",
        "prompt_tokens_details", "completion_tokens_details", "cost_details", "reasoning_tokens", "cost_in_usd_ticks",
        "prompt_cache_hit_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "is_byok",
        "upstream_inference_cost", "estimated_cost", "cost_usd_total", "total_cost", "cache_write_tokens",
    ]
)  # fmt: skip
VALUES = st.recursive(
    st.one_of(st.none(), st.text(max_size=3), NUMBERS),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(NAMES, inner, max_size=6)),
    max_leaves=8,
)


@given(st.one_of(VALUES, st.dictionaries(NAMES, VALUES, max_size=8)))
def test_any_usage_is_read_without_an_error_and_stays_within_bounds(reported: Any) -> None:
    charged = usage(reported)
    assert 0 < charged.prompt_tokens <= 60_000_000 and 0 < charged.completion_tokens <= 40_000_000
    assert charged.cached_tokens + charged.cache_write_tokens <= charged.prompt_tokens
    assert 0 < charged.cost_usd <= 20_000


@given(
    st.integers(1, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 10**5), st.integers(0, 10**5)
)
def test_reasoning_within_or_beside_the_answer_is_told_apart_by_the_total(
    plain: int, cached: int, written: int, answer: int, reasoning: int
) -> None:
    prompt, details = plain + cached + written, {"cached_tokens": cached, "cache_write_tokens": written}
    within = {
        "prompt_tokens": prompt, "completion_tokens": answer + reasoning, "total_tokens": prompt + answer + reasoning,
        "prompt_tokens_details": details, "completion_tokens_details": {"reasoning_tokens": reasoning},
    }  # fmt: skip
    beside = {**within, "completion_tokens": answer}
    assert usage(within) == usage(beside)
    assert usage(within).cost_usd == pytest.approx(billed_usd((plain, cached, written, answer + reasoning)))


# Reservations


def test_a_reservation_takes_the_highest_price_of_a_prompt() -> None:
    spec = replace(SPEC, cache_write_price=4.0)
    most = highest_usage(BODY, spec)
    assert most.cost_usd == pytest.approx((most.prompt_tokens * 4.0 + 1000 * 10.0) / 1e6)
    assert most.completion_tokens == 1000 and most.calls == 1


@pytest.mark.parametrize(
    ("body", "spec", "answer"),
    [
        ({"max_tokens": 7}, SPEC, 7),
        ({}, SPEC, DEFAULT_ANSWER_TOKENS),
        ({}, replace(SPEC, answer_tokens=9000), 9000),
        ({"max_tokens": True}, SPEC, DEFAULT_ANSWER_TOKENS),
        ({"max_tokens": -5}, SPEC, 0),
        ({"max_tokens": 7}, replace(SPEC, parameters=(("max_tokens", "max_completion_tokens"),)), 7),
        ({"max_tokens": 7}, replace(SPEC, parameters=(("max_tokens", ""),), answer_tokens=9000), 9000),
    ],
)
def test_an_answer_is_reserved_as_long_as_it_may_be(body: dict[str, Any], spec: ModelSpec, answer: int) -> None:
    assert highest_usage({"messages": [], **body}, spec).completion_tokens == answer


@given(st.text(max_size=200), st.integers(1, 3))
def test_a_prompt_is_reserved_with_one_token_for_each_byte(text: str, messages: int) -> None:
    body = {"messages": [{"role": "user", "content": text}] * messages, "tools": [{"name": text}]}
    size = len(text.encode("utf-8", "surrogatepass")) * (messages + 1)
    assert size + ADDED_TOKENS <= most_prompt_tokens(body, "m") <= 7 * size + ADDED_TOKENS + 60 * (messages + 1)
    assert estimate_prompt_tokens(body) <= most_prompt_tokens(body, "m")


def test_a_schema_for_the_answer_is_part_of_the_prompt() -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "x" * 4000}}
    assert estimate_prompt_tokens({**BODY, "response_format": schema}) > 1000


@pytest.mark.parametrize("messages", [None, "text", [], [None], [{"content": None}], [{"content": [None, "x"]}], 7])
def test_messages_of_any_form_are_estimated(messages: Any) -> None:
    assert 1 <= estimate_prompt_tokens({"messages": messages}) < 20


def test_what_a_cache_keeps_for_an_hour_is_charged_and_reserved_at_its_own_price() -> None:
    counts = {
        "input_tokens": 100, "output_tokens": 10, "cache_creation_input_tokens": 1000,
        "cache_creation": {"ephemeral_5m_input_tokens": 400, "ephemeral_1h_input_tokens": 600},
    }  # fmt: skip
    answer = {**completion("a"), "usage": counts}
    assert usage_of(answer, SPEC, BODY).cost_usd == pytest.approx((100 * 2 + 400 * 2.5 + 600 * 4 + 10 * 10) / 1e6)
    mark = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    plain = highest_usage(BODY, SPEC).cost_usd
    for marked in (
        {**BODY, "messages": [{"role": "assistant", "content": "hi", **mark}]},
        {**BODY, "messages": [{"role": "user", "content": [{"type": "text", "text": "hi", **mark}]}]},
        {**BODY, "tools": [{"type": "function", "function": {"name": "a"}, **mark}]},
    ):
        assert highest_usage(marked, SPEC).cost_usd > plain + 0.5 * (plain - 1000 * 10 / 1e6)
