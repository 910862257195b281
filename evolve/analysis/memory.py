"""What a run remembers of its rounds: facts in words, lessons checked against them, and the text for the proposer.

Pure. Of single tasks only those of `train` are named, by the labels that the proposer knows them by.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from evolve.analysis.compare import TaskChanges
from evolve.core.records import Decision, Lesson, Proposal, Verdict

FULL_ROUNDS = 12
LINE_ROUNDS = 60
SHORT_CHARS = 160
KEYWORD_CHARS = 70
LESSON_CHARS = 600
# 5 % in each tail of a normal distribution.
CLEAR_ERRORS = 1.645
NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Hits:
    """Of what a proposal predicted, in train tasks: `fixed` of `predicted` went better, `broken` of `feared` worse."""

    predicted: int = 0
    fixed: int = 0
    feared: int = 0
    broken: int = 0


@dataclass(frozen=True)
class RoundFacts:
    """One round that is over. change: train tasks by label, against the parent."""

    round: int
    proposal: Proposal
    decision: Decision
    hits: Hits = field(default_factory=Hits)
    change: TaskChanges = field(default_factory=TaskChanges)

    @property
    def effect(self) -> str:
        """`better` or `worse` where the estimate is clear of zero, else `unclear`."""
        found = self.decision.evidence
        if found is None or abs(found.effect) <= CLEAR_ERRORS * found.error:
            return "unclear"
        return "better" if found.effect > 0 else "worse"


def headline(facts: RoundFacts) -> str:
    """One line: what was tried, and what became of it."""
    return f"round {facts.round} {facts.decision.verdict}: {facts.proposal.hypothesis} ({facts.decision.reason})"


def fact_lines(facts: RoundFacts) -> list[str]:
    """All that is known of the round, for whoever writes its lesson."""
    made, decision, hits, change = facts.proposal, facts.decision, facts.hits, facts.change
    lines = [f"round {facts.round}: {decision.verdict}", f"tried: {made.hypothesis}", f"predicted: {made.prediction}"]
    if decision.evidence:
        effect, error = 100 * decision.evidence.effect, 100 * decision.evidence.error
        lines.append(f"effect: {facts.effect} ({effect:+.1f} points, standard error {error:.1f})")
    else:
        lines.append("effect: unclear (not measured)")
    lines.append(f"decision: {decision.reason}")
    if hits.predicted:
        lines.append(f"predicted to be fixed: {hits.predicted} tasks, of which {hits.fixed} went better")
    if hits.feared:
        lines.append(f"feared to break: {hits.feared} tasks, of which {hits.broken} went worse")
    named = (("went better", change.fixed), ("went worse", change.broken), ("unstable", change.unstable))
    return lines + [f"{word}: {' '.join(tasks)}" for word, tasks in named if tasks]


def lesson_problem(text: str, effect: str, facts: RoundFacts) -> str | None:
    """Why these words are no lesson of this round, in one line; None if the facts bear them out."""
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
    """The facts alone, where no model's words can be taken."""
    hits = facts.hits
    told = f"; {hits.fixed} of {hits.predicted} tasks that it predicted went better" if hits.predicted else ""
    return f"Effect {facts.effect}{told}."


def format_memory(rounds: Sequence[RoundFacts], lessons: Sequence[Lesson]) -> str:
    """For the proposer: the newest rounds with their lessons, older ones in a line, the oldest in a few words."""
    taught = {lesson.round: lesson.text for lesson in lessons}
    full, lines = rounds[-FULL_ROUNDS:], rounds[-FULL_ROUNDS - LINE_ROUNDS : -FULL_ROUNDS]
    oldest = rounds[: -FULL_ROUNDS - LINE_ROUNDS]
    parts = _condensed(oldest) + [_short(headline(facts), facts) for facts in lines]
    for facts in full:
        parts.append(headline(facts))
        parts += [f"  lesson: {taught[facts.round]}"] if facts.round in taught else []
    return "\n".join(parts)


def _short(text: str, facts: RoundFacts) -> str:
    return text if len(text) <= SHORT_CHARS else f"{text[:SHORT_CHARS]}... (effect {facts.effect})"


def _condensed(rounds: Sequence[RoundFacts]) -> list[str]:
    """One line for each verdict: the first words of what was tried."""
    lines = []
    for verdict in (Verdict.KEEP, Verdict.STACK, Verdict.REVERT, Verdict.REFUSED):
        tried = [facts.proposal.hypothesis[:KEYWORD_CHARS] for facts in rounds if facts.decision.verdict is verdict]
        if tried:
            listed = "; ".join(dict.fromkeys(words for words in tried if words))
            lines.append(f"rounds {rounds[0].round}-{rounds[-1].round}, {len(tried)} of them {verdict}: {listed}")
    return lines


def format_document(run: str, rounds: Sequence[RoundFacts], lessons: Sequence[Lesson]) -> str:
    """All of it as a Markdown page."""
    taught = {lesson.round: lesson for lesson in lessons}
    parts = [f"# What run {run} has learned", format_hits(rounds)]
    for facts in reversed(rounds):
        parts.append(f"## Round {facts.round}: {facts.decision.verdict}")
        parts.append("\n".join(f"- {line}" for line in fact_lines(facts)[1:]))
        if lesson := taught.get(facts.round):
            told = f"\n\n(The model's own words were not taken: {lesson.problem}.)" if lesson.problem else ""
            parts.append(f"Lesson: {lesson.text}{told}")
    return "\n\n".join(parts) + "\n"


def format_hits(rounds: Sequence[RoundFacts]) -> str:
    """How often predictions came true over these rounds."""
    told = [facts.hits for facts in rounds]
    predicted, fixed = sum(hits.predicted for hits in told), sum(hits.fixed for hits in told)
    feared, broken = sum(hits.feared for hits in told), sum(hits.broken for hits in told)
    if not predicted + feared:
        return "No round has predicted anything that was measured yet."
    return (
        f"Predictions: {fixed} of {predicted} tasks that were to be fixed went better; "
        f"{broken} of {feared} that were feared for went worse."
    )
