"""No page shows a key of this process's environment, wherever a model, a sandbox or an error says it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from evolve.core.config import RunConfig
from evolve.core.errors import EvolveError
from evolve.core.secrets import HIDDEN, PART
from evolve.export.redaction import Redactor
from evolve.pages.redaction import redacted
from evolve.pages.round_views import TaskMoves
from evolve.pages.task_views import Cell, TaskGrid
from evolve.runs import control
from evolve.web.events import Broadcast
from tests.paged import RUN, UNPRICED, Paged
from tests.webbed import TRIAL, client, stored

KEY = 'lab-0123456789-abcdefghij<&>"xyz'
# Its name says nothing: only the run's config knows that it holds a key.
VARIABLE = "LAB_ACCESS"
SAID = [
    "/",
    f"/compare?a={RUN}&b={RUN}",
    *(f"/runs/{RUN}{path}" for path in ("", "/rounds", "/rounds/3", "/rounds/5", "/rounds/5/patch", "/tasks", "/log")),
    *(f"/runs/{RUN}/charts/{name}" for name in ("scores", "evidence")),
    TRIAL,
    f"{TRIAL}?raw=1",
    f"{TRIAL}?text=steps.0.extra.commands.0.stdout",
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    facts = UNPRICED.facts.model_copy(update={"key_variable": VARIABLE})
    config = UNPRICED.model_copy(update={"facts": facts})
    runs = stored(tmp_path_factory.mktemp("keys"), Paged(text=f"it printed {KEY} and went on", config=config))
    (runs / RUN / control.LOG).write_text(f"error: 401 for {KEY}\n")
    return runs


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evolve.web.recent.WAIT", 60.0)
    monkeypatch.delenv(VARIABLE, raising=False)


def holds(text: str) -> bool:
    """Whether a part of the key that tells something stands in a text."""
    return any(KEY[start : start + PART] in text for start in range(18))


def texts_of(pages: TestClient) -> dict[str, str]:
    answers = {address: pages.get(address) for address in SAID}
    assert {answer.status_code for answer in answers.values()} == {200}
    return {address: answer.text for address, answer in answers.items()}


def test_the_key_of_a_runs_model_is_on_no_page(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = {address for address, text in texts_of(client(runs)).items() if holds(text)}
    assert len(shown) >= 9
    monkeypatch.setenv(VARIABLE, KEY)
    texts = texts_of(client(runs))
    assert not [address for address, text in texts.items() if holds(text)]
    assert all(HIDDEN in texts[address] for address in shown)


def test_a_variable_that_is_named_as_a_secret_needs_no_config(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMEBODYS_TOKEN", KEY)
    assert not [address for address, text in texts_of(client(runs)).items() if holds(text)]


def test_an_error_is_shown_without_keys(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise EvolveError(f"the endpoint answered: {KEY} is no key")

    monkeypatch.setattr("evolve.web.round_pages.rounds_with_figures", fail)
    pages = client(runs)
    assert holds(pages.get(f"/runs/{RUN}/rounds").text)
    monkeypatch.setenv(VARIABLE, KEY)
    answer = pages.get(f"/runs/{RUN}/rounds")
    assert answer.status_code == 503 and HIDDEN in answer.text and not holds(answer.text)


def test_live_events_say_nothing_but_a_number() -> None:
    async def watch() -> list[str]:
        values = iter(["", *[KEY] * 1_000])
        heard = []
        async for one in Broadcast(lambda: next(values), every=0.0).listen():
            heard.append(one)
            if len(heard) == 2:
                break
        return heard

    assert [one for one in asyncio.run(watch()) if holds(one)] == []


def test_values_of_all_kinds_are_redacted() -> None:
    redactor = Redactor((KEY,))
    grid = TaskGrid((), (0,), {(f"task {KEY}", 0): Cell(1, 1, 1.0)})
    assert redacted(grid, redactor).cells == {(f"task {HIDDEN}", 0): Cell(1, 1, 1.0)}
    assert redacted(TaskMoves(fixed=(KEY,)), redactor) == TaskMoves(fixed=(HIDDEN,))
    config = RunConfig(model="m", base_url=f"https://h/{KEY}/v1")
    assert redacted(config, redactor).base_url == f"https://h/{HIDDEN}/v1"
    assert redacted({"set": {KEY}, "list": [(KEY, 1)]}, redactor) == {"set": {HIDDEN}, "list": [(HIDDEN, 1)]}


def test_a_value_without_secrets_stays_the_very_same() -> None:
    config = RunConfig(model="m")
    for value in (config, {"a": [1, "b", config]}, ("x", None), TaskMoves(fixed=("a",))):
        assert redacted(value, Redactor((KEY,))) is value
