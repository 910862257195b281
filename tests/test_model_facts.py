"""What a profile, the user's file and the settings say about requests: what a run gets, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.core.config import RunConfig
from evolve.core.errors import BadInput
from evolve.models.facts import KEY_HEADERS, OWN_FIELDS, PARAMETERS, ExtraBody, Headers, Parameters, body_text
from evolve.models.profile import Profile, read_profiles
from evolve.report.models import model_facts
from evolve.runs.from_settings import given_values, new_config
from evolve.runs.identity import check_same, identity, resumed_config
from evolve.runs.settings import Settings, read_arguments, read_settings
from evolve.store import RunRow
from evolve.suite.bundled import DEFAULT_SCAFFOLD, DEFAULT_SUITE
from evolve.suite.tasks import load_suite
from evolve.trial.gateway.request import PASSED_FIELDS

OWN = """
[lab]
base_url = "http://gpu7:8000/v1"
local = true
api = "responses"
effort = "low"
answer_tokens = 4096
parameters = { max_tokens = "max_completion_tokens", seed = "random_seed" }
rates = { requests_per_minute = 60 }

[lab.extra_body]
provider = { order = ["b", "a"], allow_fallbacks = false }

[lab.headers]
x-team = "blue"

[lab.models.big]
effort = "high"
parameters = { seed = false, temperature = false }
price = { prompt = 1, completion = 2, cached = 0.1, cache_write = 1.25 }
extra_body = { chat_template_kwargs = { thinking = true } }

