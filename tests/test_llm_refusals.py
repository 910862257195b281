"""Which parameter an endpoint refuses: errors as real servers sent them, each with the public report that shows it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.llm.refusals import MAX_TEXT, canonical_name, error_fields, error_text, refused_parameter

# Each row: the server, a public report (a repository's issue), the HTTP status, what it refuses, and the body.
ERRORS = json.loads((Path(__file__).parent / "llm_errors.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("error", ERRORS, ids=[f"{error['server']}, {error['report']}" for error in ERRORS])
def test_real_errors_name_the_parameter_that_they_refuse(error: dict[str, Any]) -> None:
    fields = error_fields(error["body"])
    code, param = fields.get("code"), fields.get("param")
    code, param = code if isinstance(code, str) else None, param if isinstance(param, str) else None
    assert refused_parameter(error["status"], code, param, error_text(error["body"])) == error["refuses"]


def test_further_fields_are_known_by_their_own_names() -> None:
    text = "Validation: Unsupported parameter(s): thinking"
    assert refused_parameter(400, None, None, text) is None
    assert refused_parameter(400, None, None, text, ["thinking"]) == "thinking"
    assert refused_parameter(
        400, None, None, "Unexpected value for the `anthropic-beta` header", ["anthropic-beta"]
    ) == ("anthropic-beta")


def test_what_an_error_quotes_far_behind_is_no_name() -> None:
    assert refused_parameter(400, None, None, f"can't read this: {'x' * 500} Unsupported parameter: 'seed'") is None
    assert refused_parameter(400, None, None, "Invalid schema for function 'seed': unknown type") is None
    assert refused_parameter(400, None, None, "tool 'max_tokens' is invalid") is None


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("maxOutputTokens", "max_tokens"), ("random_seed", "seed"), ("topP", "top_p"), ("body.seed", "seed"),
        ("reasoning.effort", "reasoning_effort"), ("content", None), ("", None),
    ],
)  # fmt: skip
def test_names_have_many_spellings(name: str, own: str | None) -> None:
    assert canonical_name(name) == own


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "detail", "loc", "msg", "code", "param", "metadata", "raw", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_any_body_has_a_text(body: Any) -> None:
    text = error_text(body)
    assert len(text) <= MAX_TEXT
    assert error_text(json.dumps(body)) is not None
    refused_parameter(400, None, None, text)


@given(st.integers(100, 599), st.text(), st.text(), st.text(), st.lists(st.text(), max_size=2))
def test_any_error_has_an_answer(status: int, code: str, param: str, text: str, more: list[str]) -> None:
    name = refused_parameter(status, code, param, text, more)
    assert name is None or isinstance(name, str)
