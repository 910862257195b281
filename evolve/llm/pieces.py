"""An assistant message as the pieces of an answer in another protocol, and back.

Such answers are sequences of reasoning, texts and calls. A chat message has no place for their order, for reasoning
that is encrypted or signed, and for the ids and labels of the others. Its `reasoning_details` note these, so that a
message that a scaffold sends back unchanged becomes the very answer again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from evolve.llm import fields

SEPARATOR = "\n\n"
Kind = Literal["reasoning", "text", "call"]
Call = tuple[str, str, str]


@dataclass(frozen=True)
class Piece:
    """One piece of an answer.

    Attributes:
        kind: What it is.
        item: Of reasoning, the whole piece as it came; of the others what a chat message has no place for.
        text: The text; "" for the other kinds.
        call: Id, name and arguments of a call.
    """

    kind: Kind
    item: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    call: Call = ("", "", "")


def text_of_pieces(pieces: Sequence[Piece]) -> str:
    """Return the content of the chat message that these pieces make."""
    return SEPARATOR.join(piece.text for piece in pieces if piece.kind == "text")


def calls_of_pieces(pieces: Sequence[Piece]) -> list[dict[str, Any]]:
    """Return the `tool_calls` of the chat message that these pieces make."""
    calls = [piece.call for piece in pieces if piece.kind == "call"]
    return [
        {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
        for call_id, name, arguments in calls
    ]


def describe_pieces(pieces: Sequence[Piece], form: str) -> list[dict[str, Any]]:
    """Return the `reasoning_details` of a chat message that these pieces make. form: the protocol that they are of."""
    return [_describe(piece, form, index) for index, piece in enumerate(pieces)]


def _describe(piece: Piece, form: str, index: int) -> dict[str, Any]:
    detail = {"type": piece.kind, "format": form, "index": index, "item": dict(piece.item)}
    if piece.kind == "text":
        return {**detail, "chars": len(piece.text)}
    return {**detail, "call_id": piece.call[0]} if piece.kind == "call" else detail


def plain_pieces(message: Mapping[str, Any]) -> list[Piece]:
    """Return the pieces of a message, from its text and its calls alone."""
    text = _text(message)
    calls = [Piece("call", call=call) for call in fields.calls_of(message)]
    return [Piece("text", text=text), *calls] if text else calls


def _text(message: Mapping[str, Any]) -> str:
    return fields.text_of(message.get("content")) or str(message.get("refusal") or "")


def noted_pieces(message: Mapping[str, Any], form: str) -> list[Mapping[str, Any]]:
    """Return the `reasoning_details` that were made by `describe_pieces` for this protocol."""
    details = message.get("reasoning_details")
    return [detail for detail in details if _is_note(detail, form)] if isinstance(details, list) else []


def _is_note(detail: Any, form: str) -> bool:
    if not isinstance(detail, Mapping) or detail.get("format") != form or detail.get("type") not in get_args(Kind):
        return False
    return isinstance(detail.get("item"), Mapping)


def restored_pieces(message: Mapping[str, Any], form: str) -> list[Piece] | None:
    """Return the pieces that a message was made of; None if nothing is noted, or the message has been changed since.

    A single text may have been changed. Reasoning that nothing follows was cut off, and is left out.
    """
    notes, calls = noted_pieces(message, form), fields.calls_of(message)
    sizes = [note.get("chars") for note in notes if note["type"] == "text"]
    texts = _split(_text(message), sizes)
    ids = [note.get("call_id") for note in notes if note["type"] == "call"]
    if not notes or texts is None or ids != [call[0] for call in calls]:
        return None
    pieces = list(_filled(notes, iter(texts), iter(calls)))
    while pieces and pieces[-1].kind == "reasoning":
        pieces.pop()
    return pieces


def _filled(notes: Sequence[Mapping[str, Any]], texts: Iterator[str], calls: Iterator[Call]) -> Iterator[Piece]:
    for note in notes:
        kind: Kind = note["type"]
        text = next(texts) if kind == "text" else ""
        yield Piece(kind, note["item"], text, next(calls) if kind == "call" else ("", "", ""))


def _split(text: str, sizes: Sequence[Any]) -> list[str] | None:
    """Split a text into the texts that it was joined of; None if it can't be."""
    if len(sizes) < 2:
        return [text] if sizes and text else None if sizes or text else []
    if not all(isinstance(size, int) for size in sizes) or len(text) != sum(sizes) + len(SEPARATOR) * (len(sizes) - 1):
        return None
    starts = [sum(sizes[:number]) + len(SEPARATOR) * number for number in range(len(sizes))]
    return [text[start : start + size] for start, size in zip(starts, sizes, strict=True)]
