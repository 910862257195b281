"""Wrong inputs of people end in one line with the fix and exit status 2, and nothing is written.

Each is tried through the real command line. No engine, endpoint or key is needed: what would be asked for one is dead.
"""

from __future__ import annotations

import http.server
import os
import shutil
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from docker.errors import BuildError

from evolve.cli import main
from evolve.core.errors import EXIT_BAD_INPUT, BadInput
from evolve.core.records import Outcome
from evolve.loop.stops import refuse_crashing
from evolve.sandbox import engine, image_store
from evolve.store import Store
from tests.fakes import result

ROOT = Path(__file__).parents[1]
SCAFFOLD = 'name = "s"\nentry = "main.py"\nevolvable = ["*.py"]\n'
SUITE = '[splits]\ntrain = ["one"]\n'
KEY = {"OPENAI_API_KEY": "sk-1234567890"}
RUN = ("run", "--scaffold", "s", "--suite", "t")
MODEL = (*RUN, "--model", "m", "--base-url")
ROW = b'{"question": "a", "answer": "b"}\n'
Prepare = Callable[[Path], None]


@dataclass(frozen=True)
class Wrong:
    """A wrong input.

    Attributes:
        words: The command's.
        line: What the line says, in this order.
        files: By name; None for a folder. The files of a scaffold `s` and a suite `t` are there too.
        without: Of these files, those that are missing.
        variables: Of the environment.
        prepare: What else is done in the folder before.
    """

    words: tuple[str, ...]
    line: tuple[str, ...]
    files: dict[str, str | bytes | None] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    prepare: Prepare | None = None


def text(words: str, *line: str, **variables: str) -> Wrong:
    """A command line or variable that is wrong."""
    return Wrong(tuple(words.split()), line, variables=variables)


def settings(content: str | bytes | None, *line: str) -> Wrong:
    """A wrong evolve.toml."""
    return Wrong(("history",), ("evolve.toml", *line), {"evolve.toml": content})


def scaffold(content: str | bytes | None, *line: str) -> Wrong:
    """A wrong scaffold.toml."""
    return Wrong(RUN, ("s/scaffold.toml", *line), {"s/scaffold.toml": content})


def suite(content: str | bytes | None, *line: str) -> Wrong:
    """A wrong suite.toml."""
    return Wrong(RUN, ("t/suite.toml", *line), {"t/suite.toml": content})


def task(name: str, content: str | bytes, *line: str) -> Wrong:
    """A wrong file of a task."""
    return Wrong(RUN, (f"t/one/{name}", *line), {f"t/one/{name}": content})


def _newer_database(home: Path) -> None:
    Store.open(home / "runs" / "evolve.db").close()
    with sqlite3.connect(home / "runs" / "evolve.db") as database:
        database.execute("update alembic_version set version_num = 'later'")
    database.close()


def _foreign_database(home: Path) -> None:
    (home / "runs").mkdir()
    with sqlite3.connect(home / "runs" / "evolve.db") as database:
        database.execute("create table mine (a)")
    database.close()


def _empty_results(home: Path) -> None:
    Store.open(home / "runs" / "evolve.db").close()


