"""Inspect a repository for the doctor and gc: the branches and commits of runs, their size; and repair refs.

Commits, HEAD, index and work trees are never touched, and a branch that is checked out is not moved.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from evolve.core.errors import BadInput, InfraError
from evolve.core.records import Verdict
from evolve.repo.objects import parse_trailers
from evolve.repo.refs import (
    NOTES,
    all_notes,
    clear_lock,
    list_branches,
    move_ref,
    note_decision,
    read_ref,
    run_prefix,
    stale_locks,
)
from evolve.repo.shell import GitShell

HEADS = "refs/heads/"


@dataclass(frozen=True)
class Repository:
    """The git directory of a run, as its row names it. Any method raises InfraError if git fails."""

    git_dir: Path

    @property
    def shell(self) -> GitShell:
        return GitShell(self.git_dir, self.git_dir)

    def problem(self) -> str | None:
        """Say why git can't work in it; None if it can."""
        answer = self.shell.ask("rev-parse", "--git-dir")
        return None if answer.status == 0 else " ".join(answer.error.split())

    def branches(self, run: str) -> dict[str, str]:
        """Return the commits of the run's branches, by name."""
        return {branch.name: branch.sha for branch in list_branches(self.shell, run_prefix(run))}

    def whole_commits(self, shas: Iterable[str]) -> set[str]:
        """Return those commits whose commit and tree objects both exist."""
        wanted = sorted(set(shas))
        names = "".join(f"{sha}^{{commit}}\n{sha}^{{tree}}\n" for sha in wanted)
        lines = self.shell.text("cat-file", "--batch-check=%(objecttype)", stdin=names.encode()).splitlines()
        pairs = zip(lines[::2], lines[1::2], strict=True)
        return {sha for sha, pair in zip(wanted, pairs, strict=True) if pair == ("commit", "tree")} if wanted else set()

    def decisions(self) -> dict[str, dict[str, str]]:
        """Return the noted decisions by commit: see `Lineage.decision`."""
        return {sha: parse_trailers(text.rstrip("\n")) for sha, text in all_notes(self.shell).items()}

    def stale_locks(self, run: str) -> tuple[str, ...]:
        """Return the refs of a run and of the notes that a killed git process left locked."""
        return tuple(stale_locks(self.shell, [f"{HEADS}{run_prefix(run)}", NOTES]))

    def checked_out(self) -> set[str]:
        """Return the branches that are checked out in any work tree."""
        lines = self.shell.text("worktree", "list", "--porcelain").splitlines()
        return {line.removeprefix(f"branch {HEADS}") for line in lines if line.startswith("branch ")}

    def weight(self, branches: Collection[str]) -> int | None:
        """Return the bytes of the objects that only these branches hold; None if git is older than 2.31."""
        lines = self.shell.text("for-each-ref", "--format=%(objectname) %(refname)").splitlines()
        refs = [line.split(" ", 1) for line in lines]
        counted = {f"{HEADS}{name}" for name in branches}
        rows = [sha if name in counted else f"^{sha}" for sha, name in refs if name != NOTES]
        answer = self.shell.ask("rev-list", "--objects", "--disk-usage", "--stdin", stdin="\n".join(rows).encode())
        return int(answer.text) if answer.status == 0 and answer.text.isdigit() else None

    def point(self, branch: str, sha: str) -> None:
        """Create or move a branch. Raises BadInput if it is checked out, or another branch is in the way."""
        self._check_not_checked_out(branch)
        ref = f"{HEADS}{branch}"
        move_ref(self.shell, ref, sha, read_ref(self.shell, ref))

    def delete(self, branch: str, sha: str) -> None:
        """Delete a branch if it still is at `sha`. Git's next garbage collection removes its objects."""
        self._check_not_checked_out(branch)
        ref = f"{HEADS}{branch}"
        clear_lock(self.shell, ref)
        answer = self.shell.ask("update-ref", "-d", ref, sha)
        if answer.status != 0:
            raise InfraError(f"{ref} can't be removed: {' '.join(answer.error.split())}")

    def note(self, run: str, round: int, sha: str, verdict: Verdict, reason: str, when: str) -> None:
        """Write the same note as `Lineage.record_decision`."""
        note_decision(self.shell, run, round, sha, verdict, reason, when)

    def unlock(self, ref: str) -> None:
        """Remove a ref's stale lock. Waits for a lock that is not stale yet."""
        clear_lock(self.shell, ref)

    def _check_not_checked_out(self, branch: str) -> None:
        if branch in self.checked_out():
            raise BadInput(f"branch {branch}", "is checked out in a work tree", "check out another branch there")
