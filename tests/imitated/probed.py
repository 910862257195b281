"""Endpoints for whole runs: each has one trait, or several that belong together, and is otherwise like `plain`."""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

from evolve.loop.propose.brief import NOTHING_YET
from tests.imitated import answers, refusals
from tests.imitated.behaviour import (
    Behaviour,
    Body,
    Imitation,
    Ledger,
    Refusal,
    Slow,
    assistants,
    message_of,
    with_message,
)

WINDOW_BYTES = 24_000
LONG_ANSWER_TOKENS = 12_000
# A proposal's request has the files of the scaffold; the check of the endpoint asks for far less.
PROPOSAL_BYTES = 4_000
CALLS_BEFORE_MISSPELLING = 2
# From this unit of time on, clients wait as long as they choose to.
LONG_SECONDS = 60


def probed(seconds: float = 1.0) -> tuple[Imitation, ...]:
    """Return the endpoints for whole runs.

    Args:
        seconds: The unit of time: the one slow answer takes two, and is given up after one if it is not streamed;
            outages last 1.2, each from the first request on that meets it.
    """
    return (
        Imitation("plain", ()),
        Imitation("deaf", (DEAF,)),
        Imitation("picky", (refusals.GPT5[0], refusals.NO_SAMPLING)),
        Imitation("no-seed", (NO_SEED,)),
        Imitation("strict", (STRICT_HISTORY, answers.EMPTY_ARGUMENTS, answers.CALLS_WITHOUT_ID)),
        Imitation("strict-objects", (STRICT_HISTORY, answers.OBJECT_ARGUMENTS)),
        Imitation("opaque", (refusals.GEMINI, refusals.DEEPSEEK, answers.SIGNED_CALLS, answers.REASONING_CONTENT)),
        Imitation("narrow", (NARROW,)),
        Imitation("away", (outage("propose", 1.2 * seconds), outage("lesson", 1.2 * seconds))),
        Imitation("slow-proposals", (LONG_ANSWERS,), slow=Slow(2 * seconds, seconds, _is_first_request)),
        Imitation("misspelt-one", (misspelt_one(wait="0" if seconds < LONG_SECONDS else None),)),
        Imitation("refuses-proposals", (REFUSE_PROPOSALS,)),
        Imitation("gives-up", (GIVES_UP,)),
        Imitation("odd-in-between", (odd_in_between(),)),
    )


def offered(body: Body) -> set[str]:
    return {tool["function"]["name"] for tool in body.get("tools") or []}


def _is_proposal(body: Body) -> bool:
    return "propose" in offered(body) and len(json.dumps(body["messages"])) > PROPOSAL_BYTES


def _is_first_request(body: Body) -> bool:
    """Whether a run asks for its first proposal with this."""
    return _is_proposal(body) and len(body["messages"]) == 2 and NOTHING_YET in json.dumps(body["messages"])


