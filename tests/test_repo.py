"""The lineage, with real git in temporary folders."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evolve.core.errors import BadInput, InfraError
from evolve.core.records import FileEdit, Verdict
from evolve.repo import Author, BadPatch, Lineage, champion_branch, round_branch
from evolve.repo.patch import MAX_EDITS, MAX_FILE_BYTES, edit_problem, encode_edits, path_problem
from evolve.repo.refs import clear_lock
from evolve.repo.shell import GitShell

RUN = "20261123-2144-quiet-otter"
WHEN = "2026-11-23T21:44:00+01:00"
MODEL = Author("openai/gpt <5>", "gpt@example.org")
SCAFFOLD = {"agent.py": "print('one')\n", "prompts/system.md": "Be brief.\n", "run.sh": "#!/bin/sh\n"}
HOOKS = (
    "pre-commit",
    "post-commit",
    "commit-msg",
    "post-index-change",
    "reference-transaction",
    "post-checkout",
)


@pytest.fixture(autouse=True)
def _own_git_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No identity, no settings of the machine; and the traps of a hook's environment."""
    config = tmp_path / "gitconfig"
    config.write_text("[init]\n\tdefaultBranch = main\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))


def git(folder: Path, *args: str) -> str:
    identity = {f"GIT_{who}_{what}": "user@there" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    env = {**os.environ, **identity, "GIT_OPTIONAL_LOCKS": "0"}
    command = ["git", "-c", "safe.directory=*", *args]
    return subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True, text=True).stdout.rstrip("\n")


def write(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The usual repository, made once and copied."""
    folder = tmp_path_factory.mktemp("template") / "user"
    init(folder)
    return folder


def init(top: Path, inside: str = "scaffolds/single") -> Path:
    """A repository with one commit; -> the scaffold's folder in it."""
    write(top, {"README.md": "user's\n", ".gitignore": "*.log\n"})
    write(top / inside, SCAFFOLD)
    (top / inside / "run.sh").chmod(0o755)
    git(top, "init", "-q", "--template=", "--initial-branch=main")
    git(top, "add", "-A")
    git(top, "commit", "-qm", "first")
    return top / inside


def tree(top: Path, rev: str) -> dict[str, str]:
    """Path -> mode and blob, of a whole commit."""
    lines = git(top, "ls-tree", "-r", "-z", rev).split("\0")
    return {line.split("\t", 1)[1]: line.split("\t", 1)[0] for line in lines if line}


def blob(text: str) -> str:
    data = text.encode()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@pytest.fixture
def top(tmp_path: Path) -> Path:
    return tmp_path / "user"


@pytest.fixture
def lineage(top: Path, tmp_path: Path, template: Path) -> Lineage:
    shutil.copytree(template, top)
    return Lineage.open(top / "scaffolds/single", tmp_path / "lineage.git")


def candidate(lineage: Lineage, parent: str, *edits: FileEdit, message: str = "Say more") -> str:
    return lineage.commit_candidate(RUN, 1, parent, edits, message, MODEL, WHEN)


def test_seed_of_a_clean_tree_is_head_with_trailers(lineage: Lineage, top: Path, tmp_path: Path) -> None:
    head = git(top, "rev-parse", "HEAD")
    sha = lineage.seed(RUN, WHEN)
    assert tree(top, sha) == tree(top, head)
    assert git(top, "rev-parse", f"{sha}^") == head
    assert lineage.trailers(sha) == {"Evolve-Run": RUN, "Evolve-Round": "0", "Evolve-Parent": head}
    found = [(branch.name, branch.sha) for branch in lineage.branches(RUN)]
    assert found == [(champion_branch(RUN), sha), (round_branch(RUN, 0), sha)]
    assert not (tmp_path / "lineage.git").exists()


def test_seed_is_the_folder_on_disk(lineage: Lineage, top: Path) -> None:
    folder = lineage.place.folder
    write(
        folder,
        {
            "agent.py": "dirty\r\n",
            "new file é.txt": "new\n",
            "debug.log": "ignored",
            "__pycache__/a.pyc": "x",
        },
    )
    write(top, {"README.md": "outside, dirty\n"})
    (folder / "prompts/system.md").unlink()
    git(top, "config", "core.autocrlf", "input")
    git(top, "add", "scaffolds/single/agent.py")
    write(folder, {"agent.py": "dirtier\r\n"})
    seen = tree(top, lineage.seed(RUN, WHEN))
    assert {path for path in seen if path.startswith("scaffolds")} == {
        "scaffolds/single/agent.py",
        "scaffolds/single/new file é.txt",
        "scaffolds/single/run.sh",
    }
    assert seen["scaffolds/single/agent.py"] == f"100644 blob {blob('dirtier' + chr(13) + chr(10))}"
    assert seen["scaffolds/single/run.sh"].startswith("100755")
    assert seen["README.md"].endswith(blob("user's\n"))


def test_a_seeded_run_keeps_its_seed(lineage: Lineage) -> None:
    first = lineage.seed(RUN, WHEN)
    write(lineage.place.folder, {"agent.py": "changed later\n"})
    lineage.set_champion(RUN, child := candidate(lineage, first, FileEdit("agent.py", "x")))
    assert lineage.seed(RUN, "2027-01-01T00:00:00Z") == first
    assert lineage.resolve(champion_branch(RUN)) == child
    assert lineage.seed("another", WHEN) != first


def test_the_users_files_are_untouched_and_no_hook_runs(
    lineage: Lineage, top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "a-hook-ran"
    (top / ".git/hooks").mkdir(exist_ok=True)
    for hook in HOOKS:
        (top / ".git/hooks" / hook).write_text(f"#!/bin/sh\ntouch '{marker}'\n")
        (top / ".git/hooks" / hook).chmod(0o755)
    git(top, "config", "core.fsmonitor", f"touch {marker}; false")
    git(top, "config", "core.splitIndex", "true")
    git(top, "config", "commit.gpgSign", "true")
    write(top, {"README.md": "dirty\n", "scaffolds/single/agent.py": "dirty\n", "untracked": ""})
    marker.unlink(missing_ok=True)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(top / ".git/index"))

    def kept() -> dict[str, bytes]:
        git_files = [path for path in (top / ".git").iterdir() if path.is_file()]
        tree_files = [path for path in top.rglob("*") if path.is_file() and ".git" not in path.parts]
        return {str(path): path.read_bytes() + str(path.stat().st_mtime_ns).encode() for path in git_files + tree_files}

    before = kept()
    sha = candidate(lineage, lineage.seed(RUN, WHEN), FileEdit("agent.py", "new\n"))
    lineage.create_branch(round_branch(RUN, 1), sha)
    lineage.set_champion(RUN, sha)
    lineage.record_decision(RUN, 1, sha, Verdict.KEEP, "better", WHEN)
    lineage.export(sha, tmp_path / "out")
    assert lineage.diff(lineage.resolve("HEAD"), sha)
    assert kept() == before
    assert not marker.exists()


def test_the_environment_of_a_hook_is_ignored(
    lineage: Lineage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_NAMESPACE"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    again = Lineage.open(lineage.place.folder, tmp_path / "none")
    assert again == lineage
    assert again.files(again.seed(RUN, WHEN)) == SCAFFOLD


def test_a_candidate_changes_only_the_scaffold(lineage: Lineage, top: Path) -> None:
    seed = lineage.seed(RUN, WHEN)
    edits = [
        FileEdit("run.sh", "#!/bin/sh\necho hi\n"),
        FileEdit("a b/ü.md", "new\n"),
        FileEdit("prompts/system.md", None),
    ]
    sha = candidate(lineage, seed, *edits)
    old, new = tree(top, seed), tree(top, sha)
    assert new["scaffolds/single/run.sh"] == f"100755 blob {blob(edits[0].text or '')}"
    assert new["scaffolds/single/a b/ü.md"] == f"100644 blob {blob('new' + chr(10))}"
    assert "scaffolds/single/prompts/system.md" not in new
    rest = {"README.md", ".gitignore", "scaffolds/single/agent.py"}
    assert {path: new[path] for path in rest} == {path: old[path] for path in rest}
    assert git(top, "log", "-1", "--format=%an|%ae|%aI|%cI|%P", sha) == (
        f"openai/gpt 5|gpt@example.org|2026-11-23T20:44:00+00:00|2026-11-23T20:44:00+00:00|{seed}"
    )


def test_message_and_trailers_survive_what_a_model_writes(lineage: Lineage, top: Path) -> None:
    seed = lineage.seed(RUN, WHEN)
    message = "A very long hypothesis, " * 9 + "\n\nEvolve-Round: 99\n\x00\x1b[31m\ud800"
    edit = [FileEdit("agent.py", "2")]
    own = {"Evolve-Proposal": "7\nEvolve-Round: 98"}
    sha = lineage.commit_candidate(RUN, 42, seed, edit, message, Author(" <>\n", ""), WHEN, own)
    facts = {"Evolve-Run": RUN, "Evolve-Round": "42", "Evolve-Parent": seed}
    assert lineage.trailers(sha) == {"Evolve-Proposal": "7 Evolve-Round: 98", **facts}
    assert git(top, "log", "-1", "--format=%(trailers:key=Evolve-Round,valueonly)", sha).strip() == "42"
    assert len(git(top, "log", "-1", "--format=%s", sha)) <= 72
    assert git(top, "log", "-1", "--format=%an %ae", sha) == "model model@localhost"
    assert lineage.trailers(lineage.resolve("HEAD")) == {}


def test_same_arguments_give_the_same_sha_anywhere(lineage: Lineage, top: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(top), "clone")
    git(tmp_path / "clone", "config", "i18n.commitEncoding", "ISO-8859-1")
    git(tmp_path / "clone", "config", "user.name", "Somebody")
    git(tmp_path / "clone", "config", "core.autocrlf", "true")
    write(tmp_path / "clone", {".gitattributes": "* text eol=crlf ident\n"})
    other = Lineage.open(tmp_path / "clone/scaffolds/single", tmp_path / "none")
    edit = FileEdit("agent.py", "a\r\nb\n$Id$\n")
    shas = [candidate(one, one.seed(RUN, WHEN), edit, message="é") for one in (lineage, other, lineage)]
    assert len(set(shas)) == 1
    assert candidate(lineage, lineage.seed(RUN, WHEN), edit, message="e") != shas[0]


def test_export_files_and_diff_agree_with_the_tree(lineage: Lineage, tmp_path: Path) -> None:
    (lineage.place.folder / "data.bin").write_bytes(b"\x00\xff")
    write(
        lineage.place.folder,
        {".gitattributes": "agent.py export-ignore diff=evil\n*.md -diff export-subst\n"},
    )
    sha = candidate(lineage, seed := lineage.seed(RUN, WHEN), FileEdit("agent.py", "print('two')\n"))
    umask = os.umask(0o077)
    out = lineage.export(sha, tmp_path / "deep/out")
    os.umask(umask)
    on_disk = {str(file.relative_to(out)): file.read_bytes() for file in out.rglob("*") if file.is_file()}
    files = lineage.files(sha)
    assert {path: text.encode() if isinstance(text, str) else text for path, text in files.items()} == on_disk
    assert files["data.bin"] == b"\x00\xff"
    assert files["agent.py"] == "print('two')\n"
    assert (out / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (out / "agent.py").stat().st_mode & 0o777 == 0o644
    assert (out / "prompts").stat().st_mode & out.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    made = out.stat().st_ino
    assert lineage.export(sha, out).stat().st_ino == made
    diff = lineage.diff(seed, sha)
    assert diff.startswith("diff --git a/agent.py b/agent.py\n")
    assert "-print('one')\n+print('two')\n" in diff


def test_diff_ignores_the_users_settings(lineage: Lineage, top: Path, tmp_path: Path) -> None:
    for key, value in {"diff.external": "false", "color.ui": "always", "diff.noprefix": "true"}.items():
        git(top, "config", key, value)
    sha = candidate(lineage, seed := lineage.seed(RUN, WHEN), FileEdit("agent.py", "é\n"), FileEdit("ü.txt", "1\n"))
    assert "\x1b" not in lineage.diff(seed, sha)
    assert "+++ b/ü.txt\n" in lineage.diff(seed, sha)
    assert lineage.diff(seed, seed) == ""


@pytest.mark.parametrize("detached", [False, True])
def test_the_root_of_a_repository_as_scaffold(top: Path, tmp_path: Path, detached: bool) -> None:
    folder = init(top, ".")
    if detached:
        git(top, "checkout", "-q", "--detach")
    lineage = Lineage.open(folder, tmp_path / "none")
    sha = candidate(lineage, lineage.seed(RUN, WHEN), FileEdit("agent.py", "2\n"))
    assert lineage.files(sha) == {
        "README.md": "user's\n",
        ".gitignore": "*.log\n",
        **SCAFFOLD,
        "agent.py": "2\n",
    }
    assert git(top, "rev-parse", f"{sha}~2") == git(top, "rev-parse", "HEAD")


def test_a_linked_work_tree_as_the_scaffolds_home(top: Path, tmp_path: Path) -> None:
    init(top)
    git(top, "worktree", "add", "-q", "-b", "side", str(tmp_path / "linked"))
    write(tmp_path / "linked", {"scaffolds/single/agent.py": "linked\n"})
    git(tmp_path / "linked", "commit", "-qam", "second")
    lineage = Lineage.open(tmp_path / "linked/scaffolds/single", tmp_path / "none")
    seed = lineage.seed(RUN, WHEN)
    assert git(top, "rev-parse", f"{round_branch(RUN, 0)}^") == git(top, "rev-parse", "side")
    shutil.rmtree(tmp_path / "linked")
    sha = candidate(lineage, seed, FileEdit("run.sh", "2\n"))
    assert lineage.files(sha)["agent.py"] == "linked\n"


@pytest.mark.parametrize("kind", ["no repository", "no commit", "bare"])
def test_without_a_usable_repository_one_is_made(tmp_path: Path, kind: str) -> None:
    folder, fallback = tmp_path / "plain/scaffold", tmp_path / "runs/one/lineage.git"
    write(folder, {**SCAFFOLD, ".gitignore": "*.log\n", "a.log": ""})
    if kind != "no repository":
        git(folder.parent, "init", "-q", *(["--bare"] if kind == "bare" else []))
    lineage = Lineage.open(folder, fallback)
    seed = lineage.seed(RUN, WHEN)
    assert tree(fallback, "main") == tree(fallback, seed)
    assert set(lineage.files(seed)) == {*SCAFFOLD, ".gitignore"}
    assert [path.name for path in fallback.parent.iterdir()] == ["lineage.git"]
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "the user's first")
    again = Lineage.open(folder, fallback)
    assert again.seed(RUN, WHEN) == seed
    assert again.git_dir == fallback


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is not a folder"):
        Lineage.open(tmp_path / "absent", tmp_path / "none")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_the_error_for_another_users_repository_has_the_fix(top: Path, tmp_path: Path) -> None:
    folder = init(top)
    for path in (top, top / ".git"):
        os.chown(path, 12345, 12345)
    with pytest.raises(BadInput, match=f"git config --global --add safe.directory {top}"):
        Lineage.open(folder, tmp_path / "none")


def test_a_broken_repository_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "x", {".git": "gitdir: /nowhere\n", **SCAFFOLD})
    with pytest.raises(BadInput, match="make `git status` work"):
        Lineage.open(tmp_path / "x", tmp_path / "none")


def test_odd_names_on_disk_are_refused(lineage: Lineage) -> None:
    for name in ("new\nline", "tab\there", "a:b", "back\\slash", " lead", "git~1", "zero\u200bwidth"):
        write(lineage.place.folder, {name: "x"})
        with pytest.raises(BadInput, match="the name must"):
            lineage.seed(RUN, WHEN)
        (lineage.place.folder / name).unlink()
    assert lineage.branches(RUN) == []


def test_links_and_repositories_within_are_refused(lineage: Lineage) -> None:
    folder = lineage.place.folder
    (folder / "link").symlink_to("/etc/passwd")
    with pytest.raises(BadInput, match="is not a regular file"):
        lineage.seed(RUN, WHEN)
    (folder / "link").unlink()
    write(folder / "nested", {"a": "1"})
    git(folder / "nested", "init", "-q")
    with pytest.raises(BadInput, match="a git repository of its own"):
        lineage.seed(RUN, WHEN)


def test_an_ignored_scaffold_is_refused(lineage: Lineage, top: Path) -> None:
    git(top, "rm", "-rq", "--cached", "scaffolds")
    write(top, {".gitignore": "scaffolds/\n"})
    with pytest.raises(BadInput, match="git sees no file"):
        lineage.seed(RUN, WHEN)


def test_a_file_became_a_folder(lineage: Lineage) -> None:
    (lineage.place.folder / "agent.py").unlink()
    write(lineage.place.folder, {"agent.py/inner.py": "x"})
    assert set(lineage.files(lineage.seed(RUN, WHEN))) == {"agent.py/inner.py", "prompts/system.md", "run.sh"}


def test_a_commit_with_a_link_is_not_exported(lineage: Lineage, top: Path, tmp_path: Path) -> None:
    (lineage.place.folder / "link").symlink_to("/etc/passwd")
    git(top, "add", "-A")
    git(top, "commit", "-qm", "link")
    with pytest.raises(BadInput, match="is not a regular file"):
        lineage.export(lineage.resolve("HEAD"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


REFUSED = {
    "must edit 1 to": [],
    "twice": [FileEdit("a", "1"), FileEdit("a", "2")],
    "does not exist": [FileEdit("absent", None)],
    "differ only in case": [FileEdit("AGENT.py", "x")],
    "both a file and a folder": [FileEdit("agent.py/x", "x")],
    "the limit is 1048576": [FileEdit("big", "x" * (MAX_FILE_BYTES + 1))],
    "valid Unicode": [FileEdit("a", "\udc80")],
    "deletes every file": [FileEdit(path, None) for path in SCAFFOLD],
    "git's own files": [FileEdit("sub/.gitattributes", "* filter=x")],
    f"this one edits {MAX_EDITS + 1}": [FileEdit(str(number), "") for number in range(MAX_EDITS + 1)],
}


@pytest.mark.parametrize("reason", REFUSED)
def test_bad_patches_are_refused_with_a_reason(reason: str) -> None:
    with pytest.raises(BadPatch, match=reason):
        encode_edits(REFUSED[reason], list(SCAFFOLD))


def test_a_patch_that_changes_nothing_or_leads_out_is_refused(lineage: Lineage, top: Path) -> None:
    seed = lineage.seed(RUN, WHEN)
    for edit, reason in (
        (FileEdit("agent.py", SCAFFOLD["agent.py"]), "nothing"),
        (FileEdit("../../x", "x"), "part"),
    ):
        with pytest.raises(BadPatch, match=reason):
            candidate(lineage, seed, edit)
    with pytest.raises(BadInput, match="full commit id"):
        candidate(lineage, "HEAD", FileEdit("agent.py", "x"))


GOOD_NAME = st.text(st.sampled_from("abcXYZ019_-.+ é漢"), min_size=1, max_size=12).filter(
    lambda name: name.strip(" .") == name and name not in ("", ".", "..")
)
DOT_GIT = st.sampled_from(
    [".git", ".GIT", ".Git", ".git.", ".git ", ".git. .", "git~1", "GIT~2", ".g\u200cit", ".git:x"]
)
DOT_GITS = DOT_GIT | st.sampled_from([".git::$INDEX_ALLOCATION", "\ufeff.git", ".gi\u2060t", "．ｇｉｔ", "gi7eba~1"])


@given(
    st.lists(GOOD_NAME, max_size=3),
    DOT_GITS | st.sampled_from(["", ".", ".."]),
    st.lists(GOOD_NAME, max_size=2),
)
@example([], "/etc", [])
@example([], "C:", ["x"])
@example(["a"], "b\\..\\c", [])
@example([], "x\0", [])
def test_no_path_leads_out_or_into_git(before: list[str], bad: str, after: list[str]) -> None:
    path = "/".join([*before, bad, *after])
    assert path_problem(path)
    assert edit_problem(path)


@given(st.lists(GOOD_NAME, min_size=1, max_size=4))
def test_ordinary_paths_are_fine(names: list[str]) -> None:
    assert path_problem("/".join(names)) is None


@given(st.text(max_size=40))
def test_an_accepted_path_stays_within_its_folder(path: str) -> None:
    if path_problem(path) is None:
        assert os.path.normpath(os.path.join("/top", path)) == f"/top/{path}"
        assert path.isprintable()


def test_branches_are_made_once_and_never_moved(lineage: Lineage) -> None:
    seed = lineage.seed(RUN, WHEN)
    child = candidate(lineage, seed, FileEdit("agent.py", "2"))
    for _ in range(2):
        lineage.create_branch(round_branch(RUN, 1), child)
    with pytest.raises(InfraError, match="can't be moved"):
        lineage.create_branch(round_branch(RUN, 1), seed)
    assert lineage.resolve(round_branch(RUN, 1)) == child


def test_the_error_for_a_branch_in_the_way_has_the_fix(lineage: Lineage, top: Path) -> None:
    git(top, "branch", "evolve")
    with pytest.raises(BadInput, match="git branch -m evolve evolve-old"):
        lineage.seed(RUN, WHEN)


@pytest.mark.parametrize("run", ["", "a/b", "..", "a..b", "-x", "x.lock", "a b", "x."])
def test_names_of_runs_that_git_refuses(run: str) -> None:
    with pytest.raises(BadInput, match="part of a branch name"):
        round_branch(run, 1)


def test_locks_of_a_killed_git_are_removed(lineage: Lineage, top: Path) -> None:
    seed = lineage.seed(RUN, WHEN)
    child = candidate(lineage, seed, FileEdit("agent.py", "2"))
    branches = [f"refs/heads/{name}" for name in (champion_branch(RUN), round_branch(RUN, 1))]
    for ref in (*branches, "refs/notes/evolve"):
        lock = top / f".git/{ref}.lock"
        lock.parent.mkdir(exist_ok=True)
        lock.touch()
        os.utime(lock, (time.time() - 60, time.time() - 60))
    lineage.create_branch(round_branch(RUN, 1), child)
    lineage.set_champion(RUN, child)
    lineage.record_decision(RUN, 1, child, Verdict.KEEP, "better", WHEN)
    assert lineage.resolve(champion_branch(RUN)) == child
    assert lineage.decision(child)["Evolve-Decision"] == "keep"


@pytest.mark.parametrize("age", [0, -60])
def test_a_fresh_lock_is_waited_for(tmp_path: Path, age: int) -> None:
    """Also one from a clock that runs ahead."""
    lock = tmp_path / "refs/x.lock"
    lock.parent.mkdir()
    lock.touch()
    os.utime(lock, (time.time() - age, time.time() - age))
    started = time.monotonic()
    clear_lock(GitShell(tmp_path, tmp_path), "refs/x", stale_seconds=0.1)
    assert 0.08 < time.monotonic() - started < 2
    assert not lock.exists()


def test_decisions_are_notes_that_git_shows(lineage: Lineage, top: Path) -> None:
    seed = lineage.seed(RUN, WHEN)
    assert lineage.decision(seed) == {}
    git(top, "notes", "--ref=evolve", "add", "-m", "the user's own", "HEAD")
    for reason in ("worse", "3 of 20\nworse", "3 of 20\nworse"):
        lineage.record_decision(RUN, 1, seed, Verdict.REVERT, reason, WHEN)
    facts = {
        "Evolve-Run": RUN,
        "Evolve-Round": "1",
        "Evolve-Decision": "revert",
        "Evolve-Reason": "3 of 20 worse",
    }
    assert lineage.decision(seed) == facts
    shown = git(top, "log", "-2", "--format=%N", "--notes=evolve", seed)
    assert "Evolve-Reason: 3 of 20 worse" in shown
    assert "the user's own" in shown
    assert git(top, "rev-list", "--count", "refs/notes/evolve") == "3"


def test_unknown_revisions_are_bad_input(lineage: Lineage) -> None:
    for rev in ("no-such-branch", "--all", "HEAD:README.md", ""):
        with pytest.raises(BadInput, match="not found in"):
            lineage.resolve(rev)


def test_errors_of_git_carry_its_message(lineage: Lineage) -> None:
    with pytest.raises(InfraError, match=r"git cat-file failed in .*0000"):
        lineage.trailers("0" * 40)
    with pytest.raises(BadInput, match="has no folder"):
        lineage.files("0" * 40)


def test_every_command_has_a_time_limit(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(InfraError, match=r"longer than 0\.1 seconds"):
        GitShell(tmp_path).ask("-c", "alias.wait=!sleep 5", "wait", seconds=0.1)
    assert time.monotonic() - started < 3


# Leaving a patch out


def lines(*words: str) -> str:
    return "".join(f"{word}\n" for word in words)


def test_a_patch_below_a_later_one_is_undone(lineage: Lineage) -> None:
    seed = candidate(lineage, lineage.seed(RUN, WHEN), FileEdit("agent.py", lines(*"abcdefghi")))
    patch = candidate(lineage, seed, FileEdit("agent.py", lines(*"aBcdefghi")), FileEdit("new.py", "x\n"))
    tip = candidate(lineage, patch, FileEdit("agent.py", lines(*"aBcdefghI")))
    edits = lineage.transplant(tip, patch, seed)
    assert edits == (FileEdit("agent.py", lines(*"abcdefghI")), FileEdit("new.py", None))


def test_a_patch_that_later_ones_need_is_not_undone(lineage: Lineage) -> None:
    seed = lineage.seed(RUN, WHEN)
    patch = candidate(lineage, seed, FileEdit("agent.py", "print('two')\n"), FileEdit("new.py", "x\n"))
    for edit in (FileEdit("agent.py", "print('three')\n"), FileEdit("new.py", "y\n"), FileEdit("agent.py", None)):
        assert lineage.transplant(candidate(lineage, patch, edit), patch, seed) is None


def test_a_file_that_a_patch_deleted_comes_back(lineage: Lineage) -> None:
    seed = lineage.seed(RUN, WHEN)
    patch = candidate(lineage, seed, FileEdit("prompts/system.md", None))
    assert lineage.transplant(patch, patch, seed) == (FileEdit("prompts/system.md", SCAFFOLD["prompts/system.md"]),)


def test_branches_that_changed_different_lines_are_merged(lineage: Lineage) -> None:
    seed = candidate(lineage, lineage.seed(RUN, WHEN), FileEdit("agent.py", lines(*"abcdefghi")))
    tip = candidate(lineage, seed, FileEdit("agent.py", lines(*"Abcdefghi")))
    other = candidate(lineage, seed, FileEdit("agent.py", lines(*"abcdefghI")), FileEdit("new.py", "x\n"))
    clash = candidate(lineage, seed, FileEdit("agent.py", lines(*"zbcdefghi")))
    merged = (FileEdit("agent.py", lines(*"AbcdefghI")), FileEdit("new.py", "x\n"))
    assert lineage.transplant(tip, seed, other) == merged
    assert lineage.transplant(tip, seed, clash) is None


def test_undoing_an_undone_patch_changes_nothing(lineage: Lineage) -> None:
    seed = lineage.seed(RUN, WHEN)
    patch = candidate(lineage, seed, FileEdit("agent.py", "print('two')\n"))
    tip = candidate(lineage, patch, FileEdit("agent.py", SCAFFOLD["agent.py"]))
    assert lineage.transplant(tip, patch, seed) == ()


def test_a_lineage_on_its_own_ignores_the_repository_around_it(top: Path, tmp_path: Path, template: Path) -> None:
    shutil.copytree(template, top)
    lineage = Lineage.open(top / "scaffolds/single", tmp_path / "own.git", alone=True)
    assert lineage.git_dir == tmp_path / "own.git"
    assert set(lineage.files(lineage.seed(RUN, WHEN))) == set(SCAFFOLD)


def test_suites_results_and_settings_in_the_folder_are_no_part_of_the_scaffold(top: Path, lineage: Lineage) -> None:
    others = {
        "evolve.toml": "",
        "tasks/suite.toml": "",
        "tasks/one/tests/test_hidden.py": "",
        "results/evolve.db": "",
        "results/run/trials/x.json": "",
    }
    kept = {"tools/suite.py": "", "prompts/evolve.toml": ""}
    write(top / "scaffolds/single", {**others, **kept})
    git(top, "add", "scaffolds/single/tasks")
    assert set(lineage.files(lineage.seed(RUN, WHEN))) == {*SCAFFOLD, *kept}
