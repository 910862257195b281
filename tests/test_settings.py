"""Where a setting's value comes from, what is wrong with it in one line, and that the documentation says the same."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from evolve.core.config import RunConfig, TrialLimits
from evolve.core.errors import BadInput
from evolve.core.gate_config import GateConfig
from evolve.core.records import SandboxSpec
from evolve.runs.settings import Settings, described, read_settings, table

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- settings: begin -->\n", "\n<!-- settings: end -->"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder; no variable is set."""
    for one in described():
        monkeypatch.delenv(one.variable, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_defaults_are_those_of_a_run() -> None:
    settings = read_settings()
    assert settings.model_fields_set == set()
    assert (settings.limits, settings.gate) == (TrialLimits(), GateConfig())
    assert SandboxSpec(**settings.sandbox.model_dump()) == SandboxSpec()
    shared = Settings.model_fields.keys() & RunConfig.model_fields.keys() - {"sandbox", "model"}
    assert {name: getattr(settings, name) for name in shared} == {name: getattr(RunConfig(), name) for name in shared}


def test_an_option_wins_over_a_variable_and_that_over_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "evolve.toml").write_text("rounds = 1\nseed = 1\njobs = 1\n")
    monkeypatch.setenv("EVOLVE_SEED", "2")
    monkeypatch.setenv("EVOLVE_JOBS", "2")
    settings = read_settings(jobs=3, run=None)
    assert (settings.rounds, settings.seed, settings.jobs) == (1, 2, 3)
    assert settings.model_fields_set == {"rounds", "seed", "jobs"}


def test_the_keys_of_a_table_may_come_from_anywhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "evolve.toml").write_text("[limits]\ncalls = 1\ntokens = 1\nseconds = 1\n[gate]\npasses = [1, 3]\n")
    monkeypatch.setenv("EVOLVE_LIMITS__TOKENS", "2")
    monkeypatch.setenv("EVOLVE_LIMITS__SECONDS", "2")
    settings = read_settings(limits=["seconds=3", "commands=4"], gate=["risk=0.02"])
    assert settings.limits == TrialLimits(calls=1, tokens=2, seconds=3, commands=4)
    assert settings.limits.model_fields_set == {"calls", "tokens", "seconds", "commands"}
    assert (settings.gate.passes, settings.gate.risk, settings.gate.race) == ((1, 3), 0.02, 1)


def test_a_table_may_be_one_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOLVE_GATE", "rule=greedy attempts=3")
    assert (read_settings().gate.rule, read_settings().gate.attempts) == ("greedy", 3)
    assert read_settings(gate=["passes=1,2,4"]).gate.passes == (1, 2, 4)
    assert read_settings(gate=["passes=1"]).gate.passes == (1,)
    for text, passes in (("1,2", (1, 2)), ("1", (1,))):
        monkeypatch.setenv("EVOLVE_GATE", "")
        monkeypatch.setenv("EVOLVE_GATE__PASSES", text)
        assert read_settings().gate.passes == passes


def test_empty_and_unprefixed_variables_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOLVE_MODEL", "")
    for name in ("SEED", "ROUNDS", "MODEL", "RUN"):
        monkeypatch.setenv(name, "7")
    assert read_settings().model_fields_set == set()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("round = 3", "evolve.toml: key `round`: there is no such setting; did you mean `rounds`?"),
        ("[limits]\nsecond = 3", "evolve.toml: key `limits.second`: there is no such setting; did you mean `seconds`?"),
        ("[limits]\nfoo = 3", "key `limits.foo`: there is no such setting; use one of: seconds, calls, tokens"),
        ("rounds = 'many'", "evolve.toml: key `rounds`: must be a whole number"),
        ("rounds = -1", "key `rounds`: must be at least 0 (it is -1); the default is 10"),
        ("network = 'maybe'", "must be true or false (it is 'maybe'); the default is true"),
        ("[gate]\nrisk = 'high'", "key `gate.risk`: must be a number"),
        ("[gate]\npasses = [2, 1]", "key `gate.passes`: passes must"),
        ("[gate]\nrace = 2\nrule = 'greedy'", "key `gate`: "),
        ("limits = 3", "evolve.toml: key `limits`: "),
        ("proposer = 'me'", "key `proposer`: there is no proposer `me`; use one of: direct, self"),
        ("call_seconds = nan", "key `call_seconds`: "),
        ("rounds", "evolve.toml: is not valid TOML"),
    ],
)
def test_what_is_wrong_in_the_file_is_named_in_one_line(home: Path, text: str, words: str) -> None:
    (home / "evolve.toml").write_text(text)
    with pytest.raises(BadInput) as raised:
        read_settings()
    assert words in str(raised.value) and "\n" not in str(raised.value) and raised.value.fix


