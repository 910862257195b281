"""Writing a run into one file: what is in it, that it is always the same, and what is refused."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path

import pytest

from evolve.core.errors import BadInput, Locked
from evolve.core.gate_config import GateConfig
from evolve.core.records import Verdict
from evolve.host.locks import hold_lock
from evolve.loop.watcher import SilentWatcher
from evolve.maintenance.doctor import results
from evolve.pack.archive import open_pack
from evolve.pack.checks import State
from evolve.pack.key_search import KeySearch
from evolve.pack.verify import extract_pack, verify_pack
from evolve.pack.writing import Extent, files_of, pack_run
from evolve.repo import Lineage
from evolve.repo.bundle import bundle_contents, write_bundle
from evolve.runs.history import run_history
from evolve.runs.lookup import open_results
from evolve.suite.tasks import load_suite
from tests.packed import HIDDEN, RUN, Played, evolve, member_names, play, write_suite

KEY = "sk-test-0123456789abcdef"


@pytest.fixture
def run(packed_run: Played) -> Played:
    return packed_run


def test_the_same_run_gives_the_same_bytes(run: Played, tmp_path: Path) -> None:
    again = pack_run(run.runs, RUN, tmp_path / "again.zip")
    assert again.file.read_bytes() == run.file.read_bytes()
    with open_pack(again.file) as pack:
        assert pack.digest == again.sha256 and again.size == again.file.stat().st_size


def test_a_pack_holds_rows_commits_recordings_and_suite(run: Played) -> None:
    names = member_names(run.file)
    assert "evolve.db" in names and f"{RUN}/lineage.bundle" in names and f"{RUN}/standing.json" in names
    assert f"{RUN}/suite/tasks/suite.toml" in names and f"{RUN}/suite/tasks/train-00/tests/hidden.py" in names
    recordings = [name for name in names if name.endswith(".recording.gz")]
    assert len(recordings) == len([name for name in names if name.endswith(".trajectory.gz")]) > 20
    with open_pack(run.file) as pack:
        manifest = pack.manifest
        executable = {member.path for member in manifest.members if member.executable}
    assert manifest.run == RUN and manifest.facts.rule == f"evolve {GateConfig().version}" and manifest.absent == ()
    assert manifest.claim.figures is not None and manifest.claim.figures["tasks"] == 3
    assert "scripted (licence unknown, commercial use unknown)" in manifest.outputs
    assert f"{RUN}/suite/tasks/train-00/tests/test.sh" in executable
    assert f"{RUN}/suite/tasks/train-00/tests/hidden.py" not in executable


def test_tests_can_be_left_out(run: Played, tmp_path: Path) -> None:
    file = pack_run(run.runs, RUN, tmp_path / "open.zip", Extent.WITHOUT_TESTS).file
    names = [name for name in member_names(file) if "/suite/" in name]
    assert f"{RUN}/suite/tasks/train-00/instruction.md" in names
    assert not [name for name in names if "/tests/" in name or "/solution/" in name]
    with zipfile.ZipFile(file) as archive:
        assert not any(HIDDEN.encode() in archive.read(name) for name in archive.namelist())


def test_a_light_pack_has_rows_and_commits_alone(run: Played, tmp_path: Path) -> None:
    file = pack_run(run.runs, RUN, tmp_path / "light.zip", Extent.LIGHT).file
    assert {"evolve.db", f"{RUN}/lineage.bundle"} <= set(member_names(file))
    assert not [name for name in member_names(file) if name.endswith(".gz") or "/suite/" in name]
    with open_pack(file) as pack:
        assert len(pack.manifest.absent) > 40


def test_reading_commands_work_on_an_extracted_pack(
    run: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    extract_pack(run.file, tmp_path / "out")
    with open_results(run.runs) as ours, open_results(tmp_path / "out") as theirs:
        assert run_history(ours, RUN, run.runs) == run_history(theirs, RUN, tmp_path / "out")
    monkeypatch.chdir(tmp_path)
    for words in (["history"], ["show", "1"], ["lineage"], ["diff", "1"], ["claim"], ["trial", "0", "train-00"]):
        assert evolve(monkeypatch, *words, "--runs", "out") == 0, words
    assert "LEVEL = 10" in capsys.readouterr().out


def test_an_extracted_pack_is_whole_to_the_doctor(run: Played, tmp_path: Path) -> None:
    extract_pack(run.file, tmp_path / "out")
    found = {one.check: one.state for one in results.examine(tmp_path / "out", deep=True)}
    assert found["lineage"] == found["files"] == found["database"] == "good" and "kept figures" not in found


def test_a_file_is_never_overwritten(run: Played, tmp_path: Path) -> None:
    (tmp_path / "there.zip").write_text("mine")
    with pytest.raises(BadInput, match="already exists"):
        pack_run(run.runs, RUN, tmp_path / "there.zip")
    with pytest.raises(BadInput, match="its folder does not exist"):
        pack_run(run.runs, RUN, tmp_path / "none" / "there.zip")
    assert (tmp_path / "there.zip").read_text() == "mine"


def test_a_run_at_work_is_not_packed(run: Played, tmp_path: Path) -> None:
    with hold_lock(run.runs / RUN / "lock", RUN), pytest.raises(Locked, match="is working on it"):
        pack_run(run.runs, RUN, tmp_path / "a.zip")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["hypothesis", "LEVEL = 10", "Mend train-00", "status"])
def test_a_key_is_refused_wherever_it_is(
    run: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """What is in a row, a commit, a file of the suite and a compressed recording: each taken as the key's value."""
    texts = {"hypothesis": "a higher level", "status": '"status": 400'}
    monkeypatch.setenv("SOME_API_KEY", texts.get(where, where))
    with pytest.raises(BadInput, match="holds the value of a key"):
        pack_run(run.runs, RUN, tmp_path / "a.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_found_across_the_parts_of_a_file() -> None:
    search = KeySearch([KEY]).stream("a.txt")
    search(b"x" * 100 + KEY[:9].encode())
    with pytest.raises(BadInput, match=r"a\.txt: holds the value of a key"):
        search(KEY[9:].encode() + b"y")


def test_a_key_in_json_is_found() -> None:
    assert KeySearch(['quote"d-key-123']).finds(json.dumps({"a": json.dumps(['quote"d-key-123'])}).encode())
    assert not KeySearch(["short"]).finds(b"short")


def test_history_before_the_seed_and_other_notes_stay_at_home(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    (repo / "scaffold").mkdir(parents=True)
    for name, text in (("beside.txt", "a secret of before"), ("scaffold/main.py", "LEVEL = 1"), ("scaffold.md", "x")):
        (repo / name).write_text(text)
    git = ["git", "-C", str(repo), "-c", "user.name=t", "-c", "user.email=t@t"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"], ["rm", "-q", "beside.txt"]):
        subprocess.run([*git, *words], check=True)
    subprocess.run([*git, "commit", "-qm", "y"], check=True)
    lineage = Lineage.open(repo / "scaffold", tmp_path / "none")
    for run in ("one", "two"):
        seed = lineage.seed(run, "2026-11-23T21:44:00+00:00")
        lineage.record_decision(run, 0, seed, Verdict.KEEP, f"of {run}", "2026-11-23T21:44:00+00:00")
    bundled = write_bundle(lineage.git_dir, "one", "scaffold")
    assert bundled.outside == 1 and write_bundle(lineage.git_dir, "one", "scaffold") == bundled
    contents = b"".join(bundle_contents(bundled.data))
    assert b"of one" in contents and b"of two" not in contents
    assert b"LEVEL = 1" in contents and b"a secret of before" not in contents


def test_a_link_in_a_suite_is_refused_by_name(tmp_path: Path) -> None:
    write_suite(tmp_path)
    (tmp_path / "train-00" / "environment" / "link").symlink_to("Dockerfile")
    suite = load_suite(tmp_path)
    with pytest.raises(BadInput, match="environment/link: is a link, which no pack can hold"):
        list(files_of(suite, with_tests=True))
    assert not [path for path in files_of(suite, with_tests=False) if path.name == "link"]


def test_a_run_in_a_repository_of_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its scaffold is a folder among others, also where the pack is unpacked; the repository stays as it is."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "beside.txt").write_text("not the scaffold's\n")
    (home / ".gitignore").write_text("runs\ntasks\n")
    git = ["git", "-C", str(home), "-c", "user.name=t", "-c", "user.email=t@t"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], check=True)
    runs = play(home, rounds=1)
    before = subprocess.run([*git, "for-each-ref"], check=True, capture_output=True).stdout
    packed = pack_run(runs, RUN, tmp_path / "run.zip")
    assert packed.manifest.outside == 2
    assert subprocess.run([*git, "for-each-ref"], check=True, capture_output=True).stdout == before
    assert {check.state for check in verify_pack(packed.file, 0, SilentWatcher()).checks[:-1]} == {State.HOLDS}
    home.rename(tmp_path / "gone")
    extract_pack(packed.file, tmp_path / "out")
    monkeypatch.chdir(tmp_path)
    assert evolve(monkeypatch, "diff", "1", "--runs", "out") == 0
    assert "+LEVEL = 10" in capsys.readouterr().out
