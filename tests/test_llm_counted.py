"""The bound on a prompt's tokens: it holds for the worst tokeniser, and is tight where a conversation continues."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.records import ModelSpec
from evolve.llm import CountedPrompts, prompt_of
from evolve.llm.estimates import ADDED_TOKENS, most_text_tokens

SPEC = ModelSpec("m")
TEXTS = st.text(max_size=60) | st.text('0123456789\0"\\ 漢🦊\U0001d160', max_size=60)
MESSAGES = st.lists(st.fixed_dictionaries({"role": st.sampled_from(["user", "tool"]), "content": TEXTS}), max_size=5)


def message(text: str, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": text}


def byte_tokens(body: dict[str, Any]) -> int:
    """The worst tokeniser: a token for each byte of all that is sent."""
    return len(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())


@given(MESSAGES, MESSAGES, st.integers(1, 10**6))
def test_the_worst_tokeniser_counts_no_more(before: list[Any], after: list[Any], most: int) -> None:
    counted = CountedPrompts()
    fields = {"model": "m", "max_tokens": most, "tools": [{"name": "é"}], "stop": ["\n"]}
    for messages in (before, [*before, *after], after):
        body = {**fields, "messages": messages}
        prompt = prompt_of(body, SPEC)
        sent = byte_tokens({**body, "seed": 2**31 - 1})
        assert counted.most_tokens(prompt) >= sent
        counted.learn(prompt, sent)


def test_the_same_prompt_and_one_that_goes_on_are_known() -> None:
    counted = CountedPrompts()
    first = prompt_of({"messages": [message("x" * 4000)]}, SPEC)
    assert counted.most_tokens(first) > 4000
    counted.learn(first, 1000)
    assert 1000 <= counted.most_tokens(first) < 1100
    more = prompt_of({"messages": [message("x" * 4000), message("y", "assistant"), message("z" * 100)]}, SPEC)
    assert 1100 < counted.most_tokens(more) < 1300


@pytest.mark.parametrize(
    "other",
    [
        {"messages": [message("7" * 4000)]},
        {"messages": [message("x" * 3999 + "y"), message("x")]},
        {"messages": [message("x" * 4000)], "tools": [{"name": "t" * 10}]},
        {"messages": [message("x" * 4000)], "response_format": {"type": "json_object"}},
        {"messages": [message("x", "system"), message("x" * 4000)]},
    ],
)
def test_another_text_or_other_tools_are_not_known(other: dict[str, Any]) -> None:
    counted = CountedPrompts()
    counted.learn(prompt_of({"messages": [message("x" * 4000)]}, SPEC), 10)
    assert counted.most_tokens(prompt_of(other, SPEC)) > 4000


def test_numbers_are_no_part_of_a_prompt() -> None:
    counted, messages = CountedPrompts(), [message("x" * 4000)]
    counted.learn(prompt_of({"messages": messages, "temperature": 0.1, "max_tokens": 7}, SPEC), 1000)
    assert counted.most_tokens(prompt_of({"messages": messages, "temperature": 0.75}, SPEC)) < 1100


@pytest.mark.parametrize("tokens", [0, -1])
def test_what_the_endpoint_did_not_count_is_not_learnt(tokens: int) -> None:
    counted, prompt = CountedPrompts(), prompt_of({"messages": [message("x" * 4000)]}, SPEC)
    counted.learn(prompt, tokens)
    assert counted.most_tokens(prompt) > 4000


def test_an_assistants_last_message_may_have_been_left_out() -> None:
    counted, hidden = CountedPrompts(), [message("a"), message("7" * 4000, "assistant")]
    counted.learn(prompt_of({"messages": hidden}, SPEC), 10)
    assert counted.most_tokens(prompt_of({"messages": [*hidden, message("b")]}, SPEC)) > 4000


def test_the_highest_count_of_a_prompt_counts() -> None:
    counted, prompt = CountedPrompts(), prompt_of({"messages": [message("x" * 4000)]}, SPEC)
    for tokens in (900, 1000, 5):
        counted.learn(prompt, tokens)
    assert counted.most_tokens(prompt) >= 1000


def test_tools_in_the_prompts_text_are_counted() -> None:
    body = {"messages": [message("x")], "tools": [{"type": "function", "function": {"name": "t"}}]}
    plain, text = (prompt_of(body, ModelSpec("m", text_tools=tools)).unknown for tools in (False, True))
    assert text == plain + ADDED_TOKENS


@given(st.text())
def test_a_normalised_text_is_no_longer(text: str) -> None:
    for form in ("NFC", "NFKC"):
        normal = unicodedata.normalize(form, text)
        assert len(normal.encode("utf-8", "surrogatepass")) <= most_text_tokens(text)


def test_characters_that_tokenisers_take_apart_count_in_full() -> None:
    assert most_text_tokens("\ufdfa" * 100) > 3000 and most_text_tokens("\U0001d160" * 100) >= 1200


@pytest.mark.parametrize("messages", [None, "text", [], [None], [{"content": None}], [{"content": [None, "x"]}], 7])
def test_messages_of_any_form_are_measured(messages: Any) -> None:
    assert 0 < CountedPrompts().most_tokens(prompt_of({"messages": messages}, SPEC)) < 100
