"""The files of an agent, with their texts."""

from __future__ import annotations

import os
from pathlib import Path

NOT_AGENT = ("__pycache__", "node_modules", "runs", "venv")
# Hidden folders of coding agents; all others are somebody else's.
HIDDEN = (".agents", ".claude", ".codex", ".gemini", ".opencode", ".qwen")
HIDDEN_FILES = (".github/copilot-instructions.md",)
MOST_FILES = 5_000
MOST_BYTES = 1024 * 1024


def agent_texts(folder: Path, suite: str) -> dict[str, str]:
    """The texts of an agent's files by path, without those of its suite; "" for what is no text, or very long."""
    texts: dict[str, str] = {}
    for top, folders, names in os.walk(folder):
        place = Path(top).relative_to(folder)
        kept = (name for name in folders if name not in NOT_AGENT and (not name.startswith(".") or name in HIDDEN))
        folders[:] = sorted(name for name in kept if (place / name).as_posix() != suite)
        texts |= {(place / name).as_posix(): _text(Path(top) / name) for name in sorted(names)}
        if len(texts) > MOST_FILES:
            break
    return texts | {path: _text(folder / path) for path in HIDDEN_FILES if (folder / path).is_file()}


def _text(file: Path) -> str:
    try:
        if not file.is_file() or file.stat().st_size > MOST_BYTES:
            return ""
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
