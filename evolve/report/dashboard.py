"""The live view of a run as lines of text that fit a width and a height."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.text import Text

from evolve.core.attempts import unselected_trials
from evolve.core.records import Candidate, Decision, Split, Verdict
from evolve.core.scores import INTERVAL_ERRORS, score
from evolve.gate.stated import StatedEffect, stated_effect
from evolve.loop.events import PatchEntered
from evolve.report.marks import (
    ASCII_LEGEND,
    LEGEND,
    VERDICT_STYLES,
    bar,
    clean,
    fitted,
    strip_of,
)
from evolve.report.progress import Progress, caps_spent, duration

LABEL = 10
# Drawn where there is room for them.
MOST_ROUNDS = 200
# What is dropped first on a low terminal has the highest number.
MUST, SHOULD, MAY, EXTRA = range(4)


@dataclass(frozen=True)
class Look:
    """How the view is drawn. priced: dollars are known; ascii_only: no other characters."""

    width: int
    height: int
    priced: bool = False
    ascii_only: bool = False


@dataclass(frozen=True)
class RankedLine:
    """A line and how soon it is dropped where there are too few."""

    text: Text
    rank: int = MUST


def dashboard(state: Progress, look: Look, now: float) -> list[Text]:
    """The view: at most `look.height` lines, none wider than `look.width` cells."""
    below = [*_stage(state, look), *_ends(state), *_spending(state, look, now), *_pace(state, now)]
    title, *lines = _kept([_title(state, now), *below], look.height)
    closed = _closed(state, look, look.height - 1 - len(lines))
    return [fitted(line, look.width) for line in (title, *closed, *lines)]


def _kept(lines: Sequence[RankedLine], most: int) -> list[Text]:
    """As many lines as fit, in their order."""
    ranked = sorted(range(len(lines)), key=lambda place: (lines[place].rank, place))
    chosen = set(ranked[: max(most, 1)])
    return [line.text for place, line in enumerate(lines) if place in chosen]


def _labelled(label: str, *parts: str | Text) -> Text:
    line = Text(f"{label:<{LABEL}}", style="dim")
    for part in parts:
        line.append_text(part if isinstance(part, Text) else Text(part, style="default"))
    return line


def _title(state: Progress, now: float) -> RankedLine:
    where = f"  round {state.round} of {state.rounds}" if state.rounds else "  round 0" if state.run else ""
    spent = f"  {duration(now - state.began)} so far" if state.began is not None else ""
    left = state.time_left(now) or "time left: not known yet"
    return RankedLine(Text(clean(state.run), style="bold").append(f"{where}{spent}, {left}", style="default"))


def _closed(state: Progress, look: Look, room: int) -> list[Text]:
    """The rounds that are decided: the newest ones, and above them a mark for each."""
    numbers = sorted(number for number in state.decided if number)
    if not numbers or room < 1:
        return []
    lines = [_decided_line(number, state) for number in numbers[-(room - 1) :]] if room > 1 else []
    return [_labelled("rounds", _verdict_strip([state.decided[number] for number in numbers], look)), *lines]


def _verdict_strip(decisions: Sequence[Decision], look: Look) -> Text:
    """A letter for each decided round: K keep, S stack, r revert, x refused."""
    counts = {verdict: sum(d.verdict is verdict for d in decisions) for verdict in Verdict}
    named = (
        (Verdict.KEEP, "kept"),
        (Verdict.STACK, "stacked"),
        (Verdict.REVERT, "reverted"),
        (Verdict.REFUSED, "refused"),
    )
    summary = ", ".join(f"{counts[verdict]} {name}" for verdict, name in named if counts[verdict])
    letters = {Verdict.KEEP: "K", Verdict.STACK: "S", Verdict.REVERT: "r", Verdict.REFUSED: "x"}
    strip, most = Text(), min(max(look.width - LABEL - len(summary) - 2, 0), MOST_ROUNDS)
    for decision in decisions[-most:] if most else []:
        strip.append(letters.get(decision.verdict, " "), style=VERDICT_STYLES[decision.verdict])
    return strip.append(f"  {summary}", style="default").append("; effects: points against the parent", style="dim")


def _decided_line(number: int, state: Progress) -> Text:
    decision = state.decided[number]
    line = Text(f"{number:>8}  ", style="dim")
    line.append(f"{decision.verdict:<8}", style=VERDICT_STYLES[decision.verdict])
    if (evidence := decision.evidence) is not None:
        line.append(f" {points(evidence.effect, evidence.error)}", style="default")
    return line.append(f"  {clean(state.hypotheses.get(number, '') or decision.reason)}", style="default")


def points(effect: float, error: float) -> str:
    """An effect in points with its 95 % interval, in a fixed width."""
    return f"{100 * effect:+6.1f} ± {100 * INTERVAL_ERRORS * error:4.1f}"


def _stage(state: Progress, look: Look) -> Iterable[RankedLine]:
    if state.run:
        yield RankedLine(_labelled("now", state.stage or "starting"))
    for patch in state.patches:
        yield RankedLine(
            _labelled("idea", f"{patch.candidate.round}: " if len(state.patches) > 1 else "", clean(patch.hypothesis)),
            SHOULD,
        )
    count = f"  {state.batch_done} of {state.planned}" if state.planned else ""
    if state.planned:
        running = 0 if state.waits_for else max(state.jobs, 1)
        strip = strip_of(state.batch, state.planned, look.width - LABEL - len(count), look.ascii_only, running)
        yield RankedLine(_labelled("trials", strip, count))
        yield RankedLine(_labelled("", Text(ASCII_LEGEND if look.ascii_only else LEGEND, style="dim")), EXTRA)
    for patch in state.patches:
        yield RankedLine(_labelled("evidence", _evidence(patch, state)), SHOULD)


def _evidence(patch: PatchEntered, state: Progress) -> str:
    """What the trials of a patch show so far, against those of its parent."""
    trials = state.trials_of(patch.candidate)
    effect = _effect(patch, state)
    if effect is None or INTERVAL_ERRORS * effect.error >= 1:
        return f"{len(trials)} trials of round {patch.candidate.round}; no effect can be told yet"
    shown = points(effect.effect, effect.error).strip()
    return f"{shown} points against round {effect.parent} after {len(trials)} trials"


def _effect(patch: PatchEntered, state: Progress) -> StatedEffect | None:
    before, after = state.trials_of(patch.parent), state.trials_of(patch.candidate)
    names = {trial.task for trial in after if trial.split is not Split.HOLDOUT}
    return stated_effect(patch.parent, before, after, sorted(names))


def _ends(state: Progress) -> Iterable[RankedLine]:
    if state.champion is None or state.tip is None:
        return
    yield RankedLine(_labelled("champion", _scores(state.champion, state)), SHOULD)
    if state.tip.commit != state.champion.commit:
        yield RankedLine(_labelled("tip", _scores(state.tip, state), "  not proven better"), SHOULD)


def _scores(candidate: Candidate, state: Progress) -> str:
    """A candidate's scores with their 95 % intervals, from trials that did not choose it."""
    own = unselected_trials(candidate, state.trials_of(candidate))
    shares = (
        (split, score(trial for trial in own if trial.split is split)) for split in (Split.TRAIN, Split.VALIDATION)
    )
    shown = (
        f"{split} " + (f"{100 * share.mean:.1f} ± {100 * share.half_width:.1f} %" if share else "not measured")
        for split, share in shares
    )
    return f"round {candidate.round}  {'  '.join(shown)}"


