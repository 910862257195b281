"""What is remembered of rounds, and that a lesson says no more than the facts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evolve.analysis import Hits, RoundFacts, TaskChanges, format_memory
from evolve.analysis.memory import (
    FULL_ROUNDS,
    LESSON_CHARS,
    LINE_ROUNDS,
    bare_lesson,
    fact_lines,
    format_document,
    format_hits,
    headline,
    lesson_problem,
)
from evolve.core.records import Decision, Evidence, Lesson, Proposal, StackFate, Verdict


def round_facts(number: int, effect: float = 0.0, error: float = 0.02, verdict: Verdict = Verdict.REVERT) -> RoundFacts:
    evidence = None if verdict is Verdict.REFUSED else Evidence(effect, error, 0.1)
    made = Proposal(f"idea {number} is to retry what failed", "more of G1 pass", ())
    return RoundFacts(number, made, Decision(verdict, "no gain", StackFate.OPEN, evidence), Hits(4, 1, 2, 2))


@pytest.mark.parametrize(("effect", "said"), [(0.1, "better"), (-0.1, "worse"), (0.03, "unclear"), (0.0, "unclear")])
def test_an_effect_is_clear_if_it_differs_from_zero(effect: float, said: str) -> None:
    assert round_facts(1, effect).effect == said


def test_a_round_that_was_not_measured_has_no_clear_effect() -> None:
    facts = round_facts(1, verdict=Verdict.REFUSED)
    assert facts.effect == "unclear"
    assert "effect: unclear (not measured)" in fact_lines(facts)


def test_the_facts_name_effect_predictions_and_tasks() -> None:
    lines = fact_lines(replace(round_facts(3, 0.1), change=TaskChanges(("train-01",), ("train-02",), ("train-03",))))
    assert "effect: better (+10.0 points, standard error 2.0)" in lines
    assert "predicted to be fixed: 4 tasks, of which 1 went better" in lines
    assert "feared to break: 2 tasks, of which 2 went worse" in lines
    assert lines[-3:] == ["went better: train-01", "went worse: train-02", "unstable: train-03"]


@pytest.mark.parametrize(
    ("text", "effect", "problem"),
    [
        ("It helped by 10.0 points.", "better", None),
        ("It did something, 1 of 4.", "unclear", None),
        ("It did harm.", "worse", "the lesson says `worse`, the facts say `better`"),
        ("It helped by 12 points.", "better", "the number 12 is not in the facts"),
        ("  ", "better", "the lesson is empty"),
        ("x" * (LESSON_CHARS + 1), "better", f"the lesson has more than {LESSON_CHARS} characters"),
        ("It helped.", "splendid", "the lesson says `splendid`, the facts say `better`"),
    ],
)
def test_a_lesson_must_agree_with_the_facts(text: str, effect: str, problem: str | None) -> None:
    assert lesson_problem(text, effect, round_facts(1, 0.1)) == problem


def test_the_facts_alone_are_a_valid_lesson() -> None:
    facts = round_facts(1, -0.1)
    assert bare_lesson(facts) == "Effect worse; 1 of 4 predicted tasks went better."
    assert lesson_problem(bare_lesson(facts), facts.effect, facts) is None


def test_new_rounds_are_complete_and_old_ones_condensed() -> None:
    count = FULL_ROUNDS + LINE_ROUNDS + 20
    rounds = [round_facts(number) for number in range(1, count + 1)]
    text = format_memory(rounds, [Lesson(count, "Retrying is in vain."), Lesson(1, "forgotten by now")])
    lines = text.splitlines()
    assert lines[0].startswith("rounds 1-20, 20 of them revert: idea 1 is to retry what failed; idea 2 ")
    assert len(lines) == 1 + LINE_ROUNDS + FULL_ROUNDS + 1
    assert lines[-2:] == [
        f"round {count} revert: idea {count} is to retry what failed (no gain)",
        "  lesson: Retrying is in vain.",
    ]
    assert "forgotten" not in text


def test_the_memory_keeps_every_idea_and_grows_slowly() -> None:
    rounds = [round_facts(number) for number in range(1, 301)]
    text = format_memory(rounds, [])
    assert all(f"idea {number} is to retry" in text for number in range(1, 301))
    assert len(text) < 20_000


def test_the_memory_of_no_rounds_is_empty() -> None:
    assert format_memory([], []) == ""


def test_the_page_lists_all_rounds_newest_first() -> None:
    rounds = [round_facts(1), round_facts(2, verdict=Verdict.REFUSED)]
    page = format_document("some-run", rounds, [Lesson(1, "Effect unclear.", "the number 12 is not in the facts")])
    assert page.index("## Round 2: refused") < page.index("## Round 1: revert")
    assert "Lesson: Effect unclear." in page
    assert "was rejected: the number 12 is not in the facts" in page
    assert "2 of 8 tasks predicted to be fixed went better; 4 of 4" in page


def test_missing_predictions_are_reported() -> None:
    assert format_hits([replace(round_facts(1), hits=Hits())]).startswith("No prediction has been measured")


@pytest.mark.parametrize(
    "figures", ["+19.4 ± 8.0 points over the champion", "the stack: +19.4 ± 8.0 points over the champion, round 0"]
)
def test_what_a_stack_brings_is_no_lesson_of_a_patch_that_does_nothing(figures: str) -> None:
    reason = f"+0.0 ± 6.1 points against round 1 after 44 trials: not enough; 1 stacked, doubt 4 % ({figures})"
    idle = replace(
        round_facts(2), parent=1, decision=Decision(Verdict.REVERT, reason, evidence=Evidence(0.0, 0.03, 0.04))
    )
    lines = fact_lines(idle)
    assert "effect: unclear (+0.0 points against round 1, standard error 3.0)" in lines
    assert not [line for line in [*lines, headline(idle), format_memory([idle], [])] if "19.4" in line]
    assert lesson_problem("It brought 19.4 points.", "unclear", idle) == "the number 19.4 is not in the facts"
