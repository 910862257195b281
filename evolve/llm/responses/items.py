"""The items of an assistant message: what the Responses API answers with, and takes back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from evolve.llm import fields, pieces
from evolve.llm.pieces import Piece

FORMAT = "openai-responses-v1"
Item = Mapping[str, Any]


def pieces_of(output: Iterable[Item]) -> list[Piece]:
    """Return the pieces of an answer; items of other types are left out."""
    return [piece for item in output if (piece := _piece(item)) is not None]


def _piece(item: Item) -> Piece | None:
    match item.get("type"):
        case "reasoning":
            # The API returns a status, and refuses to take it back.
            return Piece("reasoning", _rest(item, "status"))
        case "message" if text := message_text(item):
            return Piece("text", _rest(item, "content", "role"), text)
        case "function_call":
            call_id = str(item.get("call_id") or item.get("id") or "")
            call = (call_id, str(item.get("name") or ""), str(item.get("arguments") or "{}"))
            return Piece("call", _rest(item, "call_id", "name", "arguments"), call=call)
    return None


def _rest(item: Item, *known: str) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in known and value is not None}


def message_text(item: Item) -> str:
    """Return the text of a message item, without refusals."""
    return "".join(str(part.get("text") or "") for part in fields.parts_of(item.get("content")))


def assistant_items(message: Item, keep: bool) -> list[dict[str, Any]]:
    """Return the items of an assistant message.

    Without its reasoning they have no ids: the API refuses an item of its own whose reasoning is missing.

    Args:
        message: The message, with or without its `reasoning_details`.
        keep: Whether its reasoning is sent.
    """
    restored = pieces.restored_pieces(message, FORMAT) if keep else None
    if restored is not None:
        return [_item(piece) for piece in restored]
    phases = [note["item"].get("phase") for note in pieces.noted_pieces(message, FORMAT) if note["type"] == "text"]
    label = {"phase": phases[-1]} if phases and phases[-1] else {}
    plain = pieces.plain_pieces(message)
    return [_item(replace(piece, item=label) if piece.text else piece) for piece in plain]


def _item(piece: Piece) -> dict[str, Any]:
    """Return the item of a piece, with known fields alone: a scaffold may have written others, which may fetch."""
    if piece.kind == "reasoning":
        return _reasoning_item(piece.item)
    own = fields.known_texts(piece.item, "id", "status")
    if piece.kind == "call":
        call_id, name, arguments = piece.call
        return {**own, "type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}
    spoken = {"type": "message", "role": "assistant", "content": piece.text, **fields.known_texts(piece.item, "phase")}
    if "id" not in own:
        return spoken
    part = {"type": "output_text", "text": piece.text, "annotations": []}
    return {"status": "completed", **own, **spoken, "content": [part]}


def _reasoning_item(item: Item) -> dict[str, Any]:
    known = {"type": "reasoning", "summary": _texts(item.get("summary")), "content": _texts(item.get("content"))}
    texts = fields.known_texts(item, "id", "encrypted_content")
    return {key: value for key, value in (known | texts).items() if value or key != "content"}


def _texts(parts: Any) -> list[dict[str, Any]]:
    return [fields.known_texts(part, "type", "text") for part in parts] if isinstance(parts, list) else []
