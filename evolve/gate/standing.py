"""The gate over named tasks, trials and candidates: a run's standing, the trials that are needed, the decisions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from evolve.core.attempts import first_attempt, first_attempt_again
from evolve.core.config import RULE_VERSION, GateConfig
from evolve.core.errors import BadInput
from evolve.core.records import Candidate, Decision, Evidence, Split, StackFate, TrialResult, Verdict, stable_hash
from evolve.core.scores import INTERVAL_ERRORS
from evolve.gate.aims import Aims, Answer, Concern, answer_of, broken_bound, concerns, looks
from evolve.gate.epochs import Epochs
from evolve.gate.greedy import Greedy
from evolve.gate.plan import Part, SuitePlan, plan
from evolve.gate.population import Population
from evolve.gate.prior import EstimatedEffect, Floats
from evolve.gate.race import Challenger, ChallengerNeeds, RaceResult, race
from evolve.gate.recheck import MOST_PASSES
from evolve.gate.ruling import Assessment, Rule, RuleMaker, Ruling
from evolve.gate.select import STRATEGIES
from evolve.gate.stack_rule import StackRule
from evolve.gate.stated import StatedEffect, stated_effect
from evolve.gate.voids import Slot, slot_of, veto

Trials = Mapping[Slot, TrialResult]


@dataclass(frozen=True)
class TaskSlot:
    """A task as the gate sees it. `generates`: each attempt has an instance of its own."""

    name: str
    split: Split
    difficulty: str
    generates: bool = False


@dataclass(frozen=True)
class NeedTrials:
    """The slots (task, attempt) on which each of the commits needs a trial next, unless it had one.

    `shared`: those on which the rule knows the tip's trial, so that challengers share the tip's answers there.
    """

    commits: tuple[str, ...]
    slots: tuple[Slot, ...]
    shared: tuple[Slot, ...] = ()


@dataclass(frozen=True)
class Entrant:
    """A candidate that patches the tip, with all its trials.

    smaller: the share of the tip's size that it saves, or what finds that out: only ties need it. own_attempts: it runs
    on attempts of its own, not the tip's.
    """

    candidate: Candidate
    trials: Sequence[TrialResult]
    smaller: float | Callable[[], float] = 0.0
    own_attempts: bool = False

    def first(self, standing: Standing) -> int:
        """The first of the attempts on which it is judged."""
        return first_attempt(self.candidate) + standing.epoch_first if self.own_attempts else standing.first


@dataclass(frozen=True)
class Standing:
    """Champion and tip of a run (the tip may have patches stacked on the champion), and the evidence on both.

    `tasks`: in the order of the rule's arrays; `taken`: all that were ever built upon, the seed first; `waiting`: what
    fell behind the tip in the last race but deserved more trials, and is merged into it next; `aims`: what else a
    patch must fulfil; `epochs`: what answered the trials so far; `idle`: the last race had no patch.
    """

    tasks: tuple[TaskSlot, ...]
    rule: Rule
    champion: Candidate
    tip: Candidate
    taken: tuple[Candidate, ...]
    waiting: tuple[Candidate, ...] = ()
    aims: Aims = field(default_factory=Aims)
    epochs: Epochs = field(default_factory=Epochs)
    idle: bool = False

    @property
    def first(self) -> int:
        """The first of the attempts on which the tip meets its challengers; a population shares the first ones."""
        return 0 if self.rule.settings.rule in STRATEGIES else first_attempt(self.tip) + self.epoch_first

    @property
    def epoch_first(self) -> int:
        """The first attempt of this epoch, counted from the first one."""
        return self.rule.seeds.first if isinstance(self.rule, StackRule) else 0

    @property
    def compares(self) -> bool:
        """Whether tip and champion run side by side before the next race."""
        return self.idle or (isinstance(self.rule, StackRule) and self.rule.wants_comparison())

    def with_trials(self, trials: Sequence[TrialResult]) -> Standing:
        """The standing that knows what answered these trials, in a new epoch if that is something new."""
        begins = isinstance(self.rule, StackRule) and self.epochs.begins_with(trials)
        rule = self.rule.in_new_epoch() if begins and isinstance(self.rule, StackRule) else self.rule
        return replace(self, rule=rule, epochs=self.epochs.with_trials(trials))

    def to_merge(self, number: int) -> tuple[Candidate, ...]:
        """The candidates that the rounds from this one on should merge into the tip."""
        every = self.rule.settings.merge_every
        if not isinstance(self.rule, Population) or not every or number % every:
            return self.waiting
        other = self.rule.other_branch()
        return () if other is None else (self.taken[other],)

    def slots(self, part: Part, candidate: Candidate, first: int | None = None) -> tuple[Slot, ...]:
        """The part's tasks, on the tip's attempts, on those from `first` on, or on the candidate's own."""
        first = first_attempt_again(candidate) if part.again else self.first if first is None else first
        return tuple((self.tasks[index].name, first + part.attempt) for index in part.tasks)

    def after(self, ruling: Ruling, candidate: Candidate) -> Standing:
        taken = (*self.taken, candidate) if ruling.taken else self.taken
        tip = candidate if ruling.taken else self.champion if ruling.fate is StackFate.GIVEN_UP else self.tip
        champion = tip if ruling.fate is StackFate.PROMOTED else self.champion
        tip = tip if ruling.tip is None else taken[ruling.tip]
        return replace(self, rule=ruling.rule, champion=champion, tip=tip, taken=taken, waiting=(), idle=False)


