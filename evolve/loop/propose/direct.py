"""The `direct` proposer: one conversation, in which the model may read trials, and which ends in a proposal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from evolve.core.errors import RequestRefused
from evolve.core.records import ModelSpec, Proposal, Usage, stable_hash
from evolve.llm import ChatModel, usage_of
from evolve.loop.propose.answer import clean_text, parse_proposal
from evolve.loop.propose.brief import Brief, Check, Message, WrittenProposal, opening, prompt, tools

MAX_TOKENS = 16_384
MAX_TURNS = 30
MAX_REPAIRS = 3
DROPPED = "(dropped: the conversation grew too long)"


@dataclass
class Conversation:
    """A conversation with the model. Each request has its own seed, so that the same text may get another answer."""

    model: ChatModel
    spec: ModelSpec
    seed: int
    messages: list[Message]
    usage: Usage = field(default_factory=Usage)

    def ask(self, offered: Sequence[Message]) -> Message:
        """Ask for the model's next message; once more without the tools' answers if the conversation is too long.

        Raises:
            RequestRefused: The endpoint refuses the request.
            InfraError: The endpoint failed.
        """
        try:
            return self._request(offered)
        except RequestRefused as error:
            if error.code != "context_length_exceeded" or not self._forget_answers():
                raise
            return self._request(offered)

    def _request(self, offered: Sequence[Message]) -> Message:
        seed = self.seed if self.usage.calls == 0 else stable_hash(self.seed, self.usage.calls)
        request = {
            **dict(self.spec.sampling),
            "model": self.spec.name,
            "messages": list(self.messages),
            "tools": list(offered),
            "max_tokens": MAX_TOKENS,
            "seed": seed & 0x7FFFFFFF,
        }
        self.usage += Usage(calls=1)
        completion = self.model.complete(request, self._count_lost)
        self.usage += replace(usage_of(completion, self.spec, request), calls=0)
        message: Message = completion["choices"][0]["message"]
        self.messages.append(message)
        return message

    def _count_lost(self, lost: Usage) -> None:
        self.usage += lost

    def _forget_answers(self) -> bool:
        """Drop the tools' answers.

        Returns:
            Whether there were any.
        """
        long = [message for message in self.messages if message["role"] == "tool" and len(message["content"]) > 500]
        for message in long:
            message["content"] = DROPPED
        return bool(long)

    def answer(self, call: Any, text: str) -> None:
        self.messages.append({"role": "tool", "tool_call_id": str(call.get("id", "")), "content": text})


def direct(model: ChatModel, spec: ModelSpec, brief: Brief, seed: int, check: Check) -> WrittenProposal:
    """Have the model write a proposal; up to MAX_REPAIRS times it is given the problem to fix.

    Returns:
        A proposal that passes the check; otherwise the last one, whose `note` says what is wrong with it.

    Raises:
        InfraError: The endpoint failed.
    """
    conversation = Conversation(model, spec, seed, opening(brief))
    made = Proposal("", "", (), note="the model proposed nothing")
    for left in range(MAX_REPAIRS, -1, -1):
        try:
            call, made = _next_proposal(conversation, brief)
        except RequestRefused as error:
            made = replace(made, note=clean_text(f"the model refused: {error}"))
            break
        made = replace(made, note=made.note or check(made) or "")
        if not made.note or not left:
            break
        _reply(conversation, call, prompt("propose_repair.md", problem=made.note, left=left))
    return WrittenProposal(replace(made, usage=conversation.usage), tuple(conversation.messages))


def _next_proposal(conversation: Conversation, brief: Brief) -> tuple[Mapping[str, Any] | None, Proposal]:
    """Ask until the model proposes.

    Returns:
        Its call and the proposal; no call, and a note, if it makes none within MAX_TURNS.
    """
    offered = tools()
    while conversation.usage.calls < MAX_TURNS:
        calls = [call for call in conversation.ask(offered).get("tool_calls") or [] if _tool_name(call)]
        chosen = next((call for call in calls if _tool_name(call) == "propose"), None)
        for call in calls:
            if call is not chosen:
                conversation.answer(call, look_up(brief, _tool_name(call), call["function"].get("arguments")))
        if chosen is not None:
            return chosen, parse_proposal(chosen["function"].get("arguments"), brief)
        if not calls:
            return None, Proposal("", "", (), note="the model proposed nothing")
    return None, Proposal("", "", (), note=f"no proposal within {MAX_TURNS} calls of the model")


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
