"""The digest: counts over the trials of one scaffold, in sentences, and the ends of the clearest failures.

The embedded model reads these texts by their words: change them only together with `evolve.embedded`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import mean, median

from evolve.analysis.browser import shorten, step_lines
from evolve.analysis.compare import TaskChanges
from evolve.analysis.groups import AnalysedTrial, Group
from evolve.core.records import TrialResult

EXAMPLES = 2
EXAMPLE_STEPS = 8
EXAMPLE_CHARS = 400
DIGEST_CHARS = 12_000
SHOWN_TASKS = 12


@dataclass(frozen=True)
class Subject:
    """What a digest is about.

    Attributes:
        trials: The scaffold's trials.
        groups: Their failures in groups.
        change: Changes against the scaffold's parent, with labels in place of task names.
        most: Maximum length of the digest, in characters.
    """

    trials: Sequence[AnalysedTrial]
    groups: Sequence[Group]
    change: TaskChanges = field(default_factory=TaskChanges)
    most: int = DIGEST_CHARS


def digest(subject: Subject) -> str:
    """Return the text. References such as `train-03.1` are trials that the proposer can read in full."""
    failed = [trial for trial in subject.trials if trial.failed]
    passed = len(subject.trials) - len(failed)
    lines = [f"- {passed} of {len(subject.trials)} trials passed; {len(failed)} failed."]
    lines += _reward_lines(subject.trials)
    lines += ["", "How the failed trials ended:", *_group_lines(subject, exclusive=True, failed=len(failed))]
    lines += ["", "Patterns in the failed trials:", *_group_lines(subject, exclusive=False, failed=len(failed))]
    lines += [*_change_lines(subject.change), *_waste_lines(subject.trials)]
    text = "\n".join(lines)
    for trial in _examples(subject.groups):
        text += f"\n\nEnd of the failed trial {trial.reference} ({_ending(trial.result)}):\n{excerpt(trial)}"
    return text[: subject.most]


def _reward_lines(trials: Sequence[AnalysedTrial]) -> list[str]:
    """Say what trials earned, where there is more to earn than all or nothing."""
    rewards: dict[str, list[float]] = {}
    for trial in trials:
        if trial.result.reward is not None:
            rewards.setdefault(trial.label, []).append(trial.result.reward)
    every = [reward for some in rewards.values() for reward in some]
    if not any(0 < reward < 1 for reward in every):
        return []
    lowest = sorted((mean(some), label) for label, some in rewards.items())[:SHOWN_TASKS]
    shown = ", ".join(f"{label} {value:.2f}" for value, label in lowest)
    return [f"- a trial earns a reward from 0 to 1, and their mean decides: {mean(every):.2f}; lowest: {shown}."]


def _ending(result: TrialResult) -> str:
    """How a failed trial ended, with what it earned if that was something."""
    return f"{result.outcome}, reward {result.reward:.2f}" if result.reward else str(result.outcome)


def _group_lines(subject: Subject, exclusive: bool, failed: int) -> list[str]:
    groups = [group for group in subject.groups if group.exclusive is exclusive]
    return [f"- {g.id}: {len(g.members)} of {failed} failed trials {g.description} {_location(g)}" for g in groups]


def _location(group: Group) -> str:
    """Return the tasks and the trial to read first, in brackets."""
    return f"[tasks {_format_tasks(group.tasks)}; clearest {group.clearest.reference}]"


def _format_tasks(tasks: Sequence[str]) -> str:
    more = f" and {len(tasks) - SHOWN_TASKS} more" if len(tasks) > SHOWN_TASKS else ""
    return " ".join(tasks[:SHOWN_TASKS]) + more


def _change_lines(change: TaskChanges) -> list[str]:
    kinds = (("fixed", change.fixed), ("broken", change.broken))
    lines = [f"- {kind}: {_format_tasks(tasks)}" for kind, tasks in kinds if tasks]
    lines = ["", "Against the scaffold before its latest patch:", *lines] if lines else []
    if change.unstable:
        lines.append(f"- unstable (attempts went differently): {_format_tasks(change.unstable)}")
    return lines


def _waste_lines(trials: Sequence[AnalysedTrial]) -> list[str]:
    """Say how many tokens and how much time the trials used."""
    tokens = sum(trial.features.tokens for trial in trials)
    if not tokens:
        return []
    lost = sum(trial.features.tokens for trial in trials if trial.failed)
    calls = median(trial.features.model_calls for trial in trials)
    seconds = median(trial.result.seconds for trial in trials)
    wasted = sum(trial.features.repeated_calls for trial in trials)
    return [
        "",
        f"- failed trials took {100 * lost / tokens:.0f} % of {tokens} tokens; a trial made {calls:.0f} model calls "
        f"and took {seconds:.1f} s (medians); {wasted} tool calls were made before, word for word",
    ]


def _examples(groups: Sequence[Group]) -> list[AnalysedTrial]:
    """Return the clearest trials of the largest groups, each once."""
    trials = {group.clearest.reference: group.clearest for group in groups}
    return list(trials.values())[:EXAMPLES]


def excerpt(trial: AnalysedTrial) -> str:
    """Return the last steps of a trajectory."""
    lines = [line for step in trial.document["steps"][-EXAMPLE_STEPS:] for line in step_lines(step, EXAMPLE_CHARS)]
    return "\n".join(shorten(line, 2 * EXAMPLE_CHARS) for line in lines)
