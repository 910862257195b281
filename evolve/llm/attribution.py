"""Whose fault an endpoint's error is: the caller's request, what the host added, the user's settings, the endpoint."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import openai

from evolve.core.errors import AccountError, EndpointError, EvolveError, HostRefused, RequestRefused
from evolve.core.records import ModelSpec
from evolve.llm.faults import (
    NOT_THERE,
    TOO_LARGE_CODE,
    AnswerTooLarge,
    describe_error,
    refused_parameter_of,
    translate_error,
)
from evolve.llm.fields import unsupported_parameters
from evolve.llm.model import Body
from evolve.llm.outgoing import extra_fields, is_never_sent
from evolve.llm.refusals import REASONING_WANTED, code_text, refused_parameter
from evolve.llm.window import TOO_LONG

# The host decides on these alone: see `PASSED_FIELDS` of the gateway.
HOST_FIELDS = frozenset({"model", "max_tokens", "seed", "stream", "stream_options", "reasoning_effort"})
NOT_IMPLEMENTED = 501
SIZE_CODES = (TOO_LONG, TOO_LARGE_CODE)


@dataclass(frozen=True)
class Attribution:
    """What decides whose fault an error is.

    Attributes:
        spec: The model.
        request: The request, under our own names of parameters.
        has_answered: The endpoint has answered a request before.
    """

    spec: ModelSpec
    request: Body
    has_answered: bool = False

    def fault_of(self, error: openai.OpenAIError | RequestRefused) -> EvolveError:
        """Return our own error for an error that retries did not cure."""
        if isinstance(error, RequestRefused):
            return self._reported(error)
        if isinstance(error, AnswerTooLarge) and self._asks_for_logprobs():
            return RequestRefused(400, "answer_too_large", str(error))
        fault = translate_error(error, self.spec.key_variable)
        if not isinstance(error, openai.APIStatusError) or is_settled(fault):
            return fault
        is_absent, text = error.status_code in NOT_THERE, describe_error(error)
        parameter = self._own_name(refused_parameter_of(error, self._more_names()))
        if parameter and self.is_hosts(parameter, text) and not (is_absent and parameter == "model"):
            return host_refused(parameter, text)
        if (is_absent or error.status_code == NOT_IMPLEMENTED) and parameter not in (None, "model"):
            return RequestRefused(error.status_code, code_text(error.code) or "invalid_request", text)
        if is_absent and self.has_answered:
            return EndpointError(f"model endpoint: it answered before, and now says {error.status_code}: {text}")
        return fault

    def _asks_for_logprobs(self) -> bool:
        """Whether the request asks for what can make an answer large: its length is limited otherwise."""
        is_sent = "logprobs" not in unsupported_parameters(self.spec.api) and not is_never_sent(self.spec, "logprobs")
        return is_sent and bool(self.request.get("logprobs"))

    def _reported(self, error: RequestRefused) -> EvolveError:
        """Attribute a refusal that came with status 200."""
        if error.code != "invalid_request":
            return error
        parameter = self._own_name(refused_parameter(error.status, None, None, str(error), self._more_names()))
        return host_refused(parameter, str(error)) if parameter and self.is_hosts(parameter, str(error)) else error

    def is_hosts(self, parameter: str, text: str) -> bool:
        """Whether the host, and not the caller, put this into the request."""
        if parameter == "tools":
            return bool(self.request.get("tools") or self.request.get("functions"))
        if parameter == "keep_reasoning":
            # Without the setting we take the reasoning out; with it, the caller must hand it back.
            return self.spec.keep_reasoning != bool(REASONING_WANTED.search(text))
        defaults = dict(self.spec.sampling)
        is_default = parameter in defaults and self.request.get(parameter) == defaults[parameter]
        return is_default or parameter in HOST_FIELDS or parameter in self._added_names()

    def _added_names(self) -> Collection[str]:
        return [*extra_fields(self.spec), *(name for name, _ in self.spec.headers)]

    def _more_names(self) -> Collection[str]:
        return [*self._added_names(), *(sent for _, sent in self.spec.parameters if sent)]

    def _own_name(self, name: str | None) -> str | None:
        """Return our name for a parameter that the model's facts rename."""
        return {sent: own for own, sent in self.spec.parameters if sent}.get(name or "", name)


def is_settled(fault: EvolveError) -> bool:
    """Whether an error is about the account or the request's size, whatever parameter it names."""
    return isinstance(fault, AccountError) or (isinstance(fault, RequestRefused) and fault.code in SIZE_CODES)


def host_refused(parameter: str, text: str) -> HostRefused:
    return HostRefused(parameter, f"{_opening(parameter)}{text}")


def reason_of(refusal: HostRefused) -> str:
    """Return the endpoint's own words in an error of `host_refused`."""
    return str(refusal).removeprefix(_opening(refusal.parameter))


def _opening(parameter: str) -> str:
    return f"model endpoint: it refuses `{parameter}`: "
