"""A scaffold at work on itself, in containers: what comes out, and that nothing stays behind."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from evolve.analysis import Shelf
from evolve.core.records import (
    FileEdit,
    Limits,
    ModelSpec,
    SandboxSpec,
    ScaffoldSource,
    Split,
    Task,
    TaskImage,
    TrialSpec,
)
from evolve.executor.evaluate import Evaluator
from evolve.loop.propose import Brief, WrittenProposal, self_improve, self_proposer
from evolve.sandbox import engine
from evolve.trial.self_work import SelfWork, SelfWorkResult, run_self_work
from tests.fakes import tool_call
from tests.upstream import Upstream, says

from .conftest import OWNER, ROOT

pytestmark = pytest.mark.docker

EMBEDDED = ModelSpec("embedded", prompt_price=0, completion_price=0)
DIGEST = "- G1: 20 of 26 failed trials gave up early with budget left"
MAIN = "import evolve_door as door\n"


class Shop:
    """Has scaffolds work on themselves; `spec` may be changed by a test."""

    def __init__(self, folder: Path, base: str) -> None:
        self.folder, self.base = folder, base
        self.model, self.limits = EMBEDDED, Limits(seconds=60)

    def written(self, main: str) -> Path:
        folder = self.folder / "scaffold"
        folder.mkdir()
        (folder / "main.py").write_text(MAIN + main)
        return folder

    def spec(self, scaffold: Path, instruction: str, seed: int) -> TrialSpec:
        task = Task("self", Path(), Split.TRAIN, instruction, "", "", 60.0, 0.0, SandboxSpec())
        return TrialSpec(
            run="tests", candidate="c" * 40, task=task, image=TaskImage(self.base, "/app"),
            scaffold=ScaffoldSource(scaffold, "main.py", self.base), attempt=0, seed=seed, model=self.model,
            limits=self.limits, sandbox=SandboxSpec(memory_mb=128), folder=self.folder, owner=OWNER,
        )  # fmt: skip

    def improved(self, scaffold: Path, seed: int = 1) -> WrittenProposal:
        brief = Brief(texts(scaffold), ("*.py", "prompts/*.md", "settings.toml"), DIGEST, "", Shelf([]), {})
        with Evaluator(1) as evaluator:

            def run(instruction: str, files: Mapping[str, str], seed: int) -> SelfWorkResult:
                return evaluator.run_self_work(
                    SelfWork(self.spec(scaffold, instruction, seed), files, self_proposer.KEPT)
                )

            return self_improve(run, brief, seed, lambda proposal: None)

    def left(self, main: str) -> SelfWorkResult:
        """By a scaffold that is written down, at work on two files."""
        files = {"scaffold/main.py": "old\n", "scaffold/more.py": "more\n", "proposal.json": "{}\n"}
        return run_self_work(SelfWork(self.spec(self.written(main), "", 1), files, self_proposer.KEPT))


def texts(folder: Path) -> dict[str, str]:
    paths = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in paths}


@pytest.fixture
def shop(tmp_path: Path, base: str) -> Iterator[Shop]:
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    yield Shop(tmp_path, base)
    assert engine.sweep(OWNER) == 0, "nothing may be left"


@pytest.mark.parametrize("name", ["single", "team"])
def test_a_seed_scaffold_makes_a_patch_of_itself(shop: Shop, name: str) -> None:
    made = shop.improved(ROOT / "scaffolds" / name)
    assert made.proposal.edits and not made.proposal.note
    assert made.proposal.prediction != self_proposer.NOT_GIVEN
    assert {"begin", "chat", "read", "write"} <= {event["kind"] for event in made.messages}


def test_a_scripted_model_reads_edits_and_hands_in(shop: Shop, upstream: Upstream) -> None:
    def edit(path: str, old: str, new: str) -> dict[str, Any]:
        return tool_call("edit", {"path": path, "old": old, "new": new}, "call_edit")

    upstream.script(
        says("I look.", tool_call("read_file", {"path": "notes/digest.md"}, "call_digest")),
        says(None, tool_call("run_tests", {}, "call_tests")),
        says(None, edit("scaffold/settings.toml", "max_steps = 24", "max_steps = 40")),
        says(None, edit("proposal.json", '"hypothesis": ""', '"hypothesis": "too few steps"')),
        says(None, tool_call("submit", {}, "call_submit")),
    )
    shop.model = upstream.spec()
    made = shop.improved(ROOT / "scaffolds/single").proposal
    assert [edit.path for edit in made.edits] == ["settings.toml"] and "max_steps = 40" in str(made.edits[0].text)
    assert (made.hypothesis, made.prediction, made.usage.calls) == ("too few steps", self_proposer.NOT_GIVEN, 5)
    told = [message for message in upstream.bodies()[-1]["messages"] if message["role"] == "tool"]
    assert "gave up early" in told[0]["content"] and "OK" in told[1]["content"]
    assert "scaffold/settings.toml" in upstream.bodies()[0]["messages"][1]["content"]


def test_what_it_changed_counts_however_it_ended(shop: Shop) -> None:
    shop.limits = Limits(calls=5, seconds=4)
    found = shop.left(
        "door.write('scaffold/main.py', 'new')\ndoor.run('rm scaffold/more.py; (sleep 99 &)')\nwhile True: pass"
    )
    assert found.left.files == {"scaffold/main.py": b"new", "proposal.json": b"{}\n"}
    assert found.ending == "it was killed at the time limit"


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("ln -s /etc/passwd scaffold/x", "no regular file"),
        ("rm -r scaffold; ln -s / scaffold", "no regular file"),
        ("mkfifo scaffold/x", "no regular file"),
        ("truncate -s 100M scaffold/x", "bytes"),
        ("cd scaffold; for i in $(seq 600); do : > $i; done", "files and folders"),
        ("cd scaffold; for i in $(seq 600); do mkdir d; cd d; done", "files and folders"),
        ("rm -rf scaffold proposal.json; kill -9 -1", ""),
        ("chmod 000 scaffold proposal.json; printf x > /tmp/left.tar", ""),
        ("chmod 000 scaffold/* scaffold . /app", ""),
        ("chmod 000 /app; kill -9 -1", ""),
        ("cd scaffold; ln -s . loop; ln -s a b; ln -s b a", "no regular file"),
        ("touch \"scaffold/$(printf '\\377')\"", ""),
        ("python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"scaffold/s\")'", ""),
        ("rm -rf /app/* /app/.[a-z]*; chmod 700 /app", ""),
        ("rm -r scaffold; touch scaffold; rm proposal.json; mkdir -p proposal.json/x", ""),
        ("cd scaffold; mkdir -m 000 a; mkdir b; touch b/c; chmod 111 b; chmod 222 main.py", ""),
    ],
)  # fmt: skip
def test_hostile_files_do_no_harm(shop: Shop, command: str, problem: str) -> None:
    found = shop.left(f"door.run({command!r}, timeout=60)")
    assert problem in found.left.problem and bool(problem) is bool(found.left.problem)
    assert not any(b"root:" in data for data in found.left.files.values())


def test_it_has_neither_network_nor_key_nor_the_hosts_files(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    probe = (
        "(env; id -u; ls -la / /app; python3 -c 'import socket; socket.create_connection((\"1.1.1.1\", 53), 1)') 2>&1"
    )
    found = shop.left(f"door.write('scaffold/seen', door.run({probe!r}).stdout)")
    seen = found.left.files["scaffold/seen"].decode()
    assert "sk-secret" not in seen and "Network is unreachable" in seen
    assert re.search(r"^[2-5]\d{4}$", seen, re.MULTILINE), "a user of the trial's own"
    assert FileEdit("seen", seen) in self_proposer.proposal_of(found, Brief({}, (), "", "", Shelf([]), {})).edits
    assert json.loads(found.left.files["proposal.json"]) == {}
