"""Seeds of a trial's calls, and replays: what must not depend on the order of calls that overlap."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.core.errors import RequestRefused
from evolve.core.records import Limits, ModelSpec, stable_hash
from evolve.llm import ChatModel, open_model
from evolve.trial.comparison import describe_step, first_difference
from evolve.trial.gateway import Door, Gateway
from evolve.trial.gateway.seeding import MASK, Seeding
from evolve.trial.recorded import RecordedModel
from evolve.trial.recording import TIME_FIELDS
from evolve.trial.request_digest import canonical, digest
from tests.fakes import FolderWorkspace, chat_event, completion, run_event, tool_call
from tests.test_gateway import USER, chat, client, serving

# Kinds of chains of calls, and their lengths.
LENGTHS = {"a": 1, "b": 1, "c": 2, "d": 3}
Phase = tuple[int, list[str]]
Calls = Counter[tuple[str, int]]


@dataclass
class Play:
    """One interleaving of a program's calls: phases of `width` workers that take chains from a queue."""

    chance: random.Random
    seeding: Seeding = field(default_factory=lambda: Seeding(7))
    calls: Calls = field(default_factory=Counter)

    def phase(self, name: int, width: int, kinds: list[str]) -> None:
        """Play a phase whose first calls are all in progress before one of them ends."""
        waiting = [(f"{name}/{kind}", LENGTHS[kind]) for kind in kinds]
        ready, waiting = waiting[:width], waiting[width:]
        running: list[tuple[str, int]] = []
        self.chance.shuffle(ready)
        while ready:
            running.append(self._start(*ready.pop()))
        while ready or running:
            if ready and (not running or self.chance.random() < 0.5):
                running.append(self._start(*ready.pop(self.chance.randrange(len(ready)))))
                continue
            history, left = running.pop(self.chance.randrange(len(running)))
            self.seeding.end()
            if left or waiting:
                ready.append((history, left) if left else waiting.pop(0))

    def _start(self, history: str, left: int) -> tuple[str, int]:
        """Start a call; the chain's next one depends on its answer, and so on its seed."""
        seed = self.seeding.start(history)
        self.calls[history, seed] += 1
        return f"{history}/{seed}", left - 1


def play(program: list[Phase], chance: random.Random) -> Calls:
    interleaving = Play(chance)
    for name, (width, kinds) in enumerate(program):
        interleaving.phase(name, width, kinds)
    return interleaving.calls


RANDOMS = st.randoms(use_true_random=False)
PROGRAMS = st.lists(
    st.tuples(st.integers(1, 4), st.lists(st.sampled_from("aabcd"), min_size=1, max_size=6)), max_size=4
)


@settings(max_examples=150, deadline=None)
@given(PROGRAMS, RANDOMS, RANDOMS)
def test_no_interleaving_changes_the_seeds(program: list[Phase], one: random.Random, other: random.Random) -> None:
    assert play(program, one) == play(program, other)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), max_size=20))
def test_calls_in_a_row_have_seeds_by_their_number(calls: list[tuple[str, bool]]) -> None:
    """Whatever they ask, and however many calls were taken back."""
    seeding, seeds = Seeding(7), []
    for content, made in calls:
        seed = seeding.start(content)
        if made:
            seeds.append(seed)
            seeding.end()
        else:
            seeding.withdraw()
    assert seeds == [stable_hash(7, number) & MASK for number in range(1, len(seeds) + 1)]


def test_equal_calls_that_overlap_have_different_seeds_and_one_has_that_of_the_number() -> None:
    seeding = Seeding(7)
    together = [seeding.start("same") for _ in range(4)]
    assert len(set(together)) == 4
    assert together[0] == stable_hash(7, 1) & MASK
    seeding.end()
    assert len({*together, seeding.start("same"), seeding.start("same")}) == 6


def test_a_digest_is_of_what_a_request_asks() -> None:
    request = {"model": "m", "messages": [USER], "temperature": 0.5, "seed": 1}
    assert digest(request) == digest({**dict(reversed(request.items())), "seed": 2})
    others: list[dict[str, Any]] = [{"temperature": 0.6}, {"messages": [USER, USER]}, {"max_tokens": 5}]
    assert len({digest(request | other) for other in others} | {digest(request)}) == 4


