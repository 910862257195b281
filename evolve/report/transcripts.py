"""Format the messages of a conversation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def message_text(message: Mapping[str, Any]) -> str:
    """One message: role, reasoning, content, and tool calls with their arguments as received."""
    parts = [f"[{message.get('role', '?')}]"]
    if reasoning := message.get("reasoning_content"):
        parts.append(f"(thinking) {reasoning}")
    if content := message.get("content"):
        parts.append(str(content))
    for call in message.get("tool_calls") or []:
        function = call.get("function") or {}
        parts.append(f"-> {function.get('name', '?')} {function.get('arguments', '')}")
    return "\n".join(parts)
