"""A trajectory as a page shows it: its texts, their addresses, and documents that are not as they should be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.web import steps
from evolve.web.round_pages import diff_lines
from tests.webbed import document

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
NAMES = (
    "steps",
    "extra",
    "commands",
    "tool_calls",
    "observation",
    "results",
    "message",
    "timestamp",
    "metrics",
    "kind",
)
NEARLY = st.recursive(
    JSON,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*NAMES, "content", "log"]), inner, max_size=5)
    ),
    max_leaves=20,
)


def test_every_text_of_a_step_has_its_kind_and_the_address_of_the_whole() -> None:
    made = document("<hi>")
    first = steps.step_views(made, 0, 9)[0]
    kinds = ["thinking", "message", "call", "command", "output", "error", "file", "output", "result"]
    assert [one.kind for one in first.texts] == kinds
    for view in first.texts:
        whole = steps.text_at(made, view.address)
        assert whole is not None and (view.text == whole if not view.left else whole.startswith(view.text[:100]))
    assert first.texts[3].note == "exit 0" and steps.refusals(made) == {"<hi>": 3}
    log = steps.log_view(made)
    assert log is not None and log.text == "<hi>" and steps.text_at(made, log.address) == "<hi>"


def test_what_went_wrong_with_a_command_stands_beside_it() -> None:
    command: dict[str, Any] = {
        "kind": "run",
        "command": "sleep 9",
        "exit_code": 124,
        "timed_out": True,
        "truncated": True,
    }
    command |= {"started_at": "2027-01-01T00:00:00+00:00", "ended_at": "2027-01-01T00:00:02.5+00:00"}
    made = {"steps": [{"step_id": 1, "source": "agent", "extra": {"commands": [command]}}]}
    assert steps.step_views(made, 0, 9)[0].texts[0].note == "exit 124, timed out, output cut, 2.50 s"


def test_an_output_that_the_model_got_as_it_was_is_not_shown_twice() -> None:
    command = {"kind": "run", "command": "ls", "stdout": "a\n", "exit_code": 0}
    step = {"extra": {"commands": [command]}, "observation": {"results": [{"content": "a"}, {"content": "b"}]}}
    assert [one.text for one in steps.step_views({"steps": [step]}, 0, 9)[0].texts] == ["ls", "a\n", "b"]


@pytest.mark.parametrize("size", [0, 10, steps.SHOWN, steps.SHOWN + 1, 10 * steps.SHOWN])
def test_a_long_text_keeps_both_of_its_ends(size: int) -> None:
    text = "a" + "x" * size + "b"
    shown, left = steps.cut(text)
    assert shown.startswith("a") and shown.endswith("b") and len(shown) < steps.SHOWN + 60
    assert left == max(len(text) - steps.SHOWN, 0) and (left > 0) is ("characters ...]" in shown)


@given(NEARLY, st.text(alphabet="0123456789.stepxra-", max_size=20))
def test_no_document_is_too_broken_to_show(value: Any, address: str) -> None:
    made = value if isinstance(value, dict) else {"steps": value}
    for view in steps.step_views(made, 0, 9):
        for text in view.texts:
            assert steps.text_at(made, text.address) is not None
    steps.log_view(made)
    steps.refusals(made)
    found = steps.text_at(made, address)
    assert found is None or isinstance(found, str)


def test_the_lines_of_a_patch_have_their_kinds() -> None:
    patch = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n same\n"
    assert [kind for kind, _ in diff_lines(patch)] == ["file", "file", "file", "hunk", "removed", "added", "same"]
