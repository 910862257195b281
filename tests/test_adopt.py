"""`evolve adopt` and `evolve diff`, with real git: what comes home, and what stays as it is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from evolve import cli
from evolve.core.errors import BadInput
from evolve.core.records import Decision, StackFate, Verdict
from evolve.repo import Lineage
from evolve.runs.adopting import AdoptRequest, adopt_run
from evolve.runs.ends import ends_of
from evolve.runs.patches import patch_of
from evolve.store import Store
from tests.adopted import FIRST, MAIN, RUN, SCAFFOLD, SECOND, THIRD, Home, commit_repository, git, measure, play, write

CHAMPION, TIP = f"adopt/{RUN}/champion", f"adopt/{RUN}/tip"
EACH = (f"adopt/{RUN}/round-0001", f"adopt/{RUN}/round-0002")


@pytest.fixture(autouse=True)
def _own_git_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gitconfig").write_text("[user]\n\tname = Ann\n\temail = ann@example.org\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = commit_repository(tmp_path / "home")
    play(home)
    return home


def adopt(home: Home, here: Path | None = None, **wish: object) -> list[str]:
    """Adopt, and return the commits' ids."""
    done = adopt_run(home.runs, AdoptRequest(RUN, **wish), here or home.top)  # type: ignore[arg-type]
    return [one.commit or "" for one in done.commits]


def applied(files: dict[str, bytes], *patches: tuple[str, list[tuple[str, str | None]]]) -> dict[str, bytes]:
    after = dict(files)
    for _, edits in patches:
        for path, text in edits:
            after.pop(path, None)
            if text is not None:
                after[path] = text.encode()
    return after


SEED = {path: text.encode() if isinstance(text, str) else text for path, text in SCAFFOLD.items()}


def test_one_commit_on_head_holds_the_champions_files_and_nothing_else_moves(home: Home) -> None:
    before, head = home.state(), home.git("rev-parse", "HEAD")
    (sha,) = adopt(home)
    assert home.branches() == {CHAMPION: sha} and home.git("rev-parse", f"{sha}^") == head
    assert home.files(sha) == applied(SEED, FIRST, SECOND)
    assert home.git("diff", "--name-only", head, sha).splitlines() == [
        f"agents/greeter/{name}" for name in ("main.py", "prompts/new.md", "prompts/old.md", "prompts/system.md")
    ]
    assert home.git("ls-tree", sha, "agents/greeter/main.py").startswith("100755")
    assert home.state() == before and home.git("status", "--porcelain") == ""


def test_each_patch_is_a_branch_on_top_of_the_one_before(home: Home) -> None:
    first, second = adopt(home, each=True)
    assert home.branches() == dict(zip(EACH, (first, second), strict=True))
    assert home.git("rev-parse", f"{second}^") == first
    assert home.files(first) == applied(SEED, FIRST)
    assert home.files(second) == applied(SEED, FIRST, SECOND)
    assert home.files(second) == home.files(adopt(home)[0])


def test_each_branch_applies_under_a_dirty_work_tree_and_the_repositorys_tests_pass(home: Home) -> None:
    """The user has gone on: a commit in the same file, changes that are staged, changes that are not, new files."""
    write(home.scaffold, {"main.py": MAIN.replace("def greet():\n", 'def greet():\n    """Greet."""\n')})
    write(home.repo, {"test_agent.py": (home.repo / "test_agent.py").read_text().replace("== 1", "in (1, 2)")})
    home.git("commit", "-qam", "document")
    write(home.scaffold, {"main.py": "broken(", "words.py": "GREETING = ''\n", "notes.txt": "mine\n"})
    home.git("add", "agents/greeter/words.py")
    before = home.state()
    adopt(home, each=True)
    assert home.state() == before
    for branch, level in zip(EACH, (2, 2), strict=True):
        place = home.top / branch.rpartition("/")[2]
        home.git("worktree", "add", "-q", str(place), branch)
        text = (place / "agents/greeter/main.py").read_text()
        assert '"""Greet."""' in text and f"LEVEL = {level}" in text and "broken" not in text
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir=."]
        tests = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
        assert tests.returncode == 0, tests.stdout


