"""Whether seed scaffold and suite work at all, found out with the first few trials: before the others are paid for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evolve import gate
from evolve.core.errors import BadInput
from evolve.core.records import Candidate, Outcome, TrialResult
from evolve.core.text import last_line
from evolve.gate import NeedTrials, Slot, Standing
from evolve.loop.measuring import Measurer
from evolve.loop.smoke import SmokeTest
from evolve.loop.stops import MAX_QUOTE, SeedStart, commonest_ending, judged_trials, seed_notice, seed_start
from evolve.trial import trajectory

# So many trials show whether anything works.
FIRST_TRIALS = 8
# Lines of a trial's output that are printed.
SHOWN_LINES = 12
SHOWN_CHARS = 200
TRACEBACK = "Traceback (most recent call last)"
FIX = "fix this, then run it again, with --run new if neither scaffold nor suite has changed"
_VARYING = re.compile(r"0x[0-9a-f]+|\d+", re.IGNORECASE)
# What a shell says about a verifier that it can't run.
_UNRUNNABLE = re.compile(r"^(?:\S*sh: )?.*/tests/\S*:.*(?:not found|[Pp]ermission denied|No such file|bad interpreter)")
Event = Mapping[str, Any]


@dataclass(frozen=True)
class SeedCheck:
    """Check a seed scaffold with its first trials. `runs`: the folder in which recordings have their paths."""

    smoke: SmokeTest
    measurer: Measurer
    runs: Path

    def check(self, seed: Candidate, initial: Standing) -> None:
        """Measure the first trials of the seed, which count.

        Args:
            seed: The candidate of round 0.
            initial: The run's initial standing, which says what trials it needs.

        Raises:
            BadInput: It does not start, no trial reaches the model, or all end alike for a reason that has nothing to
                do with their tasks.
            InfraError: The machine failed.
        """
        trials = judged_trials(self.measurer.trials(seed.commit))
        starts = any(trial.usage.calls for trial in trials) or self.smoke.problem(seed.commit) is None
        self.measurer.measure([seed.commit], first_slots(initial))
        trials = judged_trials(self.measurer.trials(seed.commit))
        if not starts and seed_start(trials) is SeedStart.NO_WORK:
            self._print_output(trials)
            seed_notice(trials)
        if problem := common_problem(trials, self._refusals(trials)):
            self._print_output(trials)
            raise BadInput("scaffold", problem, FIX)

    def _refusals(self, trials: Sequence[TrialResult]) -> list[str]:
        """What the model's API said to requests that it refused; nothing if it answered any."""
        if any(trial.usage.tokens for trial in trials):
            return []
        stored = (trial.recording for trial in trials if trial.recording)
        return [text for file in stored for text in refusals_in(trajectory.load(self.runs / file.path))]

    def _print_output(self, trials: Sequence[TrialResult]) -> None:
        """Print the end of the output of the trial whose ending is the commonest."""
        for line in end_of_output(trials):
            self.measurer.watcher.say(line)


def first_slots(initial: Standing) -> tuple[Slot, ...]:
    """The first trials that the standing needs, on different tasks as far as there are so many."""
    needed = gate.learn_tip(initial, [])
    return needed.slots[:FIRST_TRIALS] if isinstance(needed, NeedTrials) else ()


def refusals_in(events: Iterable[Event]) -> list[str]:
    """The errors of a recording's chats."""
    chats = (event for event in events if event.get("kind") == "chat" and "error" in event)
    return [str(chat["error"].get("message", "")) for chat in chats]


def common_problem(trials: Sequence[TrialResult], refusals: Sequence[str] = ()) -> str:
    """Why no trial can tell anything about its task, in one line; "" if some may.

    Args:
        trials: Those of the seed scaffold by which rounds are decided.
        refusals: What the model's API said to requests that it refused.
    """
    worked = [trial for trial in trials if trial.usage.calls or trial.usage.commands]
    if len(worked) < len(trials) or len({trial.task for trial in trials}) < 2 or any(trial.reward for trial in trials):
        return ""
    if not any(trial.usage.tokens for trial in trials):
        said = f": {_commonest(refusals)}" if refusals else f"; {commonest_ending(trials)}"
        return f"no trial of the seed scaffold got an answer of the model{said}"
    if len({_ending(trial) for trial in trials}) == 1 and _is_no_matter_of_tasks(trials[0]):
        ended = commonest_ending(trials)
        return f"all {len(trials)} trials of the seed scaffold ended alike, whatever their task; {ended}"
    return ""


def end_of_output(trials: Sequence[TrialResult]) -> list[str]:
    """The end of the output of the trials that end as most do, with a heading; nothing if there is none."""
    endings = Counter(map(_ending, trials))
    example = next((trial for trial in trials if _ending(trial) == endings.most_common(1)[0][0]), None)
    if example is None:
        return []
    lines = [line for line in example.detail.splitlines() if line.strip() and TRACEBACK not in line]
    shown = [f"  {line[:SHOWN_CHARS]}" for line in lines[-SHOWN_LINES:]]
    return [f"the end of the output of {example.task}:", *shown] if shown else []


def _ending(trial: TrialResult) -> tuple[Outcome, str]:
    """How a trial ended, without numbers and addresses."""
    return trial.outcome, _VARYING.sub("#", last_line(trial.detail))


def _is_no_matter_of_tasks(trial: TrialResult) -> bool:
    """Whether this ending, if all trials have it, says nothing about their tasks.

    A scaffold that uses up its time or budget everywhere is a weak one, which patches may improve.
    """
    if trial.outcome is Outcome.FAILED:
        return bool(_UNRUNNABLE.search(last_line(trial.detail)))
    return trial.outcome is Outcome.SCAFFOLD_ERROR


def _commonest(texts: Sequence[str]) -> str:
    text, _ = Counter(" ".join(text.split()) for text in texts).most_common(1)[0]
    return text[:MAX_QUOTE]