def conversation(call_id: str, other_id: str, message_id: str, marker: str) -> dict[str, Any]:
    calls = [tool_call("look", {}, call_id), tool_call("look", {}, other_id)]
    answers = [{"role": "tool", "tool_call_id": name, "content": "x"} for name in (other_id, call_id)]
    said = {"role": "assistant", "id": message_id, "content": f"{marker} and {marker}", "tool_calls": calls}
    return {"messages": [USER, said, *answers]}


UUID, OTHER_UUID = "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed", "9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d"


def test_random_ids_are_no_part_of_it_but_what_they_refer_to_is() -> None:
    first = conversation("call_1", "call_2", "msg_1", UUID)
    assert digest(first) == digest(conversation("call_aaa", "call_bbb", "msg_2", OTHER_UUID))
    assert digest(first) == digest(conversation("x", "y", "z", "chatcmpl-AbC123456"))
    assert digest(first) != digest(conversation("call_1", "call_1", "msg_1", UUID))
    assert digest(first) != digest(conversation("call_1", "call_2", "msg_1", "call_something"))
    assert UUID not in json.dumps(canonical(first))


class SlowEndpoint(BaseHTTPRequestHandler):
    """Answers with the question and the seed, after some time; to a `part` only when four of them are in progress."""

    together = threading.Barrier(4, timeout=20)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        question = body["messages"][-1]["content"]
        if question.startswith("part"):
            self.together.wait()
        time.sleep(random.Random().random() * 0.02)
        data = json.dumps(completion(f"[{question}: {body['seed']}]")).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None: ...


@contextmanager
def slow_endpoint() -> Iterator[ModelSpec]:
    """A model behind a `SlowEndpoint`."""
    with ThreadingHTTPServer(("127.0.0.1", 0), SlowEndpoint) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield ModelSpec("m", f"http://127.0.0.1:{server.server_port}/v1", key_variable="EVOLVE_TEST_NO_KEY")
        server.shutdown()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[ModelSpec]:
    with slow_endpoint() as model:
        yield model


@contextmanager
def trial(folder: Path, model: ChatModel, spec: ModelSpec) -> Iterator[Gateway]:
    with Gateway(Door("opaque", "Mend it.", "/work", 7, spec, Limits()), model, FolderWorkspace(folder), folder) as one:
        yield one


def ask_in_threads(served: Gateway) -> None:
    """A planner, four workers at once (two with equal requests) that each ask twice, and a summary."""
    with client(served) as api, ThreadPoolExecutor(4) as pool:

        def ask(question: str) -> str:
            asked: Any = [{"role": "user", "content": question}]
            return api.chat.completions.create(model="any", messages=asked).choices[0].message.content or ""

        def work(part: str) -> str:
            return ask(f"check {ask(part)}")

        plan = ask("plan")
        ask(" ".join(sorted(pool.map(work, [f"part {name}: {plan}" for name in ("a", "b", "same", "same")]))))


def ask_in_tasks(served: Gateway) -> None:
    """The same with `asyncio.gather`."""

    async def work() -> None:
        transport = httpx2.AsyncHTTPTransport(uds=str(served.path), verify=False)
        async with (
            httpx2.AsyncClient(transport=transport) as http_client,
            openai.AsyncOpenAI(api_key="x", base_url="http://gateway/v1", http_client=http_client) as api,
        ):

            async def ask(question: str) -> str:
                asked: Any = [{"role": "user", "content": question}]
                answer = await api.chat.completions.create(model="any", messages=asked)
                return answer.choices[0].message.content or ""

            parts = await asyncio.gather(*(ask(f"part {name}") for name in "abcd"))
            await ask(" ".join(parts))

    asyncio.run(work())


def seeds_of(events: list[dict[str, Any]]) -> Calls:
    return Counter((digest(event["request"]), event["request"]["seed"]) for event in events)


