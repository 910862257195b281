"""Every command escapes what models and sandboxes wrote: they are given text that would take over a terminal."""

from __future__ import annotations

import ast
import io
import json
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from evolve import cli
from evolve.budget import run_budget
from evolve.cli import measuring
from evolve.core.caps import Caps
from evolve.core.config import RunConfig
from evolve.core.escaping import MAX_LINE, plain
from evolve.core.records import Candidate, Decision, Proposal, Split, TaskImage, TrialResult, TrialSpec, Verdict
from evolve.loop.assembly import assemble
from evolve.loop.events import RunOpened, tell
from evolve.loop.watcher import SilentWatcher
from evolve.repo import Lineage
from evolve.report.crash import write_crash_log
from evolve.report.live import Live
from evolve.report.predictions import prediction_lines
from evolve.report.tables import show
from evolve.report.transcripts import message_text
from evolve.runs.replay import ReplayResult
from evolve.store import RoundRow, RunRow, Store
from evolve.suite.tasks import Suite
from tests.fakes import ScoringEvaluator, ScriptedModel, completion, result, task, tool_call

RUN = "20261123-2144-quiet-otter"
CODE = "LEVEL = 1  # \x1b[2J\u202e[red]\x9b31m hidden \u200b\n"
HOSTILE = (
    "\x1b[31mred\x1b]0;title\x07\x1b]52;c;aGk=\x07\x9b2J\x90 [bold red]markup[/] [link=http://x]l[/] :warning: "
    "\u202egnp.exe\u2066\u2069\u200b\u2028\ud800\x08\x7f\rforged\nround 9: keep (all is well)"
)


def is_fit(text: str, lines: bool = True) -> bool:
    return all(character.isprintable() or (lines and character == "\n") for character in text)


@given(st.text(), st.booleans())
def test_no_unsafe_character_is_left(text: str, lines: bool) -> None:
    shown = plain(text, lines)
    fit = "\n\t" if lines else ""
    assert all(c.isprintable() or c in fit or unicodedata.category(c) == "Zs" for c in shown)
    shown.encode()


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=80))
def test_ordinary_text_is_shown_as_it_is(text: str) -> None:
    assert plain(text) == text
    assert plain(f"{text}\n\t{text}", lines=True) == f"{text}\n\t{text}"


def test_escapes_name_what_they_stand_for() -> None:
    assert plain("a\x1b[31m\u202e\ud800\n\x85b") == "a\\x1b[31m\\u202e\\ud800\\n\\x85b"


def test_a_line_has_its_bounds() -> None:
    assert len(plain("x" * 10**6)) < MAX_LINE + 10
    assert len(plain("x\n" * 10**5, lines=True)) == 2 * 10**5


