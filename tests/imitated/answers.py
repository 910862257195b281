"""How answers of real endpoints look, and what they say of their usage."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from evolve.core.records import stable_hash
from tests.imitated.behaviour import Behaviour, Body, message_of, with_message
from tests.imitated.refusals import signature_of
from tests.upstream import chunk, chunks

THOUGHT = "I look at what is known, and choose the next step."
REASONING_TOKENS = 96
OLLAMA_CONTEXT = 4_096


def _reasoning(field: str) -> Behaviour:
    return Behaviour("thinks", shape=lambda body, answer: with_message(answer, **{field: THOUGHT}))


# DeepSeek and Moonshot say `reasoning_content`, OpenRouter and vLLM `reasoning`.
REASONING_CONTENT = _reasoning("reasoning_content")
REASONING = _reasoning("reasoning")


def _calls(answer: Body, change: Any) -> Body:
    """The answer with its calls changed."""
    message = message_of(answer)
    calls = message.get("tool_calls") or []
    return with_message(answer, tool_calls=[change(call) for call in calls]) if calls else answer


def _loaded(call: Body) -> Any:
    try:
        return json.loads(call["function"]["arguments"])
    except ValueError:
        return call["function"]["arguments"]


def _with_arguments(call: Body, arguments: Any) -> Body:
    return {**call, "function": {**call["function"], "arguments": arguments}}


def _empty_for_none(body: Body, answer: Body) -> Body:
    return _calls(answer, lambda call: _with_arguments(call, "") if _loaded(call) == {} else call)


def _as_object(body: Body, answer: Body) -> Body:
    return _calls(answer, lambda call: _with_arguments(call, _loaded(call)))


def _without_id(body: Body, answer: Body) -> Body:
    return _calls(answer, lambda call: {"function": call["function"]})


def _with_signature(body: Body, answer: Body) -> Body:
    def sign(call: Body) -> Body:
        return {**call, "extra_content": {"google": {"thought_signature": signature_of(call)}}}

    return _calls(answer, sign)


EMPTY_ARGUMENTS = Behaviour("empty", "sigoden/aichat#779, brave/brave-browser#56601", shape=_empty_for_none)
OBJECT_ARGUMENTS = Behaviour("object", "ggml-org/llama.cpp#20198, mrdushidush/claudette#238", shape=_as_object)
CALLS_WITHOUT_ID = Behaviour("no_id", shape=_without_id)
SIGNED_CALLS = Behaviour("signed", "noho/dayu-agent#45", shape=_with_signature)


def _content_list(body: Body, answer: Body) -> Body:
    text = message_of(answer).get("content") or ""
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]}
    return with_message(answer, content=[thinking, *([{"type": "text", "text": text}] if text else [])])


def _plain_seed(body: Body) -> Body:
    return {("seed" if name == "random_seed" else name): value for name, value in body.items()}


MISTRAL_THINKS = Behaviour("list", "BerriAI/litellm#16272, langchain4j/langchain4j#4474", shape=_content_list)
RANDOM_SEED = Behaviour("random_seed", "simonw/llm-mistral#2", prompt=_plain_seed)


def mistral_chunks(answer: Body) -> Iterator[Body]:
    """The stream of a Magistral model: thinking in lists, text as text, whole calls."""
    message = message_of(answer)
    yield chunk(role="assistant", content="")
    for part in message["content"]:
        for piece in _pieces(part["thinking"][0]["text"] if part["type"] == "thinking" else part["text"]):
            thinking = [{"type": "thinking", "thinking": [{"type": "text", "text": piece}]}]
            yield chunk(content=thinking if part["type"] == "thinking" else piece)
    calls = message.get("tool_calls") or []
    if calls:
        yield chunk(tool_calls=[{**call, "index": number} for number, call in enumerate(calls)])
    yield {**chunk(finish=answer["choices"][0]["finish_reason"], content=""), "usage": answer["usage"]}


def gemini_chunks(answer: Body) -> Iterator[Body]:
    """The stream of Gemini: a call comes whole, without an index."""
    message = message_of(answer)
    yield chunk(role="assistant", content=message.get("content") or "")
    for call in message.get("tool_calls") or []:
        yield chunk(role="assistant", tool_calls=[call])
    yield {**chunk(finish=answer["choices"][0]["finish_reason"]), "usage": answer["usage"]}


def plain_chunks(answer: Body) -> Iterable[Body]:
    """The stream of most endpoints; arguments that are no text come whole."""
    calls = message_of(answer).get("tool_calls") or []
    if all(isinstance(call["function"]["arguments"], str) for call in calls):
        return chunks(answer)
    whole = [{**call, "index": number} for number, call in enumerate(calls)]
    rest = {key: value for key, value in message_of(answer).items() if key != "tool_calls"}
    choice = {**answer["choices"][0], "message": rest}
    *begin, finish, usage = chunks({**answer, "choices": [choice]})
    return [*begin, chunk(tool_calls=whole), finish, usage]


def _pieces(text: str, size: int = 12) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def _reasoning_beside(body: Body, answer: Body) -> Body:
    usage = answer["usage"]
    total = usage["total_tokens"] + REASONING_TOKENS
    details = {"reasoning_tokens": REASONING_TOKENS}
    return {**answer, "usage": {**usage, "total_tokens": total, "completion_tokens_details": details}}


def _reasoning_within(body: Body, answer: Body) -> Body:
    usage = answer["usage"]
    counts = {name: usage[name] + REASONING_TOKENS for name in ("completion_tokens", "total_tokens")}
    details = {"reasoning_tokens": REASONING_TOKENS}
    return {**answer, "usage": {**usage, **counts, "completion_tokens_details": details}}


# Billed by both; xAI and Gemini leave them out of `completion_tokens`.
REASONING_BESIDE = Behaviour("beside", "UKGovernmentBEIS/inspect_ai#5528, vercel/ai#12425", shape=_reasoning_beside)
REASONING_WITHIN = Behaviour("within", "OpenAI's reference of chat completions", shape=_reasoning_within)


def _cached(spell: Any) -> Any:
    def shape(body: Body, answer: Body) -> Body:
        usage = answer["usage"]
        cached = min(int(body.get("_cached", 0)), usage["prompt_tokens"])
        return {**answer, "usage": {**usage, **spell(cached, usage["prompt_tokens"])}}

    return shape


CACHED_IN_DETAILS = Behaviour(
    "cached", shape=_cached(lambda cached, prompt: {"prompt_tokens_details": {"cached_tokens": cached}})
)
CACHED_HIT_AND_MISS = Behaviour(
    "cached", "NousResearch/hermes-agent#65678, mozilla-ai/any-llm#816",
    shape=_cached(lambda hit, prompt: {"prompt_cache_hit_tokens": hit, "prompt_cache_miss_tokens": prompt - hit}),
)  # fmt: skip
CACHED_AT_THE_TOP = Behaviour("cached", shape=_cached(lambda cached, prompt: {"cached_tokens": cached}))


def _cut_prompt(body: Body) -> Body:
    """Half of the window is left of a prompt that is too long: the system's message, and the newest that fit."""
    if _tokens(body["messages"]) <= OLLAMA_CONTEXT:
        return body
    system = [message for message in body["messages"][:1] if message["role"] in ("system", "developer")]
    newest: list[Body] = []
    for message in reversed(body["messages"][len(system) :]):
        if newest and _tokens([*system, message, *newest]) > OLLAMA_CONTEXT // 2:
            break
        newest.insert(0, message)
    return {**body, "messages": [*system, *_from_a_beginning(newest)]}


