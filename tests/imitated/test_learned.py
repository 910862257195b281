"""What the check before a run learns of each imitated endpoint, and where it stops, with one line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from evolve.core.config import RunConfig
from evolve.core.records import ModelSpec
from evolve.llm import ChatModel
from evolve.llm.client import OpenAIModel
from evolve.maintenance.doctor.finding import BAD, GOOD, NOTE
from evolve.maintenance.doctor.model import examine_models
from evolve.models.preflight import MAX_CALLS, Requests, check_endpoint
from tests.imitated.conftest import Check
from tests.imitated.endpoint import ImitatedEndpoints
from tests.imitated.rows import ROWS, STOPPING, WORKING, Row, stored_text

ROOT = Path(__file__).parents[2]
QUICK = 0.01


@pytest.mark.parametrize("row", WORKING, ids=lambda row: row.id)
def test_what_is_learned(check: Check, row: Row) -> None:
    found = check(row)
    assert found.learned == row.learned
    assert found.tools and found.right_answers == found.questions and found.window
    assert found.streaming is row.streams and found.usage.calls < MAX_CALLS


def open_quickly(spec: ModelSpec) -> ChatModel:
    return OpenAIModel(spec, QUICK)


@pytest.mark.parametrize("row", STOPPING, ids=lambda row: row.id)
def test_what_stops_is_one_line(process: ImitatedEndpoints, row: Row) -> None:
    endpoint = process.endpoint(row.name)
    with pytest.raises(row.error, match=re.escape(row.stops)) as stop:
        check_endpoint(row.asked(endpoint), Requests(), open_quickly)
    assert "\n" not in str(stop.value)
    assert sum(endpoint.ledger()["refused"].values()) + endpoint.ledger()["calls"] < MAX_CALLS


def findings(process: ImitatedEndpoints, name: str) -> dict[str, list[tuple[str, str]]]:
    """The doctor's findings: state and detail, by name."""
    row = next(row for row in ROWS if row.name == name)
    asked, table = row.asked(process.endpoint(name)), dict[str, list[tuple[str, str]]]()
    for finding in examine_models(RunConfig(model=asked.model, base_url=asked.base_url, facts=asked.facts)):
        table.setdefault(finding.check, []).append((finding.state, finding.detail))
    return table


def test_the_doctor_prints_what_is_learned(process: ImitatedEndpoints) -> None:
    table = findings(process, "openai-gpt5")
    assert table["requests"] == [
        (GOOD, "Evolve sends max_tokens as max_completion_tokens"),
        (GOOD, "Evolve never sends min_p, repetition_penalty, temperature, top_k"),
    ]
    assert table["parameters"][0] == (GOOD, "accepted: top_p, frequency_penalty, presence_penalty")
    assert {detail.split()[0] for state, detail in table["parameters"] if state == NOTE} == {
        "min_p", "temperature", "top_k",
    }  # fmt: skip
    assert "read to its end" in table["window"][0][1] and "13 calls" in table["cost of this check"][0][1]
    assert {state for entries in table.values() for state, _ in entries} == {GOOD, NOTE}


def test_the_doctor_says_why_an_endpoint_cannot_be_used(process: ImitatedEndpoints) -> None:
    table = findings(process, "vllm-no-parser")
    assert [*table] == ["model"] and table["model"][0][0] == BAD and "--enable-auto-tool-choice" in table["model"][0][1]


def documented() -> Mapping[str, str]:
    """What docs/models.md says is learned, for each endpoint of its table."""
    text = (ROOT / "docs/models.md").read_text(encoding="utf-8")
    table = text.split("| endpoint | what differs |")[1].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table]
    return {row[0]: row[3] for row in cells}


def test_the_documentation_says_what_is_learned() -> None:
    assert documented() == {row.title: stored_text(row) for row in ROWS}
    assert len({(row.title, stored_text(row)) for row in ROWS}) == len({row.title for row in ROWS})
