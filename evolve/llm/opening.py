"""Which client a model needs. The one for endpoints is imported when one is asked: `openai` alone takes a second."""

from __future__ import annotations

from evolve.llm.model import ChatModel, EmbeddedModel
from evolve.llm.textcalls import TextToolsModel
from evolve.records import ModelSpec


def open_model(spec: ModelSpec) -> ChatModel:
    """The client for this model; one that can't call tools is told of them in text."""
    if spec.in_process:
        return EmbeddedModel()
    from evolve.llm.client import OpenAIModel  # noqa: PLC0415

    model = OpenAIModel(spec)
    return TextToolsModel(model) if spec.text_tools else model


def known_models(spec: ModelSpec) -> list[str]:
    """The names that the endpoint lists; empty where it lists none. Raises as `listed_models` does."""
    if spec.in_process:
        return ["embedded", "embedded-hard"]
    from evolve.llm.client import listed_models  # noqa: PLC0415

    return listed_models(spec)
