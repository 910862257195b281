"""The model behind the imitated endpoints: the embedded one, and what anyone knows, which it does not."""

from __future__ import annotations

import json
import re
from typing import Any

from evolve import embedded
from evolve.core.records import stable_hash
from tests.imitated.behaviour import Body

SUM = re.compile(r"what is (\d+) ?([-+*x]) ?(\d+)\?", re.IGNORECASE)
CAPITAL = re.compile(r"capital of (\w+)", re.IGNORECASE)
CAPITALS = {"france": "Paris", "italy": "Rome", "japan": "Tokyo", "spain": "Madrid", "germany": "Berlin"}
REPEAT = re.compile(r"(?:repeat|write)[^:\n]*:\s*(.+)", re.IGNORECASE)
PASSWORD = re.compile(r"password is (\S+?)[.\s]")
BICYCLE = (
    "A bicycle turns the push of your legs into motion. Your feet press the pedals, which sit on cranks at the bottom "
    "of the frame. The cranks rotate a toothed chainring, and a chain carries that rotation to a smaller sprocket on "
    "the rear wheel. Because the sprocket has fewer teeth, the wheel turns more often than your legs do, and the tyre "
    "grips the road and drives the machine forward. Gears let you trade speed for force: a large sprocket makes hills "
    "easy, while a small one suits flat ground. Balance comes from steering. When the rider leans to one side, the "
    "front fork, tilted slightly backwards, lets the wheel turn into the fall, so that the contact points move under "
    "the centre of mass again. Above walking pace this happens almost without thought. Brakes squeeze pads against the "
    "rim or a disc, and friction changes speed into heat. Bearings in hubs, cranks and headset keep the moving parts "
    "from grinding, and air in the tyres softens small bumps. Few machines waste so little energy."
)


def play(body: Body) -> Body:
    """Answer a request. Raises RequestRefused as the embedded model does."""
    text = _question(body)
    answer = text and _known_answer(text)
    return _completion(body, answer) if answer else embedded.complete(body)


def _question(body: Body) -> str:
    """What the user asks at last, where no tools are offered."""
    last = body["messages"][-1] if body.get("messages") and not body.get("tools") else {}
    content = last.get("content") if last.get("role") == "user" else ""
    return content if isinstance(content, str) else ""


def _known_answer(text: str) -> str:
    if "password" in (end := text[-200:].lower()) and "?" in end:
        known = PASSWORD.search(text)
        return known[1] if known else "I do not know it."
    if match := SUM.search(text):
        left, right = int(match[1]), int(match[3])
        return str({"+": left + right, "-": left - right}.get(match[2], left * right))
    if (match := CAPITAL.search(text)) and match[1].lower() in CAPITALS:
        return CAPITALS[match[1].lower()]
    if match := REPEAT.search(text):
        return match[1].strip()
    if "say ok" in text.lower() or "word ok" in text.lower():
        return "OK"
    return BICYCLE if re.search(r"\b(explain|describe)\b", text, re.IGNORECASE) else ""


def _completion(body: Body, text: str) -> Body:
    asked, answered = len(json.dumps(body["messages"])) // 4, max(len(text) // 4, 1)
    choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return {
        "id": f"chatcmpl-{stable_hash(json.dumps(body, sort_keys=True, default=str)):016x}",
        "object": "chat.completion",
        "created": 0,
        "model": str(body.get("model")),
        "choices": [{**choice, "logprobs": None}],
        "usage": {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered},
    }
