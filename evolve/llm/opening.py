"""Which client a model needs."""

from __future__ import annotations

from evolve.llm.client import OpenAIModel
from evolve.llm.model import ChatModel, EmbeddedModel
from evolve.llm.textcalls import TextToolsModel
from evolve.records import ModelSpec


def open_model(spec: ModelSpec) -> ChatModel:
    """The client for this model; one that can't call tools is told of them in text."""
    if spec.base_url is None and spec.embedded:
        return EmbeddedModel()
    model = OpenAIModel(spec)
    return TextToolsModel(model) if spec.text_tools else model
