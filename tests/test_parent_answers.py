"""The same request gets the same answer: at a real gateway, with an endpoint in a process of its own."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.budget.ledger import Ledger, SpendingFile
from evolve.budget.metered import Metered
from evolve.core.caps import Caps
from evolve.core.records import Limits, ModelSpec, StoredFile, TrialSpec, Usage
from evolve.llm import ChatModel, open_model
from evolve.trial import comparison, trajectory
from evolve.trial.conditions import condition_of
from evolve.trial.gateway import Door, Gateway, ParentAnswers, load_parent_answers
from evolve.trial.recorded import RecordedModel
from evolve.trial.recording import ASKED_TOKENS, ENDED_AT, REUSED, STARTED_AT, WAITED
from tests.fakes import FolderWorkspace, ScriptedModel, completion, tool_call, trial_spec
from tests.test_gateway import _Connection as Connection
from tests.test_gateway import call, chat
from tests.upstream import Upstream, after, refuses, says

HI: Any = {"role": "user", "content": "hi"}
ROUTES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [HI]},
    "/v1/responses": {"model": "gpt-x", "input": "hi"},
    "/v1/messages": {"model": "claude-x", "max_tokens": 4096, "messages": [HI]},
}


@contextmanager
def serving(
    folder: Path, model: ChatModel, spec: ModelSpec, parent: ParentAnswers | None = None, **limits: Any
) -> Iterator[Gateway]:
    """A gateway with a folder of its own in `folder`."""
    place = next(one for number in count() if not (one := folder / f"trial-{number}").exists())
    (place / "work").mkdir(parents=True)
    door = Door("opaque", "Mend it.", "/work", 7, spec, Limits(**limits))
    with Gateway(door, model, FolderWorkspace(place / "work"), place, parent=parent) as served:
        yield served


def stored(folder: Path, served: Gateway) -> TrialSpec:
    """A trial that may take over what this gateway recorded."""
    runs = folder / "runs"
    file = trajectory.store(runs / "run" / "trials" / "parent.recording.jsonl.gz", runs, served.recording)
    return trial_spec(runs / "run", reuse_of=file)


def known(folder: Path, served: Gateway) -> ParentAnswers:
    """What this gateway recorded, as another trial has it."""
    parent = load_parent_answers(stored(folder, served))
    assert parent is not None
    return parent


def text_of(answer: tuple[int, Any]) -> str:
    assert answer[0] == 200, answer
    return str(answer[1]["choices"][0]["message"]["content"])


def raw(served: Gateway, path: str, body: Mapping[str, Any]) -> bytes:
    """The bytes of an answer, after its headers."""
    connection = Connection(served.path)
    try:
        connection.request("POST", path, json.dumps(body))
        response = connection.getresponse()
        assert response.status == 200
        return response.read()
    finally:
        connection.close()


def test_a_request_of_both_costs_nothing_the_second_time(tmp_path: Path, upstream: Upstream) -> None:
    spec = upstream.spec(prompt_price=1.0, completion_price=2.0)
    upstream.script(says("one"), says("two"), says("of the model"))
    other: Any = [HI, {"role": "user", "content": "and now?"}]
    with serving(tmp_path, open_model(spec), spec) as first:
        assert [text_of(chat(first)), text_of(chat(first, messages=other))] == ["one", "two"]
    with serving(tmp_path, open_model(spec), spec, known(tmp_path, first)) as second:
        changed = [HI, {"role": "user", "content": "and then?"}]
        assert text_of(chat(second)) == "one"
        assert text_of(chat(second, messages=changed)) == "of the model"
        assert text_of(chat(second, messages=other)) == "two"
    assert len(upstream.requests()) == 3
    whole = Usage(3, 30, 30, first.budget.usage.cost_usd * 1.5)
    used = second.budget.usage
    assert (used.calls, used.prompt_tokens, used.completion_tokens) == (3, 30, 30)
    assert used.cost_usd == pytest.approx(whole.cost_usd)
    assert (used.reused_calls, used.reused_prompt_tokens, used.reused_completion_tokens) == (2, 20, 20)
    assert (used.paid.calls, used.paid.tokens) == (1, 20)
    assert used.paid.cost_usd == pytest.approx(whole.cost_usd / 3) and used.paid.reused_calls == 0
    assert first.budget.usage.reused_calls == 0
    assert [event.get(REUSED, False) for event in second.events] == [True, False, True]


def test_a_recording_that_took_answers_over_is_replayed_by_itself(tmp_path: Path, upstream: Upstream) -> None:
    spec = upstream.spec()
    upstream.script(says("one"), says("two"), says("three"))
    with serving(tmp_path, open_model(spec), spec) as first:
        chat(first)
    with serving(tmp_path, open_model(spec), spec, known(tmp_path, first)) as second:
        chat(second), chat(second), call(second, "/evolve/run", {"command": "true"})
    with serving(tmp_path, RecordedModel(second.events, strict=True), spec) as replay:
        assert [text_of(chat(replay)), text_of(chat(replay))] == ["one", "two"]
        call(replay, "/evolve/run", {"command": "true"})
    assert comparison.first_difference(second.events, replay.events) is None
    # And it serves the trials of those that patch this one.
    with serving(tmp_path, open_model(spec), spec, known(tmp_path, second)) as third:
        assert [text_of(chat(third)), text_of(chat(third))] == ["one", "two"]
    assert len(upstream.requests()) == 2


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("route", ROUTES)
def test_all_protocols_give_the_very_answer(tmp_path: Path, upstream: Upstream, route: str, streams: bool) -> None:
    spec = upstream.spec(stream=streams)
    upstream.script(says("hm", tool_call("look", {"at": 1}), reasoning="thinking"), says("another"))
    body = {**ROUTES[route], **({"stream": True} if streams else {})}
    with serving(tmp_path, open_model(spec), spec) as first:
        answer = raw(first, route, body)
    with serving(tmp_path, open_model(spec), spec, known(tmp_path, first)) as second:
        assert raw(second, route, body) == answer
        # The model is the same whatever protocol asks it.
        others = [raw(second, other, {**ROUTES[other]}) for other in ROUTES if other != route]
    assert len(others) == 2 and b"another" in others[0]
    assert second.budget.usage.reused_calls == 1


def test_each_answer_is_given_once(tmp_path: Path, upstream: Upstream) -> None:
    spec = upstream.spec()
    upstream.script(says("first"), says("second"), says("third"))
    with serving(tmp_path, open_model(spec), spec) as first:
        chat(first), chat(first)
    with serving(tmp_path, open_model(spec), spec, known(tmp_path, first)) as second:
        assert [text_of(chat(second)) for _ in range(3)] == ["first", "second", "third"]


def test_calls_at_once_get_the_answers_of_calls_at_once(tmp_path: Path, upstream: Upstream) -> None:
    spec = upstream.spec()
    upstream.script(*(after(0.2, says(f"answer {number}")) for number in range(8)), says("of the model"))
    asked = [[{"role": "user", "content": f"question {number // 2}"}] for number in range(8)]

    def ask(served: Gateway, order: Sequence[Any]) -> list[tuple[str, str]]:
        with ThreadPoolExecutor(8) as pool:
            answers = pool.map(lambda messages: text_of(chat(served, messages=messages)), order)
            return sorted(zip((messages[0]["content"] for messages in order), answers, strict=True))

    with serving(tmp_path, open_model(spec), spec) as first:
        answers = ask(first, asked)
    with serving(tmp_path, open_model(spec), spec, known(tmp_path, first)) as second:
        assert ask(second, asked[::-1]) == answers
    assert len(upstream.requests()) == 8 and second.budget.usage.reused_calls == 8


def test_an_answer_takes_the_time_that_it_took(tmp_path: Path, upstream: Upstream) -> None:
    spec = upstream.spec()
    upstream.script(after(0.6, says("slow")))
    with serving(tmp_path, open_model(spec), spec) as first:
        chat(first)
    with serving(tmp_path, open_model(spec), spec, known(tmp_path, first), seconds=30) as second:
        began, before = time.monotonic(), second.budget.left()["seconds"]
        assert text_of(chat(second)) == "slow"
        assert 0.6 <= time.monotonic() - began < 5
        assert before - second.budget.left()["seconds"] >= 0.6 and second.budget.given_back == 0
    with serving(tmp_path, open_model(spec), spec, known(tmp_path, first), seconds=0.3) as second:
        assert chat(second)[1]["error"]["code"] == "budget" and second.budget.exhausted == "seconds"


def test_tries_that_failed_are_not_waited_for_again(tmp_path: Path, upstream: Upstream) -> None:
    spec = upstream.spec()
    upstream.script(refuses(503, retry_after="2"), says("at last"))
    with serving(tmp_path, open_model(spec), spec) as first:
        chat(first)
    assert first.events[0][WAITED] >= 2
    with serving(tmp_path, open_model(spec), spec, known(tmp_path, first)) as second:
        began = time.monotonic()
        assert text_of(chat(second)) == "at last"
        assert time.monotonic() - began < 1.5
    assert (second.budget.usage.retries, second.budget.usage.lost_seconds) == (0, 0)


def test_nothing_is_charged_to_the_run_nor_counted_as_an_answer_of_the_endpoint(
    tmp_path: Path, upstream: Upstream
) -> None:
    spec, terms = upstream.spec(), SpendingFile(tmp_path / "spending.db", Caps(tokens=20))
    upstream.script(says("one"))
    model = Metered(open_model(spec), spec, terms, "trial")
    with serving(tmp_path, model, spec) as first:
        chat(first)
    parent, before = known(tmp_path, first), Ledger(terms).spent()
    assert before.tokens == 20
    began = time.monotonic()
    with serving(tmp_path, model, spec, parent) as second:
        # Although the run's cap is reached.
        assert text_of(chat(second)) == "one"
    assert Ledger(terms).spent() == before
    assert not second.answers.any_between(began, time.monotonic())
    assert condition_of(trial_spec(), second.events, ("", "")).endpoint_models == ()
    assert condition_of(trial_spec(), first.events, ("", "")).endpoint_models != ()


def test_the_limits_of_a_trial_hold_for_what_it_takes_over(tmp_path: Path, upstream: Upstream) -> None:
    spec = upstream.spec()
    upstream.script(says("one", tokens=400))
    with serving(tmp_path, open_model(spec), spec) as first:
        [chat(first) for _ in range(3)]
    with serving(tmp_path, open_model(spec), spec, known(tmp_path, first), calls=2) as second:
        assert [chat(second)[0] for _ in range(3)] == [200, 200, 403] and second.budget.exhausted == "calls"
    with serving(tmp_path, open_model(spec), spec, known(tmp_path, first), tokens=1500) as second:
        [chat(second) for _ in range(3)]
        assert second.budget.exhausted == "tokens"


def test_a_budget_that_is_almost_spent_makes_no_other_request(tmp_path: Path, upstream: Upstream) -> None:
    spec = upstream.spec()
    upstream.script(says("short"))
    with serving(tmp_path, open_model(spec), spec, tokens=2000) as first:
        chat(first)
    with serving(tmp_path, open_model(spec), spec, known(tmp_path, first), tokens=1000) as second:
        chat(second)
    limits = [served.events[0]["request"]["max_tokens"] for served in (first, second)]
    assert limits[0] > limits[1] and second.budget.usage.reused_calls == 1


def test_an_answer_that_its_limit_cut_belongs_to_this_limit(tmp_path: Path, upstream: Upstream) -> None:
    spec = upstream.spec()
    upstream.script(says("cut", finish="length"))
    with serving(tmp_path, open_model(spec), spec, tokens=2000) as first:
        chat(first)
    for tokens, reused in ((1000, 0), (2000, 1)):
        with serving(tmp_path, open_model(spec), spec, known(tmp_path, first), tokens=tokens) as second:
            chat(second)
        assert second.budget.usage.reused_calls == reused


def test_another_limit_that_the_scaffold_sets_is_another_request(tmp_path: Path, upstream: Upstream) -> None:
    spec = upstream.spec()
    upstream.script(says("short"))
    with serving(tmp_path, open_model(spec), spec) as first:
        chat(first, max_tokens=100), chat(first)
    assert [event.get(ASKED_TOKENS) for event in first.events] == [100, None]
    with serving(tmp_path, open_model(spec), spec, known(tmp_path, first)) as second:
        for tokens, reused in ((200, 0), (100, 1), (4096, 2), (4096, 2)):
            chat(second, max_tokens=tokens)
            assert second.budget.usage.reused_calls == reused


@pytest.mark.parametrize(
    "changed",
    [
        {"temperature": 0.5},
        {"messages": [{"role": "user", "content": "hi "}]},
        {"messages": [{"role": "system", "content": "hi"}]},
        {"tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]},
        {"messages": [{"role": "user", "content": "of 6f9619ff-8b86-4d01-b42d-00cf4fc964ff"}]},
    ],
    ids=str,
)
def test_any_other_difference_is_one(tmp_path: Path, changed: dict[str, Any]) -> None:
    model, spec = ScriptedModel(), ModelSpec("m")
    with serving(tmp_path, model, spec) as first:
        chat(first, messages=[{"role": "user", "content": "of 1f9619ff-8b86-4d01-b42d-00cf4fc964ff"}])
        chat(first)
    with serving(tmp_path, model, spec, known(tmp_path, first)) as second:
        chat(second, **changed)
        assert second.budget.usage.reused_calls == 0
        chat(second)
    assert second.budget.usage.reused_calls == 1


def test_ids_that_a_client_draws_are_no_difference(tmp_path: Path) -> None:
    model, spec = ScriptedModel(), ModelSpec("m")

    def conversation(call_id: str) -> list[Any]:
        made = {"role": "assistant", "content": None, "tool_calls": [tool_call("look", {}, call_id)]}
        return [HI, made, {"role": "tool", "tool_call_id": call_id, "content": "seen"}]

    with serving(tmp_path, model, spec) as first:
        chat(first, messages=conversation("call_a1"))
    with serving(tmp_path, model, spec, known(tmp_path, first)) as second:
        chat(second, messages=conversation("call_b2"))
    assert second.budget.usage.reused_calls == 1


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ("Ran 6 tests in 0.005s\n\nOK", "Ran 6 tests in 1.250s\n\nOK", True),
        ("== 1 failed, 2 passed in 0.12s ==", "== 1 failed, 2 passed in 3.01s ==", True),
        ("no tests ran in 0.01s", "no tests ran in 0.02s", True),
        ("ok  \texample.com/a\t0.005s", "ok  \texample.com/a\t0.115s", True),
        ("test result: ok. finished in 0.00s", "test result: ok. finished in 0.41s", True),
        ("Ran 6 tests in 0.005s\n\nOK", "Ran 7 tests in 0.005s\n\nOK", False),
        ("Each command has 10.0s.", "Each command has 60.0s.", False),
        ("Answer in 10.0 seconds.", "Answer in 60.0 seconds.", False),
    ],
)
def test_how_long_tests_took_is_the_machines_noise(tmp_path: Path, first: str, second: str, is_same: bool) -> None:
    model, spec = ScriptedModel(), ModelSpec("m")
    with serving(tmp_path, model, spec) as parent:
        chat(parent, messages=[{"role": "user", "content": first}])
    with serving(tmp_path, model, spec, known(tmp_path, parent)) as served:
        chat(served, messages=[{"role": "user", "content": second}])
    assert served.budget.usage.reused_calls == is_same


def test_a_refusal_of_the_endpoint_is_an_answer_too(tmp_path: Path, upstream: Upstream) -> None:
    spec = upstream.spec()
    upstream.script(refuses(400, "content_policy", "no"), says("yes"))
    with serving(tmp_path, open_model(spec), spec) as first:
        refused = chat(first)
    with serving(tmp_path, open_model(spec), spec, known(tmp_path, first)) as second:
        assert chat(second) == refused and refused[0] == 400
    assert len(upstream.requests()) == 1 and second.events[0][REUSED]
    used = second.budget.usage
    assert (used.calls, used.reused_calls, used.tokens, used.paid.calls) == (1, 1, 0, 0)
    assert second.refusals == first.refusals


def test_a_model_that_heeds_seeds_gives_no_answer_twice(tmp_path: Path) -> None:
    def by_seed(body: Mapping[str, Any]) -> dict[str, Any]:
        return completion(f"seed {body['seed']}")

    model, spec = ScriptedModel(by_seed), ModelSpec("m")
    with serving(tmp_path, model, spec) as first:
        chat(first, messages=[{"role": "user", "content": "plan"}])
        answer = text_of(chat(first))
    with serving(tmp_path, model, spec, known(tmp_path, first)) as second:
        # The second call has the seed of the parent's second call, which the first answer was drawn with.
        assert text_of(chat(second)) == answer
        assert text_of(chat(second)) != answer


def test_the_time_in_an_answer_is_not_that_of_the_parent(tmp_path: Path) -> None:
    long_ago = datetime.now().astimezone() - timedelta(days=3)
    created = int(long_ago.timestamp())
    response = completion("hello") | {"created": created, "id": f"gen-{created}-abc"}
    event = {
        "kind": "chat",
        "request": {"messages": [HI], "model": "m", "max_tokens": 4096, "seed": 1},
        "response": response,
        STARTED_AT: long_ago.isoformat(timespec="microseconds"),
        ENDED_AT: (long_ago + timedelta(milliseconds=5)).isoformat(timespec="microseconds"),
    }
    with serving(tmp_path, ScriptedModel(), ModelSpec("m"), ParentAnswers([event])) as served:
        answer = chat(served)[1]
    assert abs(answer["created"] - time.time()) < 10 and answer["id"] == f"gen-{answer['created']}-abc"
    assert served.events[0]["response"] == answer


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _rewrite(path: Path) -> None:
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b"{}\n"))


@pytest.mark.parametrize("damage", [Path.unlink, _truncate, _rewrite])
def test_a_recording_that_is_not_what_it_was_is_not_used(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    with serving(tmp_path, ScriptedModel(), ModelSpec("m")) as first:
        chat(first)
    spec = stored(tmp_path, first)
    assert spec.reuse_of is not None and load_parent_answers(spec) is not None
    damage(spec.folder.parent / spec.reuse_of.path)
    assert load_parent_answers(spec) is None


@pytest.mark.parametrize("event", [{}, {"kind": "chat"}, {"kind": "chat", "request": [], "response": {}}, []])
def test_what_is_no_recording_of_a_gateway_is_not_used(tmp_path: Path, event: Any) -> None:
    runs = tmp_path / "runs"
    file = trajectory.store(runs / "run" / "x.jsonl.gz", runs, [event])
    assert load_parent_answers(trial_spec(runs / "run", reuse_of=file)) is None


def test_a_replay_takes_nothing_over(tmp_path: Path) -> None:
    with serving(tmp_path, ScriptedModel(), ModelSpec("m")) as first:
        chat(first)
    spec = stored(tmp_path, first)
    assert isinstance(spec.reuse_of, StoredFile)
    path = spec.folder.parent / spec.reuse_of.path
    assert load_parent_answers(trial_spec(spec.folder, reuse_of=spec.reuse_of, replay_of=path)) is None


def test_a_trial_that_ends_waits_for_no_answer(tmp_path: Path, upstream: Upstream) -> None:
    spec = upstream.spec()
    upstream.script(after(3.0, says("slow")))
    with serving(tmp_path, open_model(spec), spec) as first:
        chat(first)
    began = time.monotonic()
    with serving(tmp_path, open_model(spec), spec, known(tmp_path, first)) as second:
        waiting = threading.Thread(target=lambda: chat(second), daemon=True)
        waiting.start()
        while not second.budget.usage.calls:
            time.sleep(0.01)
    assert second.budget.wait_until_idle(1.0) and time.monotonic() - began < 3


@given(asked=st.lists(st.integers(0, 3), max_size=12), again=st.lists(st.integers(0, 3), max_size=16), data=st.data())
def test_the_nth_call_of_a_kind_gets_the_nth_answer(asked: list[int], again: list[int], data: st.DataObject) -> None:
    began = datetime.fromisoformat("2026-11-30T00:00:00.000000+00:00")
    events = [
        {
            "kind": "chat",
            "request": {"messages": [{"role": "user", "content": str(kind)}], "max_tokens": 4096, "seed": 100 + place},
            "response": completion(f"answer {place}"),
            STARTED_AT: (began + timedelta(seconds=place)).isoformat(timespec="microseconds"),
            ENDED_AT: (began + timedelta(seconds=place + 0.5)).isoformat(timespec="microseconds"),
        }
        for place, kind in enumerate(asked)
    ]
    # The order in which calls ended makes no difference, nor do events of other kinds.
    parent = ParentAnswers([*data.draw(st.permutations(events)), {"kind": "run", "command": "true"}])
    places = {kind: [place for place, one in enumerate(asked) if one == kind] for kind in range(4)}
    given_seeds: dict[int, set[int]] = {kind: set() for kind in range(4)}
    for number, kind in enumerate(again):
        request = {"messages": [{"role": "user", "content": str(kind)}], "max_tokens": 4096, "seed": 100 + number}
        answer, seed = parent.next(request, None)
        place = places[kind].pop(0) if places[kind] else None
        told = None if answer is None else answer.response(answer.began)["choices"][0]["message"]["content"]
        assert told == (None if place is None else f"answer {place}")
        assert seed not in given_seeds[kind], "one answer twice"
        assert answer is None or answer.seconds == 0.5
        given_seeds[kind].add(seed)