@pytest.mark.parametrize(
    ("options", "variables", "where"),
    [
        ({"rounds": -1}, {"EVOLVE_ROUNDS": "1"}, "--rounds"),
        ({"budget_usd": -1.0}, {}, "--budget-usd"),
        ({"limits": ["seconds=0"]}, {}, "--limit seconds"),
        ({"limits": ["second=1"]}, {}, "--limit second"),
        ({"sandbox": ["memory_mb=1"]}, {}, "--sandbox memory_mb"),
        ({"limits": ["calls=1"]}, {"EVOLVE_LIMITS__SECONDS": "-1"}, "EVOLVE_LIMITS__SECONDS"),
        ({}, {"EVOLVE_ROUNDS": "abc"}, "EVOLVE_ROUNDS"),
        ({}, {"EVOLVE_GATE": "risk=9"}, "EVOLVE_GATE"),
    ],
)
def test_a_bad_value_is_named_by_where_it_came_from(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], variables: dict[str, str], where: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadInput) as raised:
        read_settings(**options)
    assert raised.value.where == where


def test_every_setting_has_a_meaning() -> None:
    assert [one.key for one in described() if not one.meaning.endswith(".")] == []
    assert len({one.option for one in described()}) == len(list(described()))


def test_the_documentation_has_the_table_of_the_model() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    shown = text.partition(BEGIN)[2].partition(END)[0]
    assert shown == table(), "put what `evolve.runs.settings.table()` gives between the two comments"


def test_the_example_of_the_documentation_is_valid(home: Path) -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    (home / "evolve.toml").write_text(text.partition("```toml\n")[2].partition("```")[0])
    assert {"rounds", "limits", "gate"} <= read_settings().model_fields_set


def test_make_passes_every_setting_on() -> None:
    text = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    listed = next(line for line in text.splitlines() if line.startswith("SETTINGS := ")).split()[2:]
    assert sorted(listed) == sorted(name.upper() for name in Settings.model_fields)


@pytest.mark.parametrize(("words", "status"), [(("ROUNDS=3", "GATE=risk=0.1 race=2"), 0), ((), 75)])
def test_make_gives_settings_and_says_the_exit_status(home: Path, words: tuple[str, ...], status: int) -> None:
    """With a program in place of Evolve's."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy2(ROOT / name, home / name)
    program = home / ".venv" / "bin" / "evolve"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\nenv | grep ^EVOLVE_ | sort\nexit {status}\n")
    program.chmod(0o755)
    (home / ".venv" / "ready").touch()
    environment = {"PATH": os.environ["PATH"], "SEED": "4"}
    done = subprocess.run(["make", "evolve", *words], cwd=home, env=environment, capture_output=True, text=True)
    asked = {word.partition("=")[0]: word.partition("=")[2] for word in ("SEED=4", *words)}
    assert done.stdout.splitlines() == sorted(f"EVOLVE_{name}={value}" for name, value in asked.items())
    assert done.returncode == (2 if status else 0)
    assert (f"evolve run: exit status {status}" in done.stderr) == bool(status)


def test_names_of_variables_are_a_list_in_every_source(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "evolve.toml").write_text('pass_env = ["A", "B"]\n')
    assert read_settings().pass_env == ("A", "B")
    monkeypatch.setenv("EVOLVE_PASS_ENV", "C, D")
    assert read_settings().pass_env == ("C", "D")
    assert read_settings(pass_env=["E"]).pass_env == ("E",)
