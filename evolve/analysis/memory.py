"""A run's memory of its rounds: facts as text, lessons that are checked against them, and the proposer's summary.

Pure. The only tasks named here are those of `train`, by the proposer's labels. The embedded model reads `fact_lines`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from evolve.analysis.compare import TaskChanges
from evolve.core.escaping import markdown
from evolve.core.fences import one_line
from evolve.core.records import Decision, Lesson, Proposal, Verdict

FULL_ROUNDS = 12
LINE_ROUNDS = 60
REMEMBERED = FULL_ROUNDS + LINE_ROUNDS
SHORT_CHARS = 160
KEYWORD_CHARS = 70
LESSON_CHARS = 600
# Characters for the oldest rounds of one verdict.
OLDEST_CHARS = 10_000
# 5 % in each tail of a normal distribution.
CLEAR_ERRORS = 1.645
NUMBER = re.compile(r"\d+(?:\.\d+)?")
FIGURES_BY_SPLIT = re.compile(r" \(train [-+][0-9.]+, validation [-+][0-9.]+ points\)")
# What the whole stack brings, in a decision on one of its patches; the second form is that of earlier versions.
FIGURES_OF_STACK = re.compile(r" \((?:the stack: )?[-+][0-9.]+ ± [0-9.]+ points over the champion(?:, round [0-9]+)?\)")


@dataclass(frozen=True)
class Hits:
    """How a proposal's predictions on train tasks came true.

    Attributes:
        predicted: Tasks predicted to pass more often.
        fixed: Those of them that did.
        feared: Tasks predicted to pass less often.
        broken: Those of them that did.
    """

    predicted: int = 0
    fixed: int = 0
    feared: int = 0
    broken: int = 0


@dataclass(frozen=True)
class RoundFacts:
    """One finished round. `change`: train tasks by label, compared with the parent; `parent`: the parent's round."""

    round: int
    proposal: Proposal
    decision: Decision
    hits: Hits = field(default_factory=Hits)
    change: TaskChanges = field(default_factory=TaskChanges)
    parent: int | None = None

    @property
    def verdict(self) -> Verdict:
        return self.decision.verdict

    @property
    def hypothesis(self) -> str:
        return self.proposal.hypothesis

    @property
    def effect(self) -> str:
        """`better` or `worse` if the estimate differs clearly from zero, otherwise `unclear`."""
        evidence = self.decision.evidence
        if evidence is None or abs(evidence.effect) <= CLEAR_ERRORS * evidence.error:
            return "unclear"
        return "better" if evidence.effect > 0 else "worse"


def headline(facts: RoundFacts) -> str:
    """Summarise the round in one line: what was tried, and how it was decided."""
    reason = reason_without_figures(facts.decision.reason)
    return one_line(f"round {facts.round} {facts.decision.verdict}: {facts.proposal.hypothesis} ({reason})")


def reason_without_figures(reason: str) -> str:
    """Return a decision's reason as the proposer may read it: without figures of validation alone.

    What all stacked patches bring is left out too, or the latest of them would be taken for its cause.
    """
    return FIGURES_OF_STACK.sub("", FIGURES_BY_SPLIT.sub("", reason))


def fact_lines(facts: RoundFacts) -> list[str]:
    """Return all that is known of the round, one fact a line, for the model that writes its lesson."""
    proposal, decision, hits, change = facts.proposal, facts.decision, facts.hits, facts.change
    lines = [f"round {facts.round}: {decision.verdict}"]
    lines += [f"tried: {proposal.hypothesis}", f"predicted: {proposal.prediction}"]
    if decision.evidence:
        effect, error = 100 * decision.evidence.effect, 100 * decision.evidence.error
        against = "" if facts.parent is None else f" against round {facts.parent}"
        lines.append(f"effect: {facts.effect} ({effect:+.1f} points{against}, standard error {error:.1f})")
    else:
        lines.append("effect: unclear (not measured)")
    lines.append(f"decision: {reason_without_figures(decision.reason)}")
    if hits.predicted:
        lines.append(f"predicted to be fixed: {hits.predicted} tasks, of which {hits.fixed} went better")
    if hits.feared:
        lines.append(f"feared to break: {hits.feared} tasks, of which {hits.broken} went worse")
    kinds = (("went better", change.fixed), ("went worse", change.broken), ("unstable", change.unstable))
    lines += [f"{kind}: {' '.join(tasks)}" for kind, tasks in kinds if tasks]
    return [one_line(line) for line in lines]


def lesson_problem(text: str, effect: str, facts: RoundFacts) -> str | None:
    """Say in one line why a text can't be this round's lesson; None if it agrees with the facts."""
    if not text.strip():
        return "the lesson is empty"
    if len(text) > LESSON_CHARS:
        return f"the lesson has more than {LESSON_CHARS} characters"
    if effect not in (facts.effect, "unclear"):
        return f"the lesson says `{effect}`, the facts say `{facts.effect}`"
    known = set(NUMBER.findall("\n".join(fact_lines(facts))))
    invented = [number for number in NUMBER.findall(text) if number not in known]
    return f"the number {invented[0]} is not in the facts" if invented else None


