"""What endpoints state about their models and themselves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.records import ModelSpec
from evolve.llm.statements import Listing, is_private, listing_of, read_listing, read_server
from tests.upstream import Upstream, raw

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: (
    st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
), max_leaves=8)  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "window", "prices"),
    [
        ({"id": "m", "max_model_len": 32_768}, 32_768, None),
        ({"id": "m", "meta": {"n_ctx": 8_192, "n_ctx_train": 131_072}}, 8_192, None),
        ({"id": "m", "context_length": 200_000, "top_provider": {"context_length": 131_072}}, 131_072, None),
        ({"id": "m", "max_context_length": 4_096, "pricing": {"prompt": "0.0000003", "completion": "0.0000012"}},
         4_096, (0.3, 1.2)),
        ({"id": "m", "pricing": {"prompt": "-1", "completion": "-1"}}, None, None),
        ({"id": "m", "context_length": "many", "pricing": "free"}, None, None),
        ({"id": "m", "context_length": True}, None, None),
    ],
)  # fmt: skip
def test_an_entry_states_window_and_prices(
    entry: dict[str, Any], window: int | None, prices: tuple[float, float] | None
) -> None:
    assert listing_of([{"id": "other", "context_length": 1}, entry], "m") == Listing(("other", "m"), window, prices)


def test_a_single_entry_stands_for_any_name() -> None:
    entry = {"id": "/models/model-q4.gguf", "context_length": 4_096}
    assert listing_of([entry], "m").window == 4_096
    assert listing_of([entry, {"id": "other"}], "m").window is None


@given(st.lists(st.dictionaries(st.sampled_from(["id", "context_length", "pricing", "meta", "aliases"]), JSON)))
def test_any_list_can_be_read(entries: list[dict[str, Any]]) -> None:
    assert isinstance(listing_of(entries, "m"), Listing)


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://localhost:8080/v1", True),
        ("http://127.0.0.1/v1", True),
        ("http://[::1]:1/v1", True),
        ("http://192.168.1.7:8000/v1", True),
        ("http://gpu7:8000/v1", True),
        ("https://api.openai.com/v1", False),
        ("https://8.8.8.8/v1", False),
        (None, False),
    ],
)
def test_which_endpoints_are_local(url: str | None, local: bool) -> None:
    assert is_private(ModelSpec("m", url)) is local


def test_a_list_is_read_from_a_server(upstream: Upstream) -> None:
    upstream.script(raw(json.dumps({"data": [{"id": "m", "max_model_len": 4_096}]})))
    assert read_listing(upstream.spec()) == Listing(("m",), 4_096)


@pytest.mark.parametrize("answer", [raw("<html>"), raw("[]"), raw("{}", status=404), raw(None), raw('{"data": 3}')])
def test_a_server_without_a_list_states_nothing(upstream: Upstream, answer: dict[str, Any]) -> None:
    upstream.script(answer)
    assert read_listing(upstream.spec()) == Listing() and read_server(upstream.spec()) == ()


def test_a_local_server_describes_itself(upstream: Upstream) -> None:
    state = {
        "model_path": "/models/m.gguf",
        "model_ftype": "Q4_1",
        "build_info": "b6100",
        "chat_template": "{% for message in messages %}" * 20,
        "default_generation_settings": {"n_ctx": 8_192},
    }
    upstream.script(raw(json.dumps(state)))
    found = dict(read_server(upstream.spec()))
    assert found["model_path"] == "/models/m.gguf" and found["n_ctx"] == "8192"
    assert found["chat_template"].startswith("sha256:") and len(found["chat_template"]) == 23
    assert upstream.requests()[0]["path"] == "/props"
