"""The real `openai` client at the scaffold's door: forms of calls and classes of errors."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from evolve.core.errors import InfraError, RequestRefused
from evolve.trial.gateway import Gateway, wire
from evolve.trial.gateway.wire import FINAL, final_status
from tests.fakes import completion, tool_call
from tests.test_gateway import TOOL, USER, client, model_of, serving


def test_calls_at_once(tmp_path: Path) -> None:
    with serving(tmp_path, usd=100) as served, client(served) as api, ThreadPoolExecutor(8) as pool:
        made = list(
            pool.map(lambda _: api.chat.completions.create(model="any", messages=[USER], tools=[TOOL]), range(16))
        )
    assert [answer.choices[0].message.content for answer in made] == ["hello"] * 16
    assert served.budget.usage.calls == 16


def test_the_raw_response(tmp_path: Path) -> None:
    with serving(tmp_path) as served, client(served) as api:
        raw = api.chat.completions.with_raw_response.create(model="any", messages=[USER])
        assert raw.status_code == 200 and raw.headers["content-type"] == "application/json"
        assert raw.parse().choices[0].message.content == "hello"
        with api.chat.completions.with_streaming_response.create(model="any", messages=[USER], stream=True) as lines:
            assert [line for line in lines.iter_lines() if line][-1] == "data: [DONE]"


def test_the_async_client_streams_and_calls_tools(tmp_path: Path) -> None:
    async def work(served: Gateway) -> tuple[list[str], Any]:
        transport = httpx2.AsyncHTTPTransport(uds=str(served.path), verify=False)
        async with (
            httpx2.AsyncClient(transport=transport) as http_client,
            openai.AsyncOpenAI(api_key="x", base_url="http://gateway/v1", http_client=http_client) as api,
        ):
            calls = [api.chat.completions.create(model="any", messages=[USER]) for _ in range(4)]
            answers = [answer.choices[0].message.content or "" for answer in await asyncio.gather(*calls)]
            async with api.chat.completions.stream(model="any", messages=[USER], tools=[TOOL]) as stream:
                return answers, await stream.get_final_completion()

    replies = [completion("a")] * 4 + [completion(None, tool_call("look", {"at": 1}))]
    with serving(tmp_path, *replies) as served:
        answers, final = asyncio.run(work(served))
    assert answers == ["a"] * 4
    assert final.choices[0].message.tool_calls[0].function.arguments == '{"at": 1}'


def full_answer() -> dict[str, Any]:
    """An answer with fields that the protocol does not have, and calls that the endpoint numbered wrongly."""
    calls = [{**tool_call("look", {}, f"call_{n}"), "index": 0, "extra_content": {"mark": n}} for n in (1, 2)]
    answer = completion("cut of", *calls)
    answer |= {"system_fingerprint": "fp_1", "provider": "somebody"}
    choice = answer["choices"][0]
    choice["message"] |= {"reasoning_content": "hm", "reasoning_details": [{"type": "t", "text": "hm"}]}
    logprobs = {"content": [{"token": "cut", "logprob": -0.5, "bytes": None, "top_logprobs": []}], "refusal": None}
    choice |= {"finish_reason": "length", "logprobs": logprobs, "native_finish_reason": "MAX"}
    return answer


def test_a_streamed_answer_has_all_fields_of_a_whole_one(tmp_path: Path) -> None:
    with serving(tmp_path, full_answer(), usd=100) as served, client(served) as api:
        whole = api.chat.completions.create(model="any", messages=[USER], tools=[TOOL], logprobs=True)
        chunks = list(
            api.chat.completions.create(model="any", messages=[USER], tools=[TOOL], logprobs=True, stream=True)
        )
    first, last = (chunk.choices[0].model_dump(exclude_unset=True) for chunk in chunks)
    expected = whole.choices[0].model_dump(exclude_unset=True)
    calls = [{**call, "index": n} for n, call in enumerate(expected["message"]["tool_calls"])]
    assert first["delta"] == {**expected["message"], "tool_calls": calls}
    assert first["logprobs"] == expected["logprobs"]
    assert (last["finish_reason"], last["native_finish_reason"]) == ("length", "MAX")
    for chunk in chunks:
        assert (chunk.system_fingerprint, chunk.model_extra, chunk.model) == (
            "fp_1",
            {"provider": "somebody"},
            whole.model,
        )
    requests = model_of(served).requests
    assert {**requests[0], "seed": 0} == {**requests[1], "seed": 0}
    assert served.events[0]["response"] == served.events[1]["response"] == full_answer()


def test_the_streaming_helper_of_the_client_puts_the_same_together(tmp_path: Path) -> None:
    with serving(tmp_path, full_answer(), usd=100) as served, client(served) as api:
        with api.chat.completions.stream(model="any", messages=[USER]) as stream:
            message = next(event for event in stream if event.type == "chunk").snapshot.choices[0].message
        assert message.model_extra is not None
        assert message.model_extra["reasoning_details"] == [{"type": "t", "text": "hm"}]
        assert [call.id for call in message.tool_calls or []] == ["call_1", "call_2"]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("limits", "messages", "kind", "word"),
    [
        ({"usd": 0.0}, [USER], openai.PermissionDeniedError, "budget"),
        ({}, "no list", openai.BadRequestError, "invalid_request"),
        ({}, [{"role": "user", "content": [{"type": "file"}]}], openai.BadRequestError, "invalid_request"),
    ],
)
def test_refusals_are_the_clients_own_errors(
    tmp_path: Path, limits: dict[str, Any], messages: Any, kind: type[openai.APIStatusError], word: str, streamed: bool
) -> None:
    with serving(tmp_path, **limits) as served, client(served) as api:
        with pytest.raises(kind) as caught:
            api.chat.completions.create(model="any", messages=messages, stream=streamed)
        assert caught.value.code == word
    assert model_of(served).requests == []


def test_a_fault_of_the_host_and_an_unknown_route_are_the_clients_own_errors_too(tmp_path: Path) -> None:
    with serving(tmp_path, InfraError("down")) as served, client(served) as api:
        with pytest.raises(openai.InternalServerError):
            api.chat.completions.create(model="any", messages=[USER])
        with pytest.raises(openai.NotFoundError, match="nothing is stored"):
            api.responses.retrieve("resp_1")
        with pytest.raises(openai.NotFoundError, match="no model for embeddings"):
            api.embeddings.create(model="any", input="hi")
        with pytest.raises(openai.NotFoundError, match="no model that makes images"):
            api.images.generate(model="any", prompt="hi")
        with pytest.raises(openai.NotFoundError, match="no model for audio"):
            api.audio.speech.create(model="any", input="hi", voice="alloy")
    assert isinstance(served.fault, InfraError)


def test_a_client_does_not_retry_when_the_budget_is_spent(tmp_path: Path) -> None:
    with serving(tmp_path, usd=0.0) as served, client(served) as api:
        requests: list[object] = []
        api._client.event_hooks = {"request": [requests.append], "response": []}
        with pytest.raises(openai.PermissionDeniedError):
            api.with_options(max_retries=3).chat.completions.create(model="any", messages=[USER])
        assert len(requests) == 1


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 503])
def test_a_refusal_of_the_endpoint_is_final(tmp_path: Path, status: int) -> None:
    with serving(tmp_path, RequestRefused(status, "odd", "no"), completion()) as served, client(served) as api:
        with pytest.raises(openai.PermissionDeniedError, match="no"):
            api.with_options(max_retries=5).chat.completions.create(model="any", messages=[USER])
        assert served.refusals == {"odd": 1} and served.events[-1]["error"]["status"] == FINAL


def test_no_refusal_invites_a_retry_except_where_it_may_end_otherwise() -> None:
    sources = [path.read_text() for path in Path(wire.__file__).parent.rglob("*.py")]
    found = {(int(status), code) for text in sources for status, code in re.findall(r'Refusal\((\d+), "?(\w+)', text)}
    assert len(found) >= 6
    assert {(status, code) for status, code in found if final_status(status) != status} == {
        (408, "timeout"),
        (503, "INFRASTRUCTURE"),
    }