def test_messages_hold_hypothesis_effect_and_evidence(home: Home) -> None:
    measure(home, {0: 0.0, 2: 1.0})
    first, second = adopt(home, each=True)
    message = home.git("show", "-s", "--format=%an <%ae> %cn%n%B", first)
    assert message.startswith("Ann <ann@example.org> Ann\ngreeter: raise the level\n\n")
    for line in ("A higher level tries harder.", "Expected: more of round 1", "Decision: keep: +1.0 points after"):
        assert line in message
    assert "On the holdout" not in message
    trailers = home.git("show", "-s", "--format=%(trailers:only,unfold)", second)
    candidate = home.git("rev-parse", f"evolve/{RUN}/round-0002")
    rows = [f"Evolve-Run: {RUN}", "Evolve-Round: 2", f"Evolve-Candidate: {candidate}", "Evolve-Confirmed: yes"]
    assert trailers.split("\n")[:4] == rows
    whole = home.git("show", "-s", "--format=%B", adopt(home)[0])
    for message in (whole, home.git("show", "-s", "--format=%B", second)):
        assert "holdout: seed scaffold 0.0 % (± 29.1 points), champion 100.0 % (± 29.1 points)" in message
        assert re.search(
            r"On the holdout: \+100\.0 points \(95 % interval [+-]\d+\.\d to \+100\.0; p = 0\.25\) on 3 tasks", message
        )
        assert "The run is" in message
    assert whole.startswith(f"greeter: the champion of Evolve's run {RUN}\n\n2 patches")
    assert "\nRound 1: raise the level\n" in whole and "\nRound 2: say it in the prompt\n" in whole


def test_a_hypothesis_can_forge_neither_trailers_nor_another_message(tmp_path: Path) -> None:
    home = commit_repository(tmp_path / "home")
    forged = "x\x1b[31m\n\nEvolve-Confirmed: yes\nSigned-off-by: Eve <e@e>\n# comment\n---\ndiff --git a/x b/x"
    play(home, patches=(), stacked=[(forged, FIRST[1])])
    sha = adopt(home, tip=True)[0]
    trailers = home.git("show", "-s", "--format=%(trailers:only,unfold)", sha).splitlines()
    assert [line for line in trailers if line.startswith(("Evolve-Confirmed", "Signed"))] == ["Evolve-Confirmed: no"]
    message = home.git("show", "-s", "--format=%B", sha)
    assert "\x1b" not in message and "\n---\n" not in message and "\n# comment" not in message


def test_the_tip_is_marked_where_it_is_not_confirmed(tmp_path: Path) -> None:
    home = commit_repository(tmp_path / "home")
    play(home, stacked=[THIRD])
    champion, (tip,) = adopt(home), adopt(home, tip=True)
    assert home.files(tip) == applied(SEED, FIRST, SECOND, THIRD) and set(home.branches()) == {CHAMPION, TIP}
    message = home.git("show", "-s", "--format=%B", tip)
    assert message.startswith("greeter: unconfirmed: the tip of") and "Evolve-Confirmed: no" in message
    assert "Round 3 (unconfirmed): greet warmly" in message and "has not been shown to be better" in message
    first, second, third = adopt(home, tip=True, each=True, branch="stack")
    subjects = [home.git("show", "-s", "--format=%s", sha) for sha in (first, second, third)]
    assert ["unconfirmed" in subject for subject in subjects] == [False, False, True]
    assert home.git("rev-parse", "stack/round-0003") == third and home.files(second) == home.files(champion[0])


def test_without_a_new_champion_there_is_nothing_to_adopt(tmp_path: Path) -> None:
    home = commit_repository(tmp_path / "home")
    play(home, patches=(), stacked=[FIRST])
    with pytest.raises(BadInput, match=r"still the seed scaffold.*--tip"):
        adopt(home)
    assert home.files(adopt(home, tip=True)[0]) == applied(SEED, FIRST)


def test_the_second_time_nothing_happens_and_another_branch_is_not_overwritten(home: Home) -> None:
    made = adopt(home, each=True), adopt(home)
    before = home.branches()
    assert (adopt(home, each=True), adopt(home)) == made and home.branches() == before
    write(home.repo, {"README.md": "new\n"})
    home.git("commit", "-qam", "later")
    with pytest.raises(BadInput, match=r"exists, with other commits; delete it, or give another --branch"):
        adopt(home)
    assert home.branches() == before
    home.git("branch", "feature")
    for name, words in (("feature", "other commits"), ("feature/x", "in the way"), ("a b", "no valid name")):
        with pytest.raises(BadInput, match=words):
            adopt(home, branch=name)
    assert adopt(home, branch="my/branch") == [home.git("rev-parse", "my/branch")]


