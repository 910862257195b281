"""What to change in the requests to an endpoint after it refused one. Pure."""

from __future__ import annotations

import re
from typing import Any

from evolve.core.config import LearnedFacts
from evolve.core.errors import BadInput, RequestRefused
from evolve.core.records import ModelSpec
from evolve.llm.dialect import Dialect
from evolve.llm.faults import LIMIT, TOO_LARGE_CODE

# Sampling parameters that OpenAI's API does not have: an endpoint that refuses two of them takes none.
FOREIGN = ("top_k", "min_p", "repetition_penalty")
# What pydantic says of a field that a server does not know: Mistral's, whose seed has another name.
UNKNOWN_FIELD = "extra inputs are not permitted"
# Of a limit on one request, a quarter is for the answer, and conversations grow in the rest. An answer of fewer than
# 1,024 tokens has no room for a patch.
ANSWERS_IN_LIMIT = 4
LEAST_ANSWER = 1_024
LEAST_LIMIT = ANSWERS_IN_LIMIT * LEAST_ANSWER
SAMPLING = ("temperature", "top_p", "frequency_penalty", "presence_penalty", *FOREIGN)
# How endpoints state the longest answer and the longest conversation that they take, in lower case.
LIMIT_WORDS = (
    r"at most|up to|maximum(?: allowed)?(?: value)?(?: of| is|:)?|less than or equal to|<=|exceeds?(?: the)?(?: limit)?"
)
ANSWER_LIMIT = re.compile(rf"(?:{LIMIT_WORDS})\D{{0,40}}?(\d[\d,_]{{2,}})")
WINDOW_WORDS = r"context (?:length|window|size)|maximum prompt length is |available context size \("
WINDOW = re.compile(
    rf"(?:{WINDOW_WORDS})\D{{0,40}}?(\d[\d,_]{{2,}})(?![\d,_]* char)|(\d[\d,_]{{2,}}) tokens? (?:context|maximum)"
)


def learn(learned: LearnedFacts, spec: ModelSpec, parameter: str, message: str) -> LearnedFacts:
    """The facts after the endpoint refused a parameter of a request that followed `spec`.

    Args:
        learned: What is known so far.
        spec: The model with what is known so far.
        parameter: The name of the parameter in our requests.
        message: The endpoint's reason.

    Raises:
        BadInput: No request can do without it; the line names the cause and the fix.
    """
    if parameter in ("max_tokens", "max_completion_tokens"):
        return _learn_length(learned, spec, message)
    if parameter == "seed":
        may_differ = _name(spec, "seed") == "seed" and ("random_seed" in message or UNKNOWN_FIELD in message.lower())
        return _rename(learned, "seed", "random_seed" if may_differ else "")
    if parameter in SAMPLING:
        refused = {parameter, *(name for name, given in learned.parameters if not given)}
        names = FOREIGN if len(refused & {*FOREIGN}) > 1 else (parameter,)
        for name in names:
            learned = _rename(learned, name, "")
        return learned
    if parameter == "stream":
        return _changed(learned, "stream", not spec.stream)
    if parameter == "keep_reasoning":
        return _changed(learned, "keep_reasoning", True)
    if parameter == "reasoning_effort":
        return _learn_effort(learned, spec, message)
    raise _hopeless(spec, parameter, message)


def learn_size(spec: ModelSpec, error: RequestRefused) -> dict[str, Any]:
    """The changed facts after a request was refused as too large for one; empty if no smaller one can do the work.

    A request's prompt and answer count together, as they do in a context window.
    """
    limit = stated_limit(str(error)) if error.code == TOO_LARGE_CODE else None
    if limit is None or limit < LEAST_LIMIT or limit >= (spec.context_tokens or limit + 1):
        return {}
    answer = limit // ANSWERS_IN_LIMIT
    return {"context_tokens": limit, "answer_tokens": min(spec.answer_tokens or answer, answer)}