[lab.models.small]
api = "chat"
rates = { tokens_per_minute = 9000 }
"""


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The working directory has a file of the user's profiles; keys are set."""
    for name in ("EXTRA_BODY", "HEADERS", "REASONING_EFFORT", "MODEL", "BASE_URL"):
        monkeypatch.delenv(f"EVOLVE_{name}", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("OPENROUTER_API_KEY", "k")
    monkeypatch.chdir(tmp_path)
    Path("evolve.models.toml").write_text(OWN)


def lab() -> Profile:
    return read_profiles()["lab"]


def test_the_parameters_are_those_of_the_gateway() -> None:
    assert PASSED_FIELDS - {"messages"} | {"max_tokens", "seed", "reasoning_effort"} == PARAMETERS


def test_a_models_facts_win_over_its_profiles() -> None:
    big, small, other = (lab().facts(name) for name in ("big", "small", "other"))
    assert (big.effort, small.effort, other.effort) == ("high", "low", "low")
    assert (big.api, small.api) == ("responses", "chat")
    assert big.parameters == (("max_tokens", "max_completion_tokens"), ("seed", ""), ("temperature", ""))
    assert small.parameters == (("max_tokens", "max_completion_tokens"), ("seed", "random_seed"))
    assert (small.tokens_per_minute, small.requests_per_minute) == (9000, None)
    assert (big.requests_per_minute, big.answer_tokens, big.headers) == (60, 4096, (("x-team", "blue"),))


def test_extra_fields_are_stored_as_sorted_json() -> None:
    provider = '{"provider": {"allow_fallbacks": false, "order": ["b", "a"]}}'
    assert lab().facts("small").extra_body == provider
    both = {"chat_template_kwargs": {"thinking": True}, **json.loads(provider)}
    assert lab().facts("big").extra_body == json.dumps(both, sort_keys=True)


def test_the_users_file_is_the_source_of_all_its_facts() -> None:
    known = lab().known("big")
    facts = (known.api, known.effort, known.parameters, known.extra_body, known.headers, known.price, known.rates)
    assert {fact.source for fact in facts if fact} == {"evolve.models.toml"} and all(facts)


def test_facts_are_shown_with_their_sources_and_headers_without_values() -> None:
    shown = model_facts("lab/big", read_profiles(), {})
    assert shown["parameters"] == "max_tokens max_completion_tokens; seed never sent; temperature never sent"
    assert (shown["effort"], shown["effort_source"]) == ("value high", "evolve.models.toml")
    assert shown["headers"] == "x-team" and "blue" not in json.dumps(shown)
    assert shown["price"] == "prompt 1.0; completion 2.0; cached 0.1; cache_write 1.25"
    assert "api" not in model_facts("ollama", read_profiles(), {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("api = 'grpc'", "a.api.name: must be 'chat', 'responses' or 'messages'"),
        ("parameters = { max_token = 'x' }", "a.parameters: there is no parameter max_token"),
        ("parameters = { seed = true }", "a.parameters: seed must be the endpoint's name for it, or false"),
        ("extra_body = { messages = [] }", "a.extra_body: the run itself sets messages"),
        ("extra_body = { day = 2026-01-01 }", "a.extra_body: a value can't be written as JSON"),
        ("headers = { Authorization = 'Bearer very-secret' }", "a.headers: the header Authorization holds a key"),
        ("headers = { 'x y' = 'very-secret' }", "a.headers: there can be no header 'x y'"),
        ('headers = { x = "very-\\u00e9-secret" }', "a.headers: the value of x"),
        ("effort = ''", "a.effort.value: "),
        ("answer_tokens = 0", "a.answer_tokens.tokens: "),
        ("rates = { requests_per_minute = 0 }", "a.rates.requests_per_minute: "),
    ],
)  # fmt: skip
def test_wrong_facts_are_named_in_one_line_without_a_headers_value(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(f"[a]\nbase_url = 'http://x'\n{text}\n")
    with pytest.raises(BadInput) as raised:
        read_profiles(path)
    message = str(raised.value)
    assert words in message and "\n" not in message and "secret" not in message


@settings(max_examples=40)
@given(st.text(min_size=1), st.text(min_size=1))
def test_headers_are_one_line_of_plain_characters_or_refused(name: str, value: str) -> None:
    """Property: whatever is accepted can be sent, and holds no key."""
    try:
        pairs = Headers.model_validate({"source": "s", "entries": {name: value}}).pairs
    except ValueError:
        return
    assert pairs == ((name, value),) and f"{name}{value}".isascii() and f"{name}{value}".isprintable()
    assert name.lower() not in KEY_HEADERS and not set(" :\r\n") & set(name)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=40)
@given(st.dictionaries(st.text(), JSON, min_size=1, max_size=4))
def test_fields_come_back_from_their_text_in_any_order(fields: dict[str, Any]) -> None:
    """Property: the text holds the fields, whatever their order; those of the run itself are refused."""
    backwards = dict(reversed(fields.items()))
    if OWN_FIELDS.union({"reasoning_effort"}).intersection(fields):
        with pytest.raises(ValueError, match=r"run itself sets|setting of its own"):
            body_text(fields)
        return
    assert body_text(fields) == body_text(backwards) and json.loads(body_text(fields)) == fields
    assert ExtraBody(source="s", entries=fields).text == body_text(fields)


def test_a_table_of_parameters_is_completed_and_names_both_sources() -> None:
    own = Parameters(source="model", entries={"seed": False})
    common = Parameters(source="profile", entries={"seed": "random_seed", "max_tokens": "most"})
    assert own.over(common).pairs == (("max_tokens", "most"), ("seed", ""))
    assert own.over(common).source == "model; profile" and own.over(None) == own


def packaged(**options: Any) -> Settings:
    return read_settings(suite=DEFAULT_SUITE, scaffold=DEFAULT_SCAFFOLD, **options)


def test_options_complete_and_override_the_profile() -> None:
    words = {"extra_body": ['provider={"only": ["x"]}', "seedless=true"], "headers": ["x-team=red", "x-run=7"]}
    model = "openrouter/minimax/minimax-m2.7"
    Path("evolve.models.toml").write_text("[openrouter.headers]\nx-team = 'blue'\nx-title = 't'\n")
    facts = new_config(packaged(model=model, reasoning_effort="high", **words)).facts
    assert facts.extra_body == '{"provider": {"only": ["x"]}, "seedless": true}'
    assert facts.headers == (("x-run", "7"), ("x-team", "red"), ("x-title", "t"))
    assert facts.effort == "high" and facts.keep_reasoning


def test_the_settings_may_be_tables_arguments_and_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("evolve.toml").write_text("[extra_body]\nprovider = { order = ['a'] }\n[headers]\nx-a = '1'\n")
    assert read_settings().extra_body == {"provider": {"order": ["a"]}} and read_settings().headers == {"x-a": "1"}
    assert read_arguments({"extra_body": {"n_probs": 3}}).extra_body["n_probs"] == 3
    monkeypatch.setenv("EVOLVE_HEADERS", '{"x-b": "2"}')
    assert read_settings().headers["x-b"] == "2"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"headers": ["x-api-key=very-secret"]}, "--header: the header x-api-key holds a key, which would be stored"),
        ({"headers": ["Cookie=very-secret"]}, "--header: the header Cookie holds a key"),
        ({"headers": ["x=very-secret\r\n"]}, "--header: the value of x must be a line"),
        ({"headers": ["content-type=text/secret"]}, "--header: the client itself sets content-type"),
        ({"extra_body": ["provider=very-secret"]}, "--extra-body provider: its value is not JSON; write a JSON value"),
        ({"extra_body": ['model="secret"']}, "--extra-body: the run itself sets model"),
        ({"extra_body": ["reasoning_effort=1"]}, "--extra-body: there is a setting of its own for reasoning_effort"),
        ({"reasoning_effort": ""}, "--reasoning-effort: "),
    ],
)
def test_wrong_options_are_named_in_one_line_without_their_value(options: dict[str, Any], text: str) -> None:
    with pytest.raises(BadInput) as raised:
        read_settings(**options)
    message = str(raised.value)
    assert message.startswith(text) and "\n" not in message and "secret" not in message


