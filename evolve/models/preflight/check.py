"""Ask an endpoint what a run will ask it, and learn from what it refuses: fewer than twenty calls."""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from evolve import llm
from evolve.core.config import AskedModel
from evolve.core.errors import (
    BadInput,
    EndpointError,
    EvolveError,
    HostRefused,
    RequestRefused,
    RequestsRefused,
)
from evolve.core.records import ModelSpec, Usage
from evolve.llm import ChatModel, usage_of
from evolve.llm.faults import FLAGGED_WORDS
from evolve.llm.sanity import LONG_QUESTION, QUESTIONS, garbage, text_of
from evolve.llm.statements import Listing, read_listing, read_server
from evolve.models.preflight import requests as ask
from evolve.models.preflight.learning import learn, window_in
from evolve.models.preflight.report import Preflight

MAX_CALLS = 20
# Fewer tokens say little about an endpoint's speed.
LEAST_TIMED_TOKENS = 50
TOO_LONG = "context_length_exceeded"
Open = Callable[[ModelSpec], ChatModel]
Completion = Mapping[str, Any]
BROKEN = (
    "likely causes: a broken quantisation or GPU kernel, or a wrong chat template; "
    "try another file or build, or pass --no-preflight"
)


@dataclass(frozen=True)
class Requests:
    """What a run will ask for: tokens of the longest answer in a trial and in a proposal, and a proposal's tools."""

    trial_answer: int = 4096
    proposal_answer: int = 16_384
    proposal_tools: Sequence[Mapping[str, Any]] = ask.TOOLS


def open_unchecked(spec: ModelSpec) -> ChatModel:
    """Open a model whose nonsense is not hidden from the check."""
    return llm.open_model(spec, checks_answers=False)


def check_endpoint(asked: AskedModel, requests: Requests = Requests(), open_model: Open = open_unchecked) -> Preflight:
    """Check the endpoint of a model. What was learned before is kept.

    Raises:
        BadInput: No run can work with it: it refuses what every request needs, answers nonsense, or cuts prompts.
        RequestsRefused: It refuses the questions for what they say.
        InfraError: It failed, or the account is at fault.
    """
    talk = Conversation(asked, open_model)
    listing = read_listing(asked.spec)
    tools = _check_trial(talk, requests)
    _check_proposal(talk, requests)
    _check_long_answer(talk, requests)
    streaming = _check_streaming(talk, requests)
    right = _check_answers(talk, requests)
    window = _check_window(talk, requests, listing)
    talk.learn_rest()
    return replace(
        talk.report(), tools=tools, streaming=streaming, right_answers=right, window=window,
        questions=len(QUESTIONS), advertised_window=listing.window, listed_prices=listing.prices,
    )  # fmt: skip


@dataclass
class Conversation:
    """The calls to one endpoint, and what they have taught so far."""

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
                self.learn(error.parameter, str(error))

    def ask_once(self, spec: ModelSpec, body: Mapping[str, Any]) -> Completion:
        """Make one call as it is."""
        self.calls += 1
        if self.calls > MAX_CALLS:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in self.refused.items())
            raise BadInput(f"model {spec.name}", f"its endpoint refuses too much ({reasons})", "use another endpoint")
        began = time.monotonic()
        completion = self.open_model(spec).complete(body, self._count)
        self._note(completion, body, time.monotonic() - began)
        return completion

    def learn(self, parameter: str, message: str) -> None:
        """Change what is known after a refusal. Raises BadInput."""
        self.refused[parameter] = message
        learned = learn(self.asked.learned, self.spec, parameter, message)
        self.asked = self.asked.model_copy(update={"learned": learned})

    def learn_rest(self) -> None:
        """Record what the protocol has no field for, and what a local server says about itself."""
        learned = self.asked.learned
        parameters = {**dict.fromkeys(llm.unsupported_parameters(self.spec.api), ""), **dict(learned.parameters)}
        learned = learned.model_copy(
            update={"parameters": tuple(sorted(parameters.items())), "server": read_server(self.spec)}
        )
        self.asked = self.asked.model_copy(update={"learned": learned})

    def learn_window(self, tokens: int) -> None:
        learned = self.asked.learned.model_copy(update={"context_tokens": tokens})
        self.asked = self.asked.model_copy(update={"learned": learned})

    def report(self) -> Preflight:
        unsent = {name for name, given in self.spec.parameters if not given}
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


def _check_trial(talk: Conversation, requests: Requests) -> bool:
    """Make the first two requests of a trial; returns whether the model called a tool."""
    first: dict[str, Any] = {}

    def opening(spec: ModelSpec) -> Mapping[str, Any]:
        first.clear()
        first.update(ask.trial_request(spec, requests.trial_answer))
        return first

    answer = _unrefused(talk, "a trial", opening, sampling=True)

    def following(spec: ModelSpec) -> Mapping[str, Any]:
        unsent = {name for name, given in spec.parameters if not given}
        return ask.next_request({key: value for key, value in first.items() if key not in unsent}, answer)

    _unrefused(talk, "a trial's second turn", following, sampling=True)
    called = bool(answer["choices"][0]["message"].get("tool_calls"))
    if not called:
        talk.notes.append(
            "the model was asked to call a tool and did not; if its server drops tools, set tool_calls = false"
        )
    return called


