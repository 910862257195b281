"""What must not leave this machine with an export, and what names in it may do to the machine that it is written on."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from unittest import mock

import pytest

from evolve.core.records import Candidate, Outcome, Split, TrialResult, Usage
from evolve.export import card, harbor, otel, redaction, selection
from evolve.export.formats import Format
from evolve.export.harbor import Job
from evolve.export.run import export_run
from evolve.export.selection import ExportedTrial, Selection
from evolve.store import TaskRow

from ..exported import CONFIG, KEY, VERIFIER_OUTPUT, run_row, store_run

SEED = Candidate("c" * 40, 0, None, "b")
FORGED = "x\n---\nlicense: mit\n---\n</td><script>alert(1)</script> [a](http://x) | `y` \x1b[2K"


def texts(folder: Path) -> str:
    """All that the three exports of a run hold, names of files included."""
    runs = folder / "runs"
    runs.mkdir()
    store_run(runs)
    for form in Format:
        export_run(runs, None, form, folder / form)
    shutil.rmtree(runs)
    return "".join(f"{path}\n{path.read_text()}" for path in folder.rglob("*") if path.is_file())


def shows_hidden_tests(folder: Path) -> bool:
    return VERIFIER_OUTPUT in texts(folder)


def shows_the_holdout(folder: Path) -> bool:
    return "delta" in texts(folder)


def shows_the_key(folder: Path) -> bool:
    return KEY in texts(folder)


def trial(task: str) -> ExportedTrial:
    result = TrialResult(
        SEED.commit, task, Split.TRAIN, 0, 7, Outcome.FAILED, 0.0, Usage(), "2026-11-23T21:44:00+00:00", 1.0
    )
    return ExportedTrial(result, 0, "")


def chosen(root: Path) -> Selection:
    tasks = (TaskRow("alpha", Split.TRAIN, "easy", "0" * 64),)
    return Selection(run_row(root), CONFIG, root, (Split.TRAIN,), tasks, ())


def leaves_its_folder(folder: Path) -> bool:
    job = Job(chosen(folder), 0, redaction.Redactor(()))
    (folder / "out").mkdir()
    with contextlib.suppress(OSError):
        job.write_trial(folder / "out", trial("../../escaped"), {})
    return any("escaped" in path.name and "out" not in path.parts for path in folder.parent.rglob("*"))


def forges_the_card(folder: Path) -> bool:
    page = card.Card(chosen(folder), (), {"alpha": FORGED}, {}).text()
    return "\nlicense: mit" in page or "<script>" in page or "\x1b" in page


def weaker_exceptions() -> AbstractContextManager[object]:
    return mock.patch.dict(harbor.EXCEPTIONS, {Outcome.FAILED: "Failed"})


def all_splits() -> AbstractContextManager[object]:
    return mock.patch.object(selection, "DEFAULT_SPLITS", tuple(Split))


def no_redaction() -> AbstractContextManager[object]:
    return mock.patch.object(redaction, "without_secrets", lambda text, secrets: text)


def names_as_they_are() -> AbstractContextManager[object]:
    return mock.patch.object(selection, "file_name", lambda text: text)


def no_markdown() -> AbstractContextManager[object]:
    return mock.patch.object(card, "markdown", lambda text: text)


ATTACKS: list[tuple[Callable[[Path], bool], Callable[[], AbstractContextManager[object]]]] = [
    (shows_hidden_tests, weaker_exceptions),
    (shows_the_holdout, all_splits),
    (shows_the_key, no_redaction),
    (leaves_its_folder, names_as_they_are),
    (forges_the_card, no_markdown),
]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.mark.parametrize(("attack", "hole"), ATTACKS, ids=lambda one: one.__name__)
def test_an_export_gives_nothing_away(
    attack: Callable[[Path], bool], hole: Callable[[], AbstractContextManager[object]], tmp_path: Path
) -> None:
    weak, real = tmp_path / "weak" / "in", tmp_path / "real" / "in"
    for folder in (weak, real):
        folder.mkdir(parents=True)
    with hole():
        assert attack(weak), "the attack does not work without the protection"
    assert not attack(real)


def test_traces_hold_no_conversation(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    store_run(tmp_path / "runs")
    export_run(tmp_path / "runs", None, Format.OTEL, tmp_path / "out")
    text = (tmp_path / "out" / "traces.jsonl").read_text()
    assert "Mend it." not in text and "I look." not in text and otel.SCHEMA_URL in text
