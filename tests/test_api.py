"""The Python API: the examples of docs/api.md run as they stand, and what they leave out."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

import evolve
from evolve.core.config import RunConfig
from evolve.core.errors import BadInput
from evolve.core.gate_config import GateConfig
from evolve.core.records import Decision, FileEdit, Proposal, Split, Verdict
from evolve.gate.greedy import Greedy
from evolve.gate.plan import SuitePlan
from evolve.loop.watcher import SilentWatcher
from tests.simulated import Simulated

ROOT = Path(__file__).parents[1]
TASKS = {
    "train": ["vending-machine", "lru-cache"],
    "validation": ["sorted-lookup"],
    "holdout": ["ring-buffer", "word-wrap"],
}
MAIN = "MAX_TURNS = 3\n"
TOML = 'name = "s"\nentry = "main.py"\nevolvable = ["*.py"]\n'
ENTRY_POINTS = """
[evolve.executors]
simulated = tests.simulated:Simulated
[evolve.rules]
strict = tests.test_api:strict
broken = tests.test_api:missing
[evolve.proposers]
turns = tests.test_api:Turns
[evolve.watchers]
heard = tests.test_api:Heard
"""


def blocks() -> list[str]:
    """The Python blocks of docs/api.md."""
    return re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "api.md").read_text(), re.M | re.S)


class Heard(SilentWatcher):
    """Keeps what it was told."""

    decided: ClassVar[list[tuple[int, Decision]]] = []

    def round_decided(self, number: int, decision: Decision) -> None:
        Heard.decided.append((number, decision))


class Turns:
    """Allows three turns more each time."""

    def propose(self, brief: Any, seed: int, check: Any) -> Proposal:
        turns = int(re.findall(r"\d+", brief.files["main.py"])[0]) + 3
        proposal = Proposal(f"{turns} turns", "more", (FileEdit("main.py", f"MAX_TURNS = {turns}\n"),))
        assert check(proposal) is None
        return proposal


def strict(settings: GateConfig, plan: SuitePlan, salt: int) -> Greedy:
    return Greedy(settings, plan)


def make_home(home: Path) -> None:
    """A folder with the agent and the suite of the examples."""
    (home / "agent").mkdir()
    (home / "agent" / "main.py").write_text(MAIN)
    (home / "agent" / "scaffold.toml").write_text(TOML)
    for name in (name for names in TASKS.values() for name in names):
        shutil.copytree(ROOT / "tasks" / "bugfix" / name, home / "tasks" / name)
    lines = [f"{split} = {json.dumps(names)}" for split, names in TASKS.items()]
    (home / "tasks" / "suite.toml").write_text("[splits]\n" + "\n".join(lines))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pip leaves of a package with plug-ins."""
    folder = tmp_path_factory.mktemp("site")
    info = folder / "plugins-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugins\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, site: Path) -> None:
    """No settings from outside, and the plug-ins are installed."""
    for name in [name for name in os.environ if name.startswith(("EVOLVE_", "OPENAI_"))]:
        monkeypatch.delenv(name)
    monkeypatch.syspath_prepend(str(site))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_home(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory, site: Path) -> Iterator[dict[str, Any]]:
    """The variables that the examples leave, run one after the other; trials are simulated."""
    folder = tmp_path_factory.mktemp("examples")
    make_home(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(site))
        patch.setenv("EVOLVE_EXECUTOR", "simulated")
        names: dict[str, Any] = {"__name__": "__main__", "runs": {}}
        for number, block in enumerate(blocks()):
            exec(compile(block, f"docs/api.md, block {number + 1}", "exec"), names)
            names["runs"][getattr(names.get("run"), "id", "")] = names.get("run")
        yield names


def test_the_examples_run(examples: dict[str, Any]) -> None:
    assert len(blocks()) >= 9
    assert examples["run"].ended == "done"
    assert examples["result"].splits == (Split.TRAIN, Split.VALIDATION)
    assert examples["again"].identical
    assert examples["found"].noise.attempts == 2
    assert examples["claim"].tasks == 2


