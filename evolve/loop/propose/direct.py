"""The `direct` proposer: one conversation with the model, which reads trials as it likes and ends in a proposal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from evolve.core.errors import RequestRefused
from evolve.core.records import ModelSpec, Proposal, Usage, stable_hash
from evolve.llm import ChatModel, usage_of
from evolve.loop.propose.answer import proposed, words
from evolve.loop.propose.brief import Brief, Check, Made, Message, opening, prompt, tools

MAX_TOKENS = 16_384
MAX_TURNS = 30
MAX_REPAIRS = 3
FORGOTTEN = "(dropped: the conversation grew too long)"


@dataclass
class Talk:
    """A conversation as it grows. Each request has a seed of its own, so that the same words may be answered anew."""

    model: ChatModel
    spec: ModelSpec
    seed: int
    messages: list[Message]
    usage: Usage = field(default_factory=Usage)

    def ask(self, offered: Sequence[Message]) -> Message:
        """The model's next message. A conversation that is too long is asked once more without what was looked up.

        Raises RequestRefused where the endpoint refuses the request, InfraError where it fails.
        """
        try:
            return self._asked(offered)
        except RequestRefused as error:
            if error.code != "context_length_exceeded" or not self._forget():
                raise
            return self._asked(offered)

    def _asked(self, offered: Sequence[Message]) -> Message:
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
        completion = self.model.complete(request, self._lose)
        self.usage += replace(usage_of(completion, self.spec, request), calls=0)
        message: Message = completion["choices"][0]["message"]
        self.messages.append(message)
        return message

    def _lose(self, lost: Usage) -> None:
        self.usage += lost

    def _forget(self) -> bool:
        """Drop what the tools answered; whether there was anything."""
        long = [message for message in self.messages if message["role"] == "tool" and len(message["content"]) > 500]
        for message in long:
            message["content"] = FORGOTTEN
        return bool(long)

    def answer(self, call: Any, text: str) -> None:
        self.messages.append({"role": "tool", "tool_call_id": str(call.get("id", "")), "content": text})


def direct(model: ChatModel, spec: ModelSpec, brief: Brief, seed: int, check: Check) -> Made:
    """A proposal that passes the check; else the last one, whose `note` says what is wrong with it.

    Up to MAX_REPAIRS times the model is told what is wrong, and may mend it. Raises InfraError if the endpoint fails.
    """
    talk = Talk(model, spec, seed, opening(brief))
    made = Proposal("", "", (), note="the model proposed nothing")
    for left in range(MAX_REPAIRS, -1, -1):
        try:
            call, made = _next_proposal(talk, brief)
        except RequestRefused as error:
            made = replace(made, note=words(f"the model refused: {error}"))
            break
        made = replace(made, note=made.note or check(made) or "")
        if not made.note or not left:
            break
        _tell(talk, call, prompt("propose_repair.md", problem=made.note, left=left))
    return Made(replace(made, usage=talk.usage), tuple(talk.messages))


def _next_proposal(talk: Talk, brief: Brief) -> tuple[Mapping[str, Any] | None, Proposal]:
    """What the model proposes next, and its call; None and a note where it makes no call or reads for ever."""
    offered = tools()
    while talk.usage.calls < MAX_TURNS:
        calls = [call for call in talk.ask(offered).get("tool_calls") or [] if _named(call)]
        chosen = next((call for call in calls if _named(call) == "propose"), None)
        for call in calls:
            if call is not chosen:
                talk.answer(call, looked_up(brief, _named(call), call["function"].get("arguments")))
        if chosen is not None:
            return chosen, proposed(chosen["function"].get("arguments"), brief)
        if not calls:
            return None, Proposal("", "", (), note="the model proposed nothing")
    return None, Proposal("", "", (), note=f"no proposal within {MAX_TURNS} calls of the model")


def _tell(talk: Talk, call: Mapping[str, Any] | None, text: str) -> None:
    """As the answer to its call, or as a word of ours where it made none."""
    if call is not None:
        talk.answer(call, text)
    else:
        talk.messages.append({"role": "user", "content": text})


def _named(call: Any) -> str:
    """The function's name; "" for what is no call."""
    function = call.get("function") if isinstance(call, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    return name if isinstance(name, str) else ""


def looked_up(brief: Brief, name: str, text: Any) -> str:
    """What one of the reading tools answers; whatever is wrong with a call is told."""
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
        return words(f"error: malformed arguments: {type(error).__name__}: {error}")
    return words(f"error: there is no tool {name}")