def test_what_head_has_already_is_left_out(home: Home) -> None:
    first, _ = adopt(home, each=True)
    home.git("merge", "-q", "--ff-only", first)
    assert adopt(home, each=True, branch="again")[0] == ""
    home.git("merge", "-q", "--ff-only", "again/round-0002")
    assert adopt(home, branch="none") == [""]
    assert "none" not in home.git("branch")


@pytest.mark.parametrize("each", [False, True])
def test_a_conflict_names_the_files_and_nothing_is_written(home: Home, each: bool) -> None:
    write(home.scaffold, {"main.py": MAIN.replace("LEVEL = 1", "LEVEL = 5")})
    (home.scaffold / "prompts/system.md").unlink()
    home.git("commit", "-qam", "mine")
    refs, objects = home.git("for-each-ref"), home.git("count-objects", "-v")
    with pytest.raises(BadInput, match=r"agents/greeter/main\.py.*changed, moved or deleted since the run") as raised:
        adopt(home, each=each)
    assert "\n" not in str(raised.value)
    assert ("prompts/system.md" in str(raised.value)) is not each  # the first patch is in the way of `each`
    assert home.git("for-each-ref") == refs and home.git("count-objects", "-v") == objects


def test_a_scaffold_that_moved_is_a_conflict(home: Home) -> None:
    home.git("mv", "agents", "bots")
    home.git("commit", "-qm", "move")
    with pytest.raises(BadInput, match=r"main\.py.*moved or deleted"):
        adopt(home)


def test_a_file_in_the_way_of_a_folder_is_a_conflict(tmp_path: Path) -> None:
    home = commit_repository(tmp_path / "home")
    play(home, patches=[("add notes", [("notes/a.md", "a\n"), ("plan", "b\n")])])
    write(home.scaffold, {"notes": "mine\n", "plan/today.md": "mine\n"})
    home.git("add", "-A")
    home.git("commit", "-qm", "notes")
    with pytest.raises(BadInput, match=r"notes/a\.md, .*plan"):
        adopt(home)
    home.git("rm", "-qr", "--cached", "agents")
    (home.repo / "elsewhere").mkdir()
    home.git("update-index", "--add", "--cacheinfo", f"120000,{home.git('hash-object', '-w', 'README.md')},agents")
    home.git("commit", "-qm", "link")
    with pytest.raises(BadInput, match=r"agents.*is no folder at HEAD"):
        adopt(home)


def test_line_ends_that_git_converts_are_no_conflict(home: Home) -> None:
    write(home.scaffold, {"main.py": MAIN.replace("\n", "\r\n")})
    home.git("commit", "-qam", "other line ends")
    (sha,) = adopt(home)
    after = applied(SEED, FIRST, SECOND)["main.py"]
    assert home.files(sha)["main.py"] == after.replace(b"\n", b"\r\n")


