"""Mark what the endpoint may cache: the parts of a request that the next requests of a conversation begin with.

The prefix up to a mark is cached, in the order tools, system, messages; at most four marks are allowed, and neither
thinking nor empty texts may have one. A mark costs nothing where the prefix is too short to be cached. From a mark the
endpoint looks back over some twenty blocks for a prefix that it has; many calls at once may be more, so the last turn
but one of the user is marked too. (platform.claude.com/docs/en/build-with-claude/prompt-caching)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evolve.core.records import ModelSpec
from evolve.llm.messages.blocks import MARK
from evolve.llm.outgoing import is_never_sent
from evolve.llm.parts import CACHE_MARK

CONTROL = CACHE_MARK
TURNS = 2
MOST_MARKS = 4


def with_cache_marks(request: Mapping[str, Any], spec: ModelSpec) -> dict[str, Any]:
    """Return the request with marks: those that an agent set itself, otherwise ours.

    Without any if `cache_control` is refused, or set in the model's extra body. A single turn without tools is hardly a
    conversation's beginning: only what comes before it is marked, because writing to the cache costs more than an
    ordinary token.
    """
    if is_never_sent(spec, CONTROL) or CONTROL in request:
        return _with_last_marks(request, 0)
    if any(CONTROL in block for block in _markable(request)):
        return _with_last_marks(request, MOST_MARKS)
    marked = dict(request)
    for key in ("tools", "system"):
        if isinstance(request.get(key), list):
            marked[key] = _with_mark(request[key])
    turns = list(request["messages"])
    users = [number for number, turn in enumerate(turns) if turn["role"] == "user"]
    for number in users[-TURNS:] if len(users) > 1 or request.get("tools") else ():
        turns[number] = {**turns[number], "content": _with_mark(turns[number]["content"])}
    return {**marked, "messages": turns}


def _with_mark(blocks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [*map(dict, blocks[:-1]), {**blocks[-1], **MARK}]


def _with_last_marks(request: Mapping[str, Any], most: int) -> dict[str, Any]:
    """Return the request with the last `most` of its marks. Its blocks are this request's own."""
    marked = [block for block in _markable(request) if CONTROL in block]
    for block in marked[: len(marked) - most]:
        del block[CONTROL]
    return dict(request)


def _markable(request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the blocks that may have marks, in the order in which the endpoint reads them."""
    for key in ("tools", "system"):
        yield from request.get(key) or []
    for turn in request["messages"]:
        for block in turn["content"]:
            yield from block.get("content") or [] if block["type"] == "tool_result" else ()
            yield block
