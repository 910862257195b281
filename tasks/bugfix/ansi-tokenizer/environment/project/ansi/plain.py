"""Helpers for those who want the text only."""
from .tokenizer import Tokenizer
from .tokens import Text


def strip(data):
    """Return ``data`` without escape sequences."""
    machine = Tokenizer()
    tokens = machine.feed(data) + machine.close()
    return "".join(t.text for t in tokens if isinstance(t, Text))


def visible_length(data):
    return len(strip(data))
