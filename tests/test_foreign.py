"""Repositories in a task's image: whatever is not in the history of HEAD is found, wherever and however it is kept."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from evolve.repo import find_excess
from evolve.sandbox import image_files
from evolve.sandbox.image_files import write_repositories


def git(folder: Path, *words: str) -> str:
    settings = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "protocol.file.allow=always", "-c", "gc.auto=0")
    done = subprocess.run(["git", "-C", str(folder), *settings, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, text: str) -> str:
    (folder / "a.py").write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", f"make it {text}")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A repository of two commits in an image's `/app`."""
    folder = tmp_path / "image" / "app"
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    commit(folder, "old")
    commit(folder, "broken")
    return folder


def excess(image: Path, tmp_path: Path) -> dict[str, str]:
    """What is found in an image with these files."""
    buffer, folder = io.BytesIO(), tmp_path / "read"
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(image, "")
    buffer.seek(0)
    with tarfile.open(fileobj=buffer, mode="r|") as archive:
        write_repositories(archive, folder)
    return find_excess(folder)


def fix(app: Path) -> str:
    """Commit the solution and go back to the task; the commit is still in the reflog."""
    start = git(app, "rev-parse", "HEAD")
    solution = commit(app, "fixed")
    git(app, "reset", "-q", "--hard", start)
    return solution


def forget(app: Path) -> None:
    git(app, "reflog", "expire", "--expire=now", "--expire-unreachable=now", "--all")


def branch(app: Path) -> None:
    git(app, "branch", "later", fix(app))
    forget(app)


def packed(app: Path) -> None:
    branch(app)
    git(app, "gc", "-q")


def tag(app: Path) -> None:
    git(app, "tag", "-a", "v2", "-m", "later", fix(app))
    forget(app)
    git(app, "pack-refs", "--all")


def reflog(app: Path) -> None:
    fix(app)


def messages(app: Path) -> None:
    """The objects are gone, and the messages say what was done."""
    fix(app)
    log = (app / ".git/logs/HEAD").read_text()
    forget(app)
    (app / ".git/ORIG_HEAD").unlink()
    git(app, "gc", "-q", "--prune=now")
    (app / ".git/logs/HEAD").write_text(log)


def unreachable(app: Path) -> None:
    fix(app)
    forget(app)


def dangling_blob(app: Path) -> None:
    (app / "solution").write_text("the solution")
    git(app, "hash-object", "-w", "solution")


def stash(app: Path) -> None:
    (app / "a.py").write_text("fixed")
    git(app, "stash", "-q")


def staged(app: Path) -> None:
    (app / "a.py").write_text("fixed")
    git(app, "add", "-A")
    (app / "a.py").write_text("broken")


def remote(app: Path) -> None:
    git(app, "update-ref", "refs/remotes/origin/main", fix(app))
    forget(app)


def note(app: Path) -> None:
    git(app, "notes", "add", "-m", "the fix is to write fixed")


def worktree(app: Path) -> None:
    git(app, "worktree", "add", "-q", "--detach", str(app.parent / "other"), fix(app))
    forget(app)


def older_worktree(app: Path) -> None:
    """The task is in the worktree, whose HEAD is older than that of the repository."""
    git(app, "worktree", "add", "-q", "--detach", str(app.parent / "task"), "HEAD~1")


def nested(app: Path) -> None:
    git(app, "clone", "-q", str(app), "vendor")
    branch(app / "vendor")


def submodule(app: Path) -> None:
    git(app.parent, "clone", "-q", str(app), "part")
    later = fix(app.parent / "part")
    git(app.parent / "part", "update-ref", "refs/heads/later", later)
    git(app, "submodule", "add", "-q", str(app.parent / "part"), "part")
    git(app, "commit", "-qm", "part")
    subprocess.run(["rm", "-rf", str(app.parent / "part")], check=True)


def bare(app: Path) -> None:
    branch(app)
    git(app.parent, "clone", "-q", "--mirror", str(app), "srv")
    branch_dir = app / ".git"
    subprocess.run(["rm", "-rf", str(branch_dir)], check=True)


def elsewhere(app: Path) -> None:
    branch(app)
    (app / ".git").rename(app.parent / "hidden")
    (app / ".git").write_text("gitdir: ../hidden\n")


def headless(app: Path) -> None:
    (app / ".git/HEAD").unlink()


