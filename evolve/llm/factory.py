"""Open the right client for a model."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

from evolve.core.records import ModelSpec
from evolve.llm.model import ChatModel, EmbeddedModel
from evolve.llm.soundness import SoundModel
from evolve.llm.textcalls import TextToolsModel

if TYPE_CHECKING:
    from evolve.llm.dialect import Dialect


def open_model(spec: ModelSpec, has_answered: bool = False, checks_answers: bool = True) -> ChatModel:
    """Return the client for this model. Tools are described in text for a model that can't call them.

    Args:
        spec: The model.
        has_answered: The endpoint is known to have answered this model's requests: see `OpenAIModel`.
        checks_answers: Answers that look like nonsense are checked: see `SoundModel`.

    Raises:
        BadInput: The client of the model's API is not installed.
    """
    if spec.in_process:
        return EmbeddedModel()
    model: ChatModel = import_endpoints().model_class(spec.api)(spec, has_answered=has_answered)
    model = SoundModel(model, spec) if checks_answers else model
    return TextToolsModel(model) if spec.text_tools else model


def import_endpoints() -> ModuleType:
    """Import the clients of endpoints, which the model in this process does without: they are slow to import."""
    from evolve.llm import endpoints

    return endpoints


def dialect_of(model: ChatModel) -> Dialect | None:
    """Return what a model's client has found out about its endpoint; None for a model without an endpoint."""
    while isinstance(model, SoundModel | TextToolsModel):
        model = model.inner
    return getattr(model, "dialect", None)


def known_models(spec: ModelSpec) -> list[str]:
    """Return the names of the endpoint's models; empty if it lists none. Raises the errors of `list_models`."""
    names: list[str] = ["embedded", "embedded-hard"] if spec.in_process else import_endpoints().listed_models(spec)
    return names
