"""Ask an endpoint what a run will ask it, and learn from what it refuses: fewer than twenty calls."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from evolve import llm
from evolve.core.config import AskedModel
from evolve.core.errors import BadInput, EndpointError, EvolveError, RequestRefused, RequestsRefused
from evolve.core.records import ModelSpec
from evolve.llm import ChatModel, usage_of
from evolve.llm.faults import FLAGGED_WORDS
from evolve.llm.sanity import LONG_QUESTION, QUESTIONS, garbage, text_of
from evolve.llm.statements import Listing, read_listing
from evolve.models.preflight import requests as ask
from evolve.models.preflight.conversation import Completion, Conversation, Open
from evolve.models.preflight.learning import LEAST_LIMIT, stated_limit, window_in
from evolve.models.preflight.report import Preflight
from evolve.models.preflight.requests import USUAL, Requests

TOO_LONG = "context_length_exceeded"
BROKEN = (
    "likely causes: a broken quantisation or GPU kernel, or a wrong chat template; "
    "try another file or build, or pass --no-preflight"
)


def open_unchecked(spec: ModelSpec) -> ChatModel:
    """Open a model whose nonsense is not hidden from the check."""
    return llm.open_model(spec, checks_answers=False)


def check_endpoint(asked: AskedModel, requests: Requests = USUAL, open_model: Open = open_unchecked) -> Preflight:
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


def _check_trial(talk: Conversation, requests: Requests) -> bool:
    """Make the first two requests of a trial; returns whether the model called a tool."""
    first: dict[str, Any] = {}

    def opening(spec: ModelSpec) -> Mapping[str, Any]:
        first.clear()
        first.update(ask.trial_request(spec, requests.trial_answer))
        return first

    answer = _unrefused(talk, "a trial", opening, sampling=True)

    def following(spec: ModelSpec) -> Mapping[str, Any]:
        unsent = ask.unsent_names(spec)
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
    """Whether the endpoint streams answers, if that was not seen yet; None if it is never asked to."""
    spec = talk.spec
    if spec.in_process or "stream" in ask.unsent_names(spec):
        return None
    if spec.stream or talk.asked.learned.stream is not None:
        return spec.stream
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


def _check_window(
    talk: Conversation, requests: Requests, listing: Listing, share: float = ask.WINDOW_SHARE
) -> int | None:
    """See whether a long prompt is read to its end; returns its tokens. Raises BadInput if it was cut in silence."""
    known = talk.spec.context_tokens or listing.window
    tokens = ask.WINDOW_TOKENS if known is None else min(ask.WINDOW_TOKENS, int(share * known))
    if talk.spec.context_tokens is None and listing.window is not None:
        talk.learn_window(listing.window)
    body = ask.window_request(talk.spec, min(requests.trial_answer, max(tokens // 4, 256)), tokens)
    try:
        answer = talk.ask_once(talk.spec, body)
    except RequestRefused as error:
        if error.code == TOO_LONG and window_in(str(error)) == known and share == ask.WINDOW_SHARE:
            # Vocabularies with a token for each digit make twice as many tokens of the text as others.
            return _check_window(talk, requests, listing, share / 2)
        is_known = _learn_limit(talk, error, tokens)
        return _check_window(talk, requests, listing) if is_known else None
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


def _learn_limit(talk: Conversation, error: RequestRefused, tokens: int) -> bool:
    """Learn the window from a refusal; returns whether it states one, so that a shorter prompt can be tried."""
    if talk.learn_size(error):
        return True
    if error.code != TOO_LONG:
        raise _refusal(talk.spec, "a long prompt", error)
    stated = window_in(str(error))
    if stated is not None and stated < (talk.spec.context_tokens or stated + 1):
        talk.learn_window(stated)
        return True
    reason = " ".join(str(error).split())[:150]
    talk.notes.append(
        f"prompts must have less than {tokens:,} tokens ({reason}); if you know the window, set context in "
        "evolve.models.toml"
    )
    return False


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
        413: _size_fix(str(error)),
        500: "check the server's chat template and parser of tool calls, or set tool_calls = false",
    }
    fix = fixes.get(error.status, "correct the model's facts in evolve.models.toml; see docs/models.md")
    return BadInput(where, problem, fix)


def _size_fix(message: str) -> str:
    if stated_limit(message) is None:
        return "raise the account's or the server's limit, or set a smaller answer_tokens in evolve.models.toml"
    return f"raise the account's limit: a run needs requests of at least {LEAST_LIMIT:,} tokens"
