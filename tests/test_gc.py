"""gc: a dry run changes nothing, --yes removes what was listed and nothing else, and the doctor is content."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from filelock import FileLock

from evolve import cli
from evolve.core.errors import BadInput
from evolve.core.records import Verdict
from evolve.maintenance import doctor, gc
from evolve.maintenance.doctor import results
from evolve.runs import gc_record, opening
from evolve.runs.replay import Replayer
from evolve.sandbox import engine, images, leftovers, task_images
from evolve.store import Store
from tests.played import RUN, RUNS, SCAFFOLD, git

REVERTED = [f"evolve/{RUN}/round-{number:04d}" for number in (2, 3)]
KEPT = [f"evolve/{RUN}/{name}" for name in ("champion", "round-0000", "round-0001")]
BEFORE = datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture
def home(played_home: Path) -> Path:
    return played_home


def evolve(*words: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["evolve", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    return int(ended.value.code or 0)


def execute(sql: str) -> None:
    with sqlite3.connect(RUNS / "evolve.db") as database:
        database.execute(sql)
    database.close()


def tree(top: Path) -> dict[str, bytes]:
    return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


def branches() -> list[str]:
    return git("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads/evolve/").splitlines()


def dump() -> list[str]:
    with sqlite3.connect(RUNS / "evolve.db") as database:
        found = list(database.iterdump())
    database.close()
    return found


def planned(*parts: str, finished: frozenset[str] = frozenset(), before: datetime = BEFORE) -> gc.RemovalPlan:
    with Store.open(RUNS / "evolve.db") as store:
        return gc.plan(RUNS, store, gc.GcRequest(before, frozenset(parts or gc.PARTS), finished))


def bad() -> list[str]:
    return [f"{one.check}: {one.detail}" for one in results.examine(RUNS, True) if one.state == "bad"]


def test_a_dry_run_lists_what_can_be_removed_and_changes_nothing(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(home)
    assert evolve("gc", "--older-than", "0h") == 0
    out = capsys.readouterr().out
    assert "nothing was changed: `evolve gc --yes --older-than 0h` deletes it" in out
    assert "replayed" in "".join(out.split()) and tree(home) == before
    assert evolve("gc", "--older-than", "0h", "--json") == 0
    found = {one["part"]: one for one in json.loads(capsys.readouterr().out)}
    assert found["branches"]["names"] == REVERTED and found["branches"]["bytes"] > 0
    assert len(found["exports"]["names"]) == 4 and found["trajectories"]["bytes"] > 0
    assert not any(one["removed"] for one in found.values()) and tree(home) == before


def test_yes_removes_what_was_listed_and_the_doctor_finds_no_damage(home: Path) -> None:
    listed, before, rows = planned(), tree(home), dump()
    head, notes = git("rev-parse", "HEAD"), git("rev-parse", "refs/notes/evolve")
    assert evolve("gc", "--older-than", "0h", "--yes") == 0
    assert branches() == KEPT and dump() == rows
    assert (git("rev-parse", "HEAD"), git("rev-parse", "refs/notes/evolve"), git("status", "--porcelain")) == (
        head,
        notes,
        "",
    )
    names = {entry.part: entry.names for entry in listed.entries}
    gone = {name for name in before if name.startswith("runs/")} - set(tree(home))
    exported = {name for name in before if name.startswith(f"runs/{RUN}/candidates/")}
    assert gone == {f"runs/{name}" for name in names["trajectories"]} | exported
    assert gc_record.read(RUNS / RUN) == gc_record.GcRecord(
        branches=frozenset(names["branches"]), files=frozenset(names["trajectories"])
    )
    assert bad() == [] and doctor.repair(RUNS) == [] and branches() == KEPT
    assert planned().entries == ()
    git("reflog", "expire", "--expire=now", "--all")
    git("gc", "-q", "--prune=now")
    assert bad() == [], "the commits are gone now too"


@pytest.mark.parametrize("part", ["branches", "trajectories", "exports"])
def test_only_removes_just_the_given_part(home: Path, part: str) -> None:
    before, there = tree(RUNS), branches()
    assert evolve("gc", "--older-than", "0h", "--yes", "--only", part) == 0
    gone = set(before) - set(tree(RUNS))
    assert (branches() == there) == (part != "branches")
    assert all(("/candidates/" in name) == (part == "exports") for name in gone) and bool(gone) == (part != "branches")
    assert bad() == []


def test_files_are_removed_by_their_age_in_the_rows(home: Path) -> None:
    month = datetime.now(UTC) - timedelta(days=30)
    assert planned("trajectories", before=month).entries == ()
    execute("UPDATE trial SET started_at = '2020-01-01T00:00:00+00:00' WHERE id <= 5")
    (entry,) = planned("trajectories", before=month).entries
    assert len(entry.names) == 5


def test_a_running_or_unfinished_run_is_skipped(home: Path) -> None:
    with FileLock(RUNS / RUN / "lock"):
        found = planned(finished=frozenset({RUN}))
        assert found.entries == () and "in use" in found.skipped[0]
    execute("DELETE FROM run_end")
    found = planned()
    assert found.entries == () and "unfinished" in found.skipped[0]
    assert {entry.part for entry in planned(finished=frozenset({RUN})).entries} == {
        "branches",
        "exports",
        "trajectories",
    }
    with pytest.raises(BadInput, match="no such run"):
        planned(finished=frozenset({"nobody"}))


def test_a_run_that_is_resumed_after_planning_is_skipped(home: Path) -> None:
    before = tree(home)
    request = gc.GcRequest(BEFORE)
    with Store.open(RUNS / "evolve.db") as store:
        found = gc.plan(RUNS, store, request)
        with FileLock(RUNS / RUN / "lock"):
            done = gc.remove(RUNS, store, request, found)
        assert done.entries == () and "another process" in done.skipped[0]
        execute("DELETE FROM run_end")
        done = gc.remove(RUNS, store, request, found)
        assert [entry for entry in done.entries if entry.names] == []
    with_rows = {name: data for name, data in tree(home).items() if "evolve.db" not in name and "gc.json" not in name}
    assert with_rows == {name: data for name, data in before.items() if "evolve.db" not in name}


def test_kept_stacked_and_checked_out_branches_stay(home: Path) -> None:
    git("checkout", "-q", REVERTED[0])
    execute(f"UPDATE decision SET verdict = '{Verdict.STACK}' WHERE round = 3")
    assert planned("branches").entries == ()


def test_a_branch_that_was_moved_stays(home: Path) -> None:
    git("update-ref", f"refs/heads/{REVERTED[0]}", "main")
    (entry,) = planned("branches").entries
    assert entry.names == (REVERTED[1],)


def test_a_run_whose_files_were_removed_is_neither_replayed_nor_resumed(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evolve("gc", "--older-than", "0h", "--yes")
    capsys.readouterr()
    assert evolve("replay", REVERTED[0]) == 2
    assert "`evolve gc` has removed it" in capsys.readouterr().err
    with Store.open(RUNS / "evolve.db") as store:
        trials = store.trials(RUN, git("rev-parse", KEPT[0]))
        replayer = Replayer(RUN, RUNS / RUN, store, None, None)  # type: ignore[arg-type]
        with pytest.raises(BadInput, match=f"recordings of its {len(trials)} trials are missing"):
            list(replayer.run_offline(trials[0].candidate, trials))
    with pytest.raises(BadInput, match="start one with --run new"):
        opening._refuse_depleted(RUNS / RUN)
    opening._refuse_depleted(RUNS)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--older-than", "soon"], "is not an age"),
        (["--only", "rows"], "no such part"),
        (["--run", "nobody"], "no such run"),
        (["--runs", "nowhere"], "no results yet"),
    ],
)
def test_bad_input_is_one_line(home: Path, capsys: pytest.CaptureFixture[str], words: list[str], named: str) -> None:
    assert evolve("gc", *words) == 2
    err = capsys.readouterr().err
    assert named in err and err.count("\n") == 1 and not Path("nowhere").exists()


def test_a_spoilt_gc_record_is_one_finding(home: Path) -> None:
    (RUNS / RUN / gc_record.FILE).write_text("{")
    assert len([line for line in bad() if "gc.json" in line]) == 1


def test_the_size_counts_only_what_no_other_branch_holds(home: Path) -> None:
    (one,) = planned("branches").entries
    git("branch", "mine", REVERTED[0])
    (less,) = planned("branches").entries
    git("branch", "mine2", REVERTED[1])
    (none,) = planned("branches").entries
    assert one.bytes and less.bytes and one.bytes > less.bytes > 0 and none.bytes == 0


def test_a_run_of_its_own_repository(home: Path) -> None:
    subprocess.run(["git", "clone", "-q", "--mirror", "repo", str(RUNS / RUN / "lineage.git")], check=True)
    shutil.rmtree("repo/.git")
    assert evolve("gc", "--older-than", "0h", "--yes", "--only", "branches") == 0
    assert (SCAFFOLD / "main.py").is_file() and bad() == []


@pytest.mark.docker
def test_only_unused_images_are_removed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = f"{images.TASK_TAG}:care-{os.getpid()}"
    assert engine.connect().api.tag(images.base_image(print), images.TASK_TAG, f"care-{os.getpid()}")
    try:
        monkeypatch.setattr(leftovers, "active_owners", lambda dead: {"somebody"})
        assert "somebody is running" in planned("images").skipped[0]
        monkeypatch.setattr(leftovers, "active_owners", lambda dead: set())
        (entry,) = planned("images").entries
        assert mine in entry.names
        with Store.open(RUNS / "evolve.db") as store:
            digest = store.tasks(RUN)[0].digest
        needed = min(task_images.needed_tags([digest]))
        monkeypatch.setattr(
            task_images, "built_images", lambda: [task_images.BuiltImage(mine, 1), task_images.BuiltImage(needed, 2)]
        )
        found = planned("images")
        assert [one.names for one in found.entries] == [(mine,)], "the run's own image is needed"
        with Store.open(RUNS / "evolve.db") as store:
            done = gc.remove(RUNS, store, gc.GcRequest(BEFORE), found)
        assert [one.names for one in done.entries] == [(mine,)]
        assert not engine.connect().api.images(name=mine)
    finally:
        task_images.remove_image(mine)


def test_an_age_and_parts() -> None:
    assert gc.parse_age("2w") == timedelta(days=14) and gc.parse_age("12h") == timedelta(hours=12)
    assert gc.parse_parts("branches,images") == {"branches", "images"} and gc.parse_parts(None) == set(gc.PARTS)
