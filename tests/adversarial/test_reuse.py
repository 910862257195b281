"""Scaffolds that want the answers which their parent got, or to know that they are being compared with it."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from evolve.core.records import ModelSpec
from evolve.trial.gateway import Gateway, ParentAnswers, load_parent_answers
from evolve.trial.gateway.budget import TrialBudget
from evolve.trial.recording import ENDED_AT, STARTED_AT
from tests.fakes import ScriptedModel, completion, trial_spec
from tests.test_gateway import _Connection as Connection
from tests.test_gateway import chat
from tests.test_parent_answers import known, serving, stored, text_of

SPEC = ModelSpec("m")
SECRET = "the parent's secret"
ASKED: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is the plan?"}]
HOLE = "evolve.trial.gateway.parent_answers"


@contextlib.contextmanager
def loose_comparison() -> Iterator[None]:
    """Requests count as equal if they begin with the same message."""
    with mock.patch(f"{HOLE}.question_digest", lambda request: json.dumps(request["messages"][0])):
        yield


@contextlib.contextmanager
def answers_given_again() -> Iterator[None]:
    """The first answer of a kind is given for every request of that kind."""
    following = ParentAnswers.next

    def again(self: ParentAnswers, request: Any, asked: int | None) -> Any:
        self._given.clear()
        return following(self, request, asked)

    with mock.patch.object(ParentAnswers, "next", again):
        yield


@contextlib.contextmanager
def answers_at_once() -> Iterator[None]:
    with mock.patch.object(TrialBudget, "pause", return_value=None):
        yield


@contextlib.contextmanager
def answers_with_their_old_time() -> Iterator[None]:
    with mock.patch(f"{HOLE}._moved", lambda response, recorded, later: response):
        yield


@contextlib.contextmanager
def any_file() -> Iterator[None]:
    with mock.patch(f"{HOLE}.is_intact", return_value=True):
        yield


def parent(folder: Path) -> ParentAnswers:
    with serving(folder, ScriptedModel(completion(SECRET)), SPEC) as served:
        chat(served, messages=ASKED)
    return known(folder, served)


GUESSES: dict[str, dict[str, Any]] = {
    "the beginning": {"messages": ASKED[:1]},
    "the beginning, and a question of its own": {"messages": [ASKED[0], {"role": "user", "content": "What was said?"}]},
    "more of it": {"messages": [*ASKED, {"role": "assistant", "content": ""}]},
    "another order of messages": {"messages": ASKED[:1] + ASKED[:0:-1] + ASKED[1:]},
    "another temperature": {"messages": ASKED, "temperature": 1.3},
    "another length": {"messages": ASKED, "max_tokens": 7},
}


@pytest.mark.parametrize("guess", GUESSES.values(), ids=list(GUESSES))
def test_an_answer_is_had_by_its_request_alone(tmp_path: Path, guess: dict[str, Any]) -> None:
    own = ScriptedModel(completion("of the model"))
    with serving(tmp_path, own, SPEC, parent(tmp_path)) as served:
        assert text_of(chat(served, **guess)) == "of the model"
    if "max_tokens" not in guess:
        with loose_comparison(), serving(tmp_path, own, SPEC, parent(tmp_path)) as served:
            assert text_of(chat(served, **guess)) == SECRET


def test_what_the_host_decides_finds_no_other_answers(tmp_path: Path) -> None:
    """The name of a model, seeds and unknown fields are dropped before requests are compared: they choose nothing."""
    fields = {"model": "another", "seed": 1, "parent": True, "n": 3}
    with serving(tmp_path, ScriptedModel(completion("of the model")), SPEC, parent(tmp_path)) as served:
        assert text_of(chat(served, messages=ASKED, **fields)) == SECRET
        assert text_of(chat(served, messages=ASKED, **fields)) == "of the model"


@pytest.mark.parametrize(("hole", "second"), [(answers_given_again, SECRET), (contextlib.nullcontext, "of the model")])
def test_an_answer_is_given_once(tmp_path: Path, hole: Any, second: str) -> None:
    """Otherwise a scaffold that asks again, until the answers differ, would know that it is compared."""
    with hole(), serving(tmp_path, ScriptedModel(completion("of the model")), SPEC, parent(tmp_path)) as served:
        assert [text_of(chat(served, messages=ASKED)) for _ in range(2)] == [SECRET, second]


def test_no_route_leads_to_the_recording(tmp_path: Path) -> None:
    routes = ("/v1/chat/completions/chatcmpl-1", "/v1/responses/resp_1", "/evolve/recording", "/evolve/parent")
    with serving(tmp_path, ScriptedModel(), SPEC, parent(tmp_path)) as served:
        for route in routes:
            connection = Connection(served.path)
            connection.request("GET", route)
            response = connection.getresponse()
            assert response.status in (404, 405) and SECRET not in response.read().decode()
            connection.close()


@pytest.mark.parametrize("hole", [any_file, contextlib.nullcontext])
def test_a_recording_that_somebody_wrote_is_not_believed(tmp_path: Path, hole: Any) -> None:
    with (
        serving(tmp_path, ScriptedModel(completion("true")), SPEC) as first,
        serving(tmp_path, ScriptedModel(completion("forged")), SPEC) as other,
    ):
        chat(first, messages=ASKED), chat(other, messages=ASKED)
    spec, forged = stored(tmp_path, first), stored(tmp_path / "forged", other)
    assert spec.reuse_of is not None and forged.reuse_of is not None
    file = forged.folder.parent / forged.reuse_of.path
    (spec.folder.parent / spec.reuse_of.path).write_bytes(file.read_bytes())
    with hole():
        answers = load_parent_answers(trial_spec(spec.folder, reuse_of=spec.reuse_of))
    assert (answers is None) == (hole is contextlib.nullcontext)


def seen(served: Gateway) -> tuple[float, dict[str, str], dict[str, Any], dict[str, float]]:
    """All that a scaffold can see of one call: seconds, headers, body, and how its budget changes."""
    before, began, connection = served.budget.left(), time.monotonic(), Connection(served.path)
    connection.request("POST", "/v1/chat/completions", json.dumps({"messages": ASKED}))
    response: http.client.HTTPResponse = connection.getresponse()
    body = json.loads(response.read())
    took, left = time.monotonic() - began, served.budget.left()
    connection.close()
    return took, dict(response.getheaders()), body, {name: before[name] - left[name] for name in ("calls", "tokens")}


def slow(body: Any) -> dict[str, Any]:
    time.sleep(0.5)
    return completion("slow") | {"created": int(time.time())}


@pytest.mark.parametrize("hole", [answers_at_once, contextlib.nullcontext])
def test_the_clock_does_not_tell_what_was_taken_over(tmp_path: Path, hole: Any) -> None:
    with serving(tmp_path, ScriptedModel(slow), SPEC) as first:
        asked = seen(first)
    with hole(), serving(tmp_path, ScriptedModel(slow), SPEC, known(tmp_path, first)) as second:
        taken = seen(second)
    assert second.budget.usage.reused_calls == 1
    assert (taken[0] < 0.4) == (hole is answers_at_once)
    assert taken[1] == asked[1] and taken[3] == asked[3]
    assert {**taken[2], "created": 0} == {**asked[2], "created": 0}


@pytest.mark.parametrize("hole", [answers_with_their_old_time, contextlib.nullcontext])
def test_an_answer_does_not_show_when_it_was_given(tmp_path: Path, hole: Any) -> None:
    then = datetime.now().astimezone() - timedelta(hours=5)
    times = {STARTED_AT: then.isoformat(timespec="microseconds"), ENDED_AT: then.isoformat(timespec="microseconds")}
    request = {"messages": ASKED, "model": "m", "max_tokens": 4096, "seed": 1}
    response = completion("old") | {"created": int(then.timestamp())}
    answers = ParentAnswers([{"kind": "chat", "request": request, "response": response, **times}])
    with hole(), serving(tmp_path, ScriptedModel(), SPEC, answers) as served:
        created = chat(served, messages=ASKED)[1]["created"]
    assert (time.time() - created > 3_600) == (hole is answers_with_their_old_time)
