"""The clients of endpoints, by the API of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evolve.core.errors import BadInput
from evolve.core.records import Api, ModelSpec
from evolve.llm.client import OpenAIModel
from evolve.llm.listing import list_models
from evolve.llm.responses.model import ResponsesModel

if TYPE_CHECKING:
    from evolve.llm.messages.model import MessagesModel

EXTRA = "evolve-scaffold[anthropic]"


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


def listed_models(spec: ModelSpec) -> list[str]:
    """Return the names of the endpoint's models; empty if it lists none. Raises the errors of `list_models`."""
    return list_models(spec) if spec.api != "messages" else import_messages()(spec, seconds=30).list_models()
