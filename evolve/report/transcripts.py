"""Format the messages of a conversation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evolve.core.fences import quoted


def message_text(message: Mapping[str, Any]) -> str:
    """One message: role, reasoning, content, and tool calls. No line of a text passes for another message."""
    parts = [f"[{message.get('role', '?')}]"]
    if reasoning := message.get("reasoning_content"):
        parts.append(f"(thinking) {quoted(str(reasoning))}")
    if content := message.get("content"):
        parts.append(quoted(f"\n{content}")[1:])
    for call in message.get("tool_calls") or []:
        function = call.get("function") or {}
        parts.append(f"-> {function.get('name', '?')} {function.get('arguments', '')}")
    return "\n".join(parts)
