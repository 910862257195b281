"""A model behind OpenAI's Responses API."""

from __future__ import annotations

from typing import Any

from evolve.llm.client import OpenAIModel
from evolve.llm.model import Body
from evolve.llm.responses.wire import send


class ResponsesModel(OpenAIModel):
    """A model behind the Responses API: see `OpenAIModel`, whose retries and errors it has."""

    def _exchange(self, request: Body, end: float) -> dict[str, Any]:
        return send(self._client, request, self._spec, end)