@dataclass(frozen=True)
class Judgement:
    """The decision on each entrant, and the standing after all of them."""

    decisions: tuple[Decision, ...]
    standing: Standing


def begin_rule(settings: GateConfig, plan: SuitePlan, salt: int) -> Rule:
    """The rule of this name. Raises BadInput if it is a plug-in's, or of another version than this one."""
    if settings.rule in STRATEGIES:
        return Population(settings, plan, salt)
    if settings.rule == "greedy":
        return Greedy(settings, plan)
    if settings.rule == "evolve":
        _check_version(settings)
        return StackRule.begin(settings, plan, salt)
    raise BadInput("gate.rule", f"there is no rule `{settings.rule}` here", "install or pass the plug-in")


def _check_version(settings: GateConfig) -> None:
    if settings.version != RULE_VERSION:
        problem = f"the run began under version {settings.version} of the rule, and this Evolve has {RULE_VERSION}"
        raise BadInput("gate.version", problem, "finish it with the Evolve that began it, or use --run new")


def initial_standing(
    tasks: Iterable[TaskSlot],
    settings: GateConfig,
    seed: Candidate,
    salt: int = 0,
    begin: RuleMaker = begin_rule,
    aims: Aims | None = None,
) -> Standing:
    """The standing at the start. The order of the suite's tasks does not matter; `salt`: for random choices."""
    ordered = sorted(tasks, key=lambda task: (task.difficulty, stable_hash(task.name)))
    train = [index for index, task in enumerate(ordered) if task.split is Split.TRAIN]
    validation = [index for index, task in enumerate(ordered) if task.split is Split.VALIDATION]
    # Fresh attempts of a fixed train task show nothing new: its proposer has seen all of it.
    new = [index for index, task in enumerate(ordered) if task.generates or task.split is Split.VALIDATION]
    stages = plan(train[::2], train, validation, settings.passes, new if settings.jump else ())
    return Standing(tuple(ordered), begin(settings, stages, salt), seed, seed, (seed,), aims=aims or Aims())


def learn_tip(standing: Standing, tip: Sequence[TrialResult]) -> NeedTrials | Standing:
    """Learn from the tip's trials. `tip`: all of them.

    Returns:
        The standing once its tip is known well enough to be challenged; the trials that are needed until then.
    """
    known = by_slot(standing.aims.valued(tip))
    while standing.rule.tip_needs_trials():
        after = _after_tip_trials(standing, known, _next_tip_parts(standing.rule))
        if isinstance(after, NeedTrials):
            return after
        standing = after
    return _with_seed(standing, tip)


def _with_seed(standing: Standing, tip: Sequence[TrialResult]) -> Standing:
    """The standing that knows what the seed costs, by the trials with which it was first challenged."""
    if standing.aims.seed or not standing.aims.bounds or len(standing.taken) > 1:
        return standing
    return replace(standing, aims=standing.aims.with_seed(tip, _tip_slots(standing, tip)))