def _check_proposal(talk: Conversation, requests: Requests) -> None:
    """Make a request in a proposal's form."""
    length, tools = requests.proposal_answer, requests.proposal_tools
    _unrefused(talk, "a proposal", lambda spec: ask.proposal_request(spec, tools, length))


def _check_long_answer(talk: Conversation, requests: Requests) -> None:
    """Ask for a long text, and see that it is one. Raises BadInput."""
    if problem := garbage(text_of(_answer(talk, requests, LONG_QUESTION))):
        raise BadInput(f"model {talk.spec.name}", f"it writes nonsense: {problem}", BROKEN)


def _answer(talk: Conversation, requests: Requests, text: str) -> Completion:
    """Ask a question; a second time with a trial's length if the model was still thinking when it was cut off."""
    lengths = sorted({min(ask.QUESTION_TOKENS, requests.trial_answer), requests.trial_answer})
    answer: Completion = {}
    for length in lengths:
        make = functools.partial(ask.question_request, text=text, longest_answer=length)
        answer = _unrefused(talk, "a question", make)
        choice = answer["choices"][0]
        if choice["finish_reason"] != "length" or choice["message"].get("content"):
            break
    return answer


def _check_streaming(talk: Conversation, requests: Requests) -> bool | None:
    """Whether the endpoint streams answers, if that was not seen yet."""
    spec = talk.spec
    if spec.stream or talk.asked.learned.stream is not None or spec.in_process:
        return spec.stream or None
    body = ask.question_request(spec, QUESTIONS[0].text, requests.trial_answer)
    try:
        talk.ask_once(replace(spec, stream=True), body)
    except (EndpointError, RequestRefused):
        return False
    return True


def _check_answers(talk: Conversation, requests: Requests) -> int:
    """Ask questions with known answers; returns how many were answered. Raises BadInput if none was."""
    right, texts = 0, []
    for question in QUESTIONS:
        texts.append(text_of(_answer(talk, requests, question.text)))
        right += question.is_answered_by(texts[-1])
    if right:
        return right
    example = " ".join(texts[0].split())[:80]
    problem = f"it answered none of {len(QUESTIONS)} simple questions ({QUESTIONS[0].text!r} with {example!r})"
    raise BadInput(f"model {talk.spec.name}", problem, BROKEN)


def _check_window(talk: Conversation, requests: Requests, listing: Listing) -> int | None:
    """See whether a long prompt is read to its end; returns its tokens. Raises BadInput if it was cut in silence."""
    known = talk.spec.context_tokens or listing.window
    tokens = ask.WINDOW_TOKENS if known is None else min(ask.WINDOW_TOKENS, int(ask.WINDOW_SHARE * known))
    if talk.spec.context_tokens is None and listing.window is not None:
        talk.learn_window(listing.window)
    body = ask.window_request(talk.spec, min(requests.trial_answer, max(tokens // 4, 256)), tokens)
    try:
        answer = talk.ask_once(talk.spec, body)
    except RequestRefused as error:
        _learn_limit(talk, error, tokens)
        return None
    reported = usage_of(answer, talk.spec, body).prompt_tokens
    if is_cut(len(body["messages"][0]["content"].encode()), reported):
        raise BadInput(
            f"model {talk.spec.name}",
            f"its endpoint cuts prompts in silence: of about {tokens} tokens it read {reported}",
            "raise the server's window (Ollama: OLLAMA_CONTEXT_LENGTH=32768; llama.cpp: --ctx-size 32768)",
        )
    if ask.PASSWORD not in text_of(answer):
        talk.notes.append(f"the beginning of a prompt of about {tokens} tokens was not recalled")
    return reported


def is_cut(size: int, reported: int) -> bool:
    """Whether an endpoint read fewer tokens than a prompt of `size` bytes must have."""
    return reported < size / ask.MOST_BYTES_PER_TOKEN


def _learn_limit(talk: Conversation, error: RequestRefused, tokens: int) -> None:
    """Learn the window from a refusal that states it."""
    if error.code != TOO_LONG:
        raise _refusal(talk.spec, "a long prompt", error)
    stated = window_in(str(error))
    if stated is not None and (talk.spec.context_tokens is None or stated < talk.spec.context_tokens):
        talk.learn_window(stated)
    talk.notes.append(f"a prompt of about {tokens} tokens is refused: {' '.join(str(error).split())[:200]}")


def _unrefused(
    talk: Conversation, what: str, make: Callable[[ModelSpec], Mapping[str, Any]], sampling: bool = False
) -> Completion:
    try:
        return talk.ask(make, sampling)
    except RequestRefused as error:
        raise _refusal(talk.spec, what, error) from error


def _refusal(spec: ModelSpec, what: str, error: RequestRefused) -> EvolveError:
    """The error for a request that the endpoint does not take, whatever its parameters are."""
    where, reason = f"model {spec.name}", " ".join(str(error).split())[:300]
    problem = f"its endpoint refuses the request of {what} (HTTP {error.status}): {reason}"
    if FLAGGED_WORDS.search(str(error).lower()):
        return RequestsRefused(f"{where}: {problem}; use another model or endpoint")
    fixes = {
        413: "raise the account's limits, or set a smaller answer_tokens in evolve.models.toml",
        500: "check the server's chat template and parser of tool calls, or set tool_calls = false",
    }
    fix = fixes.get(error.status, "correct the model's facts in evolve.models.toml; see docs/models.md")
    return BadInput(where, problem, fix)
