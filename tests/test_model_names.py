"""Which profile a model's name selects, and names that an endpoint serves although it doesn't list them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from evolve.core.errors import AccountError, BadInput
from evolve.models.choice import Choice, choose_model
from evolve.models.profile import KnownModel, Profile, read_profiles
from evolve.runs.from_settings import new_config
from evolve.runs.settings import read_settings
from tests.upstream import Answer, Upstream, raw, refuses, says

KEYS = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "MINIMAX_API_KEY", "OPENROUTER_API_KEY", "AZURE_OPENAI_API_KEY")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No key is set, and the working directory is empty."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def chosen(model: str | None, base_url: str | None = None) -> Choice:
    return choose_model(model, base_url, read_profiles())


def listing(*names: str) -> Answer:
    return raw(json.dumps({"object": "list", "data": [{"id": name, "object": "model"} for name in names]}))


def lab(upstream: Upstream, **fields: object) -> dict[str, Profile]:
    """A hosted profile at the scripted endpoint."""
    usual = {"name": "lab", "base_url": upstream.base_url, "key_variable": "PATH"}
    return {"lab": Profile.model_validate({**usual, **fields})}


def test_a_plain_name_that_one_profile_lists_selects_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIMAX_API_KEY", "k")
    assert chosen("MiniMax-M2.7") == chosen("minimax/MiniMax-M2.7")
    assert chosen("MiniMax-M2.7").facts.profile == "minimax"


def test_a_plain_name_of_a_profile_without_a_key_is_sent_to_openai_if_that_key_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(BadInput, match="set MINIMAX_API_KEY"):
        chosen("MiniMax-M2.7")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert chosen("MiniMax-M2.7") == Choice("MiniMax-M2.7", None)


def test_a_given_endpoint_gets_a_plain_name_as_it_is(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIMAX_API_KEY", "k")
    upstream.script(listing("MiniMax-M2.7"))
    assert chosen("MiniMax-M2.7", upstream.base_url) == Choice("MiniMax-M2.7", upstream.base_url)
    monkeypatch.setenv("OPENAI_BASE_URL", upstream.base_url)
    assert chosen("MiniMax-M2.7") == Choice("MiniMax-M2.7", upstream.base_url)


def test_a_name_that_several_profiles_list_must_be_given_in_full() -> None:
    with pytest.raises(BadInput) as raised:
        chosen("meta-llama/Llama-3.3-70B-Instruct")
    name = "meta-llama/Llama-3.3-70B-Instruct"
    assert raised.value.fix == f"use one of: sglang/{name}, tgi/{name}, vllm/{name}"


@pytest.mark.parametrize("name", ["embedded", "embedded-hard"])
def test_the_embedded_models_keep_their_names(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert chosen(name) == Choice(name, None)
    with pytest.raises(BadInput, match="does not serve it; use one of: embedded"):
        chosen(f"{name}-typo")


def test_a_listed_name_costs_no_call(upstream: Upstream) -> None:
    upstream.script(listing("a", "b"))
    assert chosen("b", upstream.base_url).model == "b"
    assert [request["path"] for request in upstream.requests()] == ["/v1/models"]


@pytest.mark.parametrize(
    "answer", [says("OK."), refuses(400, "unsupported_parameter", "max_tokens is not supported with this model")]
)
def test_an_unlisted_name_that_the_endpoint_answers_to_is_accepted(upstream: Upstream, answer: Answer) -> None:
    upstream.script(listing("models/x", "openai/*"), answer)
    assert chosen("x", upstream.base_url).model == "x"
    assert upstream.bodies()[1]["model"] == "x" and upstream.bodies()[1]["max_tokens"] <= 16


@pytest.mark.parametrize(
    "answer",
    [
        refuses(404, None, "Not Found"),
        refuses(400, "model_not_found", "no"),
        refuses(400, None, "The model `gpt-smal` does not exist or you do not have access to it."),
        refuses(422, None, "Invalid model: gpt-smal"),
        refuses(400, "400", "You passed in model=gpt-smal. There are no healthy deployments for this model"),
    ],
)
def test_an_unlisted_name_that_the_endpoint_does_not_know_is_refused_with_the_nearest(
    upstream: Upstream, answer: Answer
) -> None:
    upstream.script(listing("whisper", "gpt-small", "gpt-smaller"), answer)
    with pytest.raises(BadInput, match="does not serve it") as raised:
        chosen("gpt-smal", upstream.base_url)
    assert raised.value.fix == "use one of: gpt-small, gpt-smaller"


def test_a_refused_key_is_not_a_wrong_name(upstream: Upstream) -> None:
    upstream.script(listing("a"), refuses(402, None, "no credit"))
    with pytest.raises(AccountError):
        chosen("b", upstream.base_url)


def test_a_fault_of_the_endpoint_is_not_a_wrong_name(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evolve.llm.client.ATTEMPTS", 1)
    upstream.script(listing("a"), refuses(503, None, "the model is loading"))
    assert chosen("b", upstream.base_url).model == "b"


@pytest.mark.parametrize(("name", "calls"), [("m", 0), ("alias", 2)])
def test_a_hosted_profile_asks_only_about_names_that_it_does_not_list(
    upstream: Upstream, name: str, calls: int
) -> None:
    upstream.script(listing("m"), says("OK."))
    profiles = lab(upstream, models={"m": {}})
    assert choose_model(f"lab/{name}", None, profiles).facts.profile == "lab"
    assert len(upstream.requests()) == calls


def test_a_variant_has_the_facts_of_its_model_but_not_its_price(upstream: Upstream) -> None:
    price = {"prompt": 1, "completion": 2, "source": "s"}
    models = {"big": {"keep_reasoning": True, "context": {"tokens": 9, "source": "s"}, "price": price}}
    upstream.script(listing("big"), says("OK."))
    choice = choose_model("lab/big:nitro", None, lab(upstream, models=models, variants=True))
    assert (choice.model, choice.price, choice.facts.context_tokens) == ("big:nitro", None, 9)
    assert choice.facts.keep_reasoning
    assert lab(upstream, models=models)["lab"].known("big:nitro") == KnownModel()


def test_openrouter_is_asked_for_one_provider_unless_a_variant_chooses_it() -> None:
    profile, pinned = read_profiles()["openrouter"], '{"provider": {"allow_fallbacks": false, "sort": "price"}}'
    assert profile.facts("minimax/minimax-m2.7").extra_body == profile.facts("any/other").extra_body == pinned
    variant = profile.facts("minimax/minimax-m2.7:nitro")
    assert variant.extra_body == "" and variant.keep_reasoning and variant.context_tokens == 196_608


def test_azure_needs_its_endpoint_and_takes_deployments(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match=r"--base-url https://RESOURCE\.openai\.azure\.com/openai/v1"):
        chosen("azure/ours")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k")
    upstream.script(listing("gpt-base"), says("OK."))
    choice = chosen("azure/ours", upstream.base_url)
    assert (choice.model, choice.base_url, choice.facts.key_variable) == (
        "ours",
        upstream.base_url,
        "AZURE_OPENAI_API_KEY",
    )


def proposers(*words: str) -> tuple[str, str | None, str]:
    """Name, endpoint and key's variable of a proposing model, given the scaffold's model and its own name."""
    config = new_config(read_settings(model=words[0], proposer_model=words[1]))
    spec = config.proposer_spec
    return spec.name, spec.base_url, spec.key_variable


@pytest.mark.parametrize("name", ["MiniMax-M2.5", "minimax/MiniMax-M2.5"])
def test_a_proposing_models_plain_name_is_looked_up_first_at_the_scaffolds_provider(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIMAX_API_KEY", "k")
    seen: Sequence[str | None] = proposers("minimax/MiniMax-M2.7", name)
    assert seen == ("MiniMax-M2.5", "https://api.minimax.io/v1", "MINIMAX_API_KEY")


def test_the_proposer_may_stay_embedded_beside_a_profiled_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIMAX_API_KEY", "k")
    assert proposers("minimax/MiniMax-M2.7", "embedded")[:2] == ("embedded", None)
