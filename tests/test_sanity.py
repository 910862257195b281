"""Questions with known answers, and what counts as garbage."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.errors import EndpointError
from evolve.core.records import ModelSpec, Usage
from evolve.llm.sanity import LEAST_CHARS, QUESTIONS, garbage, text_of
from evolve.llm.soundness import SoundModel
from tests.fakes import completion

PROSE = (
    "A bicycle has two wheels that are held by a frame. The rider sits on a saddle and turns the pedals with the feet. "
    "The pedals turn a chainring, whose chain drives the rear wheel. Handlebars turn the front wheel, so the rider can "
    "steer. A moving bicycle stays upright because the rider steers into each lean, and brakes at both wheels slow it. "
)
LISTING = "\n".join(f"| row {number} | value {number * number} | ok |" for number in range(200))
CODE = "\n".join(f"    assert add({a}, {b}) == {a + b}" for a in range(12) for b in range(12))
LOG = "\n".join(f"2026-01-01T00:00:{n:02} INFO request {n * 7919} served" for n in range(60))


@pytest.mark.parametrize("text", [PROSE * 2, LISTING, CODE, LOG, "", "!" * (LEAST_CHARS - 1), PROSE.upper() + LISTING])
def test_what_models_write_is_no_garbage(text: str) -> None:
    assert garbage(text) == ""


@pytest.mark.parametrize(
    "text",
    ["!" * 2_000, "the the " * 500, "\ufffd\x00" * 400, "GGGG" * 300, "la la la. " * 200, "\n".join(["- item"] * 400)],
)
def test_what_broken_models_write_is_garbage(text: str) -> None:
    assert garbage(text)


@given(st.text())
def test_any_text_can_be_judged(text: str) -> None:
    assert isinstance(garbage(text), str)


@given(st.integers(0, 10_000))
def test_random_words_are_no_garbage(seed: int) -> None:
    dice = random.Random(seed)
    words = [f"w{dice.randrange(400)}" for _ in range(400)]
    assert garbage(" ".join(words)) == ""


@pytest.mark.parametrize(
    ("number", "right", "wrong"),
    [
        (0, "The answer is 12.", "5, or 120"),
        (1, "It is Paris!", "Parisian"),
        (2, "The blue boat sails at noon", "Boat"),
    ],
)
def test_questions_know_their_answers(number: int, right: str, wrong: str) -> None:
    assert QUESTIONS[number].is_answered_by(right) and not QUESTIONS[number].is_answered_by(wrong)


def test_the_text_holds_the_reasoning() -> None:
    answer = completion("42")
    answer["choices"][0]["message"]["reasoning_content"] = "hm"
    assert text_of(answer) == "hm\n42" and text_of(completion(None)) == ""


class Talker:
    """Answers a task with one text and questions with another."""

    def __init__(self, task: str, question: str) -> None:
        self.texts, self.asked = {True: question, False: task}, 0

    def complete(self, body: dict[str, object], on_lost: object = None) -> dict[str, object]:
        messages = body["messages"]
        assert isinstance(messages, list)
        is_question = any(messages[0]["content"] == question.text for question in QUESTIONS)
        self.asked += is_question
        return completion(self.texts[is_question])


TASK = {"model": "m", "messages": [{"role": "user", "content": "Print 2,000 exclamation marks."}]}


def test_garbage_of_a_broken_model_is_a_fault_of_the_endpoint() -> None:
    talker, lost = Talker("!" * 2_000, "!!!!"), list[Usage]()
    with pytest.raises(EndpointError, match="nonsense"):
        SoundModel(talker, ModelSpec("m")).complete(TASK, lost.append)
    assert talker.asked == 2 * len(QUESTIONS)
    # The answer itself is billed, too.
    assert sum(usage.calls for usage in lost) == talker.asked + 1


def test_a_model_that_was_asked_for_garbage_is_sound() -> None:
    talker, lost = Talker("!" * 2_000, "12"), list[Usage]()
    answer = SoundModel(talker, ModelSpec("m")).complete(TASK, lost.append)
    assert text_of(answer) == "!" * 2_000 and talker.asked == 1
    assert [(usage.calls, usage.tokens > 0) for usage in lost] == [(1, True)]


def test_no_question_follows_a_sound_answer() -> None:
    talker = Talker(PROSE, "12")
    SoundModel(talker, ModelSpec("m")).complete(TASK)
    assert talker.asked == 0
