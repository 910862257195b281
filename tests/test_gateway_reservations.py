"""A trial's limits hold for the worst tokeniser, and leave ordinary conversations nearly all that they may have."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.core.records import Limits, ModelSpec
from evolve.trial.gateway import Door, Gateway
from tests.fakes import FolderWorkspace, ScriptedModel, completion
from tests.test_gateway import chat, code

LIMIT = 60_000
WORST = ("7", "\x00", "漢", "🦊", "\U0001d160", "é")
Body = Mapping[str, Any]


def counting(tokens_of: Callable[[str], int], answer: str = "ok") -> Callable[[Body], dict[str, Any]]:
    """An endpoint that counts so many tokens for a text, and uses all of `max_tokens`."""

    def complete(body: Body) -> dict[str, Any]:
        sent = {key: value for key, value in body.items() if key in ("messages", "tools", "response_format", "stop")}
        prompt, most = tokens_of(json.dumps(sent, ensure_ascii=False)), body["max_tokens"]
        usage = {"prompt_tokens": prompt, "completion_tokens": most, "total_tokens": prompt + most}
        return {**completion(answer), "usage": usage}

    return complete


def byte_tokens(text: str) -> int:
    return len(text.encode())


def english_tokens(text: str) -> int:
    return -(-len(text) // 4)


def served(folder: Path, endpoint: Callable[[Body], dict[str, Any]], **limits: Any) -> Gateway:
    prices = {"prompt_price": 1.0, "completion_price": 5.0, "cache_write_price": 2.0}
    door = Door("opaque", "Mend it.", "/work", 7, ModelSpec("m", **prices), Limits(**{"tokens": LIMIT, **limits}))
    return Gateway(door, ScriptedModel(endpoint), FolderWorkspace(folder), folder)


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


@pytest.mark.parametrize("character", WORST)
def test_one_prompt_of_many_tokens_never_passes_the_limit(tmp_path: Path, character: str) -> None:
    with served(tmp_path, counting(byte_tokens)) as gateway:
        for count in (230_000, 80_000, 59_000, 20_000, 9_000, 900):
            chat(gateway, messages=[user(character * count)])
    assert gateway.budget.usage.tokens <= LIMIT
    assert gateway.budget.usage.calls > 0 and gateway.budget.exhausted == "tokens"


def test_a_prompt_that_may_be_too_long_is_refused_with_the_reason(tmp_path: Path) -> None:
    with served(tmp_path, counting(byte_tokens)) as gateway:
        status, answer = chat(gateway, messages=[user("7" * 230_000)])
        assert (status, answer["error"]["code"]) == (403, "budget")
        assert "the prompt may have 230" in answer["error"]["message"]
        assert chat(gateway)[0] == 200


def test_many_at_once_never_pass_the_limit(tmp_path: Path) -> None:
    def ask(number: int) -> int:
        return chat(gateway, messages=[user("7" * (500 * (number % 9))), user(WORST[number % 6] * 700)])[0]

    with served(tmp_path, counting(byte_tokens), calls=1000) as gateway, ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(ask, range(60)))
    assert {200, 403} == set(statuses)
    assert LIMIT / 2 < gateway.budget.usage.tokens <= LIMIT


def test_dollars_hold_at_the_highest_price_of_a_prompt(tmp_path: Path) -> None:
    def written(body: Body) -> dict[str, Any]:
        answer = counting(byte_tokens)(body)
        details = {"cache_write_tokens": answer["usage"]["prompt_tokens"]}
        return {**answer, "usage": {**answer["usage"], "prompt_tokens_details": details}}

    with served(tmp_path, written, usd=0.05, max_tokens=50) as gateway, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: chat(gateway, messages=[user(str(number) * 3000)]), range(40)))
    assert 0.03 < gateway.budget.usage.cost_usd <= 0.05 and gateway.budget.exhausted == "usd"


PIECES = st.lists(st.tuples(st.sampled_from(WORST), st.integers(0, 4000), st.booleans()), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None)
@given(PIECES)
def test_conversations_of_any_shape_never_pass_the_limit(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[tuple[str, int, bool]]
) -> None:
    """Messages are added, and sometimes all earlier ones are replaced by one."""
    messages: list[dict[str, Any]] = []
    with served(tmp_path_factory.mktemp("g"), counting(byte_tokens), max_tokens=2000) as gateway:
        for character, count, starts_over in pieces * 3:
            messages = [*([] if starts_over else messages), user(character * count)]
            chat(gateway, messages=messages)
    assert gateway.budget.usage.tokens <= LIMIT


@pytest.mark.parametrize(("result_chars", "limit"), [(200, LIMIT), (2000, LIMIT), (4000, LIMIT), (16_000, 400_000)])
def test_an_english_conversation_may_use_nearly_all(tmp_path: Path, result_chars: int, limit: int) -> None:
    tools = [{"type": "function", "function": {"name": "look", "description": "Look at a file. " * 60}}]
    messages = [{"role": "system", "content": "Be brief. " * 200}, user("Mend the bug. " * 200)]
    endpoint = counting(english_tokens, "I look at it. " * 20)
    with served(tmp_path, endpoint, tokens=limit, calls=1000, max_tokens=300) as gateway:
        while (answer := chat(gateway, messages=messages, tools=tools))[0] == 200:
            messages += [answer[1]["choices"][0]["message"], user("It says so. " * (result_chars // 12))]
    assert code(answer) == (403, "budget")
    assert 0.8 * limit <= gateway.budget.usage.tokens <= limit


def test_calls_that_wait_use_what_the_running_ones_have_shown(tmp_path: Path) -> None:
    """Ten equal prompts at once: each alone may have 20,000 tokens by its bytes, and has 5,000."""
    with (
        served(tmp_path, counting(english_tokens), max_tokens=50) as gateway,
        ThreadPoolExecutor(10) as pool,
    ):
        statuses = list(pool.map(lambda _: chat(gateway, messages=[user("word " * 4000)])[0], range(10)))
    assert statuses.count(200) == 10


def test_where_an_answer_cannot_be_limited_all_of_it_is_reserved(tmp_path: Path) -> None:
    spec = ModelSpec("m", parameters=(("max_tokens", ""),), answer_tokens=900, prompt_price=1, completion_price=1)
    door = Door("opaque", "Mend it.", "/work", 7, spec, Limits(tokens=2000, max_tokens=100))

    def endless(body: Body) -> dict[str, Any]:
        return {**completion(), "usage": {"prompt_tokens": 9, "completion_tokens": 900, "total_tokens": 909}}

    with Gateway(door, ScriptedModel(endless), FolderWorkspace(tmp_path), tmp_path) as gateway:
        assert [chat(gateway)[0] for _ in range(3)] == [200, 200, 403]
    assert gateway.budget.usage.tokens == 1818
    assert all(event["request"]["max_tokens"] == 100 for event in gateway.events)