def test_a_proposer_given_as_an_object_writes_the_patches(examples: dict[str, Any]) -> None:
    run = examples["runs"]["more-turns"]
    assert run.config.proposer == "MoreTurns"
    assert [row.proposal.hypothesis for row in run.rounds[1:]] == ["6 turns are enough", "9 turns are enough"]
    assert run.champion.round in (1, 2)
    assert "+MAX_TURNS = 6" in run.diff(1)
    assert run.diff(0) == ""


def test_a_rule_given_as_a_class_decides(examples: dict[str, Any]) -> None:
    run = examples["runs"]["any-gain"]
    assert run.config.gate.rule == "AnyGain"
    assert run.rounds[1].decision.reason.endswith(": a gain")
    assert run.rounds[2].parent == run.rounds[1].candidate
    with pytest.raises(BadInput, match="there is no rule `AnyGain`; install its package, or pass the object again"):
        evolve.run(run="any-gain", runs=run.runs, rounds=3, proposer=examples["MoreTurns"]())


def test_the_trials_of_one_candidate_are_found_by_each_of_its_names(examples: dict[str, Any]) -> None:
    run = examples["runs"]["more-turns"]
    seed = run.trials(round=0)
    assert seed == run.trials(commit=run.seed.commit) == run.trials(branch=run.seed.branch)
    assert 0 < len(seed) < len(run.trials())
    with pytest.raises(BadInput, match="round 9"):
        run.trials(round=9)


def test_scores_are_those_of_trials_by_which_nothing_was_decided(examples: dict[str, Any]) -> None:
    run = examples["runs"]["more-turns"]
    assert set(run.scores) == {"seed", "champion"}
    assert set(run.scores["champion"]) == set(Split)
    assert run.history[0]["verdict"] == "baseline"


def test_plug_ins_are_found_by_name_and_stored(home: Path) -> None:
    Heard.decided.clear()
    run = evolve.run(
        "agent", "tasks", rounds=1, proposer="turns", rule="strict", executor="simulated", watcher="heard",
        score_attempts=1, holdout_attempts=0,
    )  # fmt: skip
    assert (run.config.proposer, run.config.gate.rule, run.config.executor) == ("turns", "strict", "simulated")
    assert [number for number, _ in Heard.decided] == [0, 1]
    assert run.rounds[1].decision and run.rounds[1].decision.verdict in (Verdict.KEEP, Verdict.REVERT)
    again = evolve.run(run=run.id, rounds=1)
    assert again.id == run.id and len(again.rounds) == 2
    for name, kind in (("proposer", "proposer"), ("executor", "executor")):
        with pytest.raises(BadInput, match=f"^{kind}: "):
            evolve.run(run=run.id, rounds=1, **{name: "direct" if name == "proposer" else "local"})
    with pytest.raises(BadInput, match=r"^gate\.rule: "):
        evolve.run(run=run.id, rounds=1, rule="greedy")


def test_the_command_line_takes_a_plug_in_by_name(home: Path, site: Path) -> None:
    env = {**os.environ, "PYTHONPATH": f"{site}:{ROOT}"}
    words = "run --scaffold agent --suite tasks --rounds 1 --executor simulated --proposer turns --gate rule=strict"
    command = [sys.executable, "-m", "evolve", *words.split(), "--holdout-attempts", "0"]
    done = subprocess.run(command, cwd=home, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert evolve.Run().config.gate.rule == "strict"


def test_a_cap_ends_a_run_without_an_error(home: Path) -> None:
    run = evolve.run("agent", "tasks", rounds=3, executor=Simulated(), budget_trials=5)
    assert run.ended == "budget"
    assert len(run.trials()) == 5


def test_arguments_win_over_variables_and_those_over_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "evolve.toml").write_text('seed = 1\nscore_attempts = 1\nholdout_attempts = 0\nexecutor = "simulated"\n')
    monkeypatch.setenv("EVOLVE_SEED", "2")
    monkeypatch.setenv("EVOLVE_HOLDOUT_ATTEMPTS", "1")
    config = evolve.run("agent", "tasks", rounds=0, seed=3).config
    assert (config.seed, config.holdout_attempts, config.score_attempts) == (3, 1, 1)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"round": 3}, "round: there is no such setting; did you mean `rounds`?"),
        ({"gate": {"risk": 2}}, "gate.risk: "),
        ({"gate": {"rsik": 0.1}}, "gate.rsik: there is no such setting; did you mean `risk`?"),
        ({"proposer": "nobody"}, "proposer: there is no proposer `nobody`; use one of: direct, self, turns"),
        ({"rule": "coin"}, "gate.rule: there is no rule `coin`; use one of: evolve, greedy, archive, clade, pareto, "),
        ({"rule": "broken"}, "rule `broken`: can't be imported from tests.test_api:missing"),
        ({"rule": strict, "gate": {"race": 2}}, "gate: race: rule strict judges one patch at a time"),
        ({"watcher": "nobody"}, "watcher: there is no watcher `nobody`"),
        ({"executor": "far"}, "executor: there is no executor `far`; use one of: local, simulated"),
        ({"proposer": type("direct", (), {})()}, "proposer: `direct` is the name of a built-in proposer"),
        ({"proposer": type("P", (), {"name": "a b"})()}, "proposer: 'a b' is not a name"),
    ],
)
def test_wrong_input_is_named_before_anything_is_written(home: Path, arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadInput) as raised:
        evolve.run("agent", "tasks", rounds=1, **arguments)
    assert str(raised.value).startswith(problem)
    assert not (home / "runs").exists()