def judge(standing: Standing, entrants: Sequence[Entrant], tip: Sequence[TrialResult]) -> NeedTrials | Judgement:
    """Decide on candidates that patch the tip; several are raced. `tip`: all trials of the tip.

    Trials that failed by a fault of the machine are left out here.

    Returns:
        The decisions, or the trials that are needed before them.
    """
    known, own = (
        by_slot(standing.aims.valued(tip)),
        [by_slot(standing.aims.valued(entrant.trials)) for entrant in entrants],
    )
    # Only what was asked for is shown, stage by stage: so the same rows give the same decision later on.
    shown, again = _nothing(entrants), _nothing(entrants)
    begun = standing.first
    while True:
        renewed = standing.first != begun and standing.rule.tip_needs_trials()
        answer = (
            ChallengerNeeds((), None)
            if renewed
            else race(standing.rule, _field(standing, entrants, known, shown, again))
        )
        if isinstance(answer, RaceResult):
            break
        first = standing.first
        after = _after_needed(standing, entrants, answer, known, own, shown, again)
        if isinstance(after, NeedTrials):
            return after
        if after.first != first:
            shown, again = _nothing(entrants), _nothing(entrants)
        standing = after
    raced = _vetoed(standing, entrants, shown, tip, answer)
    aimed = _aimed(standing, entrants, shown, tip, raced)
    return aimed if isinstance(aimed, NeedTrials) else _judgement(standing, entrants, aimed, shown, tip)


def _nothing(entrants: Sequence[Entrant]) -> list[dict[Slot, TrialResult]]:
    return [{} for _ in entrants]


def _after_needed(
    standing: Standing,
    entrants: Sequence[Entrant],
    needs: ChallengerNeeds,
    tip: Trials,
    own: Sequence[Trials],
    shown: Sequence[dict[Slot, TrialResult]],
    again: Sequence[dict[Slot, TrialResult]],
) -> NeedTrials | Standing:
    """The standing once these trials have been shown, or those of them that are missing."""
    if needs.part is None or needs.of_tip:
        parts = _next_tip_parts(standing.rule) if needs.part is None else (needs.part,)
        return _after_tip_trials(standing, tip, parts)
    asked = entrants[needs.places[0]]
    slots = standing.slots(needs.part, asked.candidate, asked.first(standing))
    if short := [place for place in needs.places if any(slot not in own[place] for slot in slots)]:
        # Not by which trials of the tip there are: a run that ended once has more of them.
        learned = set() if asked.own_attempts else _tip_slots(standing, list(tip.values()))
        shared = tuple(slot for slot in slots if slot in learned)
        return NeedTrials(tuple(entrants[place].candidate.commit for place in short), slots, shared)
    for place in needs.places:
        (again if needs.part.again else shown)[place].update({slot: own[place][slot] for slot in slots})
    return standing.with_trials([own[place][slot] for place in needs.places for slot in slots])


def _vetoed(
    standing: Standing,
    entrants: Sequence[Entrant],
    shown: Sequence[Trials],
    tip: Sequence[TrialResult],
    raced: RaceResult,
) -> RaceResult:
    """The result of the race; a winner that voids clearly more of its attempts than the tip is not built upon.

    Its trials then tell nothing: which of them count was not left to chance.
    """
    won, risk = raced.rulings[raced.winner], standing.rule.settings.voided_risk
    if not won.taken or not risk:
        return raced
    why = veto(entrants[raced.winner].trials, shown[raced.winner], tip, _tip_slots(standing, tip), risk)
    return _dropped(standing, raced, why) if why else raced


def _dropped(standing: Standing, raced: RaceResult, why: str) -> RaceResult:
    """The result of a race whose winner is not built upon."""
    dropped = _without(standing.rule, raced.rulings[raced.winner].assessment, why)
    rulings = tuple(dropped if place == raced.winner else ruling for place, ruling in enumerate(raced.rulings))
    return RaceResult(rulings, raced.winner, ())


def _without(rule: Rule, seen: Assessment, why: str) -> Ruling:
    """The ruling on a challenger that is not built upon: the rule stays as it was, and decides about its stack."""
    if isinstance(rule, StackRule):
        return rule.dropping(EstimatedEffect(seen.effect, seen.error), seen.trials, why)
    return Ruling(False, StackFate.OPEN, seen, rule, why)


def _aimed(
    standing: Standing,
    entrants: Sequence[Entrant],
    shown: Sequence[Trials],
    tip: Sequence[TrialResult],
    raced: RaceResult,
) -> NeedTrials | RaceResult:
    """The result of the race, or the trials that tell whether its winner meets the run's aims.

    A winner that breaks a bound, or may be worse than is allowed after all passes, is not built upon.
    """
    entrant, aims = entrants[raced.winner], standing.aims
    if not raced.rulings[raced.winner].taken or entrant.own_attempts:
        return raced
    known, judged = by_slot(tip), by_slot(entrant.trials)
    if why := broken_bound(aims, [judged[slot] for slot in shown[raced.winner]]):
        return _dropped(standing, raced, why)
    for concern in concerns(aims, (task.name for task in standing.tasks), entrant.candidate.commit):
        answer = _asked(standing, entrant.candidate, concern, shown[raced.winner], judged, known)
        if isinstance(answer, NeedTrials):
            return answer
        if answer is not Answer.YES:
            return _dropped(standing, raced, concern.why)
    return raced


