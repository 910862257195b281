"""Each imitated endpoint, met as a trial and as the proposer meet it: work gets done, or one line says why not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest

from evolve.core.errors import BadInput, HostRefused, RequestRefused
from evolve.core.records import Limits, ModelSpec
from evolve.llm import ChatModel, open_model
from evolve.llm.client import OpenAIModel
from evolve.loop.propose import direct
from evolve.models.choice import choose_model
from evolve.trial.gateway import Door, Gateway
from tests.fakes import FolderWorkspace
from tests.imitated.conftest import Check
from tests.imitated.endpoint import MODEL, ImitatedEndpoints
from tests.imitated.rows import WORKING, Row
from tests.imitated.server import COUNTS
from tests.test_gateway import client
from tests.test_propose import brief

STEPS = 16
QUICK = 0.01
NAMED = (("max_tokens", "max_completion_tokens"), ("temperature", ""))
PRICES = {"prompt_price": 1.0, "completion_price": 2.0, "cached_price": 0.1}


def tool(name: str, *parameters: str) -> Any:
    properties = {parameter: {"type": "string"} for parameter in parameters}
    schema = {"type": "object", "properties": properties, "required": [*parameters]}
    return {"type": "function", "function": {"name": name, "description": name, "parameters": schema}}


TOOLS = [
    tool("list_files"),
    tool("read_file", "path"),
    tool("run_tests"),
    tool("edit", "path", "old", "new"),
    tool("submit"),
]
SOURCE = "def add(a, b):\n    return a - b\n"
TRACE = 'File "calc.py", line 2, in add\nFAIL: test_add\nAssertionError: 1 != 3'
FAILURE = f"{TRACE}\n\nRan 1 test in 0.000s\n\nFAILED (failures=1)"
TASK = "A bug is in this project. Find and fix it, then submit."


class Project:
    """What the tools work on: one file whose tests pass once it was edited."""

    def __init__(self) -> None:
        self.text = SOURCE

    def use(self, name: str, text: str) -> str:
        arguments = json.loads(text)
        if name == "list_files":
            return "./calc.py"
        if name == "read_file":
            return self.text
        if name == "edit":
            self.text = self.text.replace(arguments["old"], arguments["new"], 1)
            return f"edited {arguments['path']}"
        return "Ran 1 test in 0.000s\n\nOK" if self.text != SOURCE else FAILURE


@contextmanager
def serving(folder: Path, spec: ModelSpec, model: ChatModel | None = None, seed: int = 2) -> Iterator[Gateway]:
    door = Door("opaque", TASK, "/work", seed, spec, Limits(seconds=60))
    with Gateway(door, model or open_model(spec), FolderWorkspace(folder), folder) as served:
        yield served


def work(api: openai.OpenAI) -> list[str]:
    """A scaffold's conversation with the real client: the names of the tools that it used, up to `submit`."""
    project, used = Project(), []
    messages: list[Any] = [{"role": "system", "content": "You fix bugs."}, {"role": "user", "content": TASK}]
    for _ in range(STEPS):
        answer = api.chat.completions.create(model="any", messages=messages, tools=TOOLS, temperature=0.7)
        message = answer.choices[0].message
        messages.append(message.model_dump(exclude_unset=True))
        if not message.tool_calls:
            messages.append({"role": "user", "content": "Go on, with a tool."})
        for call in message.tool_calls or []:
            used.append(call.function.name)
            if used[-1] == "submit":
                return used
            result = project.use(used[-1], call.function.arguments)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    return used


CASES = [
    pytest.param(row, stream, id=f"{row.id}-{'stream' if stream else 'whole'}")
    for row in WORKING
    for stream in (False, True)
    if row.streams or not stream
]


def spec_of(process: ImitatedEndpoints, check: Check, row: Row, stream: bool = False) -> ModelSpec:
    """The model with what its check learned."""
    asked = row.asked(process.endpoint(row.name)).model_copy(update={"learned": check(row).learned})
    return replace(asked.spec, stream=True) if stream else asked.spec


