"""The loop: propose, check, measure, decide, record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evolve.core.config import RunConfig
from evolve.core.errors import BudgetExhausted
from evolve.core.records import Candidate, Decision, Proposal, Split, StackFate, TrialResult, Verdict
from evolve.gate import Judgement, Standing, begin_rule, calibrate
from evolve.gate.ruling import RuleMaker
from evolve.gate.settling import decisions_after, last_passes
from evolve.host import disk
from evolve.loop.candidates import Candidates
from evolve.loop.checkpoint import Checkpoint
from evolve.loop.checks import Checks
from evolve.loop.events import EndsKnown, PatchEntered, StageStarted, WorkExpected, hears, tell
from evolve.loop.history import mark_duplicates
from evolve.loop.journal import Journal
from evolve.loop.judging import (
    Patch,
    compare_ends,
    initial_standing,
    judge_challengers,
    measure_tip,
    patch_of,
    settle_stack,
    task_slots,
)
from evolve.loop.lessons import Lessons
from evolve.loop.measuring import Measurer
from evolve.loop.null_copies import judge_null_copy
from evolve.loop.proposer import RoundProposer
from evolve.loop.proposing import collect_proposals
from evolve.loop.scoring import Scorer
from evolve.loop.seed_check import SeedCheck
from evolve.loop.stops import (
    SeedStart,
    check_refusals,
    pays_no_more,
    refused_in_a_row,
    seed_notice,
    seed_start,
    validation_notice,
)
from evolve.loop.watcher import Watcher
from evolve.repo import BadPatch
from evolve.store import RoundMark, RoundRow
from evolve.suite.tasks import Suite

# Enough to see whether the endpoint refused the latest proposal.
FEW_ROUNDS = 10


@dataclass(frozen=True)
class Search:
    """One run's search for a better scaffold: its collaborators, and nothing that follows from its rows.

    proposers: asked in turn until each round has a proposal; begin: makes the gate's rule.
    """

    config: RunConfig
    suite: Suite
    candidates: Candidates
    journal: Journal
    proposers: tuple[RoundProposer, ...]
    checks: Checks
    measurer: Measurer
    scorer: Scorer
    lessons: Lessons
    seed_check: SeedCheck
    watcher: Watcher
    checkpoint: Checkpoint
    begin: RuleMaker = begin_rule

    def run_rounds(self, rounds: int, least: float | None = None) -> None:
        """Play rounds 1 to `rounds`, except those that are decided; then score champion and seed, also at a cap.

        Args:
            rounds: How many the run is to have.
            least: Play no more once the next ten are expected to gain less than this share of the mean reward.

        Raises:
            BadInput: The seed scaffold does no work at all.
            BudgetExhausted: A cap is reached; the run can be resumed.
            InfraError: The machine failed; the run can be resumed.
            RequestsRefused: The endpoint refused the proposals of several rounds in a row; the run can be resumed.
        """
        with disk.convert_os_errors(self.candidates.folder):
            standing, reached = self.start(), None
            self._tell_ends(standing)
            try:
                standing = standing if self._is_solved() else self._play_rounds(standing, rounds, least)
                with self.scorer.keeping_enough():
                    self._tell_stage("writing the lessons")
                    self.lessons.learn()
            except BudgetExhausted as error:
                reached = error
            champion = self.journal.champion() if reached else standing.champion
            self._tell_stage("measuring the champion's score on fresh trials")
            tell(self.watcher, WorkExpected(0, self.scorer.trials_at_end()))
            self.scorer.measure_fresh(champion)
            self.scorer.compare_on_holdout(self.journal.seed(), champion)
            if reached:
                raise reached

    def _play_rounds(self, standing: Standing, rounds: int, least: float | None) -> Standing:
        """Play the rounds.

        Raises:
            BudgetExhausted: A cap is almost reached; enough is left for the trials after the rounds.
            RequestsRefused: See `run_rounds`.
        """
        self._print_estimate(rounds)
        self._print_smallest_gain()
        while numbers := next_race(self.journal.marks(), rounds, self.config.gate.race):
            if notice := pays_no_more(standing.rule, numbers[0] - 1, least):
                self.watcher.say(notice)
                break
            self.watcher.round_started(numbers[0], rounds)
            with self.scorer.keeping_enough():
                standing = self.play_race(standing, numbers, rounds)
            self._tell_ends(standing)
            self._check_refusals(rounds)
            if self.checkpoint.is_due:
                self._keep(standing)
        self._check_refusals(rounds)
        return standing

    def _check_refusals(self, rounds: int) -> None:
        """Check that the endpoint takes the requests for proposals. Raises RequestsRefused."""
        if refused_in_a_row(self.journal.recent(FEW_ROUNDS)):
            check_refusals(self.journal.recent(), rounds)

    def _keep(self, standing: Standing) -> None:
        """Keep the standing after the decided rounds, for the next start."""
        initial = initial_standing(self.suite, self.config, self.journal.seed(), self.begin)
        self.checkpoint.keep(initial, standing)

    def play_race(self, standing: Standing, numbers: Sequence[int], last: int | None = None) -> Standing:
        """Propose, check, measure and decide the given rounds, or the rest of them: patches of one tip.

        Args:
            numbers: Of the rounds.
            last: The run's last round, after which nothing stays undecided that more trials can decide.

        Returns:
            The standing after them: champion, tip and the evidence on both.
        """
        self.measurer.check()
        rounds = self.journal.start_rounds(numbers, standing.tip)
        self._tell_stage(f"measuring the tip of round {standing.tip.round}", numbers)
        standing = measure_tip(self.measurer, compare_ends(self.measurer, standing))
        self._tell_ends(standing)
        self._tell_stage("proposing", numbers)
        proposals = collect_proposals(self.proposers, self.journal, standing, rounds)
        proposals = mark_duplicates(proposals, self.candidates.texts(standing.tip.commit))
        for row, proposal in zip(rounds, proposals, strict=True):
            if proposal.null_copy:
                self._judge_null_copy(standing, row, proposal)
        if all(proposal.null_copy for proposal in proposals):
            return standing
        patches = self._admit(standing.tip, rounds, proposals)
        self._tell_stage("measuring the patch" if len(patches) == 1 else f"racing {len(patches)} patches", numbers)
        ruled = judge_challengers(self.measurer, standing, patches)
        ruled = self._settle_last(ruled, last) if patches and numbers[-1] == last else ruled
        for patch, decision in zip(patches, ruled.decisions, strict=True):
            self.journal.record(patch.candidate, decision)
        if any(decision.crowns for decision in ruled.decisions):
            self.journal.set_champion(ruled.standing.champion)
        return ruled.standing

    def _settle_last(self, ruled: Judgement, last: int) -> Judgement:
        """The judgement on the last race: what is stacked then is measured until it is decided, if that can be."""
        self._tell_stage("measuring tip and champion side by side")
        settled = settle_stack(self.measurer, ruled.standing, last_passes(last))
        if settled.fate is StackFate.OPEN:
            return ruled
        return Judgement(decisions_after(ruled.decisions, settled), settled.standing)

    def start(self) -> Standing:
        """Measure the seed scaffold on train and validation; of a run that is resumed, put its branches right.

        Returns:
            The standing after the rounds that are decided.

        Raises:
            BadInput: The seed scaffold does no work at all.
        """
        seed = self._measure_seed()
        self._check_seed(seed)
        standing = self.checkpoint.standing(initial_standing(self.suite, self.config, seed, self.begin))
        self._keep(standing)
        self.journal.set_champion(standing.champion)
        self.journal.note_latest()
        return standing

    def evaluate_once(self, commit: str | None, splits: Sequence[Split], attempts: int) -> list[TrialResult]:
        """Play round 0 alone: measure one scaffold (`commit` None: the folder on disk) on these splits.

        Returns:
            Its trials.
        """
        candidate = self.journal.add_seed(self.journal.start_baseline(), commit)
        self.scorer.measure_once(candidate, splits, attempts)
        self.journal.decide(0, Decision(Verdict.BASELINE, "measured by itself"))
        return self.measurer.trials(candidate.commit)

    def _measure_seed(self) -> Candidate:
        row = self.journal.start_baseline()
        if row.candidate and row.decision:
            return row.candidate
        seed = self.journal.add_seed(row)
        self.watcher.say("round 0: measuring the seed scaffold")
        self._tell_stage("measuring the seed scaffold", (0,))
        tell(self.watcher, EndsKnown(seed, seed, self.measurer.trials(seed.commit)))
        initial = initial_standing(self.suite, self.config, seed, self.begin)
        self.seed_check.check(seed, initial)
        measure_tip(self.measurer, initial)
        self.journal.decide(0, Decision(Verdict.BASELINE, "the seed scaffold"))
        return seed

    def _check_seed(self, seed: Candidate) -> None:
        """Say what is unusual about seed scaffold and suite, at first. Raises BadInput if the seed does no work."""
        if self.journal.newest():
            return
        for notice in (seed_notice(self.measurer.trials(seed.commit)), validation_notice(self.suite)):
            if notice:
                self.watcher.say(notice)

    def _is_solved(self) -> bool:
        """Whether no round is worth playing, since the seed scaffold passes everything."""
        if self.journal.newest():
            return False
        return seed_start(self.measurer.trials(self.journal.seed().commit)) is SeedStart.PASSES_ALL

    def _judge_null_copy(self, standing: Standing, row: RoundRow, proposal: Proposal) -> None:
        """Judge an unchanged copy of the tip, and only record what would have been decided."""
        commit = self.candidates.commit(row, standing.tip, proposal)
        assert isinstance(commit, str)
        copy = self.journal.add_candidate(row, standing.tip, commit)
        self.journal.record(copy, judge_null_copy(self.measurer, standing, copy))

    def _admit(self, tip: Candidate, rounds: Sequence[RoundRow], proposals: Sequence[Proposal]) -> list[Patch]:
        """Make the patches candidates; those that are refused are decided at once. Null copies are no patches."""
        patches = [pair for pair in zip(rounds, proposals, strict=True) if not pair[1].null_copy]
        admitted = (self._admit_one(tip, row, proposal) for row, proposal in patches)
        return [patch for patch in admitted if patch]

    def _admit_one(self, tip: Candidate, row: RoundRow, proposal: Proposal) -> Patch | None:
        refused = self.checks.refusal(tip, proposal)
        commit = BadPatch(refused) if refused else self.candidates.commit(row, tip, proposal)
        if isinstance(commit, BadPatch):
            self.journal.decide(row.number, Decision(Verdict.REFUSED, str(commit)))
            return None
        candidate = self.journal.add_candidate(row, tip, commit)
        tell(self.watcher, PatchEntered(candidate, tip, proposal.hypothesis))
        return patch_of(self.candidates.texts, tip, candidate, proposal)

    def _tell_stage(self, name: str, rounds: Sequence[int] = ()) -> None:
        """Tell what comes next, and what was spent until then."""
        if hears(self.watcher):
            tell(self.watcher, StageStarted(name, tuple(rounds)))
            tell(self.watcher, self.measurer.budget.spending())

    def _tell_ends(self, standing: Standing) -> None:
        if not hears(self.watcher):
            return
        commits = dict.fromkeys((standing.champion.commit, standing.tip.commit))
        trials = [trial for commit in commits for trial in self.measurer.trials(commit)]
        tell(self.watcher, EndsKnown(standing.champion, standing.tip, trials))

    def _print_smallest_gain(self) -> None:
        """Print before the first round what gain the suite can show, judged by the seed scaffold's trials."""
        rule = self.config.gate
        if self.journal.newest() or rule.rule != "evolve":
            return
        tasks, trials = task_slots(self.suite), self.measurer.trials(self.journal.seed().commit)
        gain = calibrate.smallest_gain(tasks, trials, rule, self.begin)
        self.watcher.say(smallest_gain_notice(len(tasks), gain))

    def _print_estimate(self, rounds: int) -> None:
        """Print what the rounds that are left will take, judged by the seed scaffold's trials."""
        left = rounds + 1 - self.journal.decided_count()
        if left <= 0:
            return
        trials, jobs = self.measurer.trials(self.journal.seed().commit), self.measurer.evaluator.jobs
        estimate = calibrate.estimate(task_slots(self.suite), trials, self.config.gate, left, jobs, self.begin)
        at_end = self.scorer.trials_at_end()
        tell(self.watcher, WorkExpected(estimate.trials + at_end, estimate.trials + at_end))
        usd = f", ${estimate.usd:.2f}" if self.config.priced else ", dollars unknown (no price)"
        cost = f"{left} rounds: about {estimate.trials:.0f} trials, {estimate.time}{usd}"
        self.watcher.say(f"{cost}, plus proposals; more if patches help")


def smallest_gain_notice(tasks: int, gain: float | None) -> str:
    """What so few tasks cannot show, in points, in one line."""
    count = "1 task" if tasks == 1 else f"{tasks} tasks"
    if gain is None:
        return f"with {count} of train and validation, patches of any gain are missed more often than one time in five"
    return (
        f"with {count} of train and validation, a patch that gains {100 * gain:.0f} points is built upon four times in "
        "five; smaller gains are missed more often"
    )


def next_race(marks: Sequence[RoundMark], rounds: int, size: int) -> list[int]:
    """The numbers of the rounds to play next: one race; of a race that was cut off all of them.

    Args:
        marks: Of the newest rounds in order, all of the last race among them: before it, all are decided.
        rounds: How many the run is to have.
        size: How many patches are raced.

    Returns:
        Nothing if all rounds are decided.
    """
    cut_off = next((mark for mark in marks if mark.number and mark.verdict is None), None)
    first = cut_off.number if cut_off else marks[-1].number + 1
    if first > rounds:
        return []
    if cut_off:
        return [mark.number for mark in marks if mark.race == cut_off.race]
    return list(range(first, min(first + size, rounds + 1)))
