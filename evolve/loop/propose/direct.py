"""The `direct` proposer: one conversation, in which the model may read trials, and which ends in a proposal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from evolve.core.errors import RequestRefused
from evolve.core.fences import one_line
from evolve.core.records import ModelSpec, Proposal, Usage, stable_hash
from evolve.llm import ChatModel, usage_of
from evolve.loop.propose.answer import clean_text, parse_proposal, refused_by_endpoint
from evolve.loop.propose.brief import Brief, Check, Message, WrittenProposal, openings, prompt, tools
from evolve.loop.propose.fitting import answer_limit, first_chars, reading_room, size

MAX_TOKENS = 16_384
MAX_TURNS = 30
MAX_REPAIRS = 3
LEAST_ANSWER = 1_024
TOO_LONG = "context_length_exceeded"
DROPPED = "(dropped: the conversation grew too long)"
# A tool's answer that is worth dropping, in characters; no answer is cut to fewer bytes.
LONG_ANSWER = 500


@dataclass
class Conversation:
    """A conversation with the model. Each request has its own seed, so that the same text may get another answer.

    shorter: first messages to begin with instead if the endpoint finds the conversation too long; max_tokens: of an
    answer; cut_off: the tokens of the latest answer if it ended because of its length, otherwise 0; requests: how many
    were made, without those that the host adds, which `usage` counts too.
    """

    model: ChatModel
    spec: ModelSpec
    seed: int
    messages: list[Message]
    usage: Usage = field(default_factory=Usage)
    shorter: Iterator[list[Message]] = field(default_factory=lambda: iter(()))
    max_tokens: int = MAX_TOKENS
    cut_off: int = 0
    requests: int = 0

    def ask(self, offered: Sequence[Message]) -> Message:
        """Ask for the model's next message; if the conversation is too long, again with less of it.

        Raises:
            RequestRefused: The endpoint refuses the request.
            InfraError: The endpoint failed.
        """
        while True:
            try:
                return self._request(offered)
            except RequestRefused as error:
                if error.code != TOO_LONG or not (self._forget_answers() or self._shorten()):
                    raise

    def _request(self, offered: Sequence[Message]) -> Message:
        seed = self.seed if self.requests == 0 else stable_hash(self.seed, self.requests)
        request = {
            **dict(self.spec.sampling),
            "model": self.spec.name,
            "messages": list(self.messages),
            "tools": list(offered),
            "max_tokens": self.max_tokens,
            "seed": seed & 0x7FFFFFFF,
        }
        self.requests += 1
        self.usage += Usage(calls=1)
        completion = self.model.complete(request, self._count_lost)
        usage, choice = usage_of(completion, self.spec, request), completion["choices"][0]
        self.usage += replace(usage, calls=0)
        self.cut_off = usage.completion_tokens if choice.get("finish_reason") == "length" else 0
        message: Message = choice["message"]
        self.messages.append(message)
        return message

    def _count_lost(self, lost: Usage) -> None:
        self.usage += lost

    def _forget_answers(self) -> bool:
        """Drop the tools' answers.

        Returns:
            Whether there were any.
        """
        answers = [message for message in self.messages if message["role"] == "tool"]
        long = [message for message in answers if len(message["content"]) > LONG_ANSWER]
        for message in long:
            message["content"] = DROPPED
        return bool(long)

    def _shorten(self) -> bool:
        """Begin with shorter messages, and ask for shorter answers.

        Returns:
            Whether there were any.
        """
        if (first := next(self.shorter, None)) is None:
            return False
        self.messages[: len(first)] = first
        self.max_tokens = max(self.max_tokens // 2, min(self.max_tokens, LEAST_ANSWER))
        return True

    def answer(self, call: Any, text: str) -> None:
        """Answer a call; earlier answers make room for it, and what still doesn't fit is cut."""
        if len(text) > LONG_ANSWER and size(text) > self._room():
            self._forget_answers()
        content = first_chars(text, max(self._room(), LONG_ANSWER))
        self.messages.append({"role": "tool", "tool_call_id": str(call.get("id", "")), "content": content})

    def _room(self) -> int:
        return reading_room(self.spec, {"messages": self.messages, "tools": tools()})


