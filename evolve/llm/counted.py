"""The most tokens that a prompt can have, given what an endpoint has counted before.

Before its first call, nothing is known of an endpoint's tokeniser, so a prompt may have one token for each byte: four
times what English text has. Most calls continue a conversation whose earlier prompt the endpoint has counted, and then
only the new messages are unknown: a prompt has at most the tokens that were counted for its beginning, and one for each
byte of the rest.

This holds because chat templates separate messages by marks of their own, over which no token reaches, and what they
leave out of a conversation that goes on (earlier reasoning) was counted before. Some endpoints leave out a last message
of the assistant until it is answered, so the count of such a prompt is not used. The ratio of tokens to bytes of one
text says nothing about another (digits, Chinese or base64 have up to a token per byte), so it is never used.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evolve.core.records import ModelSpec
from evolve.llm.estimates import ADDED_TOKENS, most_message_tokens, most_text_tokens
from evolve.llm.model import Body
from evolve.llm.parts import without_cache_marks
from evolve.llm.reasoning import with_sent_messages

MOST_SEED = 2**31


@dataclass(frozen=True)
class Prompt:
    """A request's prompt in sizes.

    beginnings: a digest for no message, the first one, the first two, and so on, each with all that is not a message;
    rests: the most tokens of the messages that are not in the beginning of the same place; unknown: the most of the
    whole prompt; varying: the most tokens of fields that differ between calls with the same beginning;
    ends_closed: whether the last message is one that no endpoint leaves out.
    """

    beginnings: tuple[str, ...]
    rests: tuple[int, ...]
    unknown: int
    varying: int
    ends_closed: bool


def prompt_of(request: Body, spec: ModelSpec) -> Prompt:
    """Measure a request's prompt as it is sent, without what an endpoint adds to a first prompt of its own accord."""
    request = with_sent_messages(request, spec)
    messages = request.get("messages")
    listed = messages if isinstance(messages, list) else [messages]
    # Numbers (temperature, seed, length) are sent, but become no part of the prompt. The host sets the seed later.
    varying = {"seed": MOST_SEED} | {key: value for key, value in request.items() if isinstance(value, int | float)}
    fixed = {key: value for key, value in request.items() if key != "messages" and key not in varying}
    sizes = [most_message_tokens(message, spec.name) for message in listed]
    rests = _sums_from(sizes)
    added = ADDED_TOKENS if spec.text_tools and request.get("tools") else 0
    return Prompt(
        tuple(_digests(fixed, listed)),
        rests,
        added + rests[0] + most_text_tokens({**fixed, **varying, "messages": []}),
        most_text_tokens(varying),
        not _is_assistants(listed[-1:]),
    )


class CountedPrompts:
    """What an endpoint has counted for the prompts of one trial; from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}

    def learn(self, prompt: Prompt, tokens: int) -> None:
        """Note the endpoint's own count of a prompt. An estimate is of no use here."""
        if prompt.ends_closed and tokens > 0:
            with self._lock:
                known = self._counts.get(prompt.beginnings[-1], 0)
                self._counts[prompt.beginnings[-1]] = max(known, tokens)

    def most_tokens(self, prompt: Prompt) -> int:
        """The most tokens that a prompt can have, as far as is known by now."""
        with self._lock:
            pairs = zip(prompt.beginnings, prompt.rests, strict=True)
            bounds = [self._counts[digest] + rest for digest, rest in pairs if digest in self._counts]
        return min([prompt.unknown, *(bound + prompt.varying for bound in bounds)])


def _sums_from(sizes: Sequence[int]) -> tuple[int, ...]:
    """The sums of all sizes, of all but the first one, and so on, to 0."""
    sums = [0]
    for size in reversed(sizes):
        sums.append(sums[-1] + size)
    return tuple(reversed(sums))


def _digests(fixed: Mapping[str, Any], messages: Sequence[Any]) -> list[str]:
    chain = hashlib.sha256(_bytes(fixed))
    digests = [chain.hexdigest()]
    for message in messages:
        chain.update(b"\n" + _bytes(without_cache_marks(message)))
        digests.append(chain.hexdigest())
    return digests


def _bytes(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _is_assistants(last: Sequence[Any]) -> bool:
    return any(isinstance(message, Mapping) and message.get("role") == "assistant" for message in last)
