"""Briefs that fit into small context windows, and answers that are cut off by their length."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evolve import embedded
from evolve.analysis import Shelf
from evolve.core.errors import RequestRefused
from evolve.core.records import ModelSpec, Proposal
from evolve.llm import estimate_prompt_tokens, fit_to_window
from evolve.loop.propose import MAX_REPAIRS, Brief, WrittenProposal, direct
from evolve.loop.propose.answer import is_refused_by_endpoint
from evolve.loop.propose.brief import NOTHING_YET, opening, openings
from evolve.loop.propose.direct import MAX_TOKENS
from evolve.loop.propose.fitting import CUT, NO_LIMIT, first_chars, first_lines, fit, last_lines, size
from tests.fakes import ScriptedModel, completion, tool_call
from tests.test_embedded_proposer import files_of
from tests.test_propose import GOOD, MEANINGS, TRIALS, brief, offers

ROOT = Path(__file__).parent.parent
SEED = files_of(ROOT / "scaffolds/single")
LINES = [f"- G{n}: {n} of 40 failed trials gave up early [tasks train-0{n}; clearest train-0{n}.0]" for n in range(9)]
DIGEST = "\n".join([*LINES, *(f"step {n}: it ran the tests once more, and they failed" for n in range(200))])
MEMORY = "\n".join(f"round {n} revert: try `{n}` more often (no gain after 20 trials)" for n in range(200))
LARGE = Brief(SEED | {"long.py": "x = 1\n" * 5_000}, ("*",), DIGEST, MEMORY, Shelf(TRIALS), MEANINGS)


class Window:
    """The embedded model behind a window of so many tokens; it counts prompt and answer, as strict servers do."""

    def __init__(self, tokens: int, spec: ModelSpec) -> None:
        self.tokens, self.spec = tokens, spec
        self.requests: list[dict[str, Any]] = []
        self.refused = 0

    def complete(self, body: Mapping[str, Any], on_lost: Any = None) -> dict[str, Any]:
        request = fit_to_window(body, self.spec)
        if estimate_prompt_tokens(request) + request["max_tokens"] > self.tokens:
            self.refused += 1
            raise RequestRefused(400, "context_length_exceeded", f"the model's context window is {self.tokens}")
        self.requests.append(request)
        return embedded.complete(request)


def proposed(window: int, known: bool, seed: int = 1) -> tuple[WrittenProposal, Window]:
    spec = ModelSpec("embedded", context_tokens=window if known else None)
    model = Window(window, spec)
    return direct(model, spec, LARGE, seed, lambda proposal: None), model


@pytest.mark.parametrize("window", [6_000, 10_000])
@pytest.mark.parametrize("seed", range(3))
def test_a_brief_fits_into_a_window_that_is_known(window: int, seed: int) -> None:
    made, model = proposed(window, known=True, seed=seed)
    assert made.proposal.edits and not made.proposal.note and model.refused == 0
    text = made.messages[1]["content"]
    assert "Too long to be shown here: long.py" in text and '<file path="settings.toml">' in text
    assert LINES[0] in text and CUT in text and "round 199 revert" in text
    assert model.requests[0]["max_tokens"] >= window // 4, "room for the answer"


def test_a_larger_window_shows_more() -> None:
    specs = [ModelSpec("m", context_tokens=window) for window in (4_000, 6_000, 10_000, 100_000)]
    texts = [next(openings(LARGE, spec, MAX_TOKENS))[1]["content"] for spec in specs]
    assert [len(text) for text in texts] == sorted(len(text) for text in texts)
    assert texts[-1] == opening(LARGE)[1]["content"] and CUT not in texts[-1]


@pytest.mark.parametrize("window", [6_000, 10_000])
def test_a_window_that_is_not_known_is_found_by_shortening(window: int) -> None:
    made, model = proposed(window, known=False)
    assert made.proposal.edits and not made.proposal.note
    assert 0 < model.refused <= 5 and len(model.requests) == 1


def test_a_window_too_small_for_any_brief_is_a_refusal() -> None:
    made, model = proposed(500, known=False)
    assert is_refused_by_endpoint(made.proposal) and model.requests == []


def test_what_is_looked_up_is_cut_to_the_room_that_is_left() -> None:
    seen: list[dict[str, Any]] = []

    def looking(body: Mapping[str, Any]) -> dict[str, Any]:
        seen.append(copy.deepcopy(dict(body)))
        if len(seen) == 3:
            return offers(("new.py", "", "x = 1\n"))
        return completion(None, tool_call("read_file", {"path": "long.py"}, str(len(seen))))

    spec = ModelSpec("m", context_tokens=10_000)
    assert not direct(ScriptedModel(looking), spec, LARGE, 1, lambda proposal: None).proposal.note
    assert all(estimate_prompt_tokens(body) <= 7_700 for body in seen), "a quarter is left for the answer"
    first, second = ([m["content"] for m in body["messages"] if m["role"] == "tool"] for body in seen[1:])
    assert first[0].startswith("x = 1\n" * 100) and first[0].endswith("more characters)")
    assert second[0].startswith("(dropped") and second[1].startswith("x = 1\n" * 100), "the latest is shown"


def test_without_a_limit_everything_is_shown() -> None:
    shown = fit(SEED, DIGEST, MEMORY, NO_LIMIT)
    assert (shown.files, shown.digest, shown.memory) == (tuple(sorted(SEED)), DIGEST, MEMORY)
    assert fit(SEED, "", NOTHING_YET, NO_LIMIT).memory == NOTHING_YET


texts = st.text(st.sampled_from('ab\n"\\é'), max_size=200)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), texts, max_size=5), texts, texts, st.integers(0, 1500))
def test_what_is_shown_fits(files: dict[str, str], digest: str, memory: str, room: int) -> None:
    shown = fit(files, digest, memory, room)
    used = sum(size(files[path]) for path in shown.files) + size(shown.digest) + size(shown.memory)
    assert used <= room + 2 * size(CUT)
    assert set(shown.files) <= set(files)


@given(texts, st.integers(0, 300))
@example("\n", 0)
@example('"' * 100 + "a" * 100, 200)
def test_texts_are_cut_at_the_right_end(text: str, room: int) -> None:
    lines, head, tail = text.split("\n"), first_lines(text, room), last_lines(text, room)
    kept = [line.split("\n") for line in (head, tail)]
    if size(text) <= room:
        assert head == tail == text
    else:
        assert max(size(head), size(tail)) <= max(room, size(CUT))
        assert kept[0] == [*lines[: len(kept[0]) - 1], CUT]
        assert kept[1] == [CUT, *lines[len(lines) - len(kept[1]) + 1 :]]
    assert size(first_chars(text, room)) <= max(room, 40)
    assert first_chars(text, room).startswith(text[: (room - 40) // 2] if room > 40 else "")


@pytest.mark.parametrize(
    ("answer_tokens", "max_tokens", "asked"),
    [(None, 4_096, MAX_TOKENS), (None, 40_000, 40_000), (8_192, 40_000, 8_192), (8_192, 256, 8_192)],
)
def test_an_answer_may_be_as_long_as_run_and_endpoint_allow(
    answer_tokens: int | None, max_tokens: int, asked: int
) -> None:
    model = ScriptedModel(offers(*GOOD))
    spec = ModelSpec("m", answer_tokens=answer_tokens)
    direct(model, spec, brief(), 1, lambda proposal: None, max_tokens)
    assert model.requests[0]["max_tokens"] == asked


def cut_off(content: str | None, *calls: dict[str, Any]) -> dict[str, Any]:
    answer = completion(content, *calls, tokens=700)
    answer["choices"][0]["finish_reason"] = "length"
    return answer


CUT_CALL = tool_call("propose", '{"hypothesis": "h", "prediction": "p", "edi')


@pytest.mark.parametrize("answer", [cut_off("Let me think"), cut_off(None), cut_off(None, CUT_CALL)])
def test_an_answer_that_is_cut_off_is_repaired_by_a_message_that_says_so(answer: dict[str, Any]) -> None:
    model = ScriptedModel(answer, offers(*GOOD))
    made = direct(model, ModelSpec("m"), brief(), 1, lambda proposal: None)
    assert not made.proposal.note
    repair = model.requests[1]["messages"][-1]["content"]
    assert repair.startswith("Your answer was cut off after 700 tokens") and "You have 3 more attempts" in repair


def test_answers_that_are_always_cut_off_are_named_in_the_note() -> None:
    model = ScriptedModel(cut_off("Let me think"))
    made = direct(model, ModelSpec("m"), brief(), 1, lambda proposal: None)
    assert made.proposal.note == "the model's answer was cut off after 700 tokens"
    assert len(model.requests) == 1 + MAX_REPAIRS and not is_refused_by_endpoint(made.proposal)


def test_a_complete_proposal_in_a_cut_off_answer_counts() -> None:
    whole = tool_call("propose", offers(*GOOD)["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"])
    model, reasons = ScriptedModel(cut_off("I think", whole), offers(*GOOD)), itertools.chain(["it is odd"], [None])
    made = direct(model, ModelSpec("m"), brief(), 1, lambda proposal: next(reasons))
    assert made.proposal.edits and not made.proposal.note
    assert model.requests[1]["messages"][-1]["content"].startswith("The proposal can't be used: it is odd")


@pytest.mark.parametrize("path", ["the model refused: x.py", "x.py"])
def test_a_file_that_a_model_named_is_no_refusal_of_the_endpoint(path: str) -> None:
    made = direct(
        ScriptedModel(offers((path, "", "x"))), ModelSpec("m"), brief(), 1, lambda made: f"{path}: there is no module"
    )
    assert made.proposal.edits and not is_refused_by_endpoint(made.proposal)


def test_a_refusal_after_a_proposal_is_one_of_the_endpoint() -> None:
    refused = RequestRefused(400, "odd", "no such parameter")
    made = direct(ScriptedModel(offers(*GOOD), refused), ModelSpec("m"), brief(), 1, lambda proposal: "it is odd")
    assert is_refused_by_endpoint(made.proposal) and made.proposal.hypothesis == "it is short"
    assert is_refused_by_endpoint(Proposal("", "", (), note="the model refused: x"))


def test_ignored_parameters_are_one_line_and_without_them_the_prompt_is_the_same() -> None:
    plain = brief()
    text = opening(plain)[1]["content"]
    with_line = opening(Brief(**{**vars(plain), "ignored": ("temperature", "top_p")}))[1]["content"]
    line = "\nThis endpoint ignores: temperature, top_p. Changing them has no effect."
    assert with_line.replace(line, "") == text and with_line.count(line) == 1
    assert text.startswith("The scaffold's files. You may change files that match: *.py, prompts/*\n\n<file path=")
    assert answer(text) == answer(with_line)


def test_how_many_files_are_not_shown_is_one_line() -> None:
    plain = brief()
    text = opening(Brief(**{**vars(plain), "unseen": 7}))[1]["content"]
    line = "\n\nThe scaffold has 7 more files, which can't be changed and are not shown."
    assert text.replace(line, "") == opening(plain)[1]["content"] and text.count(line) == 1


def answer(text: str) -> Any:
    """What the embedded model proposes on this text."""
    named = {"type": "function", "function": {"name": "propose", "parameters": {}}}
    body = {"messages": [{"role": "user", "content": text}], "tools": [named], "seed": 5, "model": "m"}
    return embedded.complete(body)["choices"][0]