OPTIONS = {
    "key without value": text("run --gate risk", "--gate risk: has no value", "write --gate risk=0.01"),
    "empty key": text("run --gate =5", "--gate =5: has no key", "write --gate KEY=VALUE"),
    "limit without value": text("run --limit seconds", "--limit seconds: has no value", "write"),
    "sandbox without value": text("run --sandbox cpus", "--sandbox cpus: has no value", "cpus=1"),
    "header without value": text("run --header x-team", "--header x-team: has no value", "x-team=VALUE"),
    "field without value": text("run --extra-body top", "--extra-body top: has no value", "top=JSON"),
    "field that is no JSON": text(
        "run --extra-body a=b", "--extra-body a: its value is not JSON", "write a JSON value"
    ),
    "risk too large": text("run --gate risk=5", "--gate risk: must be less than 0.5", "the default is 0.01"),
    "value that is no number": text("run --gate risk=high", "--gate risk: must be a number (it is 'high')", "default"),
    "not finite": text("run --gate worth=inf", "--gate worth: must be a finite number", "the default is 30"),
    "not a number": text("run --budget-usd nan", "--budget-usd: must be", "see docs/configuration.md"),
    "infinite ratio": text(
        "run --max-seconds-ratio inf", "--max-seconds-ratio: must be a finite number", "leave it out"
    ),
    "infinite limit": text("run --limit seconds=inf", "--limit seconds: must be a finite number", "leave it out"),
    "infinite processors": text("run --sandbox cpus=inf", "--sandbox cpus: must be a finite number", "default is 1"),
    "unknown key": text("run --gate risc=0.1", "--gate risc: there is no such setting", "did you mean `risk`?"),
    "seed too large": text(f"run --seed {'9' * 30}", "--seed: must be at most", "the default is 0"),
    "rounds too many": text(f"run --rounds {'9' * 30}", "--rounds: must be at most 1000000", "the default is 10"),
    "tokens too many": text(f"run --limit tokens={'9' * 30}", "--limit", "must be at most", "default"),
    "rounds negative": text("run --rounds -1", "--rounds: must be at least 0 (it is -1)", "the default is 10"),
    "rounds no number": text("run --rounds many", "--rounds: must be a whole number", "see `evolve run --help`"),
    "condition": text("run --scaffold s --suite t --until soon", "until soon:", "write gain<X"),
    "reuse": text("run --reuse maybe", "--reuse: must be 'on' or 'off'", "the default is on"),
    "rule": text("run --gate rule=foo", "--gate rule: there is no rule `foo`", "use one of: evolve"),
    "proposer": text("run --proposer me", "--proposer: there is no proposer `me`", "use one of: direct, self"),
    "unknown option": text("run --round 3", "No such option: --round", "--rounds", "see `evolve run --help`"),
    "option of a subcommand": text("tasks check --suit x", "No such option: --suit", "see `evolve tasks check --help`"),
    "run as an option": text("claim --run x", "No such option: --run", "`evolve claim RUN`", "`evolve claim --help`"),
    "run as an option of export": text(
        "export --to x --format atif --run y", "No such option: --run", "`evolve export RUN`", "`evolve export --help`"
    ),
    "run as an argument": text("history night", "extra argument(s) (night)", "name a run with --run"),
    "unknown command": text("rnu", "No such command 'rnu'", "Did you mean 'run'?", "see `evolve --help`"),
    "unknown subcommand": text("tasks chek", "No such command 'chek'", "'check'", "see `evolve tasks --help`"),
    "missing argument": text("eval", "Missing argument", "see `evolve eval --help`"),
    "choice": text("eval s --split trian", "--split: 'trian' is not one of", "did you mean train?"),
    "too few attempts": text("eval s --attempts 0", "--attempts: must be at least 1", "see `evolve eval --help`"),
    "port": text("embedded serve --port 70000", "--port: must be at most 65535", "see `evolve embedded serve --help`"),
    "host": text("embedded serve --host 203.0.113.7", "--host 203.0.113.7: is no address of this machine", "give one"),
    "age": text("gc --older-than soon", "--older-than soon: is not an age", "such as 12h"),
    "part": text("gc --only everything", "--only everything: there is no such part", "choose from"),
    "variable without value": text("history", "EVOLVE_GATE: `risk` has no value", "KEY=VALUE", EVOLVE_GATE="risk"),
    "variable": text("history", "EVOLVE_GATE__RISK: must be a number", "the default is 0.01", EVOLVE_GATE__RISK="x"),
    "variable that is no JSON": text("history", "EVOLVE_HEADERS:", "a JSON object", EVOLVE_HEADERS="{"),
    "name with an escape": Wrong(("history", "--run", "a\x1bb"), ("--run: 'a\\x1bb' is not a run id", "use letters")),
    "task with an escape": Wrong(("tasks", "new", "a\x1bb"), ("task 'a\\x1bb': is not a task's name", "use small")),
    "scaffold that is missing": text(
        "run --scaffold nope --suite t", "nope: no such folder", "pass a scaffold's folder"
    ),
    "suite that is missing": text("run --scaffold s --suite nope", "nope/suite.toml: no such file", "pass a folder"),
    "endpoint of no model": text(
        "run --proposer-base-url http://localhost:1", "proposer_base_url:", "--proposer-model"
    ),
    "protected task": text("run --scaffold s --suite t --protect two", "protect two: is neither", "correct it"),
}
FILES = {
    "unknown setting": settings("round = 3", "key `round`: there is no such setting", "did you mean `rounds`?"),
    "settings that are no TOML": settings("rounds = ", "is not valid TOML", "correct the file"),
    "binary settings": settings(b"\xff\xfe\x00", "is not UTF-8 text", "save it as UTF-8"),
    "folder of settings": settings(None, "can't be read: Is a directory", "make it a readable file"),
    "setting of another type": settings("protect = [1]", "key `protect`: must be text", "leave it out"),
    "path with a zero": settings('models = "a\\u0000b"', "key `models`: must not contain a zero", "leave it out"),
    "headers of another type": settings("headers = [1]", "key `headers`: must be a table", "docs/models.md"),
    "missing entry": scaffold('name = "s"\nevolvable = ["*"]', "key `entry`: give `entry` or `command`", "correct"),
    "missing name": scaffold('entry = "main.py"\nevolvable = ["*"]', "key `name`: is missing", "add it"),
    "misspelt entry": scaffold(SCAFFOLD.replace("entry", "enrty"), "key `enrty`:", "did you mean `entry`?"),
    "unknown key of a scaffold": scaffold(
        SCAFFOLD + "colour = 1", "key `colour`: there is no such key", "use one of: name"
    ),
    "unknown key of an image": scaffold(SCAFFOLD + '[image]\nnmae = "x"', "key `image.nmae`:", "did you mean `name`?"),
    "pattern without a match": scaffold(
        SCAFFOLD.replace("*.py", "src/*.rs"), "no file matches `src/*.rs`", "correct or"
    ),
    "one pattern without a match": scaffold(
        SCAFFOLD.replace('["*.py"]', '["*.py", "prompst/*.md"]'), "no file matches `prompst/*.md`", "correct or remove"
    ),
    "entry that is missing": scaffold(
        SCAFFOLD.replace("main.py", "mian.py"), "`mian.py` does not exist", "correct the key"
    ),
    "text for a list": scaffold(SCAFFOLD.replace('["*.py"]', '"*.py"'), "key `evolvable`: must be a list", "correct"),
    "empty list": scaffold(SCAFFOLD.replace('["*.py"]', "[]"), "key `evolvable`: must not be empty", "correct"),
    "place": scaffold(SCAFFOLD + 'place = "tsk"', "key `place`: must be 'own' or 'task'", "correct its value"),
    "binary scaffold": scaffold(b"\xff\xfe", "is not UTF-8 text", "save it as UTF-8"),
    "misspelt split": suite(
        '[splits]\ntrian = ["one"]', "key `splits.trian`: there is no such key", "did you mean `train`?"
    ),
    "other misspelt split": suite(SUITE + "validatoin = []", "key `splits.validatoin`:", "did you mean `validation`?"),
    "misspelt splits": suite(
        '[spltis]\ntrain = ["one"]', "key `spltis`: there is no such key", "did you mean `splits`?"
    ),
    "misspelt profile": suite('[suite]\nprofil = "loose"\n' + SUITE, "key `suite.profil`:", "did you mean `profile`?"),
    "no splits": suite("", "key `splits`: is missing", "add it"),
    "task twice": suite('[splits]\ntrain = ["one", "one"]', "task `one` is listed twice", "list it in one split only"),
    "text for tasks": suite('[splits]\ntrain = "one"', "key `splits.train`: must be a list", "correct its value"),
    "binary suite": suite(b"\xff\xfe", "is not UTF-8 text", "save it as UTF-8"),
    "folder of a suite": suite(None, "can't be read: Is a directory", "name a file"),
    "empty instruction": task("instruction.md", "", "is empty", "write what the agent is to do"),
    "blank instruction": task("instruction.md", " \n\n", "is empty", "write what the agent is to do"),
    "binary instruction": task("instruction.md", b"\xff\xfe", "is not UTF-8 text", "save it as UTF-8"),
    "binary task": task("task.toml", b"\xff\xfe", "is not UTF-8 text", "save it as UTF-8"),
    "time of a task": task(
        "task.toml", "[agent]\ntimeout_sec = 'x'", "key `agent.timeout_sec`: must be a number", "correct"
    ),
    "missing instruction": Wrong(
        RUN, ("t/one/instruction.md: required file is missing", "add it"), without=("t/one/instruction.md",)
    ),
    "file for a scaffold": Wrong(
        ("run", "--scaffold", "f", "--suite", "t"), ("f: no such folder", "pass a"), {"f": ""}
    ),
    "file for a suite": Wrong(
        ("run", "--scaffold", "s", "--suite", "f"), ("f/suite.toml: no such", "pass a"), {"f": ""}
    ),
    "file for results": Wrong((*RUN, "--runs", "f"), ("runs f: f is a file, not a folder", "--runs"), {"f": ""}),
    "file above results": Wrong((*RUN, "--runs", "f/a/b"), ("is a file, not a folder", "--runs"), {"f": ""}),
    "file for shown results": Wrong(("history", "--runs", "f"), ("runs f: f is a file", "--runs"), {"f": ""}),
    "file for examined results": Wrong(("doctor", "--runs", "f"), ("runs f: f is a file", "--runs"), {"f": ""}),
    "long name of results": Wrong((*RUN, "--runs", "r" * 300), ("file name too long", "shorter name")),
    "folder for the database": Wrong(RUN, ("runs/evolve.db: is a folder", "move it away"), {"runs/evolve.db": None}),
    "text for the database": Wrong(
        ("history",), ("runs/evolve.db: is not a SQLite database", "use another"), {"runs/evolve.db": "x" * 5000}
    ),
    "database of another program": Wrong(
        ("history",), ("runs/evolve.db: is a database of another program", "use"), prepare=_foreign_database
    ),
    "newer database": Wrong(("history",), ("runs/evolve.db: a newer evolve", "update evolve"), prepare=_newer_database),
    "newer database to clean": Wrong(
        ("gc",), ("runs/evolve.db: a newer evolve", "update evolve"), prepare=_newer_database
    ),
    "no results": Wrong(("history",), ("runs/evolve.db: there are no results yet", "start a run")),
    "unknown run": Wrong(
        ("show", "1", "--run", "x"), ("run x: there is no such run", "use one of"), prepare=_empty_results
    ),
    "profiles that are missing": text(
        "run --scaffold s --suite t --models nope.toml", "nope.toml: No such file", "pass a file"
    ),
    "folder of profiles": Wrong((*RUN, "--models", "m"), ("m: Is a directory", "pass a file"), {"m": None}),
    "key of a profile": Wrong(
        (*RUN, "--models", "m"),
        ("m: mine.base_ulr: there is no such key", "did you mean `base_url`?"),
        {"m": "[mine]\nbase_ulr = 'x'"},
    ),
    "broken git": Wrong(RUN, ("invalid gitfile format", "make `git status` work"), {".git": "rubbish"}),
    "table that is empty": Wrong(
        ("import", "a.jsonl", "--to", "x"), ("a.jsonl: has no rows", "name a file"), {"a.jsonl": ""}
    ),
    "table that is binary": Wrong(
        ("import", "a.jsonl", "--to", "x"), ("a.jsonl, line 1: is not", "write one"), {"a.jsonl": b"\xff"}
    ),
    "file in place of a suite": Wrong(
        ("import", "a.jsonl", "--to", "f"), ("f: exists", "--to"), {"a.jsonl": ROW, "f": ""}
    ),
}
MODELS = {
    "model without a key": Wrong((*RUN, "--model", "gpt-5"), ("model gpt-5: no API key is set", "set OPENAI_API_KEY")),
    "key without a model": Wrong(
        RUN, ("model: OPENAI_API_KEY is set, and no model is named", "--model"), variables=KEY
    ),
    "misspelt profile": Wrong(
        (*RUN, "--model", "minimx/MiniMax-M2.7"),
        ("there is no profile `minimx`", "`minimax/MiniMax-M2.7`?"),
        variables=KEY,
    ),
    "unknown profile": Wrong(
        (*RUN, "--model", "zzz/m"), ("there is no profile `zzz`", "see `evolve models`"), variables=KEY
    ),
    "profile without a model": Wrong((*RUN, "--model", "minimax/"), ("names a profile and no model",), variables=KEY),
    "profile without a key": Wrong((*RUN, "--model", "minimax/MiniMax-M2.7"), ("no API key is set", "MINIMAX_API_KEY")),
    "unknown profile to show": text("models minimx", "model minimx: is in no profile", "did you mean `minimax`?"),
    "no scheme": Wrong(
        (*MODEL, "localhost:8000/v1"),
        ("base_url: localhost:8000/v1 does not begin with http://", "use http://localhost:8000/v1"),
    ),
    "other scheme": Wrong((*MODEL, "ftp://host/v1"), ("base_url: ftp://host/v1 does not begin", "use http://host/v1")),
    "port of an address": Wrong(
        (*MODEL, "http://host:99999/v1"), ("base_url: the address is malformed", "use one like")
    ),
    "escape in an address": Wrong((*MODEL, "http://a\x1bb/v1"), ("base_url: the address contains", "remove it")),
    "no scheme in a variable": Wrong(
        (*RUN, "--model", "m"), ("base_url:", "use http://"), variables={"OPENAI_BASE_URL": "gpu7/v1"}
    ),
    "no scheme of the small model": Wrong(
        (*RUN, "--small-model", "m", "--small-base-url", "gpu7/v1"),
        ("small_base_url: gpu7/v1 does not begin", "use http://gpu7/v1"),
    ),
    "nothing listens": Wrong((*MODEL, "http://127.0.0.1:1/v1"), ("base_url: nothing listens", "start the server")),
}
ENGINES = {
    "dead socket": text("run --scaffold s --suite t", "DOCKER_HOST: no container engine answers", "start it, or unset"),
    "dead socket of a check": text("tasks check --suite t", "DOCKER_HOST: no container engine answers", "start it"),
    "dead socket of the set-up": text("setup", "DOCKER_HOST: no container engine answers", "start it, or unset"),
    "no address": text("setup", "DOCKER_HOST: http://[ is no address", "write it like", DOCKER_HOST="http://["),
    "other machine": text("setup", "DOCKER_HOST: ssh://x is on another machine", "use an", DOCKER_HOST="ssh://x"),
    "missing context": text(
        "setup", "context nope: not in", "docker context use", DOCKER_HOST="", DOCKER_CONTEXT="nope"
    ),
}
ALL = {
    **OPTIONS,
    **FILES,
    **{f"model: {k}": v for k, v in MODELS.items()},
    **{f"engine: {k}": v for k, v in ENGINES.items()},
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a scaffold and a suite of one task, on a machine whose engine is dead."""
    folder = tmp_path / "home"
    shutil.copytree(ROOT / "tasks" / "bugfix" / "vending-machine", folder / "t" / "one")
    (folder / "s").mkdir()
    for name, content in (("s/main.py", "print(1)\n"), ("s/scaffold.toml", SCAFFOLD), ("t/suite.toml", SUITE)):
        (folder / name).write_text(content)
    for name in [name for name in os.environ if name.startswith(("OPENAI_", "EVOLVE_", "DOCKER_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/dead.sock")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(folder)
    engine.reset_connection()
    yield folder
    engine.reset_connection()


def ended(monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> int:
    """The exit status of a command."""
    monkeypatch.setattr("sys.argv", ["evolve", *words])
    with pytest.raises(SystemExit) as raised:
        main()
    return int(raised.value.code or 0)


def entries(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def error_line(shown: str) -> str:
    """The one error of a command, which is its last line."""
    lines = [line for line in shown.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and shown.endswith(f"{lines[0]}\n"), shown
    return lines[0]


def assert_in_order(line: str, parts: tuple[str, ...]) -> None:
    rest = line
    for part in parts:
        assert part in rest, (part, line)
        rest = rest.partition(part)[2]


@pytest.mark.parametrize("name", ALL)
def test_a_wrong_input_ends_in_one_line_with_the_fix(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    wrong = ALL[name]
    for file, content in wrong.files.items():
        place = home / file
        place.unlink(missing_ok=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            place.mkdir()
        else:
            place.write_bytes(content.encode() if isinstance(content, str) else content)
    for file in wrong.without:
        (home / file).unlink()
    if wrong.prepare:
        wrong.prepare(home)
    for variable, value in wrong.variables.items():
        monkeypatch.setenv(variable, value)
    before = entries(home)
    status = ended(monkeypatch, wrong.words)
    shown = capsys.readouterr()
    assert_in_order(error_line(shown.err), wrong.line)
    assert (status, shown.out, entries(home) - before) == (EXIT_BAD_INPUT, "", set())


def test_a_setting_of_a_list_in_the_file_reaches_a_command(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "evolve.toml").write_text('protect = ["two"]\n')
    assert ended(monkeypatch, RUN) == EXIT_BAD_INPUT
    assert "protect two: is neither a task" in error_line(capsys.readouterr().err)


def test_a_port_in_use_is_the_users_to_choose(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        assert ended(monkeypatch, ("embedded", "serve", "--port", str(port))) == EXIT_BAD_INPUT
    assert (
        error_line(capsys.readouterr().err)
        == f"error: --port {port}: is in use; give another with --port; 0 is any free one"
    )


@contextmanager
def endpoint(listed: tuple[int, str, bytes], called: tuple[int, str, bytes]) -> Iterator[str]:
    """The address of an endpoint with one answer to each list of its models and one to each call."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(listed)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self._answer(called)

        def _answer(self, answer: tuple[int, str, bytes]) -> None:
            self.send_response(answer[0])
            self.send_header("content-type", answer[1])
            self.send_header("content-length", str(len(answer[2])))
            self.end_headers()
            self.wfile.write(answer[2])

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


PAGE = (200, "text/html", b"<!doctype html><html><body>Welcome</body></html>")
LIST = (200, "application/json", b'{"object": "list", "data": [{"id": "m", "object": "model"}]}')
OTHER = (200, "application/json", b'{"hello": 1}')
REJECTED = (401, "application/json", b'{"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}')


@pytest.mark.parametrize(
    ("listed", "called", "line"),
    [
        (PAGE, PAGE, ("base_url: http://", "answers with a web page", "use the address of the API")),
        (OTHER, OTHER, ("base_url: http://", "lists no models", "use the address of the API")),
        (REJECTED, REJECTED, ("the endpoint refuses the key", "Incorrect API key", "set OPENAI_API_KEY")),
        (LIST, REJECTED, ("model m: ", "Incorrect API key", "set OPENAI_API_KEY")),
    ],
    ids=["web page", "other JSON", "rejected key", "key rejected by a call"],
)
def test_a_wrong_endpoint_or_key_ends_in_one_line(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    listed: tuple[int, str, bytes],
    called: tuple[int, str, bytes],
    line: tuple[str, ...],
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY["OPENAI_API_KEY"])
    before = entries(home)
    with endpoint(listed, called) as address:
        status = ended(monkeypatch, (*MODEL, address))
    shown = error_line(capsys.readouterr().err)
    assert_in_order(shown, line)
    assert (status, entries(home) - before) == (EXIT_BAD_INPUT, set()) and KEY["OPENAI_API_KEY"] not in shown


def test_the_doctor_names_the_engine_that_was_chosen_and_no_make(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, ("doctor", "--json")) == 1
    shown = capsys.readouterr().out
    assert "DOCKER_HOST: no container engine answers at unix://" in shown and "start it, or unset DOCKER_HOST" in shown
    assert "make " not in shown


def test_a_repository_without_commits_is_no_fault(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run's own commits are its first; so it ends with the dead engine, as it would in any other folder."""
    subprocess.run(["git", "init", "-q"], cwd=home, check=True)
    assert ended(monkeypatch, RUN) == EXIT_BAD_INPUT
    assert "no container engine answers" in error_line(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("said", "image"),
    [
        ("pull access denied for nope, repository does not exist or may require 'docker login': denied", "nope"),
        ("manifest for python:9.9 not found: manifest unknown: manifest unknown", "python:9.9"),
        (
            "failed to resolve source metadata for docker.io/library/nope:1: docker.io/library/nope:1: not found",
            "nope:1",
        ),
    ],
)
def test_a_base_image_that_does_not_exist_is_named(said: str, image: str) -> None:
    error = image_store.task_fault("t/one", BuildError(said, iter([])))
    assert f"the base image `{image}` does not exist" in error.problem and "correct it in the Dockerfile" in error.fix


def test_a_measured_scaffold_that_never_starts_is_wrong_input() -> None:
    crashed = result(reward=0.0, outcome=Outcome.SCAFFOLD_ERROR, detail="SyntaxError: invalid syntax")
    with pytest.raises(BadInput) as raised:
        refuse_crashing("s", [crashed, crashed])
    assert_in_order(str(raised.value), ("s: it made no model call", "SyntaxError", "make it start"))
    refuse_crashing("s", [crashed, result(reward=0.0)])
    refuse_crashing("s", [])


def test_a_socket_that_this_user_may_not_use_is_forbidden_and_not_dead(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket(socket.AF_UNIX) as used:
        used.bind("engine.sock")
        monkeypatch.setenv("DOCKER_HOST", f"unix://{home}/engine.sock")
        monkeypatch.setattr(os, "access", lambda *_: False)
        assert ended(monkeypatch, ("setup",)) == EXIT_BAD_INPUT
    assert "your user may not use its socket; add yourself to the group docker" in error_line(capsys.readouterr().err)


def test_a_place_where_nothing_may_be_written_is_named_with_the_fix(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "runs").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("runs"))
    assert ended(monkeypatch, RUN) == EXIT_BAD_INPUT
    assert "runs runs: this user may not write to runs; give another folder with --runs" in error_line(
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    "error", [PermissionError(13, "Permission denied", "x/y"), OSError(30, "Read-only file system", "x/y")]
)
def test_a_path_that_the_system_refuses_is_no_bug(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: OSError
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr("evolve.cli.reading.history", refuse)
    assert ended(monkeypatch, ("history",)) == EXIT_BAD_INPUT
    assert error_line(capsys.readouterr().err).startswith("error: x/y: ")


def test_anything_else_stays_a_bug(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise FileNotFoundError(2, "No such file or directory", "x/y")

    monkeypatch.setattr("evolve.cli.reading.history", fail)
    assert ended(monkeypatch, ("history",)) == 3
    assert "this is a bug in evolve" in capsys.readouterr().err