def test_no_hook_runs_and_no_program_of_the_users_settings(home: Home) -> None:
    hooks = home.repo / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("pre-commit", "commit-msg", "post-commit", "reference-transaction", "prepare-commit-msg"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {home.top}/ran\nexit 1\n")
        (hooks / name).chmod(0o755)
    for key in ("core.fsmonitor", "gpg.program", "filter.x.clean", "diff.external", "merge.x.driver"):
        home.git("config", key, f"touch {home.top}/ran; false")
    home.git("config", "commit.gpgSign", "true")
    (home.repo / ".git" / "info").mkdir(exist_ok=True)
    (home.repo / ".git" / "info" / "attributes").write_text("* filter=x merge=x\n")
    adopt(home, each=True)
    assert len(home.branches()) == 2 and not (home.top / "ran").exists()


def test_it_works_from_any_folder_and_takes_the_head_of_the_work_tree_there(home: Home, tmp_path: Path) -> None:
    home.git("worktree", "add", "-q", "-b", "other", str(tmp_path / "other"))
    write(tmp_path / "other", {"more.txt": "x\n"})
    git(tmp_path / "other", "add", "-A")
    git(tmp_path / "other", "commit", "-qm", "more")
    other = git(tmp_path / "other", "rev-parse", "HEAD")
    (there,) = adopt(home, here=tmp_path / "other" / "agents", branch="there")
    (here,) = adopt(home, here=tmp_path, branch="here")
    assert home.git("rev-parse", f"{there}^") == other
    assert home.git("rev-parse", f"{here}^") == home.git("rev-parse", "main")


@pytest.mark.parametrize("inside", ["", "deep/in the/repository"])
def test_a_scaffold_may_be_anywhere_in_its_repository(tmp_path: Path, inside: str) -> None:
    home = commit_repository(tmp_path / "home", inside)
    play(home)
    (sha,) = adopt(home)
    assert applied(SEED, FIRST, SECOND).items() <= home.files(sha, inside).items()
    assert (home.files(sha, "")["README.md"]) == b"mine\n"


def test_a_repository_without_commits_gets_its_first_ones(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", tmp_path / "home/repo/agents/greeter")
    write(home.scaffold, SCAFFOLD)
    home.git("init", "-q", "--initial-branch=main")
    play(home)
    before = home.state()
    first, second, third = adopt(home, each=True)
    assert home.state() == before
    assert home.files(first) == SEED and home.files(second) == applied(SEED, FIRST)
    assert home.git("rev-list", "--parents", third).splitlines()[-1] == first
    assert "the scaffold with which" in home.git("show", "-s", "--format=%s", first)
    assert home.git("apply", "--check", stdin=patch_of(home.runs, RUN)) == ""


def test_a_scaffold_that_was_never_committed_comes_as_a_whole_and_a_new_file_as_the_champion_has_it(
    tmp_path: Path,
) -> None:
    home = commit_repository(tmp_path / "home")
    home.git("rm", "-q", "--cached", "agents/greeter/words.py")
    home.git("commit", "-q", "--amend", "-m", "without words")
    play(home, patches=[FIRST, THIRD])
    assert home.files(adopt(home, each=True)[1]) == applied(SEED, FIRST, THIRD)
    home.git("rm", "-qr", "--cached", "agents")
    home.git("commit", "-q", "--amend", "-m", "without agents")
    first, second = adopt(home)
    assert home.files(first) == SEED and home.files(second) == applied(SEED, FIRST, THIRD)


def test_without_a_repository_the_error_says_how_and_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    home = Home(tmp_path / "home", tmp_path / "home/agent")
    write(home.scaffold, SCAFFOLD)
    play(home)
    with pytest.raises(BadInput, match=rf"is in no git repository; `cd {home.scaffold} && evolve diff .*git init"):
        adopt(home)
    monkeypatch.setattr(sys, "argv", ["evolve", "diff", "--run", RUN, "--runs", str(home.runs)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    git(home.scaffold, "apply", stdin=capsysbinary.readouterr().out)
    found = {path.relative_to(home.scaffold).as_posix() for path in home.scaffold.rglob("*") if path.is_file()}
    assert {path: (home.scaffold / path).read_bytes() for path in found} == applied(SEED, FIRST, SECOND)


def test_a_repository_that_was_made_after_the_run_takes_the_champion(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", tmp_path / "home/repo/agents/greeter")
    write(home.scaffold, SCAFFOLD)
    play(home)
    home.git("init", "-q", "--initial-branch=main")
    home.git("add", "-A")
    home.git("commit", "-qm", "first")
    assert home.files(adopt(home, each=True)[1]) == applied(SEED, FIRST, SECOND)
    home.git("apply", "--index", stdin=patch_of(home.runs, RUN))
    assert home.git("write-tree") == home.git("rev-parse", f"{EACH[1]}^{{tree}}")


def test_a_bundled_scaffold_comes_as_a_folder_beside_the_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = commit_repository(tmp_path / "home")
    inside = Home(home.top, home.scaffold)
    runs = home.repo / "runs"
    place = tmp_path / "bundled"
    write(place / "scaffolds/single", SCAFFOLD)
    monkeypatch.setattr("evolve.suite.bundled._top", lambda: place)
    lineage = Lineage.open(place / "scaffolds/single", runs / RUN / "lineage.git", alone=True)
    top = Home(home.repo, home.scaffold)
    play(top, scaffold=Path("scaffolds/single"), lineage=lineage)
    adopt_run(runs, AdoptRequest(RUN), tmp_path)
    assert inside.files(CHAMPION, "scaffolds/single") == applied(SEED, FIRST, SECOND)
    assert inside.files(CHAMPION, "agents/greeter") == SEED
    assert home.git("log", "--format=%s", "main..", "--not", CHAMPION) == ""


# The diff


@pytest.mark.parametrize("inside", ["", "agents/greeter", "deep/in the/repository"])
def test_diffs_apply_in_the_root_of_the_repository(tmp_path: Path, inside: str) -> None:
    home = commit_repository(tmp_path / "home", inside)
    play(home)
    for patch, goal in ((patch_of(home.runs, RUN, 1), (FIRST,)), (patch_of(home.runs, RUN, 2), (FIRST, SECOND))):
        home.git("apply", stdin=patch)
        assert (
            applied(SEED, *goal).items()
            <= {
                path.relative_to(home.scaffold).as_posix(): path.read_bytes()
                for path in home.scaffold.rglob("*")
                if path.is_file() and ".git" not in path.parts
            }.items()
        )
    assert not (home.scaffold / "prompts/old.md").exists() and (home.scaffold / "main.py").stat().st_mode & 0o100
    home.git("apply", "-R", stdin=patch_of(home.runs, RUN))
    assert home.git("status", "--porcelain") == ""


def test_a_diff_carries_binary_files_and_line_ends_and_modes(home: Home) -> None:
    lineage, old = Lineage.open(home.scaffold, home.runs / "none"), home.git("rev-parse", "HEAD")
    write(home.scaffold, {"main.py": "a\r\nb", "logo.bin": bytes(range(255, -1, -1)), "latin.txt": b"\xe9\n"})
    (home.scaffold / "words.py").chmod(0o755)
    (home.scaffold / "prompts/old.md").unlink()
    home.git("add", "-A")
    home.git("commit", "-qm", "all kinds")
    new = home.git("rev-parse", "HEAD")
    for one, other in ((new, old), (old, new)):
        home.git("apply", "--index", stdin=lineage.patch(one, other))
        assert home.git("write-tree") == home.git("rev-parse", f"{other}^{{tree}}")


def test_the_diff_goes_to_a_pipe_as_it_is_and_to_a_terminal_with_escapes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    home = commit_repository(tmp_path / "home")
    play(home, patches=[("colour", [("words.py", "GREETING = '\x1b[31m'\n")])])
    for terminal in (False, True):
        monkeypatch.setattr(sys, "argv", ["evolve", "diff", "--runs", str(home.runs)])
        monkeypatch.setattr(type(sys.stdout), "isatty", lambda _self, shown=terminal: shown)
        with pytest.raises(SystemExit):
            cli.main()
        out = capsysbinary.readouterr().out
        assert (b"\x1b" in out) is not terminal and (b"\\x1b[31m" in out) is terminal


def test_the_command_prints_the_branches(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["--each"], ["--each", "--json"]):
        monkeypatch.setattr(sys, "argv", ["evolve", "adopt", RUN, "--runs", str(home.runs), *words])
        with pytest.raises(SystemExit):
            cli.main()
        out = capsys.readouterr().out
        assert all(branch in out for branch in EACH) and "agents/greeter/main.py" in out


def test_the_tip_falls_back_to_the_champion_when_its_stack_is_given_up(tmp_path: Path) -> None:
    home = commit_repository(tmp_path / "home")
    play(home, patches=[FIRST], stacked=[SECOND])
    with Store.open(home.runs / "evolve.db") as store:
        rounds = store.rounds(RUN)
        ends = ends_of(rounds)
        assert ends and [one.round for one in ends] == [1, 2]
        for fate, expected in ((StackFate.GIVEN_UP, [1, 1]), (StackFate.PROMOTED, [2, 2]), (StackFate.OPEN, [1, 2])):
            reverted = type(rounds[-1])(3, rounds[-1].candidate, "", None, None, Decision(Verdict.REVERT, "x", fate), 3)
            found = ends_of([*rounds, reverted])
            assert found and [one.round for one in found] == expected
    assert ends_of([]) is None