def test_a_measurement_refuses_what_has_no_effect(home: Path) -> None:
    with pytest.raises(BadInput, match="budget_usd: has no effect"):
        evolve.evaluate("agent", budget_usd=1.0)
    with pytest.raises(BadInput, match="there is no such split"):
        evolve.evaluate("agent", splits=["test"])
    with pytest.raises(BadInput, match="attempts: is 0; give 1 or more"):
        evolve.evaluate("agent", attempts=0)
    result = evolve.evaluate("agent", ["train"], suite="tasks", executor=Simulated())
    with pytest.raises(BadInput, match=r"split holdout: was not measured; use one of: train"):
        result.score("holdout")


def test_a_missing_run_is_an_error(home: Path) -> None:
    with pytest.raises(BadInput, match="there are no results yet"):
        evolve.Run("some")
    evolve.evaluate("agent", ["train"], suite="tasks", executor=Simulated())
    with pytest.raises(BadInput, match="there is no such run"):
        evolve.claim("some")


def test_a_run_of_an_older_version_had_the_local_executor() -> None:
    stored = json.loads(RunConfig().canonical())
    del stored["executor"]
    assert RunConfig().differences(json.dumps(stored)) == []


def loaded(words: str) -> set[str]:
    """The modules that a process has imported after these statements."""
    code = f"import sys\n{words}\nprint(*sys.modules)"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_names_are_imported_when_they_are_first_used() -> None:
    slow = {"numpy", "scipy", "sqlalchemy", "docker", "openai", "pydantic", "evolve.api"}
    assert loaded("import evolve; evolve.__version__; dir(evolve)") & slow == set()
    assert slow - {"scipy", "openai"} <= loaded("import evolve; evolve.run")


def test_the_public_names_are_those_that_the_docs_list() -> None:
    table = (ROOT / "docs" / "api.md").read_text().partition("## Run and read")[0]
    listed = {name for line in table.splitlines() if line.startswith("| `") for name in re.findall(r"`(\w+)`", line)}
    assert listed == set(evolve.__all__) - {"__version__"}
    assert set(evolve.__all__) <= set(dir(evolve))
    with pytest.raises(AttributeError, match="has no attribute 'missing'"):
        _ = evolve.missing  # type: ignore[attr-defined]


def test_a_type_checker_sees_the_public_names() -> None:
    guarded = next(
        node for node in ast.parse((ROOT / "evolve" / "__init__.py").read_text()).body if isinstance(node, ast.If)
    )
    assert ast.unparse(guarded.test) == "TYPE_CHECKING"
    names = {alias.name for node in guarded.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert names == set(evolve.__all__) - {"__version__"}


@pytest.mark.docker
def test_the_first_example_runs_as_a_script_in_containers(home: Path) -> None:
    shutil.rmtree(home / "agent")
    shutil.copytree(ROOT / "scaffolds" / "single", home / "agent")
    (home / "script.py").write_text(blocks()[0])
    (home / "evolve.toml").write_text("holdout_attempts = 0\ngate = { passes = [1], tip_passes = 1 }\n")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "script.py"]
    done = subprocess.run(command, cwd=home, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].endswith(" done")
    assert len(evolve.Run().rounds) == 2