def bare_lesson(facts: RoundFacts) -> str:
    """Return a lesson from the facts alone, for rounds whose model wrote no usable one."""
    hits = facts.hits
    outcome = f"; {hits.fixed} of {hits.predicted} predicted tasks went better" if hits.predicted else ""
    return f"Effect {facts.effect}{outcome}."


class Outlined(Protocol):
    """What the oldest rounds are remembered by."""

    @property
    def round(self) -> int: ...
    @property
    def verdict(self) -> Verdict: ...
    @property
    def hypothesis(self) -> str: ...


def format_memory(
    rounds: Sequence[RoundFacts], lessons: Sequence[Lesson], oldest: Sequence[Outlined] | None = None
) -> str:
    """Format the memory for the proposer: the newest rounds with lessons, older ones in a line, the oldest shorter.

    Its length is bounded, however many rounds there are.

    Args:
        rounds: The newest REMEMBERED ones at least, without the figures that only trials show.
        lessons: As many as there are.
        oldest: The rounds before the newest REMEMBERED ones; None: `rounds` has them.
    """
    texts = {lesson.round: lesson.text for lesson in lessons}
    full, lines = rounds[-FULL_ROUNDS:], rounds[-REMEMBERED:-FULL_ROUNDS]
    oldest = rounds[:-REMEMBERED] if oldest is None else oldest
    parts = _condense(oldest) + [_shorten(headline(facts), facts) for facts in lines]
    for facts in full:
        parts.append(headline(facts))
        parts += [f"  lesson: {one_line(texts[facts.round])}"] if facts.round in texts else []
    return "\n".join(parts)


def _shorten(text: str, facts: RoundFacts) -> str:
    return text if len(text) <= SHORT_CHARS else f"{text[:SHORT_CHARS]}... (effect {facts.effect})"


def _condense(rounds: Sequence[Outlined]) -> list[str]:
    """Return one line per verdict: the first words of each hypothesis, of the newest if there are too many."""
    lines = []
    for verdict in (Verdict.KEEP, Verdict.STACK, Verdict.REVERT, Verdict.REFUSED):
        tried = [outline.hypothesis for outline in rounds if outline.verdict is verdict]
        if tried:
            listed, left = _newest_words(tried)
            earlier = f"(earlier ones are left out) {listed}" if left else listed
            lines.append(f"rounds {rounds[0].round}-{rounds[-1].round}, {len(tried)} of them {verdict}: {earlier}")
    return lines


def _newest_words(hypotheses: Sequence[str]) -> tuple[str, bool]:
    """The first words of the newest different hypotheses, oldest first, and whether others are left out."""
    room, words = OLDEST_CHARS, dict[str, None]()
    for hypothesis in reversed(hypotheses):
        start = hypothesis[:KEYWORD_CHARS]
        if start and start not in words:
            room -= len(start) + 2
            if room < 0:
                return one_line("; ".join(reversed(words))), True
            words[start] = None
    return one_line("; ".join(reversed(words))), False


def format_document(run: str, rounds: Sequence[RoundFacts], lessons: Sequence[Lesson]) -> str:
    """Format all rounds and lessons as a Markdown page, in which no text by a model has a meaning of its own."""
    by_round = {lesson.round: lesson for lesson in lessons}
    sections = [_section(facts, by_round.get(facts.round)) for facts in reversed(rounds)]
    return "\n\n".join([f"# Lessons of run {run}", format_hits(rounds), *sections]) + "\n"


# A page is written once a round, and most of its rounds were on it before.
@functools.lru_cache(maxsize=1024)
def _section(facts: RoundFacts, lesson: Lesson | None) -> str:
    """A round with its lesson, as a part of such a page."""
    parts = [f"## Round {facts.round}: {facts.decision.verdict}"]
    parts.append("\n".join(f"- {markdown(line)}" for line in fact_lines(facts)[1:]))
    if lesson:
        problem = f"\n\n(The model's own text was rejected: {markdown(lesson.problem)}.)" if lesson.problem else ""
        parts.append(f"Lesson: {markdown(one_line(lesson.text))}{problem}")
    return "\n\n".join(parts)


def format_hits(rounds: Sequence[RoundFacts]) -> str:
    """Say how often the predictions of these rounds came true."""
    all_hits = [facts.hits for facts in rounds]
    predicted, fixed = sum(hits.predicted for hits in all_hits), sum(hits.fixed for hits in all_hits)
    feared, broken = sum(hits.feared for hits in all_hits), sum(hits.broken for hits in all_hits)
    if not predicted + feared:
        return "No prediction has been measured yet."
    return (
        f"Predictions: {fixed} of {predicted} tasks predicted to be fixed went better; "
        f"{broken} of {feared} tasks feared to break went worse."
    )
