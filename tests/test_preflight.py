"""What the check of an endpoint learns, and where it stops."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.config import AskedModel, LearnedFacts, ModelFacts
from evolve.core.errors import BadInput, EndpointError, HostRefused, RequestRefused, RequestsRefused
from evolve.core.records import ModelSpec
from evolve.llm import fit_to_window
from evolve.llm.attribution import host_refused
from evolve.llm.dialect import Dialect
from evolve.llm.sanity import LONG_QUESTION, QUESTIONS
from evolve.models.preflight import MAX_CALLS, Preflight, Requests, check_endpoint
from evolve.models.preflight.check import is_cut
from evolve.models.preflight.learning import FOREIGN, SAMPLING, learn, learn_form, window_in
from evolve.models.preflight.requests import PASSWORD, window_request
from tests.fakes import completion, tool_call

ANSWERS = ("12", "Paris", "The blue boat sails at noon.")
PROSE = " ".join(f"Part {number} of a bicycle does thing {number * 31 % 97}." for number in range(60))
Rule = Callable[[ModelSpec, Mapping[str, Any]], None]


@dataclass
class Endpoint:
    """Answers as a good model does, unless a rule raises. `specs`: with which facts it was asked."""

    rules: tuple[Rule, ...] = ()
    calls_tools: bool = True
    answers: tuple[str, ...] = ANSWERS
    prose: str = PROSE
    read_tokens: int | None = None
    specs: list[ModelSpec] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)

    def open(self, spec: ModelSpec) -> Endpoint:
        self.specs.append(spec)
        return self

    def complete(self, body: Mapping[str, Any], on_lost: object = None) -> dict[str, Any]:
        self.bodies.append(dict(body))
        for rule in self.rules:
            rule(self.specs[-1], body)
        text = str(body["messages"][-1]["content"])
        size = len(json.dumps(body["messages"])) // 4
        return self._answer(body, text) | {"usage": self._usage(size)}

    def _answer(self, body: Mapping[str, Any], text: str) -> dict[str, Any]:
        texts = {question.text: answer for question, answer in zip(QUESTIONS, self.answers, strict=True)}
        if PASSWORD in text:
            return completion(PASSWORD)
        if text == LONG_QUESTION:
            return completion(self.prose)
        if body.get("tools") and "ls" in text and self.calls_tools:
            return completion(None, tool_call("run", {"command": "ls"}))
        return completion(texts.get(text, "OK"))

    def _usage(self, size: int) -> dict[str, int]:
        return {"prompt_tokens": min(size, self.read_tokens or size), "completion_tokens": 60}


def check(endpoint: Endpoint, **facts: Any) -> Preflight:
    asked = AskedModel(model="m", base_url="http://127.0.0.1:9/v1", facts=ModelFacts(**facts))
    return check_endpoint(asked, Requests(), endpoint.open)


def host_refuses(parameter: str, message: str = "no", unless: Callable[[ModelSpec], bool] = lambda _: False) -> Rule:
    def rule(spec: ModelSpec, body: Mapping[str, Any]) -> None:
        sent = parameter in body and dict(spec.parameters).get(parameter, parameter) == parameter
        if sent and not unless(spec):
            raise HostRefused(parameter, message)

    return rule


def test_an_endpoint_that_takes_everything_teaches_nothing() -> None:
    endpoint = Endpoint()
    found = check(endpoint)
    assert found.learned == LearnedFacts() and found.tools and found.streaming
    assert found.right_answers == found.questions == 3 and found.notes == ()
    assert {*found.accepted} == {*SAMPLING}
    assert found.usage.calls == len(endpoint.bodies) <= 10 and found.reports_usage
    assert found.window and found.window >= 5_000
    assert json.loads(found.to_json())["right_answers"] == 3


def test_it_asks_what_a_trial_and_a_proposal_ask() -> None:
    endpoint = Endpoint()
    check(endpoint)
    first, second, third = endpoint.bodies[:3]
    assert first["max_tokens"] == 4_096 and first["seed"] and {*SAMPLING} <= first.keys()
    assert [message["role"] for message in second["messages"]] == ["system", "user", "assistant", "tool"]
    assert second["messages"][3]["tool_call_id"] == "call_1"
    assert third["max_tokens"] == 16_384 and third["tools"]


def test_refused_sampling_is_never_sent_again() -> None:
    rules = (host_refuses("temperature"), host_refuses("top_k"), host_refuses("min_p"))
    endpoint = Endpoint(rules)
    found = check(endpoint)
    assert dict(found.learned.parameters) == {"temperature": "", **dict.fromkeys(FOREIGN, "")}
    assert {*found.accepted} == {"top_p", "frequency_penalty", "presence_penalty"}
    assert [name for name, _ in found.refused] == ["min_p", "temperature", "top_k"]
    assert "temperature" not in endpoint.bodies[-1]


def test_the_length_has_another_name() -> None:
    message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    found = check(Endpoint((host_refuses("max_tokens", message),)))
    assert found.learned == LearnedFacts(parameters=(("max_tokens", "max_completion_tokens"),))


def test_the_longest_answer_is_learned() -> None:
    def rule(spec: ModelSpec, body: Mapping[str, Any]) -> None:
        if min(body["max_tokens"], spec.answer_tokens or 10**9) > 8_192:
            raise HostRefused(
                "max_tokens", "max_tokens is too large: 16384. It supports at most 8192 completion tokens."
            )

    assert check(Endpoint((rule,))).learned == LearnedFacts(answer_tokens=8_192)


def test_a_length_with_another_name_has_a_limit_too() -> None:
    def rule(spec: ModelSpec, body: Mapping[str, Any]) -> None:
        if "max_tokens" not in dict(spec.parameters):
            raise host_refused(
                "max_tokens", "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
            )
        if min(body["max_tokens"], spec.answer_tokens or 10**9) > 8_192:
            raise host_refused("max_tokens", "max_tokens is too large: 16384. It supports at most 8192 tokens.")

    expected = LearnedFacts(parameters=(("max_tokens", "max_completion_tokens"),), answer_tokens=8_192)
    assert check(Endpoint((rule,))).learned == expected


def test_reasoning_that_has_to_come_back_is_kept() -> None:
    def rule(spec: ModelSpec, body: Mapping[str, Any]) -> None:
        if len(body["messages"]) > 2 and not spec.keep_reasoning:
            raise HostRefused("keep_reasoning", "Missing `reasoning_content` field")

    assert check(Endpoint((rule,))).learned == LearnedFacts(keep_reasoning=True)


def test_tools_with_reasoning_use_the_other_api() -> None:
    def rule(spec: ModelSpec, body: Mapping[str, Any]) -> None:
        if body.get("tools") and spec.api == "chat":
            raise HostRefused("reasoning_effort", "use /v1/responses, or set reasoning_effort to 'none'")

    learned = check(Endpoint((rule,))).learned
    assert learned.api == "responses" and dict(learned.parameters)["seed"] == ""


def test_streaming_that_is_refused_is_no_fault() -> None:
    def rule(spec: ModelSpec, body: Mapping[str, Any]) -> None:
        if spec.stream:
            raise HostRefused("stream", "your organization must be verified to stream")

    found = check(Endpoint((rule,)))
    assert found.streaming is False and found.learned == LearnedFacts()
    assert check(Endpoint((rule,)), stream=True).learned == LearnedFacts(stream=False)


def test_a_listed_but_weak_model_gets_a_note() -> None:
    found = check(Endpoint(calls_tools=False))
    assert not found.tools and "tool_calls = false" in found.notes[0]


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        (Endpoint((host_refuses("tools", "requires --enable-auto-tool-choice"),)), "tool_calls = false"),
        (Endpoint(answers=("!!!", "???", "...")), "none of 3 simple questions"),
        (Endpoint(prose="!" * 3_000), "writes nonsense"),
        (Endpoint(read_tokens=4_096), "cuts prompts in silence"),
        (Endpoint((host_refuses("model", "no such model"),)), "refuses model"),
    ],
)
def test_what_no_run_can_work_with_is_one_line(endpoint: Endpoint, words: str) -> None:
    with pytest.raises(BadInput, match=words) as error:
        check(endpoint)
    assert "\n" not in str(error.value)


def test_a_refused_request_is_quoted() -> None:
    def rule(spec: ModelSpec, body: Mapping[str, Any]) -> None:
        raise RequestRefused(413, "request_too_large", "Limit 6000, Requested 9000")

    with pytest.raises(BadInput, match=r"a trial \(HTTP 413\): Limit 6000"):
        check(Endpoint((rule,)))


def test_an_endpoint_that_refuses_all_questions_has_an_exit_status_of_its_own() -> None:
    def rule(spec: ModelSpec, body: Mapping[str, Any]) -> None:
        raise RequestRefused(400, "content_filter", "The response was filtered: content management policy.")

    with pytest.raises(RequestsRefused, match="content management policy") as error:
        check(Endpoint((rule,)))
    assert error.value.exit_status == 4


def test_an_endpoint_that_refuses_on_and_on_ends_the_check() -> None:
    names = iter([*SAMPLING] * 20)

    def rule(spec: ModelSpec, body: Mapping[str, Any]) -> None:
        raise HostRefused(next(names), "no")

    endpoint = Endpoint((rule,))
    with pytest.raises(BadInput, match="refuses too much"):
        check(endpoint)
    assert len(endpoint.bodies) == MAX_CALLS


def test_an_outage_is_no_bad_input() -> None:
    def rule(spec: ModelSpec, body: Mapping[str, Any]) -> None:
        raise EndpointError("model endpoint: 503")

    with pytest.raises(EndpointError):
        check(Endpoint((rule,)))


def test_the_window_is_learned_from_an_honest_refusal() -> None:
    def rule(spec: ModelSpec, body: Mapping[str, Any]) -> None:
        if len(json.dumps(body)) > 20_000:
            message = "This model's maximum context length is 4096 tokens. However, you requested 9000 tokens."
            raise RequestRefused(400, "context_length_exceeded", message)

    found = check(Endpoint((rule,)))
    assert found.learned == LearnedFacts(context_tokens=4_096)
    assert found.window and 2_000 < found.window < 4_096 and found.notes == ()


def test_a_refusal_of_a_long_prompt_without_a_figure_is_a_note() -> None:
    def rule(spec: ModelSpec, body: Mapping[str, Any]) -> None:
        if len(json.dumps(body)) > 20_000:
            raise RequestRefused(400, "context_length_exceeded", "prompt is too long")

    found = check(Endpoint((rule,)))
    assert found.learned == LearnedFacts() and "less than 8,000 tokens (prompt is too long)" in found.notes[0]


def too_large(limit: int, words: str = "tokens per minute (TPM): Limit {}, Requested {}") -> Rule:
    def rule(spec: ModelSpec, body: Mapping[str, Any]) -> None:
        sent = fit_to_window({**body, "max_tokens": min(body["max_tokens"], spec.answer_tokens or 10**9)}, spec)
        needed = len(json.dumps([body["messages"], body.get("tools")])) // 4 + sent["max_tokens"]
        if needed > limit:
            raise RequestRefused(413, "request_too_large", words.format(limit, needed))

    return rule


def test_a_limit_on_one_request_is_heeded() -> None:
    found = check(Endpoint((too_large(6_000),)))
    assert found.learned == LearnedFacts(context_tokens=6_000, answer_tokens=1_500)
    assert found.window and "6,000 tokens" in found.notes[0]
    short = check(Endpoint((too_large(6_000),)), answer_tokens=1_000)
    assert short.learned == LearnedFacts(context_tokens=6_000, answer_tokens=1_000) and short.window


@pytest.mark.parametrize(
    ("limit", "words", "fix"),
    [
        (4_000, "tokens per minute (TPM): Limit {}, Requested {}", "at least 4,096 tokens"),
        (6_000, "Payload Too Large", "a smaller answer_tokens"),
    ],
)
def test_a_limit_that_leaves_no_room_ends_the_check(limit: int, words: str, fix: str) -> None:
    with pytest.raises(BadInput, match="HTTP 413") as error:
        check(Endpoint((too_large(limit, words),)))
    assert fix in str(error.value)


def test_a_known_window_is_checked_with_half_the_text_where_digits_are_tokens() -> None:
    def rule(spec: ModelSpec, body: Mapping[str, Any]) -> None:
        if (tokens := len(json.dumps(body)) // 2) > 8_192:
            message = f"request ({tokens} tokens) exceeds the available context size (8192 tokens)"
            raise RequestRefused(400, "context_length_exceeded", message)

    found = check(Endpoint((rule,)), context_tokens=8_192)
    assert found.learned == LearnedFacts() and found.notes == ()
    assert found.window and 2_400 < found.window < 4_096


def test_a_small_window_that_is_known_is_not_exceeded() -> None:
    found = check(Endpoint(read_tokens=4_000), context_tokens=4_096)
    assert found.window and found.window < 4_000


@pytest.mark.parametrize(
    ("message", "tokens"),
    [
        ("This model's maximum context length is 8192 tokens. However, you requested 9000 tokens", 8_192),
        ("the request exceeds the available context size (4096 tokens), try increasing it", 4_096),
        ("maximum prompt length is 131,072 but the request contains 200,000 tokens", 131_072),
        ("the messages hold 32139 characters; this model's context is 12000", None),
        ("the messages hold 32139 characters and exceed the model's context window of 12000 characters", None),
        ("too long", None),
    ],
)
def test_the_window_in_a_message(message: str, tokens: int | None) -> None:
    assert window_in(message) == tokens


@given(
    st.sampled_from([*SAMPLING, "max_tokens", "seed", "stream", "keep_reasoning", "reasoning_effort", "x"]), st.text()
)
def test_learning_changes_something_or_stops(parameter: str, message: str) -> None:
    spec, learned = ModelSpec("m"), LearnedFacts()
    try:
        changed = learn(learned, spec, parameter, message)
    except BadInput:
        return
    assert changed != learned
    LearnedFacts.model_validate_json(changed.model_dump_json())


def test_a_seed_that_is_an_unknown_field_gets_one_more_try() -> None:
    message = "seed: Extra inputs are not permitted"
    learned = learn(LearnedFacts(), ModelSpec("m"), "seed", message)
    assert learned.parameters == (("seed", "random_seed"),)
    again = learn(learned, ModelSpec("m", parameters=learned.parameters), "seed", f"random_{message}")
    assert again.parameters == (("seed", ""),)


def test_how_a_client_had_to_ask_is_learned() -> None:
    spec, dialect = ModelSpec("m"), Dialect(streams=True, asks_for_usage=False, may_stream=True)
    assert learn_form(LearnedFacts(), dialect, spec) == {"stream": True, "parameters": (("stream_options", ""),)}
    assert learn_form(LearnedFacts(), Dialect.of(spec), spec) == {}
    known = ModelSpec("m", stream=True, parameters=(("stream_options", ""),))
    assert learn_form(LearnedFacts(), dialect, known) == {}


def test_a_seed_may_have_another_name() -> None:
    learned = learn(LearnedFacts(), ModelSpec("m"), "seed", "extra field; use random_seed")
    assert learned.parameters == (("seed", "random_seed"),)
    again = learn(learned, ModelSpec("m", parameters=learned.parameters), "seed", "no random_seed either")
    assert again.parameters == (("seed", ""),)


@given(st.integers(100, 20_000))
def test_a_prompt_that_was_read_is_not_cut(tokens: int) -> None:
    body = window_request(ModelSpec("m"), 100, tokens)
    size = len(body["messages"][0]["content"])
    assert tokens * 4 <= size <= tokens * 4 + 400
    # Vocabularies need between three and five bytes for a token of such a text.
    assert not is_cut(size, size // 5) and is_cut(size, size // 8)


def test_a_question_is_asked_again_only_if_the_model_was_still_thinking() -> None:
    def thinking(content: str | None, lengths: list[int]) -> Preflight:
        class Thinker(Endpoint):
            def _answer(self, body: Mapping[str, Any], text: str) -> dict[str, Any]:
                answer = super()._answer(body, text)
                if text == QUESTIONS[1].text and body["max_tokens"] < 4_096:
                    message = {**answer["choices"][0]["message"], "content": content, "reasoning": "Let me think."}
                    answer["choices"][0] |= {"message": message, "finish_reason": "length"}
                return answer

        endpoint = Thinker()
        found = check(endpoint)
        asked = [body for body in endpoint.bodies if body["messages"][-1]["content"] == QUESTIONS[1].text]
        assert [body["max_tokens"] for body in asked] == lengths
        return found

    assert thinking(None, [1_024, 4_096]).right_answers == 3
    assert thinking("It is a city, it is a city, it is", [1_024]).right_answers == 2
