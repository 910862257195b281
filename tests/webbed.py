"""A small stored run behind the pages, in this process, and what a browser would make of an answer."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from evolve.core.records import Split
from evolve.store import Store
from evolve.trial import trajectory
from evolve.web.address import Address
from evolve.web.app import create_app
from evolve.web.security import Keys
from tests.fakes import result
from tests.paged import RUN, Paged, store_paged

BASE = "http://localhost:8125"
ORDINARY, HERE = Paged(), Address()
KEYS = Keys(None, "the-session", "form", "evolve-test")
TRIAL = f"/runs/{RUN}/rounds/5/trials/90/train-0"


def stored(folder: Path, paged: Paged = ORDINARY) -> Path:
    """The folder of a stored run, in which one trial of round 5 has a trajectory of five steps."""
    runs = folder / "runs"
    store_paged(runs, paged)
    with Store.open(runs / "evolve.db") as store:
        last = store.candidates(RUN)[-1]
        file = trajectory.store(runs / RUN / "trials" / "one.json.gz", runs, [document(paged.text)])
        made = result("train-0", 0.0, 90, candidate=last.commit, detail=paged.text)
        store.add_trial(RUN, replace(made, split=Split.TRAIN, trajectory=file))
    return runs


def document(text: str) -> dict[str, Any]:
    """A trajectory in which a text stands wherever a sandbox or a model can put one."""
    ends = {"exit_code": 0, "timed_out": False, "truncated": False}
    commands = [
        {"kind": "run", "command": text, "stdout": f"{text}\n" + "x" * 9_000, "stderr": text, **ends},
        {"kind": "read", "path": text, "text": text},
    ]
    calls = [{"tool_call_id": "1", "function_name": text, "arguments": {"command": text}}]
    step = {"source": "agent", "message": text, "reasoning_content": text, "model_name": text, "tool_calls": calls}
    first = {
        "step_id": 1,
        **step,
        "extra": {"commands": commands},
        "observation": {"results": [{"content": text + "!"}]},
    }
    more = [{"step_id": number, "source": "user", "message": f"step {number}"} for number in range(2, 6)]
    return {"steps": [first, *more], "extra": {"log": text, "refusals": {text: 3}}}


def client(runs: Path, keys: Keys = KEYS, address: Address = HERE) -> TestClient:
    return TestClient(create_app(runs, address, keys), base_url=BASE, follow_redirects=False)


class Markup(HTMLParser):
    """The elements of a page: names, attributes, links, and the text that a reader sees."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, name: str) -> list[str]:
        """The values of an attribute, of whichever elements."""
        return [value for _, attributes in self.elements if (value := attributes.get(name)) is not None]
