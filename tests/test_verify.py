"""Checking a pack: each way of changing one is found and named, and what can't be checked is said."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evolve.core.errors import BadInput
from evolve.core.records import Outcome, Split, TrialResult, Usage
from evolve.loop.watcher import SilentWatcher
from evolve.pack import checks, facts, replaying
from evolve.pack.archive import open_pack
from evolve.pack.checks import State
from evolve.pack.manifest import NAME
from evolve.pack.replaying import choose_sample
from evolve.pack.verify import Verification, extract_pack, verify_pack
from evolve.pack.writing import Extent, pack_run
from evolve.repo.bundle import unpack_bundle, write_bundle
from evolve.repo.shell import GitShell
from evolve.report.packs import verified_lines
from tests.packed import RUN, Played, evolve, forge, forge_manifest, forge_rows, rewritten


@pytest.fixture
def run(packed_run: Played) -> Played:
    return packed_run


def verified(file: Path, sample: int = 0) -> Verification:
    return verify_pack(file, sample, SilentWatcher())


def problems(file: Path) -> dict[str, tuple[str, ...]]:
    """What fails, by check."""
    return {check.name: check.problems for check in verified(file).checks if check.state is State.FAILS}


def test_all_of_an_untouched_pack_holds(run: Played) -> None:
    done = verified(run.file)
    assert done.holds and {check.name: check.state for check in done.checks} == {
        "members": State.HOLDS,
        "rows": State.HOLDS,
        "files of rows": State.HOLDS,
        "lineage": State.HOLDS,
        "suite": State.HOLDS,
        "decisions": State.HOLDS,
        "claim": State.HOLDS,
        "replays": State.UNKNOWN,
    }
    lines = "\n".join(verified_lines(done, "run.zip", None))
    assert "all that was checked holds; not checked: replays" in lines and "3 rounds decided once more" in lines
    assert "on the holdout" in lines


def test_one_byte_of_any_kind_of_member_is_found(run: Played, tmp_path: Path) -> None:
    with open_pack(run.file) as pack:
        names = [member.path for member in pack.manifest.members]
    ends = ("evolve.db", ".bundle", ".recording.gz", ".trajectory.gz", "hidden.py", "standing.json")
    for name in (next(name for name in names if name.endswith(end)) for end in ends):
        target = tmp_path / "changed.zip"
        with rewritten(run.file, target) as members:
            data = bytearray(members[name])
            data[len(data) // 2] ^= 1
            members[name] = bytes(data)
        assert problems(target) == {"members": (f"{name}: has changed since it was packed (sha256 differs)",)}


def test_missing_added_and_resized_members_are_found(run: Played, tmp_path: Path) -> None:
    target = tmp_path / "changed.zip"
    with rewritten(run.file, target) as members:
        gone = next(name for name in members if name.endswith(".recording.gz"))
        del members[gone]
        members[f"{RUN}/more.txt"] = b"x"
        members[f"{RUN}/standing.json"] += b" "
    (found,) = problems(target).values()
    assert set(map(str, found)) >= {f"{gone}: is missing", f"{RUN}/more.txt: is not in the manifest"}
    assert any("standing.json: has" in line and "bytes, not" in line for line in found)


CHANGED_ROWS = [
    ("UPDATE trial SET reward = 1 - reward, outcome = 'passed' WHERE candidate_id = 1 AND reward = 0", "decisions"),
    ("UPDATE decision SET effect = effect + 0.2 WHERE round = 1", "decisions"),
    ("UPDATE decision SET reason = '+99.0 points' WHERE round = 3", "decisions"),
    ("UPDATE decision SET would_be = 'keep' WHERE round = 2", "decisions"),
    ("UPDATE decision SET verdict = 'revert', fate = 'open' WHERE round = 1", "lineage"),
    ("UPDATE trial SET reward = 0.25 WHERE split = 'holdout' AND candidate_id = 1", "claim"),
    ("UPDATE holdout_look SET why = 'seed scaffold'", None),
    ("UPDATE run SET config = replace(config, '\"seed\": 0', '\"seed\": 1')", "rows"),
    ("UPDATE run SET created_at = '2027-01-01T00:00:00+00:00'", "rows"),
    ("UPDATE trial SET recording_sha256 = '0' WHERE id = 3", "files of rows"),
    ("UPDATE trial SET recording_path = '../../etc/passwd' WHERE id = 3", "files of rows"),
    ("UPDATE task SET digest = 'x' WHERE name = 'train-00'", "suite"),
]


@pytest.mark.parametrize(("statement", "check"), CHANGED_ROWS)
def test_a_changed_row_is_found_though_the_manifest_fits(
    run: Played, tmp_path: Path, statement: str, check: str | None
) -> None:
    found = problems(forge_rows(run.file, tmp_path / "forged.zip", statement))
    assert (check in found) if check else not found, found


def test_a_flipped_reward_is_named_by_its_round(run: Played, tmp_path: Path) -> None:
    chosen = "SELECT min(id) FROM trial WHERE candidate_id = 2 AND reward = 1"
    flip = f"UPDATE trial SET reward = 0, outcome = 'failed' WHERE id = ({chosen})"
    (found,) = problems(forge_rows(run.file, tmp_path / "forged.zip", flip))["decisions"][:1]
    assert found.startswith("round 1: its ")


def test_another_commit_in_the_place_of_a_candidate_is_found(run: Played, tmp_path: Path) -> None:
    name = f"{RUN}/lineage.bundle"

    def replace_commit(members: dict[str, bytes]) -> None:
        bare = tmp_path / "repo"
        bare.mkdir()
        unpack_bundle(members[name], RUN, bare)
        shell, branch = GitShell(bare, bare), f"refs/heads/evolve/{RUN}/round-0001"
        tree = shell.text("rev-parse", f"evolve/{RUN}/round-0000^{{tree}}")
        parent = shell.text("rev-parse", f"evolve/{RUN}/round-0000")
        shell.run("update-ref", branch, shell.text("commit-tree", tree, "-p", parent, stdin=b"Round 1: better\n"))
        members[name] = write_bundle(bare, RUN).data

    found = problems(forge(run.file, tmp_path / "forged.zip", replace_commit))
    assert any(line.startswith("round 1: ") for line in found["lineage"])


def test_rows_that_follow_another_commit_are_found(run: Played, tmp_path: Path) -> None:
    """Candidates of two rounds change places, in rows and branches alike: the commits themselves say otherwise."""
    with open_pack(run.file) as pack, zipfile.ZipFile(run.file) as archive:
        assert pack.manifest.run == RUN
        data = archive.read(f"{RUN}/lineage.bundle")
    (tmp_path / "repo").mkdir()
    unpack_bundle(data, RUN, tmp_path / "repo")
    shell = GitShell(tmp_path / "repo", tmp_path / "repo")
    one, three = (shell.text("rev-parse", f"evolve/{RUN}/round-000{number}") for number in (1, 3))
    swap = [
        f"UPDATE candidate SET commit_sha = '{sha}' WHERE round = {number}"
        for sha, number in (("x", 1), (one, 3), (three, 1))
    ]
    found = problems(forge_rows(run.file, tmp_path / "forged.zip", *swap))
    assert any(f"its commit {three[:12]} says Evolve-Round: 3, not 1" in line for line in found["lineage"])


def changed_claim(values: dict[str, Any]) -> None:
    values["claim"]["figures"]["champion"] = 0.99


def no_claim(values: dict[str, Any]) -> None:
    values["claim"]["figures"] = None


def other_model(values: dict[str, Any]) -> None:
    values["facts"]["models"][0]["model"] = "a-better-one"


def other_licence(values: dict[str, Any]) -> None:
    values["outputs"] = "in the public domain"


@pytest.mark.parametrize(
    ("change", "check", "words"),
    [
        (changed_claim, "claim", "`claim.figures.champion` does not follow from the trials"),
        (no_claim, "claim", "there is one"),
        (other_model, "rows", "`facts.models` is not what the rows say"),
        (other_licence, "rows", "`outputs` is not what the rows say"),
    ],
)
def test_an_altered_manifest_is_found(run: Played, tmp_path: Path, change: Any, check: str, words: str) -> None:
    found = problems(forge_manifest(run.file, tmp_path / "forged.zip", change))
    assert list(found) == [check] and words in found[check][0]


def test_by_another_version_of_the_rule_nothing_is_called_wrong(
    run: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    statement = "UPDATE decision SET reason = 'in other words' WHERE round = 3"
    file = forge_rows(run.file, tmp_path / "forged.zip", statement)
    monkeypatch.setattr(checks, "rule_digest", lambda: "0" * 64)
    (decisions,) = (check for check in verified(file).checks if check.name == "decisions")
    assert decisions.state is State.HOLDS and "another version of the rule, which decides alike" in decisions.detail
    file = forge_rows(run.file, tmp_path / "other.zip", "UPDATE decision SET effect = 0.1 WHERE round = 1")
    (decisions,) = (check for check in verified(file).checks if check.name == "decisions")
    assert decisions.state is State.UNKNOWN and "decides otherwise" in decisions.detail


@pytest.mark.parametrize("extent", [Extent.WITHOUT_TESTS, Extent.LIGHT])
def test_what_a_smaller_pack_lacks_is_not_checked(run: Played, tmp_path: Path, extent: Extent) -> None:
    done = verified(pack_run(run.runs, RUN, tmp_path / "small.zip", extent).file, sample=2)
    unknown = {check.name for check in done.checks if check.state is State.UNKNOWN}
    assert done.holds and unknown >= {"suite", "decisions", "replays"}
    assert ("files of rows" in unknown) == (extent is Extent.LIGHT)


def test_comparisons_of_other_runs_are_corrected_for(run: Played) -> None:
    with open_pack(run.file) as pack:
        stated = pack.manifest.claim
    assert stated.other_looks == 0 and stated.figures is not None and stated.figures["comparisons"] == 1
    from_here = facts.claim_in
    with facts.Store.open(run.runs / "evolve.db") as store:
        wider = from_here(store, RUN, 3)
    assert wider.figures is not None and wider.figures["comparisons"] == 4
    assert wider.figures["low"] < stated.figures["low"]


def trial(number: int) -> TrialResult:
    name = f"task-{number}"
    return TrialResult(
        "c" * 40, name, Split.TRAIN, 0, 7, Outcome.FAILED, 0.0, Usage(), "2026-11-23T21:44:00+00:00", 1.0
    )


def test_the_sample_is_the_salts_choice() -> None:
    trials = [trial(number) for number in range(50)]
    chosen = choose_sample(trials, 5, "a")
    assert chosen == choose_sample(trials[::-1], 5, "a") and len(chosen) == 5
    assert chosen != choose_sample(trials, 5, "b") and len(choose_sample(trials, 99, "a")) == 50
    assert choose_sample(trials, 8, "a")[:5] == chosen


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"pass_env": ("OPENAI_API_KEY",)}, "its tests were given variables of the host"),
        ({"executor": "cluster"}, "its trials were run by the executor cluster"),
    ],
)
def test_what_could_reach_the_host_is_not_run(
    run: Played, monkeypatch: pytest.MonkeyPatch, change: Mapping[str, Any], why: str
) -> None:
    config = checks.Unpacked.config
    monkeypatch.setattr(
        checks.Unpacked,
        "config",
        property(lambda self: config.fget(self).model_copy(update=change)),  # type: ignore[attr-defined]
    )
    monkeypatch.setattr(replaying, "open_for_replay", None)
    (replays,) = (check for check in verified(run.file, sample=3).checks if check.name == "replays")
    assert replays.state is State.UNKNOWN and replays.detail == why


@pytest.mark.parametrize(("lasting", "state"), [(True, State.FAILS), (False, State.HOLDS)])
def test_a_trial_that_replays_otherwise_twice_is_named(
    run: Played, monkeypatch: pytest.MonkeyPatch, lasting: bool, state: State
) -> None:
    """What differs has one more try, alone: on a busy machine commands reach their time limits."""
    tries: list[tuple[int, int]] = []

    def replay(unpacked: object, sample: Any, watcher: object, jobs: int) -> list[Any]:
        results = [replaying.ReplayResult(one.task, one.attempt, one.reward, one.reward, "") for one in sample]
        if lasting or not tries:
            results[0] = replace(results[0], divergence="step 2 differs: `ls`")
        tries.append((len(sample), jobs))
        return list(zip(sample, results, strict=True))

    monkeypatch.setattr(replaying, "_replay", replay)
    (replays,) = (check for check in verified(run.file, sample=3).checks if check.name == "replays")
    assert replays.state is state and replays.detail.startswith("3 of ")
    assert [count for count, _ in tries] == [3, 1] and tries[1][1] == 1
    if lasting:
        assert "attempt" in replays.problems[0] and replays.problems[0].endswith("step 2 differs: `ls`")


def test_a_slower_machine_is_no_evidence(run: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = "step 4 differs: run: exit_code, stdout, timed_out; passed with reward 1.0 became failed with 0.0"

    def replay(unpacked: object, sample: Any, watcher: object, jobs: int) -> list[Any]:
        return [(one, replaying.ReplayResult(one.task, one.attempt, one.reward, 0.0, slow)) for one in sample]

    monkeypatch.setattr(replaying, "_replay", replay)
    (replays,) = (check for check in verified(run.file, sample=2).checks if check.name == "replays")
    assert replays.state is State.UNKNOWN and "commands of 2 of 2 trials reached other time limits" in replays.detail


def test_the_exit_status_of_the_command(
    run: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert evolve(monkeypatch, "verify", str(run.file), "--sample", "0", "--extract", "out") == 0
    assert "evolve history --runs out" in capsys.readouterr().out
    forged = forge_manifest(run.file, tmp_path / "forged.zip", changed_claim)
    assert evolve(monkeypatch, "verify", str(forged), "--sample", "0", "--json") == 1
    (facts_shown,) = json.loads(capsys.readouterr().out)
    assert facts_shown["holds"] is False and facts_shown["manifest"]["facts"]["run"] == RUN
    newer = forge_manifest(run.file, tmp_path / "newer.zip", lambda values: values.update(format=2))
    for file, words in (
        (tmp_path / "none.zip", "no such file"),
        (Path(__file__), "is not a pack"),
        (newer, "is a pack of format 2; this version reads up to 1; update evolve"),
    ):
        assert evolve(monkeypatch, "verify", str(file)) == 2
        error = capsys.readouterr().err
        assert words in error and error.count("\n") == 1


def test_nothing_is_extracted_of_a_pack_that_does_not_hold(run: Played, tmp_path: Path) -> None:
    bad = "UPDATE trial SET recording_path = '../../etc/passwd' WHERE id = 3"
    forged = forge_rows(run.file, tmp_path / "forged.zip", bad)
    with pytest.raises(BadInput, match="a row names it, and it is not in the pack"):
        extract_pack(forged, tmp_path / "out")
    (tmp_path / "there").mkdir()
    with pytest.raises(BadInput, match="already exists"):
        extract_pack(run.file, tmp_path / "there")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["forged.zip", "there"]


def test_a_manifest_that_is_none(run: Played, tmp_path: Path) -> None:
    for page in (b"[]", b"{}", b'{"format": 1}', b"\xff", b"[" * 100_000, b'{"format": "2"}'):
        target = tmp_path / "odd.zip"
        with rewritten(run.file, target) as members:
            members[NAME] = page
        with pytest.raises(BadInput, match="is not a pack"):
            verified(target)
