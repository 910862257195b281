"""Temporary names have an owner: what a killed process left goes, what a living one uses stays."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import pytest

from evolve.budget import run_budget
from evolve.host import disk, temporary
from evolve.host.temporary import PURPOSES, is_abandoned, is_dead, process_mark, sweep_folders, temporary_folder
from evolve.maintenance import doctor, gc
from evolve.repo.export import fresh_folder
from evolve.sandbox import engine
from evolve.store import Store
from tests.played import RUNS

SOURCE = Path(__file__).parents[1] / "evolve"
# Git waits in each of these; the process says so and is killed, or lives on.
WAITING = """
import sys, time
from pathlib import Path
from evolve.repo import objects
from evolve.repo.shell import GitShell

def wait(*args, **options):
    print("ready", flush=True)
    time.sleep(60)

class Waiting(GitShell):
    run = text = ask = wait

shell = Waiting(Path())
{call}
"""
CALLS = {
    "blobs": "objects.store_bytes(shell, [b'x'])",
    "index": "objects.changed_tree(shell, None, [])",
    "merge": "from evolve.repo import merge; merge.transplanted_edits(shell, {'a': '1'}, {'a': '2'}, {'a': '3'})",
}


@pytest.fixture(autouse=True)
def top(tmp_path: Path) -> Iterator[Path]:
    """A folder for temporary files that only this test uses."""
    folder = tmp_path / "temporary"
    folder.mkdir(exist_ok=True)
    with mock.patch.dict(os.environ, TMPDIR=str(folder)), mock.patch.object(tempfile, "tempdir", str(folder)):
        yield folder


def waiting(call: str) -> subprocess.Popen[str]:
    script = WAITING.format(call=call)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=SOURCE.parent)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.parametrize("purpose", CALLS)
def test_only_the_folder_of_a_killed_process_is_removed(top: Path, purpose: str) -> None:
    killed, living = waiting(CALLS[purpose]), waiting(CALLS[purpose])
    try:
        both = set(top.iterdir())
        assert len(both) == 2 and all(path.name.startswith(f"evolve-{purpose}-") for path in both)
        assert sweep_folders() == []
        for folder in both:
            os.utime(folder, (0, 0))
        end(killed)
        (removed,) = sweep_folders()
        assert set(top.iterdir()) == both - {Path(removed)} and f"-{killed.pid}." in removed
    finally:
        end(living)
    sweep_folders()
    assert list(top.iterdir()) == []


def leave(top: Path, name: str, age: float = 0.0) -> Path:
    folder = top / name
    folder.mkdir()
    (folder / "file").write_text("x")
    os.utime(folder, (time.time() - age,) * 2)
    return folder


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_folder_without_a_mark_is_removed_when_it_is_old(top: Path, purpose: str) -> None:
    old = leave(top, f"evolve-{purpose}-abc", 2 * temporary.OLD_SECONDS)
    leave(top, f"evolve-{purpose}-abd")
    leave(top, "evolve-mine", 2 * temporary.OLD_SECONDS)
    leave(top, f"other-{purpose}-abc", 2 * temporary.OLD_SECONDS)
    assert sweep_folders() == [str(old)]


def test_a_process_elsewhere_may_have_the_same_id(top: Path) -> None:
    """After a restart of the machine, or in another container, a number means another process."""
    with mock.patch.object(temporary, "process_namespace", return_value="pid:[1]"):
        elsewhere = f"evolve-blobs-{process_mark().replace(str(os.getpid()), '4194304')}-x"
        assert is_dead(elsewhere)
    assert is_dead(elsewhere) is None and not is_abandoned(leave(top, elsewhere))


def test_a_reused_process_id_is_another_process() -> None:
    pid, start, machine = process_mark().split(".")
    assert not is_dead(f"evolve-blobs-{pid}.{start}.{machine}-x")
    assert is_dead(f"evolve-blobs-{pid}.{int(start) - 1}.{machine}-x")


def dead_mark() -> str:
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    return f"{int(child.stdout)}.1.{process_mark().split('.')[2]}"


def test_a_replays_folders_for_sockets_have_its_mark(top: Path) -> None:
    mark = dead_mark()
    dead, living = (leave(top, f"{engine.temporary_prefix(f'r.replay.{one}')}x") for one in (mark, process_mark()))
    run = leave(top, f"{engine.temporary_prefix('r')}x", 2 * temporary.OLD_SECONDS)
    assert sweep_folders() == [str(dead)] and living.is_dir() and run.is_dir()


def test_a_purpose_that_nothing_sweeps_is_an_error() -> None:
    with pytest.raises(ValueError, match="is not swept"), temporary_folder("nobodys"):
        pass


def test_nothing_else_makes_named_temporary_files() -> None:
    """Crash logs are kept for people; sockets' folders are swept by their run's name, imports' beside their target."""
    allowed = {"host/temporary.py", "report/crash.py", "sandbox/resources.py", "sandbox/egress.py", "repo/export.py"}
    # The demo's report stays for its reader.
    allowed |= {"project/importers/importing.py", "cli/demo.py"}
    named = re.compile(r"tempfile\.(?:mk[a-z]+|NamedTemporaryFile|TemporaryDirectory)")
    found = {str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if named.search(path.read_text())}
    assert found == allowed


