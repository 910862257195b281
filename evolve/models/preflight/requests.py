"""The requests of the check: those of a trial and of a proposal, and questions with known answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evolve.core.records import ModelSpec

Message = dict[str, Any]
SEED = 20_261
# Values that no model's range excludes; a profile's own are tried in their place.
SAMPLING: Mapping[str, int | float] = {
    "temperature": 0.7,
    "top_p": 0.95,
    "top_k": 40,
    "min_p": 0.01,
    "frequency_penalty": 0.0,
    "presence_penalty": 0.0,
    "repetition_penalty": 1.0,
}
# A prompt of about this many tokens is longer than what servers with a small default window read.
WINDOW_TOKENS = 8_000
# Of a window that is known.
WINDOW_SHARE = 0.6
# Of an answer to a question, unless the model thinks for longer: a small one may write until it is stopped.
QUESTION_TOKENS = 1024
# English words with numbers have between three and six bytes a token in all common vocabularies.
MOST_BYTES_PER_TOKEN = 6
BYTES_PER_TOKEN = 4
PASSWORD = "walnut-7316"
SYSTEM = "You are a careful assistant that works in a shell. Use the tools that you are given."
TASK = "Call the tool `run` with the command `ls`. When you have its output, call `submit`."
OUTPUT = "README.md\nmain.py\n"
COMMAND = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}
SUMMARY = {"type": "object", "properties": {"summary": {"type": "string"}}, "required": ["summary"]}
RUN = {"name": "run", "description": "Run a shell command and get its output.", "parameters": COMMAND}
SUBMIT = {"name": "submit", "description": "End the task with a summary of one sentence.", "parameters": SUMMARY}
TOOLS: tuple[Message, ...] = ({"type": "function", "function": RUN}, {"type": "function", "function": SUBMIT})
# Of one check, at most.
MAX_CALLS = 20


@dataclass(frozen=True)
class Requests:
    """What a run will ask for: tokens of the longest answer in a trial and in a proposal, and a proposal's tools."""

    trial_answer: int = 4096
    proposal_answer: int = 16_384
    proposal_tools: Sequence[Mapping[str, Any]] = TOOLS


USUAL = Requests()


def sampling_of(spec: ModelSpec) -> dict[str, int | float]:
    """The sampling parameters to try: all that a scaffold may set, except those that are never sent."""
    unsent = unsent_names(spec)
    return {key: value for key, value in {**SAMPLING, **dict(spec.sampling)}.items() if key not in unsent}


def unsent_names(spec: ModelSpec) -> set[str]:
    """The parameters that this endpoint never gets."""
    return {name for name, given in spec.parameters if not given}


def trial_request(spec: ModelSpec, longest_answer: int) -> Message:
    """The first request of a trial, with a sampling parameter of each kind."""
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": TASK}]
    return request(spec, messages, longest_answer, TOOLS) | sampling_of(spec)


def next_request(first: Mapping[str, Any], answer: Mapping[str, Any]) -> Message:
    """The request that follows an answer: the model's message back, with the output of each of its calls."""
    message = answer["choices"][0]["message"]
    outputs = [
        {"role": "tool", "tool_call_id": call.get("id", ""), "content": OUTPUT}
        for call in message.get("tool_calls") or ()
    ]
    more = outputs or [{"role": "user", "content": "Go on."}]
    return {**first, "messages": [*first["messages"], message, *more]}


def proposal_request(spec: ModelSpec, tools: Sequence[Mapping[str, Any]], longest_answer: int) -> Message:
    """A request with the tools and the length of a proposal; its answer can be short."""
    messages = [
        {"role": "system", "content": "Answer in plain text, without calling a tool."},
        {"role": "user", "content": "Answer with the word OK."},
    ]
    return request(spec, messages, longest_answer, tools)


def question_request(spec: ModelSpec, text: str, longest_answer: int) -> Message:
    return request(spec, [{"role": "user", "content": text}], longest_answer)


def window_request(spec: ModelSpec, longest_answer: int, tokens: int = WINDOW_TOKENS) -> Message:
    """A prompt of about so many tokens, whose beginning has to be known to answer its end."""
    lines, size, number = [f"The password is {PASSWORD}. Remember it."], 0, 0
    while size < tokens * BYTES_PER_TOKEN:
        number += 1
        lines.append(
            f"Entry {number}: shelf {number * 37 % 101} holds {number * 53 % 997} boxes of part {number * 7919}."
        )
        size += len(lines[-1]) + 1
    lines.append("What is the password at the beginning of this text? Answer with the password only.")
    return question_request(spec, "\n".join(lines), longest_answer)


def request(
    spec: ModelSpec, messages: Sequence[Message], longest_answer: int, tools: Sequence[Mapping[str, Any]] = ()
) -> Message:
    body: Message = {"model": spec.name, "messages": list(messages), "max_tokens": longest_answer, "seed": SEED}
    return {**dict(spec.sampling), **body, **({"tools": list(tools)} if tools else {})}