def stated_limit(message: str) -> int | None:
    """The tokens that one request may have, as a refusal states them ("Limit 6000, Requested 9000"); None if not."""
    match = LIMIT.search(message.lower())
    return _integer(match[1]) if match and "token" in message.lower() else None


def learn_form(learned: LearnedFacts, dialect: Dialect, spec: ModelSpec) -> dict[str, Any]:
    """The changed facts after a client found out how to ask for answers; each trial would have to find it out again."""
    values: dict[str, Any] = {"stream": True} if dialect.streams and not spec.stream else {}
    if not dialect.asks_for_usage and _name(spec, "stream_options"):
        values["parameters"] = _rename(learned, "stream_options", "").parameters
    return values


def window_in(message: str) -> int | None:
    """The context window in tokens that an endpoint's refusal of a long prompt states; None if it states none."""
    match = WINDOW.search(message.lower())
    return _integer(match[1] or match[2]) if match else None


def _learn_length(learned: LearnedFacts, spec: ModelSpec, message: str) -> LearnedFacts:
    """The limit of an answer's length, or the name that it has here."""
    name = _name(spec, "max_tokens")
    is_renamed = "max_tokens" in dict(learned.parameters)
    if name == "max_tokens" and not is_renamed and "max_completion_tokens" in message:
        return _rename(learned, "max_tokens", "max_completion_tokens")
    if name == "max_completion_tokens" and not is_renamed and re.search(r"\bmax_tokens\b", message):
        return _rename(learned, "max_tokens", "max_tokens")
    limits = [limit for text in ANSWER_LIMIT.findall(message.lower()) if (limit := _integer(text))]
    if limits and (spec.answer_tokens is None or min(limits) < spec.answer_tokens):
        return learned.model_copy(update={"answer_tokens": min(limits)})
    if name:
        return _rename(learned, "max_tokens", "")
    raise _hopeless(spec, "max_tokens", message)


def _learn_effort(learned: LearnedFacts, spec: ModelSpec, message: str) -> LearnedFacts:
    """Reasoning beside tools: by the Responses API if the endpoint names it, otherwise without reasoning."""
    if "/v1/responses" in message and spec.api == "chat" and learned.api is None:
        return learned.model_copy(update={"api": "responses"})
    return _changed(learned, "effort", "" if spec.effort else "none")


def _changed(learned: LearnedFacts, name: str, value: object) -> LearnedFacts:
    """The facts with this value. Raises BadInput if the endpoint has refused it before."""
    if getattr(learned, name) is not None:
        raise BadInput("model", f"the endpoint refuses both values of {name}", "use another model or endpoint")
    return learned.model_copy(update={name: value})


def _rename(learned: LearnedFacts, parameter: str, name: str) -> LearnedFacts:
    parameters = {**dict(learned.parameters), parameter: name}
    return learned.model_copy(update={"parameters": tuple(sorted(parameters.items()))})


def _name(spec: ModelSpec, parameter: str) -> str:
    return dict(spec.parameters).get(parameter, parameter)


def _hopeless(spec: ModelSpec, parameter: str, message: str) -> BadInput:
    where, reason = f"model {spec.name}", f"{' '.join(message.split())[:300]}"
    if parameter == "tools":
        fix = (
            "start the server with tool calling (vLLM: --enable-auto-tool-choice --tool-call-parser NAME; llama.cpp: "
            "--jinja), or describe tools in text: tool_calls = false in evolve.models.toml"
        )
        return BadInput(where, f"the endpoint refuses tools: {reason}", fix)
    fix = "correct it in evolve.models.toml or in the run's settings; see docs/models.md"
    return BadInput(where, f"the endpoint refuses {parameter}: {reason}", fix)


def _integer(text: str) -> int | None:
    digits = text.replace(",", "").replace("_", "")
    return int(digits) if digits.isdigit() and 0 < int(digits) < 10**9 else None