@pytest.mark.parametrize(("scaffold", "calls", "trials"), [(ask_in_threads, 10, 12), (ask_in_tasks, 5, 3)])
def test_equal_trials_with_calls_at_once_have_the_same_seeds_and_replays(
    tmp_path: Path, endpoint: ModelSpec, scaffold: Callable[[Gateway], None], calls: int, trials: int
) -> None:
    recordings, model = [], open_model(endpoint)
    for _ in range(trials):
        with trial(tmp_path, model, endpoint) as served:
            scaffold(served)
        recordings.append(served.events)
    assert len(recordings[0]) == calls
    assert {frozenset(seeds_of(events).items()) for events in recordings} == {
        frozenset(seeds_of(recordings[0]).items())
    }
    for events in recordings:
        with trial(tmp_path, RecordedModel(json.loads(json.dumps(events))), endpoint) as replayed:
            scaffold(replayed)
        assert first_difference(events, replayed.events) is None
        assert first_difference(events, recordings[0]) is None


def test_requests_in_a_row_are_recorded_as_ever(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        chat(served)
        chat(served)
    assert [set(event) for event in served.events] == [{"kind", "request", "response", *TIME_FIELDS}] * 2


def test_a_recording_says_which_requests_overlapped_and_in_what_order_they_came(tmp_path: Path) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def wait(_: Mapping[str, Any]) -> dict[str, Any]:
        entered.set()
        assert go_on.wait(10)
        return completion()

    with serving(tmp_path, completion(), wait, completion(), usd=100) as served, ThreadPoolExecutor(1) as pool:
        chat(served)
        slow = pool.submit(chat, served)
        assert entered.wait(10)
        chat(served)
        go_on.set()
        slow.result()
        chat(served)
    assert [event.get("arrival") for event in served.events] == [None, 3, 2, None]


def asked(content: str, answer: str, **more: Any) -> dict[str, Any]:
    return chat_event([{"role": "user", "content": content}], completion(answer), **more)


def answers(model: RecordedModel, *contents: str) -> list[str]:
    requests = [asked(content, "")["request"] for content in contents]
    return [model.complete(request)["choices"][0]["message"]["content"] for request in requests]


def test_recorded_answers_follow_the_requests() -> None:
    events = [asked("a", "1"), asked("b", "2"), asked("a", "3"), asked("c", "4", asked=False)]
    assert answers(RecordedModel(events), "b", "a", "a") == ["2", "1", "3"]
    model = RecordedModel(events)
    assert answers(model, "other", "b", "a") == ["1", "2", "3"]
    with pytest.raises(RequestRefused, match="no further answer") as refused:
        answers(model, "a")
    assert refused.value.status == 403, "clients that try again after most other refusals give up"


def test_equal_requests_get_their_answers_in_the_order_in_which_they_arrived() -> None:
    events = [asked("a", "late", arrival=2), asked("a", "early", arrival=1)]
    assert answers(RecordedModel(events), "a", "a") == ["early", "late"]


def test_of_equal_requests_the_one_with_the_same_ids_comes_first() -> None:
    events = [asked(f"read {UUID}", "1"), asked(f"read {OTHER_UUID}", "2")]
    assert answers(RecordedModel(events), f"read {OTHER_UUID}", f"read {UUID}") == ["2", "1"]


def test_only_the_order_of_what_overlapped_makes_no_difference() -> None:
    old = [asked("a", "1"), asked("b", "2"), run_event("ls")]
    assert first_difference(old, list(reversed(old))) == 1
    overlapped = [asked("b", "2", arrival=2), asked("a", "1", arrival=1), run_event("ls")]
    assert first_difference(old, overlapped) is None
    assert first_difference(overlapped, old) is None


def test_a_difference_among_requests_that_overlapped_is_described() -> None:
    old = [asked("a", "1", arrival=2), asked("b", "2", arrival=1), run_event("ls")]
    new = [asked("b", "2"), run_event("ls"), asked("c", "1")]
    assert first_difference(old, new) == 1
    assert describe_step(old, new, 1) == "chat: request"
    assert first_difference(old, new[:2]) == 1
    assert describe_step(old, new[:2], 1) == "the recording is longer"
    assert first_difference(new[:2], old) == 3
    assert describe_step(new[:2], old, 3) == "the replay is longer"
