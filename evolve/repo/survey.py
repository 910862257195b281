"""A repository looked at as it is, for the doctor and for gc: what is there of runs, what it weighs, mending a ref.

No commit, HEAD, index or work tree is touched; a branch that somebody has checked out is left where it is.
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
    """The folder with the objects and branches, as a run's row names it. Any method raises InfraError if git fails."""

    git_dir: Path

    @property
    def shell(self) -> GitShell:
        return GitShell(self.git_dir, self.git_dir)

    def problem(self) -> str | None:
        """Why git can't work in it; None if it can."""
        answer = self.shell.ask("rev-parse", "--git-dir")
        return None if answer.status == 0 else " ".join(answer.error.split())

    def branches(self, run: str) -> dict[str, str]:
        """The run's branches with what they point to."""
        return {branch.name: branch.sha for branch in list_branches(self.shell, run_prefix(run))}

    def whole_commits(self, shas: Iterable[str]) -> set[str]:
        """Those of the commits whose commit and tree are there."""
        wanted = sorted(set(shas))
        names = "".join(f"{sha}^{{commit}}\n{sha}^{{tree}}\n" for sha in wanted)
        lines = self.shell.text("cat-file", "--batch-check=%(objecttype)", stdin=names.encode()).splitlines()
        pairs = zip(lines[::2], lines[1::2], strict=True)
        return {sha for sha, pair in zip(wanted, pairs, strict=True) if pair == ("commit", "tree")} if wanted else set()

    def decisions(self) -> dict[str, dict[str, str]]:
        """What the notes say, by commit: see `Lineage.decision`."""
        return {sha: parse_trailers(text.rstrip("\n")) for sha, text in all_notes(self.shell).items()}

    def stale_locks(self, run: str) -> tuple[str, ...]:
        """The refs of a run, and the notes', that a git which was killed has left locked."""
        return tuple(stale_locks(self.shell, [f"{HEADS}{run_prefix(run)}", NOTES]))

    def checked_out(self) -> set[str]:
        """The branches that some work tree has checked out."""
        lines = self.shell.text("worktree", "list", "--porcelain").splitlines()
        return {line.removeprefix(f"branch {HEADS}") for line in lines if line.startswith("branch ")}

    def weight(self, branches: Collection[str]) -> int | None:
        """Bytes on disk of the objects that only these branches hold; None where git is too old to tell (2.31)."""
        lines = self.shell.text("for-each-ref", "--format=%(objectname) %(refname)").splitlines()
        refs = [line.split(" ", 1) for line in lines]
        gone = {f"{HEADS}{name}" for name in branches}
        rows = [sha if name in gone else f"^{sha}" for sha, name in refs if name != NOTES]
        answer = self.shell.ask("rev-list", "--objects", "--disk-usage", "--stdin", stdin="\n".join(rows).encode())
        return int(answer.text) if answer.status == 0 and answer.text.isdigit() else None

    def point(self, branch: str, sha: str) -> None:
        """Makes or moves a branch. Raises BadInput where it is checked out, or another branch is in the way."""
        self._refuse_checked_out(branch)
        ref = f"{HEADS}{branch}"
        move_ref(self.shell, ref, sha, read_ref(self.shell, ref))

    def delete(self, branch: str, sha: str) -> None:
        """Removes a branch that is still at `sha`; its objects go when git next collects garbage."""
        self._refuse_checked_out(branch)
        ref = f"{HEADS}{branch}"
        clear_lock(self.shell, ref)
        answer = self.shell.ask("update-ref", "-d", ref, sha)
        if answer.status != 0:
            raise InfraError(f"{ref} can't be removed: {' '.join(answer.error.split())}")

    def note(self, run: str, round: int, sha: str, verdict: Verdict, reason: str, when: str) -> None:
        """The note that `Lineage.record_decision` writes."""
        note_decision(self.shell, run, round, sha, verdict, reason, when)

    def unlock(self, ref: str) -> None:
        """Removes a ref's stale lock; one that is not stale is waited for."""
        clear_lock(self.shell, ref)

    def _refuse_checked_out(self, branch: str) -> None:
        if branch in self.checked_out():
            raise BadInput(f"branch {branch}", "is checked out in a work tree", "check out another one there")