class _Model(ScriptedModel):
    """Proposes hostile code with hostile words; then what does not apply; then a path that is none."""

    def __init__(self) -> None:
        paths = [("main.py", ""), ("main.py", HOSTILE), (f"{HOSTILE}.py", ""), (f"ok/{HOSTILE}", "")]
        super().__init__(*(self._proposal(path, old) for path, old in paths))

    @staticmethod
    def _proposal(path: str, old: str) -> dict[str, Any]:
        edits = [{"path": path, "old": old, "new": CODE.replace("1", "2", 1)}]
        return completion(
            None, tool_call("propose", {"hypothesis": HOSTILE, "prediction": HOSTILE * 100, "edits": edits})
        )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four rounds in which everything that a model or a sandbox can write is hostile."""
    top = tmp_path_factory.mktemp("report")
    folder = top / "repo" / "scaffold"
    folder.mkdir(parents=True)
    (folder / "main.py").write_text(CODE)
    (folder / "scaffold.toml").write_text('name = "s"\nentry = "main.py"\nevolvable = ["*"]\n')
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x"]):
        subprocess.run(["git", "-C", str(top / "repo"), *words], check=True)
    tasks = tuple(task(f"{split}-{number}", split) for split in (Split.TRAIN, Split.VALIDATION) for number in range(8))
    with Store.open(top / "runs" / "evolve.db") as store:
        config = RunConfig(scaffold=folder, model="scripted", prompt_price=1.0, completion_price=1.0)
        row = ("2026-11-23T21:44:00+00:00", 0, "{}", "0" * 64, "s", str(folder), "scripted", None, "{}", "0", "r", None)
        store.create_run(RunRow(RUN, *row), tasks)
        model = _Model()
        search = assemble(
            run=RUN,
            config=config,
            suite=Suite(top, tasks),
            store=store,
            lineage=Lineage.open(folder, top / "own.git"),
            evaluator=_HostileEvaluator(),  # type: ignore[arg-type]
            model_for=lambda what: model,
            budget=run_budget.begin(store, RUN, top / "runs" / RUN, Caps(), free=False),
            images={one.name: TaskImage("i", "/app") for one in tasks},
            base_image="base",
            folder=top / "runs" / RUN,
            watcher=SilentWatcher(),
        )
        search.run_rounds(4)
    return top / "runs"


class _HostileEvaluator(ScoringEvaluator):
    """The second level is better; the details are hostile."""

    def __init__(self) -> None:
        super().__init__(lambda text, spec: float("2" in text.split("#")[0]))

    def _result(self, spec: TrialSpec, reward: float | None) -> Any:
        made = super()._result(spec, reward)
        return type(made)(**{**made.__dict__, "detail": HOSTILE.replace("\ud800", "")})


@pytest.fixture
def evolve(runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def run(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["evolve", *words, "--runs", str(runs)])
        if words[0] == "diff":  # a pipe gets the bytes
            monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        with pytest.raises(SystemExit):
            cli.main()
        out, err = capsys.readouterr()
        return out + err

    return run


@pytest.mark.parametrize(
    "words",
    [
        ["history"], ["show", "0"], ["show", "1"], ["show", "2"], ["show", "3"], ["show", "4"], ["lineage"],
        ["diff", "1"], ["history", "--json"], ["show", "1", "--json"], ["lineage", "--json"],
        ["replay", f"evolve/{HOSTILE}/champion".replace("\ud800", "")], ["history", "--run", "\x1b[2J\u202e[red]"],
    ],
)  # fmt: skip
def test_no_command_lets_hostile_text_through(evolve: Callable[..., str], words: list[str]) -> None:
    shown = evolve(*words)
    assert shown and is_fit(shown), [c for c in shown if not is_fit(c)]
    assert "bug in evolve" not in shown


def test_markup_and_names_of_emoji_are_text(evolve: Callable[..., str]) -> None:
    shown = "".join(evolve("show", "1").split())
    assert "[boldred]markup[/]" in shown and ":warning:" in shown


def test_a_forged_line_stays_within_its_own(evolve: Callable[..., str]) -> None:
    assert not [line for line in evolve("show", "1").splitlines() if line.strip().startswith("round 9")]


def test_the_diff_shows_what_it_hides(evolve: Callable[..., str]) -> None:
    shown = evolve("diff", "1")
    assert "+LEVEL = 2  # \\x1b[2J\\u202e[red]\\x9b31m hidden \\u200b\n" in shown


def test_json_has_all_of_it_and_is_ascii(evolve: Callable[..., str]) -> None:
    shown = evolve("history", "--json")
    assert shown.isascii()
    assert json.loads(shown)[1]["hypothesis"].startswith("\x1b[31mred")


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_escapes_everything(terminal: bool) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, color_system=None, width=2_000)
    view = Live(priced=False, console=console)
    view.say(HOSTILE)
    view.round_decided(3, Decision(Verdict.REFUSED, HOSTILE))
    view.trial_done(result(reward=None, name=HOSTILE, detail=f"x\n{HOSTILE}"))
    shown = file.getvalue()
    assert shown.count("\n") == 3 and is_fit(shown) and "[bold red]markup[/]" in shown


def test_the_time_left_is_estimated_from_rounds_alone() -> None:
    file, seconds = io.StringIO(), [0.0]
    view = Live(priced=False, console=Console(file=file, width=200), clock=lambda: seconds[-1])
    seconds.append(3600.0)
    view.round_started(1, 3)
    seconds.append(3720.0)
    view.round_decided(1, Decision(Verdict.REVERT, "x"))
    view.round_started(2, 3)
    view.trials_planned(44)
    view.trial_done(result())
    assert file.getvalue().splitlines()[-1] == "round 2/3, 0k tokens, about 4 min left 1/44 trials"


@pytest.mark.parametrize(("run", "start"), [("a-run", "round 0, 0k tokens, "), ("", "0k tokens, ")])
def test_a_log_before_the_first_round_names_no_total(run: str, start: str) -> None:
    file, seconds = io.StringIO(), [0.0]
    view = Live(priced=False, console=Console(file=file, width=200), clock=lambda: seconds[-1])
    seconds.append(120.0)
    if run:
        tell(view, RunOpened(run, [], []))
    view.trials_planned(36)
    view.trial_done(result())
    assert file.getvalue().splitlines()[-1].startswith(start)


def test_replays_and_errors_escape_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert measuring.print_replayed([ReplayResult(HOSTILE, 0, 1.0, 0.0, HOSTILE)], as_json=False) == 1
    assert cli._fail(HOSTILE, 3) == 3
    show([{"task": HOSTILE, "problem": HOSTILE, HOSTILE: 1}], False, ("task", "problem"))
    out, err = capsys.readouterr()
    assert is_fit(out) and is_fit(err) and err.count("\n") == 1


def test_a_crash_log_may_be_read_in_a_terminal() -> None:
    log = write_crash_log(ValueError(HOSTILE))
    try:
        text = log.read_text("utf-8")
    finally:
        log.unlink()
    assert is_fit(text.replace("\t", "")) and "\\x1b[31mred" in text


def unpicklers(sources: Mapping[str, str]) -> list[str]:
    """Where a module could run what it reads."""
    found = []
    for name, text in sources.items():
        for node in ast.walk(ast.parse(text)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [ast.unparse(node.func)] if isinstance(node, ast.Call) else []
            bad = {"pickle", "marshal", "shelve", "dill", "eval", "exec", "extractall", "extract"}
            bad |= {
                "unsafe_load",
                "full_load",
                "yaml.load",
                "yaml.load_all",
            }  # `yaml.safe_load` makes plain values only
            found += [f"{name}: {word}" for word in names if word.rpartition(".")[2] in bad or word in bad]
    return found


def test_nothing_that_is_read_is_run() -> None:
    package = Path(cli.__file__).parent.parent
    sources = {str(path): path.read_text("utf-8") for path in package.rglob("*.py")}
    assert len(sources) > 50 and unpicklers(sources) == []
    assert unpicklers({"a": "import pickle", "b": "archive.extractall(x)"}) == ["a: pickle", "b: archive.extractall"]
    assert unpicklers({"a": "import yaml; yaml.load(x)", "b": "yaml.safe_load(x)"}) == ["a: yaml.load"]


def row_of(number: int, **facts: Any) -> dict[str, Any]:
    none = dict.fromkeys(("predicted", "fixed", "feared", "broken"))
    return {"round": number, "commit_sha": "c", **none, **facts}


def moved_trials(*rewards: tuple[str, str, float]) -> list[TrialResult]:
    return [replace(result(task, reward), candidate=commit) for commit, task, reward in rewards]


def test_hits_are_compared_with_the_base_rates() -> None:
    seed, child = Candidate("s", 0, None, "b"), Candidate("c", 1, "s", "b")
    rounds = [
        RoundRow(0, None, "t", seed, None, None, 0),
        RoundRow(1, seed, "t", child, Proposal("h", "p", (), fixes=("a",), breaks=("b",)), None, 1),
    ]
    trials = moved_trials(
        ("s", "a", 0), ("s", "b", 1), ("s", "d", 0), ("c", "a", 1), ("c", "b", 1), ("c", "d", 1), ("c", "e", 1)
    )
    history = [row_of(0), row_of(1, predicted=1, fixed=1, feared=1, broken=0)]
    assert prediction_lines(history, rounds, trials) == [
        "predicted to be fixed: 1 of 1 tasks improved (67 % of all train tasks did in these rounds)",
        "feared to break: 0 of 1 tasks got worse (0 % of all train tasks did in these rounds)",
    ]


def test_without_predictions_nothing_is_reported() -> None:
    assert prediction_lines([row_of(0), row_of(1, predicted=3, fixed=0, commit_sha=None)], [], []) == []


def test_a_conversation_is_shown_with_thoughts_and_calls() -> None:
    call = {"function": {"name": "read_trial", "arguments": '{"trial": "train-01.0"}'}}
    shown = message_text(
        {"role": "assistant", "content": "Let me see.", "reasoning_content": "hm", "tool_calls": [call]}
    )
    assert shown == '[assistant]\n(thinking) hm\nLet me see.\n-> read_trial {"trial": "train-01.0"}'
    assert message_text({"role": "tool", "content": None}) == "[tool]"
