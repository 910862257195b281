"""The gateway of a trial's tests without containers: its token, its one budget, and whose fault a failure is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx2
import pytest

from evolve.core.errors import BudgetExhausted, EndpointError, InfraError, RequestRefused
from evolve.core.launch import GATEWAY_PORT
from evolve.core.records import Grader, Grading, Limits, ModelSpec, StoredFile, TrialSpec, Usage
from evolve.llm import OnLost
from evolve.runs.replay import _grading_problem
from evolve.sandbox.container import Container
from evolve.sandbox.task_state import TaskState
from evolve.trial import grader_gateway, trajectory
from evolve.trial.grader_gateway import GraderGateway
from evolve.trial.recorded import RecordedModel
from evolve.trial.reward import NoReward, Reward, Ungraded
from evolve.trial.scaffold_run import MAX_VOIDED_TRIES
from evolve.trial.verdict import Judgement, checked
from tests.fakes import ScriptedModel, completion, result, trial_spec

LIMITS = Limits(calls=3, tokens=10_000, seconds=60.0)
MODEL = ModelSpec("judge", prompt_price=1.0, completion_price=1.0)
PASSED = Judgement(Reward(1.0, 1.0), "")
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "good?"}], "max_tokens": 50}


class Tests:
    """Plays the tests of a trial at a model. `door`: their gateway."""

    __test__ = False

    def __init__(self, folder: Path, model: Any, limits: Limits = LIMITS, **changes: Any) -> None:
        spec: TrialSpec = replace(trial_spec(folder), **changes)
        self.door = GraderGateway(spec, Grader(MODEL, limits, "base"), model)
        resources, image = SimpleNamespace(folder=folder), SimpleNamespace(workdir="/app")
        state = SimpleNamespace(resources=resources, image=image, run="r", spec=SimpleNamespace(runtime=None))
        self.state = cast("TaskState", state)
        state.door = self.door

    @contextmanager
    def running(self) -> Iterator[httpx2.Client]:
        """A client of the gateway, as the tests see it while they run."""
        folders = set(self.state.resources.folder.glob("grader-*")) if self.state.resources else set()
        with self.door.beside(self.state, cast("Container", None), 60):
            (folder,) = set(cast("Any", self.state).resources.folder.glob("grader-*")) - folders
            transport = httpx2.HTTPTransport(uds=str(folder / "gateway.sock"))
            with httpx2.Client(transport=transport, base_url="http://x") as client:
                yield client

    def ask(self, client: httpx2.Client, **headers: str) -> httpx2.Response:
        heads = headers or {"Authorization": f"Bearer {self.door.token}"}
        return client.post("/v1/chat/completions", json=BODY, headers=heads)

    def grade(self, calls: int = 1) -> list[int]:
        """The status of so many calls of one grading."""
        with self.running() as client:
            return [self.ask(client).status_code for _ in range(calls)]


@pytest.fixture(autouse=True)
def forwarder(monkeypatch: pytest.MonkeyPatch) -> None:
    """No container leads to the gateway."""
    made = SimpleNamespace(port=GATEWAY_PORT, kill=lambda: None)
    monkeypatch.setattr(grader_gateway, "start_forwarder", lambda *_: made)


def test_the_graders_model_answers_who_shows_the_token(tmp_path: Path) -> None:
    model = ScriptedModel(completion("yes"))
    tests = Tests(tmp_path, model)
    with tests.running() as client:
        assert tests.ask(client).json()["choices"][0]["message"]["content"] == "yes"
        assert tests.ask(client, **{"x-api-key": tests.door.token}).status_code == 200
        for wrong in ({"Authorization": "Bearer x"}, {"Authorization": ""}, {"x-api-key": tests.door.token[:-1]}):
            refused = tests.ask(client, **wrong)
            assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
        assert client.get("/v1/models").status_code == 401
        assert client.get("/evolve/task", headers={"x-api-key": tests.door.token}).status_code == 404
    assert [request["model"] for request in model.requests] == ["judge", "judge"]
    assert tests.door.grading.usage.calls == 2 == len(tests.door.recording)
    assert tests.door.token not in json.dumps(list(tests.door.recording))
    assert checked(tests.state, PASSED) == PASSED


def test_all_gradings_of_a_state_have_one_budget(tmp_path: Path) -> None:
    tests = Tests(tmp_path, ScriptedModel(completion("yes")))
    assert (tests.grade(2), tests.grade(2)) == ([200, 200], [200, 403])
    judgement = checked(tests.state, PASSED)
    assert isinstance(judgement.grade, NoReward) and judgement.grade.why is Ungraded.BUDGET
    assert "the grader's budget of calls is spent" in judgement.detail and tests.door.usage.calls == 3
    with tests.door.beside(tests.state, cast("Container", None), 60):
        assert len(list(tmp_path.glob("grader-*"))) == 2  # no gateway is opened for nothing


def test_another_state_has_a_budget_of_its_own(tmp_path: Path) -> None:
    tests = Tests(tmp_path, ScriptedModel(completion("yes")))
    assert tests.grade(4)[-1] == 403
    with tests.door.other_state():
        assert tests.grade(3) == [200] * 3 and checked(tests.state, PASSED) == PASSED
    assert tests.door.spent == "calls" and tests.door.usage.calls == 6


@pytest.mark.parametrize("error", [EndpointError("down"), BudgetExhausted("the run's budget is spent")])
def test_a_fault_behind_the_gateway_is_raised_whatever_the_tests_wrote(tmp_path: Path, error: Exception) -> None:
    tests = Tests(tmp_path, ScriptedModel(error))
    assert tests.grade() == [503]
    with pytest.raises(type(error), match=str(error)):
        checked(tests.state, PASSED)
    assert tests.door.is_outage is isinstance(error, EndpointError)


def test_what_the_model_refuses_is_the_tests_own_matter(tmp_path: Path) -> None:
    tests = Tests(tmp_path, ScriptedModel(RequestRefused(400, "invalid_request", "no such field")))
    assert tests.grade() == [400] and checked(tests.state, PASSED) == PASSED


def test_who_fails_an_endpoint_that_answers_others_is_ungraded_in_the_end(tmp_path: Path) -> None:
    def tests_of(voided: int) -> Tests:
        folder = tmp_path / str(voided)
        folder.mkdir()
        return Tests(folder, ScriptedModel(completion("yes"), EndpointError("down")), voided=voided)

    first, last = tests_of(0), tests_of(MAX_VOIDED_TRIES)
    assert (first.grade(2), last.grade(2)) == ([200, 503], [200, 503])
    assert isinstance(first.door.fault, EndpointError)
    assert last.door.fault is None and last.door.spent == "tries of the model's API"


class Delayed(ScriptedModel):
    """Fails a try of each call, and loses time by it."""

    def complete(self, body: Any, on_lost: OnLost | None = None) -> dict[str, Any]:
        if on_lost:
            on_lost(Usage(retries=1, lost_seconds=0.01))
        return super().complete(body)


@pytest.mark.parametrize(
    ("model", "seconds", "fault"),
    [
        (Delayed(), 0.001, "ran out of time while the model's API delayed"),
        (Delayed(), 60.0, ""),
        (ScriptedModel(), 0.001, ""),
    ],
)
def test_tests_that_ran_out_of_time_while_the_api_delayed_them_are_not_at_fault(
    tmp_path: Path, model: ScriptedModel, seconds: float, fault: str
) -> None:
    tests = Tests(tmp_path, model, replace(LIMITS, seconds=seconds))
    assert tests.grade() == [200]
    with pytest.raises(EndpointError, match=fault) if fault else nullcontext():
        assert checked(tests.state, PASSED) == PASSED


def test_a_forwarder_that_does_not_start_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = SimpleNamespace(port=1, kill=lambda: None)
    monkeypatch.setattr(grader_gateway, "start_forwarder", lambda *_: taken)
    tests = Tests(tmp_path, ScriptedModel())
    with pytest.raises(InfraError, match="port 8111 is taken"):
        tests.grade()
    with pytest.raises(InfraError, match="port 8111 is taken"):
        checked(tests.state, PASSED)


# Replays


def test_a_strict_replay_answers_equal_requests_alone(tmp_path: Path) -> None:
    first = Tests(tmp_path, ScriptedModel(completion("yes")))
    first.grade()
    (tmp_path / "again").mkdir()
    again = Tests(tmp_path / "again", RecordedModel(list(first.door.recording), strict=True))
    with again.running() as client:
        heads = {"x-api-key": again.door.token}
        other = client.post("/v1/chat/completions", json={**BODY, "messages": []}, headers=heads)
        assert (other.status_code, again.ask(client).status_code) == (403, 200)
    assert checked(again.state, PASSED) == PASSED


def graded(folder: Path, name: str, *contents: str) -> Any:
    """A trial whose tests asked these questions."""
    events = [
        {"kind": "chat", "request": {"messages": [{"role": "user", "content": one}]}, "response": completion("yes")}
        for one in contents
    ]
    recording: StoredFile = trajectory.store(folder / "trials" / f"{name}.jsonl.gz", folder, events)
    return replace(result("train-0", 1.0, 1), grading=Grading("judge", Usage(calls=1), recording))


def test_a_replay_says_if_the_tests_ask_otherwise(tmp_path: Path) -> None:
    (tmp_path / "trials").mkdir()
    old, same = graded(tmp_path, "old", "a", "b"), graded(tmp_path, "same", "a", "b")
    other, shorter = graded(tmp_path, "other", "a", "c"), graded(tmp_path, "shorter", "a")
    assert _grading_problem(old, same, tmp_path, tmp_path) == ""
    for now in (other, shorter):
        problem = _grading_problem(old, now, tmp_path, tmp_path)
        assert problem == "the tests ask otherwise: call 2 of the grader's model differs"
    plain = replace(old, grading=None)
    assert _grading_problem(plain, old, tmp_path, tmp_path) == ""
