"""The solver: what it reads in a conversation, its edits, its draws, and the answers of the front."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from evolve.core.errors import RequestRefused
from evolve.embedded import Knobs, complete
from evolve.embedded.knobs import gumbel
from evolve.embedded.messages import View, read_view
from evolve.embedded.operators import CandidateEdit, apply, candidates, parses
from evolve.embedded.reports import read_report
from evolve.embedded.shown import show
from evolve.embedded.weights import choose, log_weights

SOURCE = """\
def clamp(x, low, high):
    if x < low:
        return low
    if x > high:
        return low
    return x


def total(items):
    result = 0
    for i in range(len(items) - 1):
        result += items[i]
    return result
"""
FAILED = """\
FAIL: test_total (test_app.TestApp.test_total)
Traceback (most recent call last):
  File "/app/test_app.py", line 9, in test_total
    self.assertEqual(total([1, 2]), 3)
AssertionError: 1 != 3

Ran 2 tests in 0.001s

FAILED (failures=1)
"""
PASSED = "Ran 2 tests in 0.001s\n\nOK\n"
STEADY = Knobs(malformed=0, broken_syntax=0, empty_edit=0, repeat=0, give_up=0)


def tool(name: str, *params: str) -> dict[str, Any]:
    properties = {param: {"type": "string"} for param in params}
    return {"type": "function", "function": {"name": name, "parameters": {"properties": properties}}}


EDIT = tool("edit", "path", "old", "new", "line")
TOOLS = [tool("read", "path"), tool("run_tests"), EDIT, tool("submit"), tool("list_files")]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def turns(name: str, arguments: Mapping[str, Any], result: str, ident: str = "c1") -> list[dict[str, Any]]:
    function = {"name": name, "arguments": json.dumps(arguments)}
    call = {"id": ident, "type": "function", "function": function}
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": ident, "content": result},
    ]


def block(text: str = SOURCE, path: str = "app.py", numbered: bool = False) -> str:
    lines = text.rstrip("\n").split("\n")
    shown = [f"{at:4}| {line}" for at, line in enumerate(lines, 1)] if numbered else lines
    return f'<file path="{path}">\n' + "\n".join(shown) + "\n</file>\n"


def ask(*messages: dict[str, Any], tools: Any = TOOLS, knobs: Knobs = STEADY, **body: Any) -> dict[str, Any]:
    return complete({"messages": list(messages), "tools": tools, **body}, knobs)


def called(answer: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    function = answer["choices"][0]["message"]["tool_calls"][0]["function"]
    return function["name"], json.loads(function["arguments"])


def view_of(*messages: dict[str, Any]) -> View:
    return read_view({"messages": list(messages), "tools": TOOLS})


def finds(source: str, good: str) -> set[str]:
    """The operators that turn the source into the good one."""
    tree = ast.dump(ast.parse(good))
    parsing = [edit for edit in candidates(source) if parses(apply(source, edit))]
    return {edit.operator for edit in parsing if ast.dump(ast.parse(apply(source, edit))) == tree}


# --- what it reads


LINES = some.lists(
    some.sampled_from(["x = 1", "    y = 'a | b'", "", "def f():", "  12| z", "# é", "\tz()"]), min_size=1
)


@given(LINES)
def test_numbered_and_plain_files_read_the_same(lines: list[str]) -> None:
    lines = [*lines, "end = 1"]
    shown = show("a.py", "\n".join(f"{at:4}| {line}" for at, line in enumerate(lines, 1)))
    assert list(shown.lines) == lines
    assert shown.numbers == tuple(range(1, len(lines) + 1))


@given(some.text())
@settings(max_examples=50, deadline=None)
def test_any_text_can_be_parsed(text: str) -> None:
    view = view_of(user(text), *turns("run_tests", {}, text), user(text))
    assert view.tested_at >= 0


@given(some.text(max_size=300))
@settings(max_examples=60, deadline=None)
def test_any_source_gets_an_answer(text: str) -> None:
    answer = ask(user(f'<file path="a.py">\n{text}\n</file>\n<tests>\n{FAILED}</tests>'))
    assert answer["choices"][0]["message"]["role"] == "assistant"


def test_excerpt_keeps_its_numbers_and_indent() -> None:
    shown = show("a.py", "  40|     if x:\n  41|         return 1")
    assert shown.lines == ("    if x:", "        return 1")
    assert shown.number(2) == 41
    assert show("a.py", "40|    if x:\n41|        return 1").lines == shown.lines


def test_the_latest_text_wins_and_edits_apply() -> None:
    edit = turns("edit", {"path": "app.py", "old": "x = 2", "new": "x = 3"}, "done")
    view = view_of(user(block("x = 1\n") + block("x = 2\n")), *edit)
    assert view.files["app.py"].text == "x = 3"
    assert view.edited_at > view.tested_at


@pytest.mark.parametrize("result", ["error: no", "old text not found", "Tests failed. The edit was reverted."])
def test_refused_edits_do_not_apply(result: str) -> None:
    edit = turns("edit", {"path": "app.py", "old": "x = 2", "new": "x = 3"}, result)
    assert view_of(user(block("x = 2\n")), *edit).files["app.py"].text == "x = 2"


def test_edit_that_reports_failing_tests_applies() -> None:
    edit = turns("edit", {"path": "app.py", "old": "x = 2", "new": "x = 3"}, f"edited\n{FAILED}")
    view = view_of(user(block("x = 2\n")), *edit)
    assert view.files["app.py"].text == "x = 3"
    assert view.report is not None
    assert not view.report.passed


def test_a_later_restore_reverts_the_edit() -> None:
    edit = turns("edit", {"path": "app.py", "old": "x = 2", "new": "x = 3"}, "edited")
    view = view_of(user(block("x = 2\n")), *edit, user("The file was restored."))
    assert view.files["app.py"].text == "x = 2"


def test_the_line_number_distinguishes_equal_lines() -> None:
    edit = turns("edit", {"path": "app.py", "old": "x = 1", "new": "x = 9", "line": 2}, "ok")
    view = view_of(user(block("x = 1\nx = 1\n", numbered=True)), *edit)
    assert view.files["app.py"].lines == ("x = 1", "x = 9")


def test_report_of_a_failure() -> None:
    report = read_report(FAILED)
    assert not report.passed
    assert report.mentions("total")
    assert not report.mentions("clamp")
    assert report.frames == ()
    assert {"AssertionError", "numbers"} <= report.kinds


def test_report_of_an_error_gives_frames() -> None:
    frame = '  File "/app/app.py", line 12, in total\n    x'
    text = f"Traceback (most recent call last):\n{frame}\nIndexError: out\n"
    report = read_report(text)
    assert report.frames == (("/app/app.py", 12, "total"),)
    assert "IndexError" in report.kinds


def test_library_files_and_tests_are_not_the_program() -> None:
    view = view_of(user('File "/usr/lib/python3.11/unittest/case.py", line 1, in f\napp.py test_app.py tests/x.py'))
    assert view.known == ("app.py",)


def test_report_of_success() -> None:
    assert read_report(PASSED).passed
    assert not read_report(PASSED + FAILED).passed


def test_words_in_a_file_are_not_test_output() -> None:
    assert view_of(user(block("'''\nOK\nFAILED (x)\n'''\n"))).report is None


def test_suspicion_and_tried() -> None:
    view = view_of(user("suspicious: app.py:3 0.5\ntried: app.py:12 | a = b | a  = b + 1\nsuspicious: app.py:4 0.1"))
    assert view.suspicion == {("app.py", 3): 0.5, ("app.py", 4): 0.1}
    assert view.tried == {("app.py", 12, "a = b | a = b + 1")}


# --- its edits


@pytest.mark.parametrize(
    ("old", "new", "operator"),
    [
        ("if x < y:\n    pass", "if x <= y:\n    pass", "comparison_boundary"),
        ("if x < y:\n    pass", "if x > y:\n    pass", "comparison_flip"),
        ("if a and b:\n    pass", "if a or b:\n    pass", "boolean"),
        ("if a:\n    pass", "if not a:\n    pass", "negation"),
        ("x = y - 1", "x = y", "off_by_one"),
        ("for i in range(n):\n    pass", "for i in range(n + 1):\n    pass", "off_by_one"),
        ("for i in range(n):\n    pass", "for i in range(1, n):\n    pass", "range_args"),
        ("x = a / b", "x = a // b", "arithmetic"),
        ("x = a + b * c", "x = (a + b) * c", "regroup"),
        ("x = (a + b) * c", "x = a + b * c", "regroup"),
        ("def f(a, b):\n    return a", "def f(a, b):\n    return b", "wrong_variable"),
        ("f(a, b)", "f(b, a)", "argument_swap"),
        ("x = s[:n]", "x = s[n:]", "slice_bounds"),
        ("x = s[0]", "x = s[-1]", "index_change"),
        ("x = d[k]", "x = d.get(k, 0)", "lookup"),
        ("x = s.lower()", "x = s.upper()", "twin_call"),
        ("x = any(y)", "x = all(y)", "twin_call"),
        ("x = len(y)", "x = y", "unwrap"),
        ("x = y.z", "x = y.z.copy()", "copy"),
        ("if a and b:\n    pass", "if a:\n    pass", "condition_part"),
        ("x = True", "x = False", "constant"),
        ("x += 1", "x -= 1", "augmented_assignment"),
        ("x = sorted(y)", "x = sorted(y, reverse=True)", "ordering"),
        ("x = f'{y:3d}'", "x = f'{y:4d}'", "formatting"),
        ("raise KeyError(x)", "raise ValueError(x)", "exception_type"),
        ("if x is y:\n    pass", "if x == y:\n    pass", "identity"),
        (
            "def f(x=[]):\n    return x",
            "def f(x=None):\n    if x is None:\n        x = []\n    return x",
            "mutable_default",
        ),
        ("x = 1\ny = x", "y = x\nx = 1", "statement_swap"),
        ("while a:\n    continue", "while a:\n    break", "jump"),
        ("if a:\n    x\nif b:\n    y", "if a:\n    x\nelif b:\n    y", "branch_keyword"),
    ],
)
def test_operators_reach(old: str, new: str, operator: str) -> None:
    assert operator in finds(old, new)


def test_statement_operators_reach() -> None:
    inside = "def f(x):\n    n = 0\n    for i in x:\n        g(i)\n        n += 1\n    return n\n"
    outside = inside.replace("        n += 1", "    n += 1")
    assert "block_move" in finds(inside, outside)
    assert "block_move" in finds(outside, inside)
    assert "insertion" in finds(inside.replace("        n += 1\n", ""), inside)
    assert "return_expression" in finds(inside, inside.replace("return n", "return []"))


def test_candidates_are_distinct_real_edits() -> None:
    found = candidates(SOURCE)
    lines = SOURCE.split("\n")
    assert len({(one.first, one.new) for one in found if one.first == one.last}) == len(
        [one for one in found if one.first == one.last]
    )
    for one in found:
        assert one.old == "\n".join(lines[one.first - 1 : one.last])
        assert one.old != one.new
        assert one.prior > 0
    assert sum(parses(apply(SOURCE, one)) for one in found) > 0.98 * len(found)


@settings(deadline=None)
@given(
    some.sampled_from(
        ["# é\n", "s = 'ü'; t = s[1:]\n", "\n", "x = 1 \\\n    + 2\n", "class A:\n    b = [\n        1]\n"]
    )
)
def test_positions_are_exact_after_unusual_text(prefix: str) -> None:
    text = prefix + SOURCE
    plain = {apply(SOURCE, one) for one in candidates(SOURCE) if one.scope == "clamp" and one.operator == "boolean"}
    assert {prefix + new for new in plain} <= {apply(text, one) for one in candidates(text)}
    assert all(parses(apply(text, one)) for one in candidates(text) if one.operator != "branch_keyword")


def test_broken_source_still_offers_its_sound_parts() -> None:
    found = candidates("def bad(:\n    pass\n\n\n" + SOURCE)
    assert any(one.old == "    if x < low:" and one.first == 6 for one in found)
    assert any(one.first == 1 for one in candidates("        if x < low:\n            return low"))


# --- its draws


def prompt(*extra: str) -> dict[str, Any]:
    return user(block(numbered=True) + f"<tests>\n{FAILED}</tests>\n" + "\n".join(extra))


def draw(seed: int, *extra: str) -> CandidateEdit:
    view = view_of(prompt(*extra))
    drawn = choose(view, view.files, seed, 0.6, STEADY)
    assert drawn
    return drawn[1]


def test_evidence_moves_the_weights() -> None:
    view = view_of(prompt("suspicious: app.py:11 0.9", "suspicious: app.py:4 0.1"))
    best = sorted(log_weights(view, view.files["app.py"], 1.5), key=lambda item: -item[0])[:10]
    assert {one.scope for _, one in best} == {"total"}
    assert all(one.first == 11 for _, one in best)


def test_no_skill_ignores_evidence() -> None:
    bare, told = view_of(prompt()), view_of(prompt("suspicious: app.py:11 0.9"))
    assert list(log_weights(bare, bare.files["app.py"], 0)) == list(log_weights(told, told.files["app.py"], 0))


def test_tried_edits_are_not_drawn() -> None:
    for seed in range(20):
        one = draw(seed)
        tried = f"tried: app.py:{one.first} | {one.old.strip()} | {one.new.strip()}"
        assert (draw(seed, tried).old, draw(seed, tried).new) != (one.old, one.new)


def test_luck_is_shared_between_conversations() -> None:
    """The same seed with other words or one candidate less: nearly always the same choice."""
    other = "tried: app.py:2 | if x < low: | if x <= low:"
    same = sum(draw(seed).new == draw(seed, other, "Work with care.").new for seed in range(60))
    assert same >= 54
    assert len({draw(seed).new for seed in range(60)}) > 10


@given(some.integers(0, 2**63), some.integers(0, 2**63))
def test_gumbel_is_a_function_of_its_parts(seed: int, luck: int) -> None:
    assert gumbel(seed, luck) == gumbel(seed, luck)
    assert -4 < gumbel(seed, luck) < 40


def test_gumbel_numbers_have_the_right_mean() -> None:
    numbers = [gumbel(7, luck) for luck in range(4000)]
    assert abs(sum(numbers) / len(numbers) - 0.5772) < 0.08


# --- its moves


def test_reads_tests_edits_submits() -> None:
    start = user("Mend app.py.")
    assert called(ask(start)) == ("read", {"path": "app.py"})
    seen = [start, *turns("read", {"path": "app.py"}, SOURCE)]
    assert called(ask(*seen))[0] == "run_tests"
    tested = [*seen, *turns("run_tests", {}, FAILED, "c2")]
    name, arguments = called(ask(*tested))
    assert name == "edit"
    assert arguments["old"] in SOURCE
    assert "line" not in arguments
    edited = [*tested, *turns("edit", arguments, "edited", "c3")]
    assert sum(called(ask(*edited, seed=seed))[0] == "run_tests" for seed in range(20)) > 12
    assert called(ask(*edited, *turns("run_tests", {}, PASSED, "c4")))[0] == "submit"


def test_lists_and_uses_a_shell() -> None:
    assert called(ask(user("Mend the program.")))[0] == "list_files"
    shell = [tool("shell", "command")]
    assert called(ask(user("Mend it."), tools=shell)) == ("shell", {"command": "ls"})
    listed = [user("Mend it."), *turns("shell", {"command": "ls"}, "app.py\ntest_app.py")]
    assert called(ask(*listed, tools=shell)) == ("shell", {"command": "cat app.py"})
    read = [*listed, *turns("shell", {"command": "cat app.py"}, SOURCE, "c2")]
    assert called(ask(*read, tools=shell)) == ("shell", {"command": "python3 -m unittest"})


def test_an_edit_has_a_line_only_if_numbers_were_shown() -> None:
    assert "line" in called(ask(prompt()))[1]
    plain = user(block() + f"<tests>{FAILED}</tests>")
    assert "line" not in called(ask(plain))[1]
    assert "line" not in called(ask(prompt(), tools=[tool("edit", "path", "old", "new")]))[1]


def test_an_edit_that_broke_the_syntax_is_reverted() -> None:
    arguments = {"path": "app.py", "old": "    return x", "new": "    return x ("}
    broken = turns("run_tests", {}, "SyntaxError: invalid\n\nFAILED (errors=1)", "c2")
    history = [user(block()), *turns("edit", arguments, "edited"), *broken]
    assert called(ask(*history)) == ("edit", {**arguments, "old": "    return x (", "new": "    return x"})


def test_same_request_same_answer_other_seed_other_answer() -> None:
    answers = [json.dumps(ask(prompt(), seed=seed)["choices"]) for seed in range(12)]
    assert answers == [json.dumps(ask(prompt(), seed=seed)["choices"]) for seed in range(12)]
    assert len(set(answers)) > 4


def test_mistakes_occur_as_often_as_the_knobs_say() -> None:
    def cut(knobs: Knobs | None, **body: Any) -> int:
        return sum(
            _is_cut(complete({"messages": [prompt()], "tools": TOOLS, "seed": s, **body}, knobs)) for s in range(200)
        )

    assert cut(STEADY) == 0
    assert cut(None) < 12
    assert 12 <= cut(None, model="embedded-hard") < 40


def _is_cut(answer: dict[str, Any]) -> bool:
    try:
        json.loads(answer["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"])
    except ValueError:
        return True
    return False


# --- the front


def test_completion_has_the_form_of_the_api() -> None:
    answer = ask(user("x" * 399), tools=None, model="embedded")
    assert (answer["object"], answer["model"], answer["created"]) == ("chat.completion", "embedded", 0)
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["prompt_tokens"] == 100
    assert answer["usage"]["total_tokens"] == 100 + answer["usage"]["completion_tokens"]
    assert ask(prompt())["choices"][0]["finish_reason"] == "tool_calls"


def test_context_overflow_is_refused() -> None:
    with pytest.raises(RequestRefused) as refused:
        ask(user("x" * 12_001))
    assert (refused.value.status, refused.value.code) == (400, "context_length_exceeded")
    assert ask(user("x" * 12_000))


PROPOSE = [tool("propose", "hypothesis", "prediction", "edits")]


def test_role_follows_the_tools() -> None:
    """A proposer takes far more text than a solver."""
    with pytest.raises(RequestRefused) as refused:
        ask(user("x" * 200_001), tools=PROPOSE)
    assert "200000" in str(refused.value)


CALL = {"id": "c", "type": "function", "function": {"name": "read", "arguments": "{}"}}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"messages": []},
        {"messages": ["hello"]},
        {"messages": [{"role": "robot", "content": "x"}]},
        {"messages": [{"role": "tool", "tool_call_id": "c", "content": "x"}]},
        {"messages": [{"role": "assistant", "tool_calls": [CALL]}, {"role": "user", "content": "x"}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"id": "c"}]}]},
        {"messages": [{"role": "user", "content": 3}]},
        {"messages": [{"role": "user", "content": "x"}], "temperature": "hot"},
        {"messages": [{"role": "user", "content": "x"}], "seed": "x"},
        {"messages": [{"role": "user", "content": "x"}], "tools": [{}]},
    ],
)
def test_malformed_requests_are_refused(body: dict[str, Any]) -> None:
    with pytest.raises(RequestRefused) as refused:
        complete(body)
    assert (refused.value.status, refused.value.code) == (400, "invalid_request")