def _spending(state: Progress, look: Look, now: float) -> Iterable[RankedLine]:
    spent = state.spent
    dollars = f"${spent.cost_usd:.2f}" if look.priced else "dollars unknown (no price)"
    yield RankedLine(_labelled("spent", f"{spent.tokens / 1000:.0f}k tokens, {dollars}, {spent.calls} calls"), SHOULD)
    if state.spending is None:
        return
    seconds = state.spending.seconds + now - state.spending_at
    for name, share in caps_spent(state.spending, spent, seconds).items():
        drawn = bar(share, min(max(look.width // 4, 5), 30), look.ascii_only)
        yield RankedLine(_labelled("cap", f"{drawn} {100 * share:.0f} % of the {name}"), SHOULD)


def _pace(state: Progress, now: float) -> Iterable[RankedLine]:
    if state.done and (worked := state.worked_seconds(now)):
        rate = 60 * state.done / worked
        yield RankedLine(_labelled("pace", f"{rate:.1f} trials a minute, up to {state.jobs or 1} at once"), MAY)
    if state.fault and not state.waits_for:
        yield RankedLine(_labelled("run again", Text(clean(state.fault), style="yellow")))
    if state.waits_for:
        left = max(state.waits_until - now, 0.0)
        until = f"tried again in {duration(left)}: " if left else "being tried again: "
        yield RankedLine(_labelled("waiting", until, Text(clean(state.waits_for), style="yellow")))