def _no_seed(body: Body, ledger: Ledger) -> Refusal | None:
    if "seed" not in body:
        return None
    detail = {"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}
    error = {"object": "error", "message": {"detail": [detail]}, "type": "invalid_request_error"}
    return Refusal(422, {**error, "param": None, "code": None}, "seed")


def _without_seed(body: Body) -> Body:
    return {name: value for name, value in body.items() if name != "seed"}


# Takes what `no-seed` refuses, and does not heed it.
DEAF = Behaviour("deaf", prompt=_without_seed)
NO_SEED = Behaviour("seed", "editor-code-assistant/eca#231", _no_seed)


def _strict_history(body: Body, ledger: Ledger) -> Refusal | None:
    """What vLLM, SGLang and TGI want of a conversation, together."""
    problem = next(filter(None, (_message_problem(message) for _, message in assistants(body))), "")
    known = {call.get("id") for _, message in assistants(body) for call in message.get("tool_calls") or []}
    results = (message for message in body["messages"] if message["role"] == "tool")
    if not problem and not all(result.get("tool_call_id") in known for result in results):
        problem = "a tool's message answers no call"
    return Refusal(422, {"error": {"message": problem, "code": 422}}, "history") if problem else None


def _message_problem(message: Body) -> str:
    if "content" not in message:
        return "missing field `content`"
    for call in message.get("tool_calls") or []:
        if not call.get("id") or call.get("type") != "function":
            return "missing field `id` or `type`"
        if not _is_object(call["function"].get("arguments")):
            return "tool call arguments are not the text of a JSON object"
    return ""


def _is_object(arguments: Any) -> bool:
    try:
        return isinstance(arguments, str) and isinstance(json.loads(arguments), dict)
    except ValueError:
        return False


STRICT_HISTORY = Behaviour("history", "huggingface/text-generation-inference#3021", _strict_history)


def _narrow(body: Body, ledger: Ledger) -> Refusal | None:
    size = len(json.dumps([body["messages"], body.get("tools")]))
    if size <= WINDOW_BYTES:
        return None
    message = (
        f"This model's maximum context length is {WINDOW_BYTES // 4} tokens. "
        f"However, your messages resulted in {size // 4} tokens. Please reduce the length of the messages."
    )
    return refusals.openai_error(message, "messages", "context_length_exceeded")


NARROW = Behaviour("window", "OpenAI's guide on error codes", _narrow)


def outage(tool: str, seconds: float) -> Behaviour:
    """Answers nothing for so many seconds from the first proposal or lesson on, whichever the tool belongs to."""

    def check(body: Body, ledger: Ledger) -> Refusal | None:
        is_hit = _is_proposal(body) if tool == "propose" else tool in offered(body)
        if not is_hit or time.monotonic() - ledger.first_arrival(tool) > seconds:
            return None
        error = {"error": {"message": "upstream connect error", "code": 503}}
        return Refusal(503, error, f"outage_{tool}", headers=(("Retry-After", "0"),))

    return Behaviour("outage", check=check)


LONE = "\ud800"
# What replaces parts of an answer that is otherwise whole: of the answer, of its message, and of its calls' functions.
ODD: tuple[tuple[str, Body], ...] = (
    ("answer", {"usage": "many"}),
    ("answer", {"usage": {"prompt_tokens": 2**62, "completion_tokens": -1, "cost": float("nan")}}),
    ("answer", {"usage": {"prompt_tokens": 10.0, "completion_tokens": True, "total_tokens": 2**70}}),
    ("answer", {"model": LONE, "system_fingerprint": f"fp{LONE}", "id": LONE, "service_tier": 3}),
    ("answer", {"choices": [3]}),
    ("answer", {"choices": []}),
    ("answer", {"error": {"message": LONE, "code": 500}}),
    ("message", {"content": [3]}),
    ("message", {"x": json.loads("[" * 300 + "]" * 300)}),
    ("message", {"tool_calls": "look()"}),
    ("message", {"tool_calls": [{"id": "a", "function": {"name": 3}}]}),
)
# The check of an endpoint makes about nine requests.
FIRST_ODD, EVERY = 16, 3


def odd_in_between() -> Behaviour:
    """Every third answer after the endpoint's check is odd, each in another way."""
    numbers = itertools.count()

    def shape(body: Body, answer: Body) -> Body:
        number = next(numbers)
        if number < FIRST_ODD or number % EVERY:
            return answer
        place, fields = ODD[number // EVERY % len(ODD)]
        if place == "answer":
            return {**answer, **fields}
        choice = answer["choices"][0]
        return {**answer, "choices": [{**choice, "message": {**choice["message"], **fields}}]}

    return Behaviour("odd", shape=shape)


def _lengthen(body: Body, answer: Body) -> Body:
    if not _is_proposal(body):
        return answer
    usage, thoughts = answer["usage"], " ".join(f"{n * 7919 % 9973}." for n in range(LONG_ANSWER_TOKENS * 4 // 6))
    more = {name: usage[name] + LONG_ANSWER_TOKENS for name in ("completion_tokens", "total_tokens")}
    return {**with_message(answer, reasoning_content=thoughts), "usage": {**usage, **more}}


LONG_ANSWERS = Behaviour("long", shape=_lengthen)


def misspelt_one(wait: str | None) -> Behaviour:
    """Fails on the third request of each conversation about one task, for ever. wait: its header `Retry-After`."""
    words = "error parsing tool call: raw='{\"input\":\"...\"}]', err=invalid character ']' after top-level value"
    error = {"error": {"message": words, "type": "api_error", "param": None, "code": None}}
    headers = (("Retry-After", wait),) if wait is not None else ()

    def check(body: Body, ledger: Ledger) -> Refusal | None:
        is_hit = "submit" in offered(body) and "vending.py" in json.dumps(body["messages"][:2])
        is_third = sum(1 for _ in assistants(body)) == CALLS_BEFORE_MISSPELLING
        return Refusal(500, error, "misspelt", headers=headers) if is_hit and is_third else None

    return Behaviour("misspelt", "ollama/ollama#17638", check)


def _refuse_proposals(body: Body, ledger: Ledger) -> Refusal | None:
    return refusals.REFUSE_ALL.check(body, ledger) if _is_proposal(body) else None


REFUSE_PROPOSALS = Behaviour("content_filter", "Azure OpenAI's guide on content filtering", _refuse_proposals)


def _give_up(body: Body, answer: Body) -> Body:
    calls = message_of(answer).get("tool_calls")
    if not calls or "submit" not in offered(body):
        return answer
    return with_message(answer, tool_calls=[{**calls[0], "function": {"name": "submit", "arguments": "{}"}}])


GIVES_UP = Behaviour("gives_up", shape=_give_up)
