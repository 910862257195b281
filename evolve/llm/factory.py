"""Which client a model needs."""

from __future__ import annotations

from evolve.core.records import ModelSpec
from evolve.llm.client import OpenAIModel, list_models
from evolve.llm.model import ChatModel, EmbeddedModel
from evolve.llm.textcalls import TextToolsModel


def open_model(spec: ModelSpec) -> ChatModel:
    """The client for this model; a model without tool calls gets the tools described in text."""
    if spec.in_process:
        return EmbeddedModel()
    model = OpenAIModel(spec)
    return TextToolsModel(model) if spec.text_tools else model


def known_models(spec: ModelSpec) -> list[str]:
    """The names that the endpoint lists; empty where it lists none. Raises as `listed_models` does."""
    if spec.in_process:
        return ["embedded", "embedded-hard"]
    return list_models(spec)
