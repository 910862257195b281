"""Open the right client for a model."""

from __future__ import annotations

from evolve.core.records import ModelSpec
from evolve.llm.client import OpenAIModel
from evolve.llm.listing import list_models
from evolve.llm.model import ChatModel, EmbeddedModel
from evolve.llm.textcalls import TextToolsModel


def open_model(spec: ModelSpec) -> ChatModel:
    """Return the client for this model. Tools are described in text for a model that can't call them."""
    if spec.in_process:
        return EmbeddedModel()
    model = OpenAIModel(spec)
    return TextToolsModel(model) if spec.text_tools else model


def known_models(spec: ModelSpec) -> list[str]:
    """Return the names of the endpoint's models; empty if it lists none. Raises the errors of `list_models`."""
    if spec.in_process:
        return ["embedded", "embedded-hard"]
    return list_models(spec)
