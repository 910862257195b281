"""The calls of a check to one endpoint, and what its refusals have taught so far."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from evolve import llm
from evolve.core.config import AskedModel
from evolve.core.errors import BadInput, HostRefused, RequestRefused
from evolve.core.records import ModelSpec, Usage
from evolve.llm import ChatModel, usage_of
from evolve.llm.attribution import reason_of
from evolve.llm.statements import read_server
from evolve.models.preflight import requests as ask
from evolve.models.preflight.learning import learn, learn_form, learn_size
from evolve.models.preflight.report import Preflight
from evolve.models.preflight.requests import MAX_CALLS

# Fewer tokens say little about an endpoint's speed.
LEAST_TIMED_TOKENS = 50
Open = Callable[[ModelSpec], ChatModel]
Completion = Mapping[str, Any]


@dataclass
class Conversation:
    """The calls to one endpoint. `asked`: the model, with what was learned so far."""

    asked: AskedModel
    open_model: Open
    calls: int = 0
    usage: Usage = field(default_factory=Usage)
    seconds: list[float] = field(default_factory=list)
    speeds: list[float] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    names: set[tuple[str, str]] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    counted: bool = False

    @property
    def spec(self) -> ModelSpec:
        return self.asked.spec

    def ask(self, make: Callable[[ModelSpec], Mapping[str, Any]], sampling: bool = False) -> Completion:
        """Make a request, changed until the endpoint takes it. Raises BadInput if no change helps.

        Args:
            make: Makes the request for a model with what is known so far.
            sampling: Whether the request's sampling parameters are to be tried, too.
        """
        while True:
            body = make(self.spec)
            try:
                return self.ask_once(replace(self.spec, sampling=_sampling(body)) if sampling else self.spec, body)
            except HostRefused as error:
                self._learn_parameter(error.parameter, reason_of(error))
            except RequestRefused as error:
                if not self.learn_size(error):
                    raise

    def ask_once(self, spec: ModelSpec, body: Mapping[str, Any]) -> Completion:
        """Make one call as it is."""
        self.calls += 1
        if self.calls > MAX_CALLS:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in self.refused.items())
            raise BadInput(f"model {spec.name}", f"its endpoint refuses too much ({reasons})", "use another endpoint")
        began, model = time.monotonic(), self.open_model(spec)
        completion = model.complete(body, self._count)
        self._note(completion, body, time.monotonic() - began)
        if dialect := llm.dialect_of(model):
            self._keep(**learn_form(self.asked.learned, dialect, spec))
        return completion

    def learn_size(self, error: RequestRefused) -> bool:
        """Learn how large a request may be from the refusal of one. Returns whether that makes the next one smaller."""
        values = learn_size(self.spec, error)
        self._keep(**values)
        if values:
            self.notes.append(
                f"requests may have {values['context_tokens']:,} tokens here, prompt and answer together; "
                f"{values['answer_tokens']:,} of them are kept for answers"
            )
        return bool(values)

    def learn_window(self, tokens: int) -> None:
        self._keep(context_tokens=tokens)

    def learn_rest(self) -> None:
        """Record what the protocol has no field for, and what a local server says about itself."""
        unsupported = dict.fromkeys(llm.unsupported_parameters(self.spec.api), "")
        parameters = {**unsupported, **dict(self.asked.learned.parameters)}
        self._keep(parameters=tuple(sorted(parameters.items())), server=read_server(self.spec))

    def report(self) -> Preflight:
        unsent = ask.unsent_names(self.spec)
        return Preflight(
            learned=self.asked.learned,
            usage=replace(self.usage, calls=self.calls),
            accepted=tuple(name for name in ask.SAMPLING if name not in unsent),
            refused=tuple(sorted(self.refused.items())),
            reports_usage=self.counted,
            cached_tokens=self.usage.cached_tokens,
            tokens_per_second=statistics.median(self.speeds) if self.speeds else None,
            call_seconds=statistics.median(self.seconds) if self.seconds else 0.0,
            names=tuple(sorted(self.names)),
            notes=tuple(self.notes),
        )

    def _learn_parameter(self, parameter: str, message: str) -> None:
        """Change what is known after a refusal. Raises BadInput."""
        self.refused[parameter] = message
        learned = learn(self.asked.learned, self.spec, parameter, message)
        self.asked = self.asked.model_copy(update={"learned": learned})

    def _keep(self, **values: object) -> None:
        learned = self.asked.learned.model_copy(update=values)
        self.asked = self.asked.model_copy(update={"learned": learned})

    def _count(self, lost: Usage) -> None:
        self.usage += lost

    def _note(self, completion: Completion, body: Mapping[str, Any], seconds: float) -> None:
        usage = usage_of(completion, self.spec, body)
        self.usage += usage
        self.counted = self.counted or isinstance(completion.get("usage"), Mapping)
        self.seconds.append(seconds)
        if usage.completion_tokens >= LEAST_TIMED_TOKENS and seconds > 0:
            self.speeds.append(usage.completion_tokens / seconds)
        self.names.add((str(completion.get("model") or ""), str(completion.get("system_fingerprint") or "")))


def _sampling(body: Mapping[str, Any]) -> tuple[tuple[str, int | float], ...]:
    return tuple((name, body[name]) for name in ask.SAMPLING if name in body)
