"""What a trial's gateway serves: the task's door, its models, and the routes of each protocol. Values alone."""

from __future__ import annotations

from dataclasses import dataclass

from evolve.core.records import Api, Limits, ModelSpec
from evolve.core.task_format import McpServer
from evolve.trial.gateway.commands import COMMAND_SECONDS
from evolve.trial.gateway.wire import Body

# Where each protocol asks the model, and where it has a prompt counted: path, protocol, and the rest of the answer.
ASKED: dict[str, Api] = {
    "/v1/chat/completions": "chat",
    "/v1/responses": "responses",
    "/v1/messages": "messages",
}
COUNTED: tuple[tuple[str, Api, Body], ...] = (
    ("/v1/responses/input_tokens", "responses", {"object": "response.input_tokens"}),
    ("/v1/messages/count_tokens", "messages", {}),
)


def described_model(name: str) -> Body:
    """A model in the form of both vendors' lists of models."""
    openais = {"id": name, "object": "model", "created": 0, "owned_by": "run"}
    return {**openais, "type": "model", "display_name": name, "created_at": "1970-01-01T00:00:00Z"}


@dataclass(frozen=True)
class Door:
    """What a gateway serves. Nothing in here tells the scaffold which task it has.

    command_seconds: the longest time of one command. mcp_servers: those of the task. small: the model that answers
    requests for a small one, by name.
    """

    task_id: str
    instruction: str
    workdir: str
    seed: int
    model: ModelSpec
    limits: Limits
    command_seconds: float = COMMAND_SECONDS
    mcp_servers: tuple[McpServer, ...] = ()
    small: ModelSpec | None = None

    @property
    def models(self) -> tuple[ModelSpec, ...]:
        """The models that answer; see `names.asked_of`."""
        return (self.model,) if self.small is None else (self.model, self.small)