def _from_a_beginning(messages: list[Body]) -> list[Body]:
    """Without results whose calls are cut off; the newest message is cut to the window itself."""
    kept = next((messages[n:] for n, message in enumerate(messages) if message["role"] != "tool"), [])
    kept = kept or [{"role": "user", "content": str(messages[-1].get("content"))}]
    newest = kept[-1]
    if isinstance(newest.get("content"), str):
        kept = [*kept[:-1], {**newest, "content": newest["content"][-2 * OLLAMA_CONTEXT :]}]
    return kept


def _tokens(messages: list[Body]) -> int:
    return len(json.dumps(messages)) // 4


CUT_PROMPT = Behaviour("cut", "ollama/ollama#17889, ollama/ollama#17427", prompt=_cut_prompt)


def _quantised(body: Body, answer: Body) -> Body:
    order = (body.get("provider") or {}).get("order") or []
    providers = order[:1] or ["Alpha (fp8)", "Beta (int4)"]
    return {**answer, "provider": providers[stable_hash("provider", answer["id"]) % len(providers)]}


PROVIDERS = Behaviour("provider", "OpenRouter's guide on provider selection", shape=_quantised)


def _nonsense(body: Body, answer: Body) -> Body:
    message = {"role": "assistant", "content": "!" * 400}
    return {**answer, "choices": [{**answer["choices"][0], "message": message, "finish_reason": "stop"}]}


NONSENSE = Behaviour("nonsense", shape=_nonsense)
