"""A model behind OpenAI's Responses API."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evolve.llm.client import OpenAIModel
from evolve.llm.model import Body
from evolve.llm.responses.wire import send


class ResponsesModel(OpenAIModel):
    """A model behind the Responses API: see `OpenAIModel`, whose retries and errors it has."""

    def _exchange(self, request: Body, end: float) -> dict[str, Any]:
        spec = replace(self._spec, stream=self._dialect.streams)
        return send(self._client, request, spec, end)