def unborn(app: Path) -> None:
    git(app, "checkout", "-q", "--orphan", "empty")
    forget(app)


def alternates(app: Path) -> None:
    git(app.parent, "clone", "-q", "--shared", str(app), "copy")


def hooked(app: Path) -> None:
    """Settings that would run programs, hide the branch, or make later commits part of the history."""
    branch(app)
    head, later = (git(app, "rev-parse", name) for name in ("HEAD", "later"))
    (app / ".git/info").mkdir(exist_ok=True)
    (app / ".git/info/grafts").write_text(f"{head} {later}\n")
    config = app / ".git/config"
    config.write_text(
        f"{config.read_text()}[core]\n\tfsmonitor = touch {app.parent}/ran\n[include]\n\tpath = /etc/passwd\n"
    )


def sha256(app: Path) -> None:
    subprocess.run(["rm", "-rf", str(app / ".git")], check=True)
    git(app, "init", "-q", "--object-format=sha256", "-b", "main")
    commit(app, "broken")
    branch(app)


def linked(app: Path) -> None:
    """Objects that are hard links, as a local clone makes them."""
    branch(app)
    git(app.parent, "clone", "-q", "--mirror", "--local", str(app), "srv.git")


LEAKS = (
    branch, packed, tag, reflog, messages, unreachable, dangling_blob, stash, staged, remote, note, worktree,
    older_worktree, nested, submodule, bare, elsewhere, headless, unborn, alternates, hooked, sha256, linked,
)  # fmt: skip


@pytest.mark.parametrize("leak", LEAKS)
def test_what_is_beyond_head_is_found(app: Path, tmp_path: Path, leak: Callable[[Path], object]) -> None:
    leak(app)
    found = excess(app.parent, tmp_path)
    assert found and all("\n" not in problem for problem in found.values())
    assert not (app.parent / "ran").exists()


def plain(app: Path) -> None:
    """Nothing is done."""


def collected(app: Path) -> None:
    unreachable(app)
    (app / ".git/ORIG_HEAD").unlink(missing_ok=True)
    git(app, "gc", "-q", "--prune=now")


def older_tags(app: Path) -> None:
    git(app, "tag", "v1", "HEAD~1")
    git(app, "tag", "-a", "v1a", "-m", "x", "HEAD~1")
    git(app, "branch", "older", "HEAD~1")


def detached(app: Path) -> None:
    git(app, "checkout", "-q", "--detach")
    git(app, "branch", "-D", "main")
    git(app, "pack-refs", "--all")
    git(app, "gc", "-q", "--prune=now")


def shallow(app: Path) -> None:
    git(app.parent, "clone", "-q", "--depth=1", f"file://{app}", "shallow")


def changed(app: Path) -> None:
    (app / "a.py").write_text("not committed")


def empty(app: Path) -> None:
    git(app.parent, "init", "-q", "empty")


def no_repository(app: Path) -> None:
    subprocess.run(["rm", "-rf", str(app / ".git")], check=True)
    (app / "objects").mkdir()
    (app / "objects" / "HEAD").write_text("x")


@pytest.mark.parametrize("kept", [plain, collected, older_tags, detached, shallow, changed, empty, no_repository])
def test_a_history_that_ends_with_head_is_sound(app: Path, tmp_path: Path, kept: Callable[[Path], object]) -> None:
    kept(app)
    assert excess(app.parent, tmp_path) == {}


def test_names_of_an_archive_lead_nowhere_else(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("../HEAD", "/HEAD", "a/../../HEAD", "app/HEAD"):
            archive.addfile(tarfile.TarInfo(name))
        link = tarfile.TarInfo("app/packed-refs")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    buffer.seek(0)
    with tarfile.open(fileobj=buffer, mode="r|") as archive:
        write_repositories(archive, tmp_path / "in")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == [tmp_path / "in/app/HEAD"]


def test_a_huge_repository_is_refused(app: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_files, "MAX_BYTES", 10)
    with pytest.raises(Exception, match="shallow"):
        excess(app.parent, tmp_path)


def test_a_ruined_repository_is_no_crash(app: Path, tmp_path: Path) -> None:
    for file in (app / ".git/objects").rglob("*"):
        if file.is_file():
            file.chmod(0o644)
            file.write_bytes(b"x")
    assert "can't be read" in next(iter(excess(app.parent, tmp_path).values()))