def test_a_partial_export_of_a_killed_process_is_removed(tmp_path: Path) -> None:
    dead, living = (leave(tmp_path, f".x.partial-{mark}-a", 9e6) for mark in (dead_mark(), process_mark()))
    with fresh_folder(tmp_path / "x") as place:
        assert not dead.exists() and living.exists() and place.parent == tmp_path
    assert (tmp_path / "x").is_dir()


def test_a_folder_that_another_process_makes_first_stays(tmp_path: Path) -> None:
    with fresh_folder(tmp_path / "x") as place, mock.patch.object(Path, "exists", return_value=False):
        (place / "a").write_text("mine")
        (tmp_path / "x").mkdir()
        (tmp_path / "x" / "a").write_text("theirs")
    assert [(path.name, (path / "a").read_text()) for path in tmp_path.glob("*x*")] == [("x", "theirs")]


def test_files_written_at_once_do_not_share_a_temporary_name(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from evolve.host.disk import write_atomically\n"
        "for _ in range(300): write_atomically(Path(sys.argv[1]), sys.argv[2].encode() * 100)"
    )
    both = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "f"), text]) for text in ("a", "b")]
    assert [process.wait() for process in both] == [0, 0]
    assert (tmp_path / "f").read_bytes() in (b"a" * 100, b"b" * 100)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["f"]


def test_an_unfinished_file_of_a_killed_process_is_removed(tmp_path: Path) -> None:
    for mark in (dead_mark(), process_mark()):
        (tmp_path / f"f.{mark}.1{disk.PART}").write_text("x")
    (tmp_path / "mine.part").write_text("x")
    disk.sweep_parts([tmp_path, tmp_path / "none"])
    left = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert left == {f"f.{process_mark()}.1{disk.PART}", "mine.part"}


def test_each_replay_has_a_spending_file_of_its_own(tmp_path: Path) -> None:
    dead = tmp_path / "spending" / f"beside-{dead_mark()}.db"
    dead.parent.mkdir()
    dead.touch()
    another = f"1.{temporary.process_start(1)}.{process_mark()[-8:]}"
    with mock.patch.object(run_budget, "process_mark", return_value=another):
        first = run_budget.begin_unbooked(tmp_path)
    second = run_budget.begin_unbooked(tmp_path)
    assert first.terms.path.exists() and second.terms.path != first.terms.path and not dead.exists()
    second.close()
    assert first.terms.path.exists() and not second.terms.path.exists()
    first.close()
    assert list(dead.parent.iterdir()) == []


def test_doctor_and_gc_name_and_remove_them_without_an_engine(top: Path, played_home: Path) -> None:
    dead, living = (leave(top, f"evolve-index-{mark}-x") for mark in (dead_mark(), process_mark()))
    request = gc.GcRequest(gc_time(), frozenset({"leftovers"}))
    with mock.patch.object(engine, "answers", return_value=False), Store.open(RUNS / "evolve.db") as store:
        planned = gc.plan(RUNS, store, request)
        assert [entry.names for entry in planned.entries] == [(str(dead),)] and planned.entries[0].bytes == 1
        found = [finding for finding in doctor.machine.check_temporary() if finding.check == "temporary folders"]
        assert "1 of ended processes" in found[0].detail and dead.is_dir()
        assert gc.remove(RUNS, store, request, planned).entries == planned.entries
        assert not dead.exists() and living.is_dir()
        leave(top, dead.name)
        fixed = [finding.detail for finding in doctor.repair(RUNS) if finding.check == "temporary folders"]
    assert fixed == ["removed 1 of ended processes"] and not dead.exists() and living.is_dir()
    assert doctor.machine.check_temporary() == []


def gc_time() -> datetime:
    return datetime.now(UTC)