def _asked(
    standing: Standing, candidate: Candidate, concern: Concern, shown: Trials, judged: Trials, tip: Trials
) -> NeedTrials | Answer:
    """Whether a patch is not worse on what concerns it; more passes of both are asked for while that is unclear."""
    tasks = tuple(index for index, task in enumerate(standing.tasks) if task.name in concern.drawn)
    times, seen = looks(standing.rule.settings.most_passes), dict.fromkeys(shown)
    known = _tip_slots(standing, list(tip.values()))
    for passes in times:
        slots = [slot for attempt in range(passes) for slot in standing.slots(Part(attempt, tasks), candidate)]
        if any(slot not in tip or slot not in judged for slot in slots):
            return NeedTrials((standing.tip.commit, candidate.commit), tuple(slots))
        seen |= dict.fromkeys(slots)
        known |= {*slots}
        new, old = {slot: judged[slot] for slot in seen}, {slot: tip[slot] for slot in known}
        answer = answer_of(concern, new, old, standing.aims.error / len(times))
        if answer is not Answer.UNCLEAR:
            return answer
    return Answer.UNCLEAR


def _tip_slots(standing: Standing, tip: Sequence[TrialResult]) -> set[Slot]:
    """The slots on which the tip has been run so far for decisions: as a challenger, and then for its own level."""
    shared = standing.rule.settings.attempts if standing.rule.settings.rule in STRATEGIES else 0
    end, places = standing.first + shared, {task.name: index for index, task in enumerate(standing.tasks)}
    asked = {
        (standing.tasks[index].name, standing.first + attempt)
        for attempt, rewards in enumerate(standing.rule.own)
        for index in np.flatnonzero(~np.isnan(rewards))
    }
    slots = {slot_of(trial) for trial in tip if trial.counts and trial.task in places}
    return {slot for slot in slots if slot[1] < end or slot in asked}


def _field(
    standing: Standing, entrants: Sequence[Entrant], tip: Trials, shown: Sequence[Trials], again: Sequence[Trials]
) -> tuple[Challenger, ...]:
    # Not by which trials of the tip there are: later rounds add to them, and the rows must give the same decision.
    asked = _tip_slots(standing, list(tip.values()))
    known = {slot: trial for slot, trial in tip.items() if slot in asked}
    return tuple(
        Challenger(
            rewards_of(standing, trials, entrant.first(standing), standing.rule.settings.most_passes),
            _saving(standing, known, trials, entrant.smaller),
            all(_as_before(known, slot, trials[slot]) for slot in trials),
            rewards_of(standing, fresh, first_attempt_again(entrant.candidate), MOST_PASSES),
        )
        for entrant, trials, fresh in zip(entrants, shown, again, strict=True)
    )


def _judgement(
    standing: Standing,
    entrants: Sequence[Entrant],
    raced: RaceResult,
    shown: Sequence[Trials],
    tip: Sequence[TrialResult],
) -> Judgement:
    after = standing.after(raced.rulings[raced.winner], entrants[raced.winner].candidate)
    waiting = tuple(entrants[place].candidate for place in raced.waiting)
    decisions = tuple(
        _decision(standing, ruling, _stated(standing, ruling, list(trials.values()), tip))
        for ruling, trials in zip(raced.rulings, shown, strict=True)
    )
    return Judgement(decisions, replace(after, waiting=waiting))


def _as_before(tip: Trials, slot: Slot, trial: TrialResult) -> bool:
    """Whether the model answered as much, and the scaffold did as much, to the same reward as the tip on this seed."""
    return slot in tip and _course(tip[slot]) == _course(trial)


def _course(trial: TrialResult) -> tuple[float | None, int, int, int]:
    """Prompts are left out: they hold durations, and what a patch adds to them without effect."""
    return trial.reward, trial.usage.calls, trial.usage.completion_tokens, trial.usage.commands


def by_slot(trials: Sequence[TrialResult]) -> Trials:
    """The trials that count."""
    return {(trial.task, trial.attempt): trial for trial in trials if trial.counts}


def _next_tip_parts(rule: Rule) -> tuple[Part, ...]:
    """The tip's next pass."""
    if isinstance(rule, StackRule):
        return rule.next_tip_parts()
    return (Part(len(rule.own), rule.plan.everything),)