@pytest.mark.parametrize(("variable", "text"), [("EVOLVE_HEADERS", "x=secret"), ("EVOLVE_EXTRA_BODY", "[1]")])
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, text: str) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(BadInput) as raised:
        read_settings()
    assert raised.value.where == variable and "secret" not in str(raised.value)


def row(config: RunConfig) -> RunRow:
    """A stored run with this config."""
    suite = load_suite(config.suite)
    return RunRow(
        id="stored", created_at="2026-11-29T00:00:00Z", seed=0, config=identity(config, suite, "0" * 64),
        config_sha256="0" * 64, suite=str(config.suite), scaffold=str(config.scaffold), model=config.model,
        base_url=config.base_url, engine="{}", evolve_version="0", repository="r", base_commit="0" * 40,
    )  # fmt: skip


def resumed(stored: RunRow, **options: Any) -> RunConfig:
    return resumed_config(stored, given_values(read_settings(**options), stored), Path("runs"))


def test_a_resumed_run_keeps_what_is_not_given_and_refuses_what_differs() -> None:
    model = "openrouter/minimax/minimax-m2.7"
    first = new_config(packaged(model=model, reasoning_effort="high", extra_body=["provider=1"], headers=["x=1"]))
    stored, suite = row(first), load_suite(first.suite)
    for options in ({"reasoning_effort": "high"}, {"headers": ["x=1"], "model": model}):
        again = resumed(stored, **options)
        assert again.facts == first.facts
        check_same(again, suite, stored)
    for options, key in (({"reasoning_effort": "low"}, "effort"), ({"extra_body": ["provider=2"]}, "extra_body")):
        with pytest.raises(BadInput, match=f"facts.{key}: run stored has"):
            check_same(resumed(stored, **options), suite, stored)


def test_the_examples_of_the_documentation_are_one_valid_file(tmp_path: Path) -> None:
    text = (Path(__file__).parents[1] / "docs" / "models.md").read_text()
    path = tmp_path / "examples.toml"
    path.write_text("\n".join(block.partition("```")[0] for block in text.split("```toml\n")[1:]))
    profiles = read_profiles(path)
    assert profiles["lab"].facts("big-coder").parameters == (("logprobs", ""), ("seed", "random_seed"))
    assert profiles["lab"].terms("big-coder").statements[0].prohibited == ("military use",)
    assert '"only": ["minimax"]' in profiles["openrouter"].facts("minimax/minimax-m2.7").extra_body
