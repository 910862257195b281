"""Which model a request asks: agents name models of their own, and the run decides which of its models answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from evolve.core.records import ModelSpec

# The words by which vendors name the small models of their families, between signs and figures: `mini` is one in
# `gpt-5-mini`, and none in `gemini`.
SMALL_WORDS = frozenset({"air", "fast", "flash", "haiku", "lite", "micro", "mini", "nano", "small", "tiny"})
WORD = re.compile(r"[a-z]+")


def looks_small(name: str) -> bool:
    """Whether a model's name is that of a small one."""
    return not SMALL_WORDS.isdisjoint(WORD.findall(name.lower()))


def asked_of(name: Any, models: Sequence[ModelSpec]) -> ModelSpec:
    """Return the model that answers a request.

    A name that one of the run's models has means that model; any other one means the small model if it looks like that
    of one, otherwise the run's model.

    Args:
        name: What the request says; it may be anything.
        models: The run's model, and its small one if it has one.
    """
    named = [model for model in models if model.name == name]
    if named:
        return named[0]
    return models[-1] if isinstance(name, str) and looks_small(name) else models[0]