def direct(
    model: ChatModel, spec: ModelSpec, brief: Brief, seed: int, check: Check, max_tokens: int = MAX_TOKENS
) -> WrittenProposal:
    """Have the model write a proposal; up to MAX_REPAIRS times it is given the problem to fix.

    Args:
        model: The model that proposes.
        spec: Of that model.
        brief: What it is shown.
        seed: Of the first request.
        check: Tells what is wrong with a proposal.
        max_tokens: The run's limit of an answer; an answer may have MAX_TOKENS if that is more.

    Returns:
        A proposal that passes the check; otherwise the last one, whose `note` says what is wrong with it.

    Raises:
        InfraError: The endpoint failed.
    """
    limit = answer_limit(spec, max(max_tokens, MAX_TOKENS))
    beginnings = openings(brief, spec, limit)
    conversation = Conversation(model, spec, seed, next(beginnings), shorter=beginnings, max_tokens=limit)
    made = Proposal("", "", (), note="the model proposed nothing")
    for left in range(MAX_REPAIRS, -1, -1):
        try:
            call, made = _next_proposal(conversation, brief)
        except RequestRefused as error:
            made = refused_by_endpoint(made, error)
            break
        made = replace(made, note=made.note or check(made) or "")
        if not made.note or not left:
            break
        _reply(conversation, call, _repair(conversation, made.note, left))
    return WrittenProposal(replace(made, usage=conversation.usage), tuple(conversation.messages))


def _next_proposal(conversation: Conversation, brief: Brief) -> tuple[Mapping[str, Any] | None, Proposal]:
    """Ask until the model proposes.

    Returns:
        Its call and the proposal; no call, and a note, if it makes none within MAX_TURNS.
    """
    offered = tools()
    while conversation.requests < MAX_TURNS:
        calls = [call for call in conversation.ask(offered).get("tool_calls") or [] if _tool_name(call)]
        chosen = next((call for call in calls if _tool_name(call) == "propose"), None)
        for call in calls:
            if call is not chosen:
                conversation.answer(call, look_up(brief, _tool_name(call), call["function"].get("arguments")))
        if chosen is not None:
            return chosen, _explain(conversation, parse_proposal(chosen["function"].get("arguments"), brief))
        if not calls:
            return None, _explain(conversation, Proposal("", "", (), note="the model proposed nothing"))
    return None, Proposal("", "", (), note=f"no proposal within {MAX_TURNS} calls of the model")


def _explain(conversation: Conversation, made: Proposal) -> Proposal:
    """The proposal; if it is incomplete because its answer was cut off, the note says so."""
    if not made.note:
        conversation.cut_off = 0
    if not conversation.cut_off:
        return made
    return replace(made, note=f"the model's answer was cut off after {conversation.cut_off} tokens")


def _repair(conversation: Conversation, problem: str, left: int) -> str:
    """What the model is told about its last proposal."""
    if conversation.cut_off:
        return prompt("propose_cut_off.md", tokens=conversation.cut_off, left=left)
    return prompt("propose_repair.md", problem=one_line(problem), left=left)


def _reply(conversation: Conversation, call: Mapping[str, Any] | None, text: str) -> None:
    """Answer the model's call; if it made none, send a user message."""
    if call is not None:
        conversation.answer(call, text)
    else:
        conversation.messages.append({"role": "user", "content": text})


def _tool_name(call: Any) -> str:
    """The name of the called function; "" if this is no call."""
    function = call.get("function") if isinstance(call, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    return name if isinstance(name, str) else ""


def look_up(brief: Brief, name: str, text: Any) -> str:
    """The answer of one of the reading tools; it says so if something is wrong with the call."""
    try:
        given = json.loads(text)
        if name == "read_trial":
            return brief.shelf.steps(str(given["trial"]), int(given.get("first_step") or 1))
        if name == "search_trials":
            return brief.shelf.search(str(given["words"]))
        if name == "read_file":
            path = str(given["path"])
            return brief.files.get(path, f"error: there is no file {path}; there are: {', '.join(sorted(brief.files))}")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return clean_text(f"error: malformed arguments: {type(error).__name__}: {error}")
    return clean_text(f"error: there is no tool {name}")
