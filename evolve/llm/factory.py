"""Open the right client for a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evolve.core.errors import BadInput
from evolve.core.records import Api, ModelSpec
from evolve.llm.client import OpenAIModel
from evolve.llm.dialect import Dialect
from evolve.llm.listing import list_models
from evolve.llm.model import ChatModel, EmbeddedModel
from evolve.llm.responses.model import ResponsesModel
from evolve.llm.soundness import SoundModel
from evolve.llm.textcalls import TextToolsModel

if TYPE_CHECKING:
    from evolve.llm.messages.model import MessagesModel

EXTRA = "evolve-scaffold[anthropic]"


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
    model: ChatModel = model_class(spec.api)(spec, has_answered=has_answered)
    model = SoundModel(model, spec) if checks_answers else model
    return TextToolsModel(model) if spec.text_tools else model


def model_class(api: Api) -> type[OpenAIModel]:
    """Return the class of the models of an API. Raises BadInput: its client is not installed."""
    if api == "messages":
        return import_messages()
    return ResponsesModel if api == "responses" else OpenAIModel


def import_messages() -> type[MessagesModel]:
    """Import the model of the Messages API, whose client is an optional dependency and slow to import.

    Raises:
        BadInput: The client is not installed.
    """
    try:
        from evolve.llm.messages.model import MessagesModel
    except ModuleNotFoundError as error:
        if error.name != "anthropic":
            raise
        raise BadInput("model", "its API needs the package anthropic", f"pip install '{EXTRA}'") from error
    return MessagesModel


def dialect_of(model: ChatModel) -> Dialect | None:
    """Return what a model's client has found out about its endpoint; None for a model without an endpoint."""
    while isinstance(model, SoundModel | TextToolsModel):
        model = model.inner
    return model.dialect if isinstance(model, OpenAIModel) else None


def known_models(spec: ModelSpec) -> list[str]:
    """Return the names of the endpoint's models; empty if it lists none. Raises the errors of `list_models`."""
    if spec.in_process:
        return ["embedded", "embedded-hard"]
    return list_models(spec) if spec.api != "messages" else import_messages()(spec, seconds=30).list_models()
