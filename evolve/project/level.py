"""How much of an agent may evolve."""

from __future__ import annotations

from enum import StrEnum


class Level(StrEnum):
    """Each level includes those before it."""

    INSTRUCTIONS = "instructions"
    CONFIG = "config"
    SOURCE = "source"
