"""Where a run is, by what it has told so far: the state behind the live view. It prints nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from evolve.core.caps import Spending
from evolve.core.records import Candidate, Decision, TrialResult, Usage
from evolve.core.text import last_line
from evolve.loop.events import (
    EndsKnown,
    Event,
    PaceChanged,
    PatchEntered,
    RunOpened,
    StageStarted,
    WaitEnded,
    WaitStarted,
    WorkExpected,
)

# A range of times is worth showing if its ends differ by more than this factor.
RANGE_FACTOR = 1.4


@dataclass
class Progress:
    """A run as its watcher knows it. Times are those of the clock that the caller reads.

    `since`: usage after the last figure of the run's spending; `done`: trials of this session that count;
    `work`, `work_at`: the trials that were expected when `work_at` had been done; `results`: by commit;
    `fault`: why the latest trial is run again, until another one counts.
    """

    run: str = ""
    round: int = 0
    rounds: int = 0
    stage: str = ""
    stage_rounds: tuple[int, ...] = ()
    decided: dict[int, Decision] = field(default_factory=dict)
    hypotheses: dict[int, str] = field(default_factory=dict)
    patches: list[PatchEntered] = field(default_factory=list)
    champion: Candidate | None = None
    tip: Candidate | None = None
    results: dict[str, dict[tuple[str, int], TrialResult]] = field(default_factory=dict)
    batch: list[TrialResult] = field(default_factory=list)
    planned: int = 0
    done: int = 0
    in_rounds: int = 0
    decided_here: int = 0
    first_round_at: float | None = None
    began: float | None = None
    work: WorkExpected | None = None
    work_at: int = 0
    spending: Spending | None = None
    spending_at: float = 0.0
    since: Usage = field(default_factory=Usage)
    jobs: int = 0
    waits_for: str = ""
    waits_until: float = 0.0
    waits_since: float = 0.0
    waited: float = 0.0
    fault: str = ""

    @property
    def batch_done(self) -> int:
        return sum(trial.counts for trial in self.batch)

    @property
    def spent(self) -> Usage:
        """All that the run has spent, earlier sessions included as far as they are known."""
        return (self.spending.spent if self.spending else Usage()) + self.since

    def trials_of(self, candidate: Candidate) -> list[TrialResult]:
        return list(self.results.get(candidate.commit, {}).values())

    def round_started(self, number: int, total: int, now: float) -> None:
        self.round, self.rounds = number, total
        if self.first_round_at is None:
            self.first_round_at = now

    def trials_planned(self, count: int, now: float) -> None:
        self.batch, self.planned = [], count
        if self.began is None:
            self.began = now

    def trial_done(self, result: TrialResult) -> None:
        # A trial that is run again keeps its place.
        places = [place for place, known in enumerate(self.batch) if known.key == result.key]
        if places:
            self.batch[places[0]] = result
        else:
            self.batch.append(result)
        self.done += result.counts
        self.in_rounds += result.counts and self.round > 0
        self.since += result.usage.paid
        self.fault = "" if result.counts else f"{result.task}: {last_line(result.detail, default=result.fault)}"
        self._keep(result)

    def round_decided(self, number: int, decision: Decision) -> None:
        self.decided[number] = decision
        self.decided_here += number > 0
        self.patches = [patch for patch in self.patches if patch.candidate.round != number]

    def hear(self, event: Event, now: float) -> None:
        """Learn from an event."""
        match event:
            case RunOpened(run, decided, hypotheses):
                self.run, self.decided, self.hypotheses = run, dict(decided), dict(hypotheses)
            case StageStarted(name, rounds):
                self.stage, self.stage_rounds, self.batch, self.planned = name, rounds, [], 0
            case PatchEntered(candidate, _, hypothesis):
                self.patches.append(event)
                self.hypotheses[candidate.round] = hypothesis
            case EndsKnown(champion, tip, trials):
                self._set_ends(champion, tip, trials)
            case WorkExpected():
                self.work, self.work_at = event, self.done
            case Spending():
                self.spending, self.spending_at, self.since = event, now, Usage()
            case PaceChanged(jobs):
                self.jobs = jobs
            case WaitStarted(cause, seconds):
                self.waits_since = self.waits_since if self.waits_for else now
                self.waits_for, self.waits_until = cause, now + seconds
            case WaitEnded() if self.waits_for:
                self.waited += now - self.waits_since
                self.waits_for = ""
            case _:
                pass

    def _set_ends(self, champion: Candidate, tip: Candidate, trials: object) -> None:
        self.champion, self.tip = champion, tip
        wanted = {champion.commit, tip.commit, *(patch.candidate.commit for patch in self.patches)}
        self.results = {commit: known for commit, known in self.results.items() if commit in wanted}
        assert isinstance(trials, list | tuple)
        for trial in trials:
            self._keep(trial)

    def _keep(self, trial: TrialResult) -> None:
        if trial.counts:
            self.results.setdefault(trial.candidate, {})[trial.task, trial.attempt] = trial

    def seconds_left(self, now: float) -> tuple[float, float] | None:
        """The least and the most seconds that the run is expected to last; None while nothing is known."""
        if self.work is not None and self.done and (worked := self.worked_seconds(now)):
            low, high = self._trials_left(self.work)
            each = worked / self.done
            return low * each, high * each
        if self.decided_here and self.rounds and self.first_round_at is not None:
            left = max(self.rounds - self.round + 1, 0) * (now - self.first_round_at) / self.decided_here
            return left, left
        if not self.rounds and self.began is not None and self.batch_done:
            left = (self.planned - self.batch_done) * (now - self.began) / self.done
            return left, left
        return None

    def worked_seconds(self, now: float) -> float:
        """Seconds since the first trial of this session, without pauses; 0 before it."""
        if self.began is None:
            return 0.0
        pause = now - self.waits_since if self.waits_for else 0.0
        return max(now - self.began - self.waited - pause, 0.0)

    def _trials_left(self, work: WorkExpected) -> tuple[float, float]:
        """The trials still expected: at least those of this batch, and of later rounds as many as earlier ones took."""
        since, batch = self.done - self.work_at, max(self.planned - self.batch_done, 0)
        each = self.in_rounds / self.decided_here if self.decided_here else 0.0
        least = batch + each * max(self.rounds - self.round, 0) if self.round else float(batch)
        low = max(work.low - since, least)
        return low, max(work.high - since, low)

    def time_left(self, now: float) -> str:
        """The time left in words; "" while nothing is known."""
        left = self.seconds_left(now)
        if left is None:
            return ""
        low, high = left
        if high <= RANGE_FACTOR * low or high < 120:
            return f"about {duration(high)} left"
        least, most = duration(low), duration(high)
        same_unit = least.rpartition(" ")[2] == most.rpartition(" ")[2]
        return f"{least.partition(' ')[0] if same_unit else least} to {most} left"


def duration(seconds: float) -> str:
    """Seconds in the largest unit that fits: 40 s, 12 min, 3.5 h."""
    if seconds <= 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def caps_spent(spending: Spending, spent: Usage, seconds: float) -> Mapping[str, float]:
    """The share of each cap that is spent, by the cap's name."""
    caps = spending.caps
    amounts = {
        "dollars": (spent.cost_usd, caps.usd),
        "tokens": (float(spent.tokens), caps.tokens),
        "seconds": (seconds, caps.seconds),
        "trials": (float(spending.trials), caps.trials),
    }
    return {name: used / cap if cap else 1.0 for name, (used, cap) in amounts.items() if cap is not None}
