"""Excluding tasks that can't be used or built: a new run may exclude some, and they stay excluded when it resumes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from evolve.core.errors import BadInput
from evolve.core.records import Split, Task, TaskImage
from evolve.store import TaskRow
from evolve.suite.tasks import Suite

MAX_EXCLUDED_SHARE = 0.10
MAX_LISTED = 3

# Builds the images of the given tasks: (images by task name, failures by task name).
Build = Callable[[Sequence[Task]], tuple[dict[str, TaskImage], dict[str, str]]]


@dataclass(frozen=True)
class UsableSuite:
    """The suite that a run measures with: its buildable tasks, their images, and the reason of each exclusion."""

    suite: Suite
    images: Mapping[str, TaskImage]
    excluded: Mapping[str, str]


def exclude_unbuildable(
    suite: Suite, stored: Sequence[TaskRow], build: Build, notify: Callable[[str], None]
) -> UsableSuite:
    """Build the images of all tasks, and exclude those that fail, besides those that the suite refused.

    A folder of other people's tasks (`Suite.harbor`) may lose any number of them, but no split may become empty.

    Args:
        stored: The task rows of a resumed run, whose exclusions stay as they are; empty for a new run.

    Raises:
        BadInput: Too many tasks can't be built, or one that a resumed run already uses.
    """
    excluded = {row.name: row.excluded for row in stored if row.excluded is not None} if stored else dict(suite.reasons)
    usable = _without(suite, excluded)
    images, failures = build(usable.tasks)
    if failures and stored:
        raise _no_longer_builds(failures)
    if failures:
        excluded, usable = {**excluded, **failures}, _without(suite, failures)
        _check_remaining(suite, usable, failures)
    for line in describe_excluded(excluded):
        notify(line)
    return UsableSuite(usable, images, excluded)


def describe_excluded(excluded: Mapping[str, str]) -> list[str]:
    """The lines about excluded tasks that a run prints at its start and at its end."""
    if not excluded:
        return []
    count = f"{len(excluded)} tasks" if len(excluded) > 1 else "1 task"
    names = sorted(excluded)
    return [f"{count} excluded from this run: {', '.join(names)}", *(f"  {excluded[name]}" for name in names)]


def _without(suite: Suite, excluded: Mapping[str, str]) -> Suite:
    return replace(suite, tasks=tuple(task for task in suite.tasks if task.name not in excluded))


def _check_remaining(suite: Suite, usable: Suite, failures: Mapping[str, str]) -> None:
    """Raise BadInput if the remaining tasks are too few to represent the suite."""
    empty = [split for split in Split if suite.split(split) and not usable.split(split)]
    if not empty and (suite.harbor or len(failures) <= MAX_EXCLUDED_SHARE * len(suite.tasks)):
        return
    names = ", ".join(sorted(failures)[:MAX_LISTED]) + (", ..." if len(failures) > MAX_LISTED else "")
    reason = f"{empty[0]} would be empty" if empty else f"a run may exclude at most {MAX_EXCLUDED_SHARE:.0%} of them"
    problem = f"the images of {len(failures)} of {len(suite.tasks)} tasks can't be built ({names}), and {reason}"
    raise BadInput(str(suite.folder), problem, f"fix them first; {failures[min(failures)]}")


def _no_longer_builds(failures: Mapping[str, str]) -> BadInput:
    name = min(failures)
    problem = f"this run uses it, but its image no longer builds ({failures[name]})"
    return BadInput(f"task {name}", problem, "fix the build, and run the same command again")
