"""The documentation: its commands exist and run, its links lead somewhere, its reference is that of the code.

A fenced block of a tutorial is marked by a comment above it if it needs a container engine (`<!-- engine -->`) or
can't be run here (`<!-- not run: why -->`). With EVOLVE_DOCS (`make test-docs`) those with an engine run too, and the
site is built.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import yaml
from typer.exceptions import TyperException

import evolve
from evolve.embedded.server import create_app
from evolve.host.listening import listen
from evolve.store.schema import metadata

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
TUTORIALS = ["index.md", "tutorial-endpoint.md", "tutorial-agent.md", "tutorial-tasks.md"]
SECONDS, WHOLE_SECONDS = 120, 1800
FENCE = re.compile(
    r"^(?:<!-- (?P<mark>[^\n]*?) -->\n)?^```(?P<kind>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
SHELL = ("", "sh", "bash", "shell", "console")
HEREDOC = re.compile(r"<<'(\w+)'\n.*?^\1$", re.MULTILINE | re.DOTALL)
BETWEEN = re.compile(r"[|&;()]+|[<>&|]+")
ASSIGNMENT = re.compile(r"[A-Z_]+=")
# Words that stand for a value of a certain form.
PLACEHOLDERS = {"N": "1", "SPLIT": "train", "LEVEL": "source", "PORT": "8123"}
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
# What the tutorials call an endpoint and its model.
ADDRESS, MODEL = "http://localhost:8000/v1", "my-model"
# A run of a tutorial shows that its commands work; so its gate decides after a few trials.
SHORT = {"EVOLVE_GATE": "passes=1 tip_passes=1", "EVOLVE_SCORE_ATTEMPTS": "1", "EVOLVE_HOLDOUT_ATTEMPTS": "1"}


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def script(name: str) -> Any:
    """A script that makes the site."""
    spec = importlib.util.spec_from_file_location(name, DOCS / "site" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def reference() -> Any:
    return script("reference")


def blocks(page: Path) -> list[tuple[str, str]]:
    """(mark, text) of each fenced block of shell commands."""
    found = FENCE.finditer(page.read_text(encoding="utf-8"))
    return [(one["mark"] or "", one["text"]) for one in found if one["kind"].strip() in SHELL]


def simple_commands(text: str) -> Iterator[list[str]]:
    """The simple commands of a script, without assignments, redirections and comments."""
    for line in HEREDOC.sub("", text).replace("\\\n", " ").splitlines():
        try:
            lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            tokens = [token.strip("[]") for token in lexer]
        except ValueError:  # the output of a command, not a command
            continue
        words: list[str] = []
        for token in [*tokens, ";"]:
            if not BETWEEN.fullmatch(token):
                words.append(token)
                continue
            yield _program(words)
            words = []


def _program(words: list[str]) -> list[str]:
    while words and (ASSIGNMENT.match(words[0]) or words[0] == "nohup"):
        words = words[1:]
    return [words[0].rpartition("/")[2], *words[1:]] if words else []


def wrong_with(words: Sequence[str], tree: Any) -> str:
    """What is wrong with a command line of `evolve`; "" for nothing. Nothing is run."""
    rest = [PLACEHOLDERS.get(word, word) for word in words]
    command, context = tree, tree.make_context("evolve", [], resilient_parsing=True)
    while hasattr(command, "commands"):
        if not rest or rest[0] in ("--help", "--version"):
            return ""
        if rest[0] not in command.commands:
            return f"there is no command {rest[0]}"
        name = rest.pop(0)
        command = command.commands[name]
        if hasattr(command, "commands"):
            context = command.make_context(name, [], parent=context, resilient_parsing=True)
    try:
        command.make_context(words[0], rest, parent=context)
    except TyperException as error:
        return error.format_message()
    return ""


def wrong_with_make(words: Sequence[str], makefile: str) -> str:
    """What is wrong with a command line of `make`."""
    settings = re.findall(r"^SETTINGS := (.*)$", makefile.replace("\\\n", " "), re.MULTILINE)[0].split()
    for word in words:
        name, equals, _ = word.partition("=")
        if equals and name not in (*settings, "PYTHON"):
            return f"there is no setting {name}"
        if not equals and not re.search(rf"^{re.escape(word)}:", makefile, re.MULTILINE):
            return f"there is no target {word}"
    return ""


@pytest.fixture(scope="module")
def tree() -> Any:
    return reference().command_tree()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_line_is_one_of_the_command_line(page: Path, tree: Any) -> None:
    makefile, wrong = (ROOT / "Makefile").read_text(), []
    for words in (words for _, text in blocks(page) for words in simple_commands(text) if words):
        if words[0] == "evolve":
            wrong.append((words, wrong_with(words[1:], tree)))
        elif words[0] == "make":
            wrong.append((words, wrong_with_make(words[1:], makefile)))
    assert not [(words, problem) for words, problem in wrong if problem]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("evolve run --round 3", "No such option: --round"),
        ("A=1 nohup .venv/bin/evolve shw 3 >log 2>&1 &", "no command shw"),
        ("cd x && evolve history night", "unexpected extra argument"),
        ("evolve tasks check [--again] | tail", ""),
        ("evolve tasks check [--agian] | tail", "No such option"),
        ("evolve run --rounds many", "valid integer"),
        ("RUN=a make evolve SEED=1 >log 2>&1 &", ""),
        ("make evolv", "no target"),
        ("make evolve ROUND=3", "no setting"),
    ],
)
def test_a_wrong_command_line_is_found(tree: Any, line: str, problem: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    found = [words for words in simple_commands(line) if words and words[0] in ("evolve", "make")]
    assert len(found) == 1
    check = wrong_with(found[0][1:], tree) if found[0][0] == "evolve" else wrong_with_make(found[0][1:], makefile)
    assert problem in check and bool(problem) == bool(check)


def test_there_are_many_command_lines() -> None:
    """What looks for them still finds them."""
    found = [words for page in PAGES for _, text in blocks(page) for words in simple_commands(text) if words]
    assert sum(words[0] == "evolve" for words in found) > 80 and sum(words[0] == "make" for words in found) > 8


def test_every_block_of_a_tutorial_runs_or_says_why_not() -> None:
    marks = [mark for name in TUTORIALS for mark, _ in blocks(DOCS / name)]
    unrun = [mark for mark in marks if mark.startswith("not run: ")]
    assert {mark for mark in marks if mark not in unrun} == {"", "engine"}
    assert len(unrun) == 1 and all(len(mark) > len("not run: ") + 10 for mark in unrun)


def test_the_reference_names_every_command_option_table_and_public_name(tree: Any) -> None:
    pages = {name: page() for name, page in reference().PAGES.items()}
    for path, command in reference().leaves(tree):
        section = pages["commands.md"].partition(f"\n## {path}\n")[2].partition("\n## ")[0]
        names = [name for one in command.params if one.param_type_name == "option" for name in one.opts]
        assert section and all(f"`{name}" in section for name in names if name != "--help"), path
    assert all(f"\n## {table}\n" in pages["schema.md"] for table in metadata.tables)
    assert all(f"\n## evolve.{name}\n" in pages["python.md"] for name in evolve.__all__ if name != "__version__")
    assert " at 0x" not in pages["python.md"]


def test_every_page_is_in_the_navigation_once() -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    pages = [page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")]
    script("hooks").add_pages(nav, [*pages, "new.md"])
    assert sorted(script("hooks").named_pages(nav)) == sorted([*pages, *reference().PAGES, "new.md"])


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them; MkDocs makes the same of ours."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in (first or second for first, second in LINK.findall(text)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not anchor or file.suffix != ".md" or anchor in anchors(file), target


@contextmanager
def embedded_endpoint() -> Iterator[str]:
    """The address of an endpoint that serves the embedded model."""
    listening = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(create_app(), log_level="error"))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def run_blocks(folder: Path, page: Path, marks: tuple[str, ...], seconds: int) -> None:
    """Run the blocks of a page in order, in one shell."""
    program = folder / "bin" / "evolve"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m evolve "$@"\n')
    program.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "EVOLVE_"))}
    path = f"{program.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**kept, **SHORT, "PATH": path, "PYTHONPATH": str(ROOT)}
    script = "\n".join(text for mark, text in blocks(page) if mark in marks)
    with embedded_endpoint() as address:
        script = script.replace(ADDRESS, address).replace(MODEL, "embedded")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=seconds, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize("name", TUTORIALS)
def test_a_tutorial_runs_without_an_engine(tmp_path: Path, name: str) -> None:
    run_blocks(tmp_path, DOCS / name, ("",), SECONDS)


@pytest.mark.slow
@pytest.mark.docker
@pytest.mark.parametrize("name", TUTORIALS)
def test_a_whole_tutorial_runs(tmp_path: Path, name: str) -> None:
    if "EVOLVE_DOCS" not in os.environ:
        pytest.skip("EVOLVE_DOCS is not set")
    run_blocks(tmp_path, DOCS / name, ("", "engine"), WHOLE_SECONDS)


@pytest.mark.slow
def test_the_site_is_built_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    if "EVOLVE_DOCS" not in os.environ:
        pytest.skip("EVOLVE_DOCS is not set")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    loaded = re.compile(r"<(?:script|img|iframe)[^>]* src=\"https?:|<link[^>]*rel=\"stylesheet\"[^>]*href=\"https?:")
    assert not [page.name for page in tmp_path.rglob("*.html") if loaded.search(page.read_text(encoding="utf-8"))]
