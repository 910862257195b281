"""The digest: sentences with counts over the trials of one scaffold, and how the clearest failures ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from evolve.analysis.browser import shorten, step_lines
from evolve.analysis.compare import TaskChanges
from evolve.analysis.groups import AnalysedTrial, Group

EXAMPLES = 2
EXAMPLE_STEPS = 8
EXAMPLE_CHARS = 400
DIGEST_CHARS = 12_000
SHOWN_TASKS = 12


@dataclass(frozen=True)
class Subject:
    """What a digest is about. change: against the scaffold's parent, with labels for names; `most`: characters."""

    read: Sequence[AnalysedTrial]
    groups: Sequence[Group]
    change: TaskChanges = field(default_factory=TaskChanges)
    most: int = DIGEST_CHARS


def digest(subject: Subject) -> str:
    """The text; references such as `train-03.1` stand for trials that can be read in full."""
    failed = [one for one in subject.read if one.failed]
    passed = len(subject.read) - len(failed)
    lines = [f"- {passed} of {len(subject.read)} trials passed; {len(failed)} failed."]
    lines += ["", "How the failed trials ended:", *_grouped(subject, exclusive=True, failed=len(failed))]
    lines += ["", "Patterns in the failed trials:", *_grouped(subject, exclusive=False, failed=len(failed))]
    lines += [*_changes(subject.change), *_waste(subject.read)]
    text = "\n".join(lines)
    for one in _examples(subject.groups):
        text += f"\n\nEnd of the failed trial {one.reference} ({one.trial.outcome}):\n{excerpt(one)}"
    return text[: subject.most]


def _grouped(subject: Subject, exclusive: bool, failed: int) -> list[str]:
    some = [group for group in subject.groups if group.exclusive is exclusive]
    return [f"- {g.id}: {len(g.members)} of {failed} failed trials {g.words} {_where(g)}" for g in some]


def _where(group: Group) -> str:
    """In brackets: the tasks, and the trial to read first."""
    return f"[tasks {_listed(group.tasks)}; clearest {group.clearest.reference}]"


def _listed(tasks: Sequence[str]) -> str:
    more = f" and {len(tasks) - SHOWN_TASKS} more" if len(tasks) > SHOWN_TASKS else ""
    return " ".join(tasks[:SHOWN_TASKS]) + more


def _changes(change: TaskChanges) -> list[str]:
    named = (("fixed", change.fixed), ("broken", change.broken))
    lines = [f"- {word}: {_listed(tasks)}" for word, tasks in named if tasks]
    lines = ["", "Against the scaffold before its latest patch:", *lines] if lines else []
    return [*lines, f"- unstable (attempts went differently): {_listed(change.unstable)}"] if change.unstable else lines


def _waste(read: Sequence[AnalysedTrial]) -> list[str]:
    """Where tokens and time went."""
    tokens = sum(one.features.tokens for one in read)
    if not tokens:
        return []
    failed = [one for one in read if one.failed]
    lost = sum(one.features.tokens for one in failed)
    calls = median(one.features.model_calls for one in read)
    seconds = median(one.trial.seconds for one in read)
    wasted = sum(one.features.repeated_calls for one in read)
    return [
        "",
        f"- failed trials took {100 * lost / tokens:.0f} % of {tokens} tokens; a trial made {calls:.0f} model calls "
        f"and took {seconds:.1f} s (medians); {wasted} tool calls were made before, word for word",
    ]


def _examples(groups: Sequence[Group]) -> list[AnalysedTrial]:
    """The clearest trials of the largest groups, each once."""
    picked = dict.fromkeys(group.clearest.reference for group in groups)
    trials = {group.clearest.reference: group.clearest for group in groups}
    return [trials[reference] for reference in list(picked)[:EXAMPLES]]


def excerpt(one: AnalysedTrial) -> str:
    """The last steps of a trajectory."""
    lines = [line for step in one.document["steps"][-EXAMPLE_STEPS:] for line in step_lines(step, EXAMPLE_CHARS)]
    return "\n".join(shorten(line, 2 * EXAMPLE_CHARS) for line in lines)
