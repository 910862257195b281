"""The lineage of candidates: commits and branches beside the user's own, which are never touched."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evolve.core.errors import BadInput
from evolve.core.records import FileEdit, Verdict
from evolve.repo.discover import Place, find_around, find_in, find_place
from evolve.repo.export import check_written, store_folder, write_files
from evolve.repo.merge import transplanted_edits
from evolve.repo.objects import (
    Author,
    Entry,
    changed_tree,
    check_amount,
    check_files,
    check_tree,
    compose_message,
    list_tree,
    parse_trailers,
    read_blobs,
    store_bytes,
    store_commit,
)
from evolve.repo.patch import BadPatch, encode_edits
from evolve.repo.refs import (
    Branch,
    champion_branch,
    list_branches,
    move_ref,
    note_decision,
    read_note,
    read_ref,
    round_branch,
    run_prefix,
)

# Whatever the user's settings of diffs are.
PLAIN_DIFF = ("--no-color", "--no-ext-diff", "--no-textconv", "--no-renames")


@dataclass(frozen=True)
class Lineage:
    """Candidates as commits. All file paths are relative to the scaffold's folder; a `sha` is a full one.

    Runs may share a repository, but only one process may write for a run: the caller holds the run's lock. Any method
    raises InfraError, with git's message, if git fails.
    """

    place: Place

    @classmethod
    def open(cls, scaffold_folder: Path, fallback: Path, alone: bool = False, without: Sequence[Path] = ()) -> Lineage:
        """Open the lineage in the repository around the scaffold, or in the bare one at `fallback`.

        `fallback` is created if there is no repository with a commit, or if `alone`, and is used from then on. What is
        in a folder of `without` doesn't belong to the scaffold.

        Raises:
            BadInput: The folder does not exist, or git refuses to work in it.
        """
        return cls(find_place(scaffold_folder, fallback.resolve(), alone, without))

    @classmethod
    def at(cls, git_dir: Path, prefix: str = "") -> Lineage:
        """The lineage in a repository, of a scaffold at `prefix` in it; its folder need not be on disk."""
        return cls(find_in(git_dir, prefix))

    @classmethod
    def around(cls, scaffold_folder: Path) -> Lineage | None:
        """The lineage in the repository around the scaffold; None if there is none with a commit. Makes nothing."""
        place = find_around(scaffold_folder)
        return cls(place) if place else None

    @property
    def git_dir(self) -> Path:
        """The folder with the objects and branches."""
        return self.place.shell.git_dir or self.place.shell.cwd

    def seed(self, run: str, when: str, author: Author | None = None) -> str:
        """Commit the candidate of round 0: HEAD with the scaffold's folder as it is on disk now. Return its sha.

        Creates the branches of round 0 and of the champion, unless the run has them.

        Raises:
            BadInput: The folder holds links, nested repositories, unusable names or no files.
        """
        branch = round_branch(run, 0)
        sha = self.seed_of(run) or self._seed_commit(run, when, author)
        self.create_branch(branch, sha)
        if read_ref(self.place.shell, f"refs/heads/{champion_branch(run)}") is None:
            self.set_champion(run, sha)
        return sha

    def _seed_commit(self, run: str, when: str, author: Author | None) -> str:
        place = self.place
        head = self.resolve("HEAD")
        old = [Entry(e.path, e.mode, None) for e in self._entries(head, must_exist=False)]
        tree = self._tree(head, [*old, *store_folder(place.home, place.folder, place.without)])
        trailers = {"Evolve-Run": run, "Evolve-Round": "0", "Evolve-Parent": head}
        return store_commit(place.shell, tree, head, compose_message("Round 0", "seed", trailers), when, author)

    def commit_candidate(
        self,
        run: str,
        round: int,
        parent_sha: str,
        edits: Sequence[FileEdit] | None,
        message: str,
        author: Author,
        when: str,
        trailers: Mapping[str, str] | None = None,
    ) -> str:
        """Commit the parent with the edits applied, without a branch. The same arguments give the same sha.

        Args:
            run: The run.
            round: The round's number.
            parent_sha: The commit to patch.
            edits: The patch; None: a copy of the parent, with the same files.
            message: The hypothesis.
            author: The model.
            when: Time of the commit, ISO 8601.
            trailers: More trailers for the commit message.

        Raises:
            BadPatch: The edits can't be applied.
        """
        run_prefix(run)
        tree = self._tree_of(parent_sha) if edits is None else self._edited_tree(parent_sha, edits)
        own = {"Evolve-Run": run, "Evolve-Round": str(round), "Evolve-Parent": parent_sha}
        text = compose_message(f"Round {round}", message, {**(trailers or {}), **own})
        return store_commit(self.place.shell, tree, parent_sha, text, when, author)

    def commit_contents(
        self, run: str, parent_sha: str, contents: Mapping[str, tuple[str, bytes]], message: str, when: str
    ) -> str:
        """Commit the parent with other files in place of all of the scaffold's, without a branch.

        The same arguments give the same sha.

        Args:
            run: The run for which it is made.
            contents: By path in the scaffold's folder, the git mode and the bytes.
        """
        before = self._files(parent_sha)
        oids = store_bytes(self.place.shell, [content for _, content in contents.values()])
        after = [Entry(path, mode, oid) for (path, (mode, _)), oid in zip(contents.items(), oids, strict=True)]
        gone = [Entry(entry.path, entry.mode, None) for entry in before if entry.path not in contents]
        tree = self._tree(parent_sha, [*gone, *after])
        text = compose_message("Measured", message, {"Evolve-Run": run, "Evolve-Parent": parent_sha})
        return store_commit(self.place.shell, tree, parent_sha, text, when, Author("evolve", "evolve@evolve.invalid"))

    def _edited_tree(self, parent: str, edits: Sequence[FileEdit]) -> str:
        modes = {entry.path: entry.mode for entry in self._files(parent)}
        texts = encode_edits(edits, modes)
        kept = {path: text for path, text in texts.items() if text is not None}
        oids = dict(zip(kept, store_bytes(self.place.shell, list(kept.values())), strict=True))
        changes = [Entry(path, modes.get(path, "100644"), oids.get(path)) for path in texts]
        _check_amount(self._files(parent), texts)
        tree = self._tree(parent, changes)
        if tree == self._tree_of(parent):
            raise BadPatch("the patch changes nothing")
        return tree

    def _tree_of(self, commit: str) -> str:
        return self.place.shell.text("rev-parse", f"{commit}^{{tree}}")

    def create_branch(self, name: str, sha: str) -> None:
        """Create the branch `name` (without `refs/heads/`). If it exists, it must point to `sha`.

        Raises:
            BadInput: A branch of the user is in the way.
        """
        ref = f"refs/heads/{name}"
        if read_ref(self.place.shell, ref) != sha:
            move_ref(self.place.shell, ref, _full(sha), None)

    def set_champion(self, run: str, sha: str) -> None:
        """Move the run's champion branch to `sha`."""
        ref = f"refs/heads/{champion_branch(run)}"
        move_ref(self.place.shell, ref, _full(sha), read_ref(self.place.shell, ref))

    def record_decision(self, run: str, round: int, sha: str, verdict: Verdict, reason: str, when: str) -> None:
        """Write the decision as a note on the candidate's commit. `git log --notes=evolve` shows it."""
        note_decision(self.place.shell, run, round, _full(sha), verdict, reason, when)

    def decision(self, sha: str) -> dict[str, str]:
        """Return the note of `record_decision`: Evolve-Run, -Round, -Decision and -Reason; empty if there is none."""
        return parse_trailers(read_note(self.place.shell, _full(sha)))

    def trailers(self, sha: str) -> dict[str, str]:
        """Return the commit's trailers: Evolve-Run, Evolve-Round, Evolve-Parent and the caller's own."""
        raw = self.place.shell.run("cat-file", "commit", _full(sha)).decode("utf-8", "replace")
        return parse_trailers(raw.partition("\n\n")[2])

    def branches(self, run: str) -> list[Branch]:
        """Return the run's branches, sorted by name."""
        return list_branches(self.place.shell, run_prefix(run))

    def seed_of(self, run: str) -> str | None:
        """The commit of the run's round 0; None if this repository has no branch for it."""
        return read_ref(self.place.shell, f"refs/heads/{round_branch(run, 0)}")

    def folders_with(self, sha: str, name: str) -> list[str]:
        """The folders of the whole repository that hold a file of this name at a commit; '' is its root."""
        entries = list_tree(self.place.shell, f"{_full(sha)}:")
        return [path.rpartition("/")[0] for path in (e.path for e in entries) if path.rpartition("/")[2] == name]

    def resolve(self, rev: str) -> str:
        """Return the full sha of a branch, tag or commit. Raises BadInput if git doesn't know it."""
        if not rev.startswith("-"):
            answer = self.place.home.ask("rev-parse", "--verify", "--quiet", f"{rev}^{{commit}}")
            if answer.status == 0:
                return answer.text
        raise BadInput(f"revision {rev!r}", f"not found in {self.git_dir}", "use a commit, or a name from `git branch`")

    def files(self, sha: str) -> dict[str, str | bytes]:
        """Return the scaffold's files at a commit: text if it is UTF-8 without NUL, otherwise bytes."""
        return {path: _text_or_bytes(content) for path, (_, content) in self.contents(sha).items()}

    def export(self, sha: str, folder: Path) -> Path:
        """Write the scaffold's files at a commit into `folder`, atomically, unless it exists.

        Raises:
            BadInput: The folder exists, and its contents differ from the commit.
        """
        contents = self.contents(sha)
        if not folder.is_dir():
            write_files(folder, contents)
        check_written(folder, contents)
        return folder

    def transplant(self, tip: str, old: str, new: str) -> tuple[FileEdit, ...] | None:
        """Return the edits that apply the change from `old` to `new` to `tip`; None if they conflict."""
        return transplanted_edits(self.place.shell, *(self.files(sha) for sha in (tip, old, new)))

    def diff(self, old: str, new: str) -> str:
        """Return the unified diff of the scaffold between two commits as text to read, with paths in its folder."""
        trees = [f"{_full(sha)}:{self.place.prefix}" for sha in (old, new)]
        return self.place.shell.run("diff-tree", "-p", *PLAIN_DIFF, *trees).decode("utf-8", "replace")

    def patch(self, old: str, new: str, prefix: str | None = None) -> bytes:
        """Return the diff of the scaffold between two commits for `git apply`, binary files included.

        prefix: the scaffold's path in the repository in which it is applied; None: that in the lineage's.
        """
        trees = [f"{_full(sha)}:{self.place.prefix}" for sha in (old, new)]
        top = self.place.prefix if prefix is None else prefix
        below = f"{top}/" if top else ""
        sides = (f"--src-prefix=a/{below}", f"--dst-prefix=b/{below}")
        return self.place.shell.run("diff-tree", "-p", "--binary", "--full-index", *PLAIN_DIFF, *sides, *trees)

    # A commit never changes, and each round reads a few of them many times.
    @functools.lru_cache(maxsize=8)  # noqa: B019
    def contents(self, sha: str) -> Mapping[str, tuple[str, bytes]]:
        """Return git mode and bytes of the scaffold's files at a commit, by path."""
        entries = self._files(sha)
        blobs = read_blobs(self.place.shell, [entry.oid for entry in entries if entry.oid])
        contents = {entry.path: (entry.mode, blob) for entry, blob in zip(entries, blobs, strict=True)}
        check_tree(sha[:12], self.place.shell.text("rev-parse", f"{_full(sha)}:{self.place.prefix}"), contents)
        return contents

    def _files(self, sha: str) -> list[Entry]:
        entries = self._entries(sha)
        check_files(sha[:12], entries)
        return entries

    def _entries(self, sha: str, must_exist: bool = True) -> list[Entry]:
        tree = f"{_full(sha)}:{self.place.prefix}"
        if self.place.shell.ask("rev-parse", "--verify", "--quiet", tree).status == 0:
            return list_tree(self.place.shell, tree)
        if must_exist:
            raise BadInput(sha[:12], f"has no folder {self.place.prefix}", "use a commit that contains the scaffold")
        return []

    def _tree(self, base: str, changes: Sequence[Entry]) -> str:
        """Store the tree of `base` with changes in the scaffold's folder only."""
        top = f"{self.place.prefix}/" if self.place.prefix else ""
        entries = [Entry(top + e.path, e.mode, e.oid, e.size) for e in changes]
        return changed_tree(self.place.shell, base, entries, "0" * len(base))


def _check_amount(before: Sequence[Entry], texts: Mapping[str, bytes | None]) -> None:
    """Raise BadPatch if the scaffold would get too many files or too many bytes."""
    sizes = {entry.path: entry.size for entry in before}
    sizes |= {path: len(text) for path, text in texts.items() if text is not None}
    kept = [size for path, size in sizes.items() if texts.get(path, b"") is not None]
    try:
        check_amount("the patch", len(kept), sum(kept))
    except BadInput as problem:
        raise BadPatch(str(problem)) from problem


def _full(sha: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", sha):
        raise BadInput(f"commit {sha!r}", "this is not a full commit id", "if the database was changed, restore it")
    return sha


def _text_or_bytes(content: bytes) -> str | bytes:
    try:
        return content if b"\0" in content else content.decode()
    except UnicodeDecodeError:
        return content
