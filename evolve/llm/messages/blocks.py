"""Content blocks: of which the turns of a conversation consist in the Messages API."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from evolve.core.errors import RequestRefused
from evolve.core.records import stable_hash
from evolve.llm import fields, pieces
from evolve.llm.foreign_json import parse_exactly
from evolve.llm.parts import CACHE_MARK, sent_mark
from evolve.llm.pieces import Piece

FORMAT = "anthropic-messages-v1"
MARK = {CACHE_MARK: {"type": "ephemeral"}}
THINKING = ("thinking", "redacted_thinking")
DATA_URL = re.compile(r"data:([\w.+/-]+);base64,(.*)", re.DOTALL)
MEDIA_TYPES = {"image/jpg": "image/jpeg"}
UNUSABLE = re.compile(r"[^a-zA-Z0-9_-]")
Block = dict[str, Any]


def pieces_of(content: Iterable[Any]) -> list[Piece]:
    """Return the pieces of an answer; blocks of other types are left out."""
    blocks = [block for block in content if isinstance(block, Mapping)]
    return [piece for block in blocks if (piece := _piece(block)) is not None]


def _piece(block: Mapping[str, Any]) -> Piece | None:
    match block.get("type"):
        case "thinking" | "redacted_thinking":
            return Piece("reasoning", dict(block))
        case "text" if block.get("text"):
            return Piece("text", {}, str(block["text"]))
        case "tool_use":
            call = (str(block.get("id") or ""), str(block.get("name") or ""), _arguments(block.get("input")))
            return Piece("call", call=call)
    return None


def _arguments(given: Any) -> str:
    """Return the text of a call's arguments. Streams have it as it is, whole answers as a value."""
    return (given or "{}") if isinstance(given, str) else json.dumps(given or {}, ensure_ascii=False)


def assistant_blocks(message: Mapping[str, Any], keep: bool) -> list[Block]:
    """Return the blocks of an assistant message. keep: whether its thinking is sent."""
    restored = pieces.restored_pieces(message, FORMAT) if keep else None
    sent = pieces.plain_pieces(message) if restored is None else restored
    written = [_block(piece) for piece in sent if piece.kind != "text" or piece.text.strip()]
    written = [block for block in written if block]
    if written and written[-1]["type"] not in THINKING:
        written[-1] |= sent_mark(message)
    return written


def _block(piece: Piece) -> Block:
    if piece.kind == "reasoning":
        return _thinking(piece.item)
    if piece.kind == "text":
        return {"type": "text", "text": piece.text}
    call_id, name, arguments = piece.call
    return {"type": "tool_use", "id": usable_id(call_id), "name": name, "input": input_of(arguments)}


def _thinking(item: Mapping[str, Any]) -> Block:
    """Return a block of thinking; empty for any other, which a scaffold may have written, and which may fetch."""
    fields_of_kind = {"thinking": ("thinking", "signature"), "redacted_thinking": ("data",)}
    names = fields_of_kind.get(str(item.get("type")), ())
    texts = fields.known_texts(item, *names)
    return {"type": item["type"], **texts} if names and len(texts) == len(names) else {}


def input_of(arguments: str) -> dict[str, Any]:
    """Return the object that a call's arguments are. Any other text has no place in the protocol but inside of one."""
    try:
        value = parse_exactly(arguments)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"arguments": arguments}


def usable_id(call_id: str) -> str:
    """Return the id of a call in the characters that the API accepts; different ids stay different."""
    if call_id and not UNUSABLE.search(call_id):
        return call_id
    return f"{UNUSABLE.sub('_', call_id)}_{stable_hash(call_id):016x}"


def result_block(message: Mapping[str, Any]) -> Block:
    """Return the block of a tool's answer."""
    result = {
        "type": "tool_result",
        "tool_use_id": usable_id(str(message.get("tool_call_id") or "")),
        "content": content_blocks(message.get("content")) or None,
    }
    return fields.without_empty(result)


def content_blocks(content: Any) -> list[Block]:
    """Return the blocks of texts and images. The API refuses texts of white space alone, so they are left out.

    Raises:
        RequestRefused: An image is neither an address nor a data URL in base64.
    """
    blocks = [_content_block(part) for part in fields.parts_of(content)]
    return [block for block in blocks if block["type"] != "text" or block["text"].strip()]


def _content_block(part: Mapping[str, Any]) -> Block:
    url = fields.image_url(part)
    if not url:
        return {"type": "text", "text": fields.text_of([part]), **sent_mark(part)}
    if not url.startswith("data:"):
        return {"type": "image", "source": {"type": "url", "url": url}, **sent_mark(part)}
    image = DATA_URL.fullmatch(url)
    if image is None:
        raise RequestRefused(400, "invalid_request", "a data URL of an image must have a media type and base64")
    source = {"type": "base64", "media_type": MEDIA_TYPES.get(image[1], image[1]), "data": image[2]}
    return {"type": "image", "source": source, **sent_mark(part)}
