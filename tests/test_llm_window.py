"""Context windows: known ones are told and kept to, and an endpoint's own words for too much are one code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evolve.core.errors import InfraError, RequestRefused
from evolve.core.records import Limits, ModelSpec, Usage
from evolve.llm import estimate_prompt_tokens, fit_to_window
from evolve.llm.client import OpenAIModel
from evolve.llm.window import LEAST_ANSWER
from evolve.trial.comparison import first_difference
from evolve.trial.gateway import Door, Gateway
from evolve.trial.run import RecordedModel
from tests.fakes import FolderWorkspace, ScriptedModel, completion
from tests.test_gateway import USER, call, chat, code, scaffold
from tests.upstream import Upstream, raw, refuses, says

SPEC = ModelSpec("m", context_tokens=1000)
WORDS = [
    "This model's maximum context length is 16384 tokens. However, you requested 122946 tokens.",
    "The decoder prompt (length 9000) is longer than the maximum model length of 8192.",
    "max_tokens must be at least 1, got -186.",
    "the request exceeds the available context size. try increasing the context size or enable context shift",
    "Requested tokens (2285) exceed context window of 2048",
    "invalid params, context window exceeds limit (2013)",
    "This endpoint's maximum context length is 131072 tokens. However, you requested about 138956 tokens.",
    "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "prompt is too long: 213462 tokens > 200000 maximum",
    "prompt too long; exceeded max context length by 12 tokens",
    "The number of tokens to keep from the initial prompt is greater than the context length.",
    "Your request exceeded model token limit: 128000 (requested: 130000)",
    "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).",
    "Requested token count exceeds the model's maximum context length of 8192 tokens.",
    "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens and 20 `max_new_tokens`",
]


def asked(size: int, **more: Any) -> dict[str, Any]:
    """A request of about `size` tokens."""
    return {"messages": [{"role": "user", "content": "x" * (4 * size - 40)}], **more}


@pytest.mark.parametrize(
    ("size", "most", "given"),
    [(100, 4096, 900), (100, 50, 50), (900, 4096, LEAST_ANSWER), (1400, 4096, LEAST_ANSWER), (1400, 9, 9)],
)
def test_an_answer_is_asked_for_that_fits(size: int, most: int, given: int) -> None:
    request = asked(size, max_tokens=most)
    made = fit_to_window(request, SPEC)
    assert abs(made["max_tokens"] - given) <= 10
    assert {**made, "max_tokens": most} == request
    assert fit_to_window(request, ModelSpec("m")) == request


def test_a_prompt_that_is_certainly_too_long_is_not_sent(upstream: Upstream) -> None:
    assert estimate_prompt_tokens(asked(1600)) > 1500
    model = OpenAIModel(upstream.spec(context_tokens=1000))
    with pytest.raises(RequestRefused) as caught:
        model.complete({"model": "m", **asked(1600)})
    assert (caught.value.status, caught.value.code) == (400, "context_length_exceeded")
    assert upstream.requests() == []
    upstream.script(says())
    model.complete({"model": "m", **asked(100, max_tokens=5000)})
    assert upstream.bodies()[0]["max_tokens"] < 950


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("stream", [False, True])
def test_all_errors_about_the_length_get_one_code(upstream: Upstream, words: str, stream: bool) -> None:
    model = OpenAIModel(upstream.spec(stream=stream), 0.01)
    forms = [
        refuses(400, None, words),
        refuses(500, None, words),
        raw(json.dumps({"object": "error", "message": words, "type": "BadRequestError", "code": 400}), status=400),
        raw(json.dumps({"error": {"code": 500, "message": "no", "type": "exceed_context_size_error"}}), status=400),
        raw(json.dumps({"error": {"code": 400, "message": words}})),
        raw(json.dumps({"choices": None, "base_resp": {"status_code": 1039, "status_msg": words}})),
    ]
    for form in forms:
        upstream.script(form)
        with pytest.raises(RequestRefused) as caught:
            model.complete({"model": "m", "messages": [USER]})
        assert (caught.value.status, caught.value.code) == (400, "context_length_exceeded")
        assert len(upstream.requests()) == 1


@pytest.mark.parametrize(
    ("status", "words", "told"),
    [
        (
            400,
            "Possible causes: over the maximum context length, or the request contains odd values",
            "invalid_request",
        ),
        (400, "context is required", "invalid_request"),
        (429, "too much at once; the maximum context length is 9", None),
        (500, "out of memory", None),
    ],
)
def test_other_errors_keep_their_meaning(upstream: Upstream, status: int, words: str, told: str | None) -> None:
    upstream.script(refuses(status, None, words))
    with pytest.raises(RequestRefused if told else InfraError) as caught:
        OpenAIModel(upstream.spec(), 0.01).complete({"model": "m", "messages": [USER]})
    assert told is None or getattr(caught.value, "code", None) == told


def gateway(folder: Path, spec: ModelSpec, model: Any, **limits: Any) -> Gateway:
    return Gateway(
        Door("opaque", "Mend it.", "/work", 7, spec, Limits(**limits)), model, FolderWorkspace(folder), folder
    )


def test_a_scaffold_gets_the_size_of_the_window(tmp_path: Path) -> None:
    with gateway(tmp_path, SPEC, ScriptedModel()) as served:
        assert scaffold(served, "out = door.task()")["context_tokens"] == 1000
    (tmp_path / "gateway.sock").unlink(missing_ok=True)
    with gateway(tmp_path, ModelSpec("m"), ScriptedModel()) as served:
        assert set(call(served, "/evolve/task")[1]) == {"id", "instruction", "workdir", "budget"}


def test_a_request_that_can_not_fit_costs_nothing_and_is_recorded(tmp_path: Path) -> None:
    model = ScriptedModel(completion("one"), completion("two"))
    with gateway(tmp_path, SPEC, model) as served:
        assert chat(served)[0] == 200
        assert code(chat(served, **asked(1600))) == (400, "context_length_exceeded")
        assert served.budget.usage == Usage(1, 10, 10, 0.0, 0)
        assert chat(served, max_tokens=4000)[0] == 200
    assert [request["max_tokens"] < 1000 for request in model.requests] == [True, True]
    refused = served.events[1]
    assert refused["kind"] == "chat" and refused["error"]["code"] == "context_length_exceeded"
    (tmp_path / "again").mkdir()
    with gateway(tmp_path / "again", SPEC, RecordedModel(served.events)) as again:
        chat(again)
        chat(again, **asked(1600))
        chat(again, max_tokens=4000)
    assert first_difference(served.events, again.events) is None


def test_refusals_that_cost_nothing_end_with_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evolve.trial.gateway.budget.MAX_EVENTS", 3)
    with gateway(tmp_path, SPEC, ScriptedModel()) as served:
        codes = [code(chat(served, **asked(1600)))[1] for _ in range(5)]
    assert codes == ["context_length_exceeded"] * 3 + ["budget"] * 2
    assert served.budget.exhausted == "record"
