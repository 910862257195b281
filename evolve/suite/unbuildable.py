"""Tasks whose images can't be built: a new run does without a few of them, and so does all that goes on with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from evolve.core.errors import BadInput
from evolve.core.records import Split, Task, TaskImage
from evolve.store import TaskRow
from evolve.suite.tasks import Suite

MOST_SHARE = 0.10
SHOWN = 3

# Builds the images of some tasks: (images by name, failures by name).
Build = Callable[[Sequence[Task]], tuple[dict[str, TaskImage], dict[str, str]]]


@dataclass(frozen=True)
class Equipped:
    """What a run measures with: the suite without those tasks, the images of the others, and why by name."""

    suite: Suite
    images: Mapping[str, TaskImage]
    aside: Mapping[str, str]


def equipped(suite: Suite, known: Sequence[TaskRow], build: Build, notify: Callable[[str], None]) -> Equipped:
    """`known`: the rows of a run that is gone on with, whose choice stays; none for a new one.

    Raises BadInput where a run would have to do without too many tasks, or without one that it uses already.
    """
    aside = {row.name: row.set_aside for row in known if row.set_aside is not None}
    used = without(suite, aside)
    images, failures = build(used.tasks)
    if failures and known:
        raise _lost(failures)
    if failures:
        aside, used = failures, without(suite, failures)
        _check_rest(suite, used, failures)
    for line in lines(aside):
        notify(line)
    return Equipped(used, images, aside)


def without(suite: Suite, aside: Mapping[str, str]) -> Suite:
    return replace(suite, tasks=tuple(task for task in suite.tasks if task.name not in aside))


def lines(aside: Mapping[str, str]) -> list[str]:
    """What is said of them, at a run's start and at its end."""
    if not aside:
        return []
    head = f"{len(aside)} tasks are set aside" if len(aside) > 1 else "1 task is set aside"
    return [
        f"{head}: this run does without {', '.join(sorted(aside))}",
        *(f"  {aside[name]}" for name in sorted(aside)),
    ]


def _check_rest(suite: Suite, used: Suite, failures: Mapping[str, str]) -> None:
    """Raise BadInput if what is left is too little to stand for the suite."""
    empty = [split for split in Split if suite.split(split) and not used.split(split)]
    if not empty and len(failures) <= MOST_SHARE * len(suite.tasks):
        return
    some = ", ".join(sorted(failures)[:SHOWN]) + (", ..." if len(failures) > SHOWN else "")
    why = f"{empty[0]} would be empty" if empty else f"a run does without {MOST_SHARE:.0%} of them at most"
    problem = f"the images of {len(failures)} of {len(suite.tasks)} tasks can't be built ({some}), and {why}"
    raise BadInput(str(suite.folder), problem, f"mend them first; {failures[min(failures)]}")


def _lost(failures: Mapping[str, str]) -> BadInput:
    name = min(failures)
    problem = f"this run uses it, and its image can't be built any more ({failures[name]})"
    return BadInput(f"task {name}", problem, "mend that, and run the same command again")
