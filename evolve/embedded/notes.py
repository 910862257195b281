"""The note-keeping role: the facts of a round in; one call of `lesson` out, which says no more than they do."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from evolve.core.records import stable_hash
from evolve.embedded.knobs import Knobs
from evolve.embedded.messages import text_of

SAID_CHARS = 200
SAID = {
    "better": "It helped; what builds upon it may help too.",
    "worse": "It did harm; leave it.",
    "unclear": "No effect of it could be told.",
}
_FACT = re.compile(r"^(tried|effect|predicted to be fixed): (.+)$", re.MULTILINE)
_HITS = re.compile(r"(\d+) tasks, of which (\d+)")


def note(body: Mapping[str, Any], knobs: Knobs) -> dict[str, Any]:
    """The assistant's message for a request that offers `lesson`: a pure function of the body."""
    text = "\n".join(text_of(one.get("content")) for one in body["messages"] if one["role"] == "user")
    facts = dict(_FACT.findall(text.partition("</facts>")[0]))
    effect = facts.get("effect", "").partition(" ")[0]
    effect = effect if effect in SAID else "unclear"
    lesson = f"{facts.get('tried', '')[:SAID_CHARS]} {SAID[effect]}{_came_true(facts)}".strip()
    function = {"name": "lesson", "arguments": json.dumps({"effect": effect, "lesson": lesson})}
    call = {"id": f"call_{stable_hash(lesson):016x}", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def _came_true(facts: Mapping[str, str]) -> str:
    found = _HITS.match(facts.get("predicted to be fixed", ""))
    return f" Of {found[1]} tasks that it was to fix, {found[2]} went better." if found else ""
