"""The note-keeping role: summarise the facts of a round in one call of `lesson`, adding nothing to them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from evolve.core.fences import unescaped
from evolve.core.records import stable_hash
from evolve.embedded.knobs import Knobs
from evolve.embedded.messages import text_of

MAX_CHARS = 200
SENTENCES = {
    "better": "It helped; what builds upon it may help too.",
    "worse": "It did harm; leave it.",
    "unclear": "No effect of it could be told.",
}
_FACT = re.compile(r"^(tried|effect|predicted to be fixed): (.+)$", re.MULTILINE)
_HITS = re.compile(r"(\d+) tasks, of which (\d+)")


def note(body: Mapping[str, Any], knobs: Knobs) -> dict[str, Any]:
    """Answer a request that offers `lesson`: a pure function of the body. Returns the assistant's message."""
    text = "\n".join(text_of(message.get("content")) for message in body["messages"] if message["role"] == "user")
    facts = dict(_FACT.findall(unescaped(text.partition("</facts>")[0])))
    effect = facts.get("effect", "").partition(" ")[0]
    effect = effect if effect in SENTENCES else "unclear"
    lesson = f"{facts.get('tried', '')[:MAX_CHARS]} {SENTENCES[effect]}{_describe_prediction(facts)}".strip()
    function = {"name": "lesson", "arguments": json.dumps({"effect": effect, "lesson": lesson})}
    call = {"id": f"call_{stable_hash(lesson):016x}", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def _describe_prediction(facts: Mapping[str, str]) -> str:
    match = _HITS.match(facts.get("predicted to be fixed", ""))
    return f" Of {match[1]} tasks that it was to fix, {match[2]} went better." if match else ""
