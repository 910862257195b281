"""The tokens which the tokenizer makes."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    """Characters to be shown."""

    text: str


@dataclass(frozen=True)
class Control:
    """A control sequence: its final character and numeric parameters."""

    final: str
    params: tuple = ()


@dataclass(frozen=True)
class Title:
    """An operating system command, as used for window titles."""

    text: str
