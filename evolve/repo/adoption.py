"""Take changes of a lineage over into the user's repository, as commits on HEAD: files are taken, nothing is merged.

HEAD, index, work tree and hooks are left alone; nothing is written unless all changes apply.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evolve.core.errors import BadInput
from evolve.repo.home import Home
from evolve.repo.lineage import Lineage
from evolve.repo.merge import Conflict, Side, merged_file
from evolve.repo.objects import Entry, changed_tree, store_bytes, store_commit
from evolve.repo.refs import clear_lock, read_ref

HEADS = "refs/heads/"

Files = Mapping[str, tuple[str, bytes]]


@dataclass(frozen=True)
class Step:
    """One commit to make: the change between two commits of the lineage.

    Attributes:
        name: How messages call it.
        old: The commit before the change; None: `new` is taken as a whole.
        new: The commit with it.
        message: The commit's message.
        branch: A branch for it, without `refs/heads/`; None for none.
    """

    name: str
    old: str | None
    new: str
    message: str
    branch: str | None


@dataclass(frozen=True)
class Adopted:
    """A step as it was taken over. `commit`: None if HEAD has its changes already, and then it has no branch."""

    step: Step
    commit: str | None
    files: tuple[str, ...]


def adopt(lineage: Lineage, home: Home, steps: Sequence[Step], when: str) -> list[Adopted]:
    """Commit the steps on HEAD, each on top of the one before, and make their branches, all or none.

    A branch that exists is fine if it has the same files and the same HEAD below it.

    Args:
        when: Time of the commits, ISO 8601.

    Raises:
        BadInput: HEAD was changed in the same places, or a branch is in the way. Then nothing is written.
        InfraError: Git fails.
    """
    changes = planned_changes(lineage, home, steps)
    _check_names(home, [step.branch for step in steps if step.branch])
    adopted = _commit(home, steps, changes, when)
    _create_branches(home, {one.step.branch: one.commit for one in adopted if one.step.branch and one.commit})
    return adopted


def planned_changes(lineage: Lineage, home: Home, steps: Sequence[Step]) -> list[dict[str, Side]]:
    """The files that each step changes on top of HEAD and the steps before, by path in the scaffold's folder.

    Raises:
        BadInput: HEAD was changed in the same places.
    """
    if blocker := home.blocker():
        raise BadInput(blocker, "is no folder at HEAD, but the scaffold lies below it", "rename it, and commit that")
    there = home.entries()
    pairs = [(lineage.contents(step.old) if step.old else {}, lineage.contents(step.new)) for step in steps]
    wanted = {path for old, new in pairs for path in {*old, *new} if old.get(path) != new.get(path)}
    ours: dict[str, Side] = dict(home.contents([there[path] for path in sorted(wanted & there.keys())]))
    unknown = {path for path in sorted(wanted - there.keys()) if not home.had(path)}
    planned = []
    for step, (old, new) in zip(steps, pairs, strict=True):
        changed, conflicts = _merged(home, ours, old, new, unknown)
        ours.update(changed)
        conflicts += _clashes(changed, {*there, *ours} - {path for path, side in ours.items() if side is None})
        if conflicts:
            raise _conflict(step, [home.path(path) for path in conflicts])
        planned.append(changed)
        unknown -= changed.keys()
    return planned


def _merged(
    home: Home, ours: Mapping[str, Side], old: Files, new: Files, unknown: set[str]
) -> tuple[dict[str, Side], list[str]]:
    """What a step changes, and the paths where it can't. unknown: files that no commit of the user's has ever had."""
    changed: dict[str, Side] = {}
    conflicts = []
    for path in sorted(path for path in {*old, *new} if old.get(path) != new.get(path)):
        base = None if path in unknown else old.get(path)
        try:
            side = merged_file(home.shell, ours.get(path), base, new.get(path))
        except Conflict:
            conflicts.append(path)
            continue
        if side != ours.get(path):
            changed[path] = side
    return changed, conflicts


def _clashes(changed: Mapping[str, Side], present: set[str]) -> list[str]:
    """New files in the way of which there is a folder, or a file where they need a folder."""
    folders = {path[:at] for path in present for at, char in enumerate(path) if char == "/"}
    added = [path for path, side in changed.items() if side is not None]
    return [path for path in added if path in folders or any(path.startswith(f"{file}/") for file in present)]


def _conflict(step: Step, paths: Sequence[str]) -> BadInput:
    names = ", ".join(dict.fromkeys(paths))
    problem = f"changed, moved or deleted since the run began, where {step.name} changes it"
    return BadInput(names, problem, "apply it by hand: `evolve diff | git apply --3way`, or undo your changes")


def _check_names(home: Home, branches: Sequence[str]) -> None:
    for branch in branches:
        if home.shell.ask("check-ref-format", "--branch", branch).status != 0:
            raise BadInput(f"branch {branch!r}", "is no valid name of a branch", "give another --branch")
    names = home.shell.text("for-each-ref", "--format=%(refname:lstrip=2)", HEADS.rstrip("/")).splitlines()
    for name in names:
        for branch in branches:
            if f"{name}/".startswith(f"{branch}/") != f"{branch}/".startswith(f"{name}/"):
                raise BadInput(f"branch {name}", f"is in the way of {branch}", "delete it, or give another --branch")


def _commit(home: Home, steps: Sequence[Step], changes: Sequence[Mapping[str, Side]], when: str) -> list[Adopted]:
    sides = [side for changed in changes for side in changed.values() if side is not None]
    oids = dict(zip(sides, store_bytes(home.shell, [content for _, content in sides]), strict=True)) if sides else {}
    author, parent = home.user(), home.head
    adopted = []
    for step, changed in zip(steps, changes, strict=True):
        if changed:
            entries = [Entry(home.path(path), *_stored(side, oids)) for path, side in changed.items()]
            tree = changed_tree(home.shell, parent, entries, "0" * len(parent or "0" * 40))
            parent = _existing(home, step.branch, tree, parent) or store_commit(
                home.shell, tree, parent, step.message, when, author, author
            )
        adopted.append(Adopted(step, parent if changed else None, tuple(home.path(path) for path in sorted(changed))))
    return adopted


def _stored(side: Side, oids: Mapping[tuple[str, bytes], str]) -> tuple[str, str | None]:
    return ("0", None) if side is None else (side[0], oids[side])


def _existing(home: Home, branch: str | None, tree: str, parent: str | None) -> str | None:
    """The commit of the branch, if it is what would be made."""
    sha = read_ref(home.shell, f"{HEADS}{branch}") if branch else None
    if sha is None:
        return None
    same = home.shell.text("show", "-s", "--format=%T %P", sha) == f"{tree} {parent or ''}".rstrip(" ")
    if not same:
        raise BadInput(f"branch {branch}", "exists, with other commits", "delete it, or give another --branch")
    return sha


def _create_branches(home: Home, branches: Mapping[str, str]) -> None:
    """Create all branches or none."""
    new = {name: sha for name, sha in branches.items() if read_ref(home.shell, f"{HEADS}{name}") is None}
    for name in new:
        clear_lock(home.shell, f"{HEADS}{name}")
    lines = "".join(f"create {HEADS}{name}\0{sha}\0" for name, sha in new.items())
    answer = home.shell.ask("update-ref", "-m", "evolve adopt", "--stdin", "-z", stdin=lines.encode())
    if answer.status != 0:
        raise home.shell.failure("the branches can't be created", answer)
