"""A model behind OpenAI's Responses API."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evolve.core.errors import HostRefused
from evolve.llm.client import OpenAIModel
from evolve.llm.exchange import without_field
from evolve.llm.model import Body
from evolve.llm.responses.wire import send


class ResponsesModel(OpenAIModel):
    """A model behind the Responses API: see `OpenAIModel`, whose retries and errors it has."""

    def _exchange(self, request: Body, end: float) -> dict[str, Any]:
        spec = replace(self._spec, stream=self.dialect.streams)
        try:
            return send(self._client, request, spec, end)
        except HostRefused as refusal:
            # No answer depends on this field, so the client does without it from now on.
            self._spec = without_field(self._spec, refusal.parameter)
        return self._exchange(request, end)
