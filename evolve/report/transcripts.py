"""A conversation as people read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def message_text(message: Mapping[str, Any]) -> str:
    """One message: who speaks, what is said, thought and called. Calls stand with their arguments as they came."""
    parts = [f"[{message.get('role', '?')}]"]
    if thought := message.get("reasoning_content"):
        parts.append(f"(thinking) {thought}")
    if content := message.get("content"):
        parts.append(str(content))
    for call in message.get("tool_calls") or []:
        function = call.get("function") or {}
        parts.append(f"-> {function.get('name', '?')} {function.get('arguments', '')}")
    return "\n".join(parts)