def _after_tip_trials(standing: Standing, known: Trials, parts: Sequence[Part]) -> NeedTrials | Standing:
    """The standing after these trials of the tip; if they begin a new epoch, without them, as it began amid them."""
    slots = [slot for part in parts for slot in standing.slots(part, standing.tip)]
    if missing := tuple(slot for slot in slots if slot not in known):
        return NeedTrials((standing.tip.commit,), missing)
    after = standing.with_trials([known[slot] for slot in slots])
    if after.first != standing.first:
        return after
    standing, passes = after, max(part.attempt for part in parts) + 1
    rewards = rewards_of(standing, {slot: known[slot] for slot in slots}, standing.first, passes)
    rule = standing.rule
    learned = rule.with_tip_trials(rewards) if isinstance(rule, StackRule) else rule.with_tip_pass(rewards[-1])
    return replace(standing, rule=learned)


def rewards_of(standing: Standing, shown: Trials, first: int, passes: int) -> Floats:
    """Rewards of a scaffold, passes x tasks, NaN where there is no trial. `first`: the attempt of the first pass."""
    rewards = np.full((passes, len(standing.tasks)), np.nan)
    places = {task.name: index for index, task in enumerate(standing.tasks)}
    for (task, attempt), trial in shown.items():
        rewards[attempt - first, places[task]] = trial.reward
    return rewards


def _saving(standing: Standing, tip: Trials, shown: Trials, smaller: float | Callable[[], float]) -> float:
    """The share of the tip's cost that the challenger saves on the slots of both; of its size, if costs are alike."""
    both = [slot for slot in shown if slot in tip]
    before, after = (_cost([trials[slot] for slot in both]) for trials in (tip, shown))
    cheaper = 1 - after / before if before else 0.0
    if abs(cheaper) >= standing.rule.settings.tie_saving:
        return cheaper
    return smaller() if callable(smaller) else smaller


def _cost(trials: Sequence[TrialResult]) -> float:
    """US dollars where they are known, else tokens."""
    usd = sum(trial.usage.cost_usd for trial in trials)
    return usd or float(sum(t.usage.prompt_tokens + t.usage.completion_tokens for t in trials))


def _points(effect: float, error: float) -> str:
    """An effect in points with its 95 % interval. `error`: its standard error."""
    return f"{100 * effect:+.1f} ± {100 * INTERVAL_ERRORS * error:.1f} points"


def _lead(champion: Candidate, evidence: Assessment) -> str:
    """What all stacked patches together are estimated to bring, as no patch's own effect."""
    return f"the stack: {_points(evidence.lead or 0.0, evidence.lead_error)} over the champion, round {champion.round}"


def _stated(
    standing: Standing, ruling: Ruling, shown: Sequence[TrialResult], tip: Sequence[TrialResult]
) -> StatedEffect:
    """The effect as it is stated; the rule's own estimate where too few tasks have trials of both.

    It is made of the trials that the rule has asked for, so that later ones change no decision.
    """
    names, asked = [task.name for task in standing.tasks], _tip_slots(standing, tip)
    before = [trial for trial in standing.aims.valued(tip) if slot_of(trial) in asked]
    stated = stated_effect(standing.tip, before, shown, names)
    estimate = ruling.assessment
    return stated or StatedEffect(estimate.effect, estimate.error, standing.tip.round)


def _decision(standing: Standing, ruling: Ruling, stated: StatedEffect) -> Decision:
    evidence, promoted = ruling.assessment, ruling.fate is StackFate.PROMOTED
    verdict = Verdict.REVERT if not ruling.taken else Verdict.KEEP if promoted else Verdict.STACK
    fate = ruling.fate if verdict is Verdict.REVERT else StackFate.OPEN
    stacked = standing.rule.stacked + ruling.taken
    lead = "" if evidence.lead is None else f" ({_lead(standing.champion, evidence)})"
    ends = {
        StackFate.OPEN: f"; {stacked} stacked, doubt {100 * evidence.doubt:.0f} %{lead}" if stacked else "",
        StackFate.PROMOTED: f"; champion with {stacked} stacked, doubt {100 * evidence.doubt:.1f} %{lead}",
        StackFate.GIVEN_UP: f"; the {standing.rule.stacked} stacked are dropped too: probably worse than the champion",
    }
    effect = f"{_points(stated.effect, stated.error)} against round {stated.parent}"
    reason = f"{effect} after {evidence.trials} trials: {ruling.why}"
    if standing.rule.settings.rule != "evolve":
        return Decision(verdict, reason, fate)
    return Decision(verdict, reason + ends[ruling.fate], fate, Evidence(stated.effect, stated.error, evidence.doubt))
