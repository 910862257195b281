"""A model behind Anthropic's Messages API. Importing this needs the extra `anthropic`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import anthropic
import openai

from evolve.core.errors import BadInput, EndpointError, HostRefused
from evolve.llm.client import OpenAIModel
from evolve.llm.exchange import without_field
from evolve.llm.messages import wire
from evolve.llm.model import Body
from evolve.llm.redaction import hides_key


class MessagesModel(OpenAIModel):
    """A model behind the Messages API: see `OpenAIModel`, whose retries and errors it has."""

    def _open_client(self) -> anthropic.Anthropic:
        return wire.open_client(self._spec, self._seconds)

    def _exchange(self, request: Body, end: float) -> dict[str, Any]:
        spec = replace(self._spec, stream=self.dialect.streams)
        try:
            return wire.send(self._client, request, spec, end)
        except HostRefused as refusal:
            # No answer depends on this field, so the client does without it from now on.
            self._spec = without_field(self._spec, refusal.parameter)
        return self._exchange(request, end)

    @hides_key
    def list_models(self) -> list[str]:
        """Return the names of the endpoint's models; empty if it lists none.

        Raises:
            InfraError: The endpoint can't be reached.
            BadInput: It rejects the key (no run has started yet).
        """
        try:
            return wire.list_models(self._client)
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            fix = f"set {self._spec.key_variable}"
            raise BadInput("model", f"the endpoint refuses the key: {error.message}", fix) from error
        except openai.NotFoundError:
            return []
        except openai.OpenAIError as error:
            raise EndpointError(f"model endpoint {self._spec.base_url or 'api.anthropic.com'}: {error}") from error
