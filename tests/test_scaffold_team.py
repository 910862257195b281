"""The team scaffold: three roles, each with a conversation of its own, over the same door."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evolve.core.errors import RequestRefused
from evolve.embedded import complete
from tests.test_scaffold_single import (
    BUGGY,
    FIX,
    ROOT,
    Answer,
    Model,
    calling,
    refusal,
    trial,
)

TEAM = ROOT / "scaffolds/team"


def speaking(words: str) -> Answer:
    return 200, {"choices": [{"message": {"role": "assistant", "content": words}}]}


def role_of(body: dict[str, Any]) -> str:
    prompts = {path.stem: path.read_text() for path in (TEAM / "prompts").glob("*er.md")}
    return next(name for name, text in prompts.items() if text == body["messages"][0]["content"])


def cast(**answers: list[Answer]) -> Model:
    """Each role gives its answers in order."""
    return lambda body, index: answers[role_of(body)].pop(0)


def test_the_plan_reaches_the_coder_and_the_work_the_reviewer(tmp_path: Path) -> None:
    model = cast(
        planner=[calling("run_tests"), speaking("Begin the sum at nothing.")],
        coder=[calling("edit", FIX), calling("submit")],
        reviewer=[calling("submit_approval")],
    )
    gateway, done = trial(tmp_path, model, TEAM)
    assert done.returncode == 0, done.stderr
    assert "result = 0" in (tmp_path / "app/sums.py").read_text()
    told = {role_of(body): str(body["messages"]) for body in gateway.requests}
    assert "adds one too much" in told["planner"]
    assert "Begin the sum at nothing." in told["coder"]
    assert "result = 0" in told["reviewer"] and "OK" in told["reviewer"]
    assert "Begin the sum at nothing." not in told["reviewer"]


def test_only_the_coder_may_edit(tmp_path: Path) -> None:
    model = cast(planner=[speaking("?")], coder=[calling("submit")], reviewer=[calling("submit_approval")])
    gateway, _ = trial(tmp_path, model, TEAM)
    offered = {role_of(body): {tool["function"]["name"] for tool in body["tools"]} for body in gateway.requests}
    assert [("edit" in names) for names in (offered["planner"], offered["coder"], offered["reviewer"])] == [
        False,
        True,
        False,
    ]


def test_an_objection_undoes_the_work_and_goes_back_to_the_coder(tmp_path: Path) -> None:
    wrong = FIX | {"new": "    result = 2"}
    model = cast(
        planner=[speaking("?")],
        coder=[calling("edit", wrong), calling("submit"), calling("edit", FIX), calling("submit")],
        reviewer=[speaking("Two is too much."), calling("submit_approval")],
    )
    gateway, done = trial(tmp_path, model, TEAM)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "app/sums.py").read_text() == BUGGY.replace("result = 1", "result = 0")
    coder = [body for body in gateway.requests if role_of(body) == "coder"][-1]
    assert "Two is too much." in str(coder["messages"])


def test_what_it_cannot_carry_out_is_told_and_a_refusal_ends_it(tmp_path: Path) -> None:
    model = cast(
        planner=[
            calling("fly"),
            calling("read_file", raw="{"),
            calling("read_file", {"path": "none.py"}),
            refusal(403, "budget"),
        ],
    )
    gateway, done = trial(tmp_path, model, TEAM)
    assert done.returncode == 0, done.stderr
    results = [message["content"] for message in gateway.requests[-1]["messages"] if message["role"] == "tool"]
    assert len(results) == 3 and all(text.startswith("error: ") for text in results)
    assert "budget" in done.stdout


def test_a_conversation_that_is_too_long_is_shortened(tmp_path: Path) -> None:
    long = refusal(400, "context_length_exceeded")
    model = cast(
        planner=[calling("run_tests"), calling("list_files"), long, long, speaking("?")],
        coder=[calling("submit")],
        reviewer=[calling("submit_approval")],
    )
    gateway, done = trial(tmp_path, model, TEAM)
    assert done.returncode == 0, done.stderr
    planner = [body for body in gateway.requests if role_of(body) == "planner"][-1]
    assert [message["content"] for message in planner["messages"] if message["role"] == "tool"] == ["(left out)"] * 2


@pytest.mark.slow
def test_the_embedded_model_can_play_all_roles(tmp_path: Path) -> None:
    def model(body: dict[str, Any], index: int) -> Answer:
        try:
            return 200, complete(body | {"seed": 100 + index})
        except RequestRefused as error:
            return refusal(error.status, error.code)

    gateway, done = trial(tmp_path, model, TEAM)
    assert done.returncode == 0, done.stderr
    assert {role_of(body) for body in gateway.requests} == {"planner", "coder", "reviewer"}