@pytest.mark.parametrize(("row", "stream"), CASES)
def test_a_trial_reaches_its_end(
    process: ImitatedEndpoints, check: Check, tmp_path: Path, row: Row, stream: bool
) -> None:
    spec, endpoint = spec_of(process, check, row, stream), process.endpoint(row.name)
    with serving(tmp_path, spec) as served, client(served) as api:
        used = work(api)
    assert used[-1] == "submit" and {"read_file", "run_tests", "edit"} <= {*used}
    # Only a limit on the rate, for which the client waits, is not known beforehand.
    assert {*endpoint.ledger()["refused"]} <= {"rate"}
    assert endpoint.ledger()["calls"] == served.budget.usage.calls and served.fault is None


def test_a_recording_has_what_the_scaffold_set_and_the_facts_say_what_was_left_out(
    process: ImitatedEndpoints, check: Check, tmp_path: Path
) -> None:
    row = next(row for row in WORKING if row.name == "openai-gpt5")
    spec, endpoint = spec_of(process, check, row), process.endpoint(row.name)
    with serving(tmp_path, spec) as served, client(served) as api:
        work(api)
    recorded, sent, names = served.events[0]["request"], endpoint.requests()[0], dict(spec.parameters)
    assert recorded["temperature"] == 0.7 and "temperature" not in sent
    assert {names.get(name, name) for name in recorded} - {""} == sent.keys() - {"stream"}


@pytest.mark.parametrize(("row", "stream"), CASES)
def test_the_proposer_gets_a_patch(process: ImitatedEndpoints, check: Check, row: Row, stream: bool) -> None:
    spec = spec_of(process, check, row, stream)
    problems = ["it does not fit", ""]
    written = direct(open_model(spec), spec, brief(), 1, lambda proposal: problems.pop(0) or None)
    assert written.proposal.edits and not written.proposal.note
    assert written.proposal.usage.calls == 2 and problems == []


BODY = {"model": MODEL, "messages": [{"role": "user", "content": TASK}], "tools": TOOLS, "max_tokens": 500, "seed": 1}
LINES = [
    ("vllm-no-parser", "tools", "--enable-auto-tool-choice", False),
    ("llamacpp-no-jinja", "tools", "--jinja", False),
    ("openai-unverified", "stream", "must be verified to stream", True),
    ("openai-gpt56", "reasoning_effort", "set reasoning_effort to 'none'", False),
    ("mistral", "seed", "Extra inputs are not permitted", False),
]


@pytest.mark.parametrize(("name", "parameter", "words", "stream"), LINES, ids=[line[0] for line in LINES])
def test_what_the_host_adds_is_refused_in_one_line_and_is_no_evidence(
    process: ImitatedEndpoints, tmp_path: Path, name: str, parameter: str, words: str, stream: bool
) -> None:
    facts = {"parameters": NAMED} if name.startswith("openai") else {}
    spec = process.endpoint(name).spec(stream=stream, **facts)
    with (
        serving(tmp_path, spec, OpenAIModel(spec, QUICK)) as served,
        client(served) as api,
        pytest.raises(openai.InternalServerError),
    ):
        work(api)
    fault = served.fault
    assert isinstance(fault, HostRefused) and fault.parameter == parameter
    assert words in str(fault) and "\n" not in str(fault)


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_that_always_fails_ends_alone(process: ImitatedEndpoints, stream: bool) -> None:
    endpoint = process.endpoint("misspelt-always")
    model = OpenAIModel(endpoint.spec(stream=stream), QUICK)
    with pytest.raises(RequestRefused, match="error parsing tool call"):
        model.complete(BODY)
    assert endpoint.ledger()["refused"]["misspelt"] <= 12
    assert model.complete({**BODY, "tools": None})["choices"]


def test_a_call_that_the_model_broke_fails_alone(process: ImitatedEndpoints) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "edit", "arguments": '{"path": '}}
    result = {"role": "tool", "tool_call_id": "a", "content": "error: malformed"}
    history = [*BODY["messages"], {"role": "assistant", "content": "", "tool_calls": [call]}, result]
    endpoint = process.endpoint("llamacpp-history")
    model = OpenAIModel(endpoint.spec(), QUICK)
    with pytest.raises(RequestRefused, match="parse tool call arguments"):
        model.complete({**BODY, "messages": history})
    assert endpoint.ledger()["refused"]["misspelt"] <= 12
    assert model.complete(BODY)["choices"]


