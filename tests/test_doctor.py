"""The doctor: each kind of damage is found; what --fix repairs is intact again, and nothing else changes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.command import downgrade
from filelock import FileLock

from evolve import cli
from evolve.core.errors import BadInput
from evolve.maintenance import doctor
from evolve.maintenance.doctor import files, machine, results
from evolve.repo import Repository
from evolve.sandbox import container, engine, images, leftovers, probe, scaffold_container
from evolve.store import integrity
from tests.migrated import migrated
from tests.played import RUN, RUNS, SCAFFOLD, git

CHAMPION = f"evolve/{RUN}/champion"


@pytest.fixture
def home(played_home: Path) -> Path:
    return played_home


def branch(number: int) -> str:
    return f"evolve/{RUN}/round-{number:04d}"


def bad(deep: bool = False) -> list[str]:
    return [f"{one.check}: {one.detail}" for one in results.examine(RUNS, deep) if one.state == "bad"]


def execute(sql: str) -> None:
    with sqlite3.connect(RUNS / "evolve.db") as database:
        database.execute(sql)
    database.close()


def tree(top: Path) -> dict[str, bytes]:
    return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


def test_a_healthy_run_has_no_bad_finding_and_examining_changes_nothing(home: Path) -> None:
    before = tree(home)
    found = results.examine(RUNS, deep=True)
    assert {one.state for one in found} <= {"good", "note"}, found
    assert {one.check for one in found} == {"database", "clock", "lineage", "files", "leftovers"}
    assert doctor.repair(RUNS) == []
    assert tree(home) == before


def drop_branch() -> None:
    git("update-ref", "-d", f"refs/heads/{branch(2)}")


def drop_champion() -> None:
    git("update-ref", "-d", f"refs/heads/{CHAMPION}")


def move_champion() -> None:
    git("update-ref", f"refs/heads/{CHAMPION}", branch(0))


def drop_notes() -> None:
    git("update-ref", "-d", "refs/notes/evolve")


def other_note() -> None:
    git(
        "notes",
        "--ref=evolve",
        "add",
        "-f",
        "-m",
        f"Evolve-Run: {RUN}\nEvolve-Round: 2\nEvolve-Decision: keep",
        branch(2),
    )


def lock_ref() -> None:
    lock = Path("repo/.git/refs/heads", f"{branch(1)}.lock")
    lock.touch()
    os.utime(lock, (1, 1))


FIXED = [
    (drop_branch, "branch missing"),
    (drop_champion, "champion branch missing"),
    (move_champion, "does not point to the champion"),
    (drop_notes, "without a git note"),
    (other_note, "differs from the decision"),
    (lock_ref, "stale lock"),
]


@pytest.mark.parametrize(("spoil", "words"), FIXED)
def test_fixable_damage_is_found_and_repaired(home: Path, spoil: Callable[[], None], words: str) -> None:
    git("config", "user.evolve", "x")
    hook = Path("repo/.git/hooks/reference-transaction")
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    spoil()
    hook.chmod(0o755)
    before = git("status", "--porcelain"), git("rev-parse", "HEAD"), Path("repo/.git/index").read_bytes()
    rows = tree(RUNS)
    found = bad()
    assert len(found) == 1 and words in found[0] and RUN in found[0]
    done = doctor.repair(RUNS)
    assert done and {one.state for one in done} == {"fixed"}
    assert bad() == [] and doctor.repair(RUNS) == []
    assert (git("status", "--porcelain"), git("rev-parse", "HEAD"), Path("repo/.git/index").read_bytes()) == before
    assert tree(RUNS) == rows


def move_branch() -> None:
    git("update-ref", f"refs/heads/{branch(3)}", branch(0))


def lose_commit() -> None:
    sha = git("rev-parse", branch(3))
    Path("repo/.git/objects", sha[:2], sha[2:]).unlink()


def branch_of_no_row() -> None:
    git("update-ref", f"refs/heads/{branch(9)}", branch(0))


def lose_file() -> None:
    next((RUNS / RUN / "trials").glob("*.json.gz")).unlink()


def lose_transcript() -> None:
    next((RUNS / RUN / "proposals").glob("*")).unlink()


def change_file() -> None:
    next((RUNS / RUN / "trials").glob("*.json.gz")).write_bytes(b"changed")


def foreign_row() -> None:
    execute("UPDATE candidate SET parent_id = 999 WHERE round = 2")


def future_row() -> None:
    execute("UPDATE run SET created_at = '2990-01-01T00:00:00+00:00'")


LASTING = [
    (move_branch, "does not point to its candidate"),
    (lose_commit, "commit missing"),
    (branch_of_no_row, "not in the database"),
    (lose_file, "1 missing"),
    (lose_transcript, "1 missing"),
    (change_file, "sha256 differs"),
    (foreign_row, "refers to a missing row"),
    (future_row, "behind the newest row"),
]


@pytest.mark.parametrize(("spoil", "words"), LASTING)
def test_damage_that_needs_a_person_is_found_and_left_alone(home: Path, spoil: Callable[[], None], words: str) -> None:
    spoil()
    assert any(words in line for line in bad()), bad()
    before = tree(home)
    doctor.repair(RUNS)
    assert tree(home) == before


def test_a_changed_file_beyond_the_sample_is_found_by_deep(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "SAMPLE", 2)
    names = [path for (path,) in _rows("SELECT recording_path FROM trial ORDER BY id")]
    (RUNS / names[3]).write_bytes(b"changed")
    assert bad() == []
    assert [line for line in bad(deep=True) if names[3] in line]


def _rows(query: str) -> list[tuple[str, ...]]:
    with sqlite3.connect(RUNS / "evolve.db") as database:
        found = database.execute(query).fetchall()
    database.close()
    return found


def test_a_damaged_page_is_found(home: Path) -> None:
    file = RUNS / "evolve.db"
    data = bytearray(file.read_bytes())
    for at in range(4096, len(data), 3 * 4096):
        data[at : at + 64] = b"\xff" * 64
    file.write_bytes(data)
    found = bad()
    assert found and found[0].startswith("database: ")


def test_a_file_that_is_no_database_is_one_finding(home: Path) -> None:
    (RUNS / "evolve.db").write_text("no database, " * 100)
    assert [line for line in bad() if "can't be read" in line] and len(bad()) == 1
    assert [one.state for one in doctor.repair(RUNS)] == ["bad"]


def test_a_database_of_an_older_version_is_read_and_stays_as_it_is(home: Path) -> None:
    with contextlib.closing(sqlite3.connect(RUNS / "evolve.db")) as db:
        (current,) = db.execute("SELECT version_num FROM alembic_version").fetchone()
    execute("UPDATE alembic_version SET version_num = '0000'")
    assert "newer evolve" in bad()[0]
    execute(f"UPDATE alembic_version SET version_num = '{current}'")
    migrated(RUNS / "evolve.db", downgrade, "0006")
    execute("PRAGMA journal_mode = DELETE")
    before = (RUNS / "evolve.db").read_bytes()
    assert not integrity.inspect_database(RUNS / "evolve.db").current
    assert bad() == [] and (RUNS / "evolve.db").read_bytes() == before


def test_folders_of_unknown_runs_are_reported(home: Path) -> None:
    (RUNS / "stranger").mkdir()
    found = [one for one in results.examine(RUNS, False) if one.check == "run folders"]
    assert [(one.state, "stranger" in one.detail) for one in found] == [("note", True)]


def test_a_running_run_is_skipped(home: Path) -> None:
    drop_notes()
    drop_champion()
    with FileLock(RUNS / RUN / "lock"):
        assert ["without a git note" in line for line in bad()] == [True], "the last note may not be written yet"
        assert [one.state for one in doctor.repair(RUNS)] == ["note"]
    assert len(bad()) == 2


def test_a_branch_that_is_checked_out_is_not_moved(home: Path) -> None:
    git("checkout", "-q", CHAMPION)
    git("symbolic-ref", "HEAD", f"refs/heads/{CHAMPION}")
    move_champion()
    done = doctor.repair(RUNS)
    assert [one.state for one in done] == ["bad"] and "checked out" in done[0].detail


def test_a_run_without_its_repository_is_bad(home: Path) -> None:
    shutil.rmtree("repo/.git")
    assert [line for line in bad() if "is missing" in line and RUN in line]
    assert not (RUNS / RUN / "lineage.git").exists()


def test_a_moved_run_is_whole_again_from_a_clone(home: Path) -> None:
    """A clone has the commits, but neither branches nor notes of its own."""
    Path("repo").rename("old")
    subprocess.run(["git", "clone", "-q", "old", "repo"], check=True)
    assert len(bad()) == 3
    assert {one.state for one in doctor.repair(RUNS)} == {"fixed"}
    assert bad() == []


def evolve(*words: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["evolve", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    return int(ended.value.code or 0)


def test_the_exit_status_and_json_of_the_command(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drop_branch()
    assert evolve("doctor", "--json") == 1, "no engine answers"
    found = json.loads(capsys.readouterr().out)
    assert set(found[0]) == {"check", "state", "detail", "fix"}
    assert {"container engine", "lineage"} == {one["check"] for one in found if one["state"] == "bad"}
    evolve("doctor", "--fix", "--json")
    found = json.loads(capsys.readouterr().out)
    assert [one["check"] for one in found if one["state"] == "fixed"] == ["lineage"]
    assert [one["check"] for one in found if one["state"] == "bad"] == ["container engine"]


def test_the_repository_around_the_scaffold_is_checked(home: Path) -> None:
    assert str(home / "repo" / ".git") in machine.check_git(SCAFFOLD).detail
    (home / "alone").mkdir()
    assert "is in no repository" in machine.check_git(home / "alone").detail
    assert machine.check_disk(RUNS).state == "good" and "takes" in machine.check_disk(RUNS).detail


def test_the_doctor_says_why_an_engine_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "answers", lambda: False)
    monkeypatch.setattr(engine, "connection_problem", lambda: BadInput("context pod", "Podman answers", "use Docker"))
    first = machine.check_engine(None)[0]
    assert (first.state, first.detail, first.fix) == ("bad", "context pod: Podman answers", "use Docker")


def test_the_repository_refuses_what_is_checked_out(home: Path) -> None:
    place = Repository(home / "repo" / ".git")
    with pytest.raises(BadInput, match="checked out"):
        place.point("main", git("rev-parse", branch(1)))


@pytest.fixture(scope="module")
def base() -> str:
    return images.base_image(print)


@pytest.mark.docker
def test_the_limits_hold(base: str) -> None:
    found = probe.check_limits(base)
    assert [one for one in found if not one.holds] == [] and len(found) == 6
    label = {"label": f"{engine.LABEL}=doctor-{os.getpid()}"}
    assert engine.connect().api.containers(all=True, filters=label) == []


def wider(run, image, command, spec, ttl):  # type: ignore[no-untyped-def]
    return scaffold_container.probe_container(
        run, image, command, replace(spec, memory_mb=512, pids=512, disk_mb=64), ttl
    )


def open_box(run, image, command, spec, ttl):  # type: ignore[no-untyped-def]
    """The engine's own defaults, in the machine's network."""
    api = engine.connect().api
    made = api.create_container(
        image, command, labels={engine.LABEL: run}, host_config=api.create_host_config(network_mode="host")
    )
    return scaffold_container.ScaffoldProcess(container.Container(engine.connect(), made["Id"]))


@pytest.mark.docker
@pytest.mark.parametrize(
    ("make", "limits"),
    [
        (wider, {"memory", "processes", "disk"}),
        (open_box, {"root file system read-only", "network none", "no new privileges"}),
    ],
)
def test_limits_that_do_not_hold_are_reported(base: str, make, limits: set[str]) -> None:  # type: ignore[no-untyped-def]
    found = probe.check_limits(base, make=make)
    assert limits <= {one.limit for one in found if not one.holds}, found


@pytest.mark.docker
def test_leftovers_of_a_dead_run_are_found_and_swept_after_their_time(home: Path, base: str) -> None:
    api = engine.connect().api
    old, young = (
        api.create_container(base, ["true"], labels={engine.LABEL: RUN, engine.UNTIL: str(int(time.time()) + more)})
        for more in (-1, 600)
    )
    folder = Path(tempfile.gettempdir(), f"{engine.temporary_prefix(RUN)}old")
    folder.mkdir(parents=True)
    os.utime(folder, (1, 1))
    try:
        found = {one.name for one in leftovers.find_leftovers({RUN})}
        assert {old["Id"], young["Id"], str(folder)} <= found
        finding = next(one for one in results.examine(RUNS, False) if one.check == "leftovers")
        assert finding.state == "note" and "within their time limit" in finding.detail
        with FileLock(RUNS / RUN / "lock"):
            assert next(one for one in results.examine(RUNS, False) if one.check == "leftovers").state == "good"
        assert [one.state for one in doctor.repair(RUNS)] == ["fixed"]
        assert {one.name for one in leftovers.find_leftovers({RUN})} == {young["Id"]} and not folder.exists()
    finally:
        engine.sweep(RUN)