def test_answers_that_take_too_long_are_streamed(process: ImitatedEndpoints, tmp_path: Path) -> None:
    endpoint = process.endpoint("cdn")
    spec = endpoint.spec()
    with serving(tmp_path, spec, OpenAIModel(spec, QUICK)) as served, client(served) as api:
        assert work(api)[-1] == "submit"
    assert endpoint.ledger()["refused"] == {"timed_out": 1}


def test_a_refusal_of_the_contents_reaches_the_scaffold(process: ImitatedEndpoints, tmp_path: Path) -> None:
    with (
        serving(tmp_path, process.endpoint("refuses-all").spec()) as served,
        client(served) as api,
        pytest.raises(openai.BadRequestError, match="content management policy"),
    ):
        work(api)
    assert served.fault is None and served.events[-1]["error"]["status"] == 400


def test_a_request_that_can_never_fit_is_tried_once(process: ImitatedEndpoints) -> None:
    endpoint = process.endpoint("groq")
    with pytest.raises(RequestRefused, match="Request too large") as caught:
        open_model(endpoint.spec()).complete({**BODY, "max_tokens": 9_000})
    assert caught.value.status in (400, 413) and endpoint.ledger()["refused"] == {"tokens": 1}


def test_a_prompt_is_never_cut_in_silence(process: ImitatedEndpoints) -> None:
    long = {**BODY, "messages": [{"role": "user", "content": f"{TASK} " * 600}]}
    endpoint = process.endpoint("ollama")
    cut = open_model(endpoint.spec()).complete(long)["usage"]
    assert cut["prompt_tokens"] < 2_600 < len(json.dumps(long["messages"])) // 4
    endpoint.reset()
    with pytest.raises(RequestRefused, match="context window is 4096"):
        open_model(endpoint.spec(context_tokens=4_096)).complete(long)
    assert endpoint.requests() == []


def test_a_provider_can_be_pinned(process: ImitatedEndpoints) -> None:
    endpoint = process.endpoint("openrouter")
    pinned = endpoint.spec(extra_body='{"provider": {"order": ["Alpha (fp8)"]}}')
    bodies = [{**BODY, "seed": seed} for seed in range(6)]
    providers = [{open_model(spec).complete(body)["provider"] for body in bodies} for spec in (endpoint.spec(), pinned)]
    assert providers == [{"Alpha (fp8)", "Beta (int4)"}, {"Alpha (fp8)"}]


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("unlisted", MODEL),
        ("azure", MODEL),
        ("litellm-wildcard", f"openai/{MODEL}"),
        ("llamacpp-any", "whatever"),
        ("gemini", MODEL),
    ],
)
def test_a_name_that_is_served_but_not_listed_is_right(process: ImitatedEndpoints, name: str, model: str) -> None:
    assert choose_model(model, process.endpoint(name).base_url, {}).model == model


@pytest.mark.parametrize("name", ["unlisted", "litellm-wildcard", "openrouter"])
def test_a_name_that_is_not_served_is_one_line(process: ImitatedEndpoints, name: str) -> None:
    with pytest.raises(BadInput, match="nonesuch"):
        choose_model("nonesuch", process.endpoint(name).base_url, {})


BILLED = (
    ("openai-gpt5", False),
    ("deepseek", True),
    ("kimi", False),
    ("gemini", True),
    ("xai", False),
    ("bill-within", True),
    ("bill-beside", True),
)


@pytest.mark.parametrize(("name", "stream"), BILLED)
def test_the_bill_is_the_endpoints_own(
    process: ImitatedEndpoints, check: Check, tmp_path: Path, name: str, stream: bool
) -> None:
    row = next(row for row in WORKING if row.name == name)
    spec, endpoint = replace(spec_of(process, check, row, stream), **PRICES), process.endpoint(name)
    with serving(tmp_path, spec) as served, client(served) as api:
        assert work(api)[-1] == "submit"
    usage, billed = served.budget.usage, endpoint.ledger()["billed"]
    fresh, cached, written, reasoning = (billed[count] for count in COUNTS)
    assert (usage.prompt_tokens, usage.completion_tokens) == (fresh + cached, written + reasoning)
    assert usage.cached_tokens == cached
    assert usage.cost_usd == pytest.approx((fresh + 0.1 * cached + 2 * (written + reasoning)) / 1e6)
