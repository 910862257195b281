"""A second, small model: which requests ask it, and that one budget, one record and one identity hold for both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.config import AskedModel, RunConfig
from evolve.core.errors import BadInput
from evolve.core.records import Limits, ModelSpec
from evolve.llm import NamedModels
from evolve.runs.from_settings import new_config
from evolve.runs.settings import Settings
from evolve.trial import trajectory
from evolve.trial.gateway import Door, Gateway
from evolve.trial.gateway.names import asked_of, looks_small
from evolve.trial.recorded import RecordedModel
from tests.fakes import FolderWorkspace, ScriptedModel, completion, trial_spec
from tests.test_gateway import USER, call, client, code
from tests.test_models import listing
from tests.upstream import Upstream

BIG = ModelSpec("the-model", prompt_price=1000.0, completion_price=1000.0)
SMALL = ModelSpec("the-other", prompt_price=1.0, completion_price=1.0)


@pytest.mark.parametrize(
    "name",
    ["claude-haiku-4-5", "gpt-5-mini", "gpt-4.1-nano", "gemini-2.5-flash", "openai/gpt-4o-mini", "Mistral-Small-3",
     "qwen3.5-flash", "gemini-2.5-flash-lite", "grok-4-fast"],
)  # fmt: skip
def test_names_of_small_models(name: str) -> None:
    assert looks_small(name) and asked_of(name, (BIG, SMALL)) is SMALL and asked_of(name, (BIG,)) is BIG


@pytest.mark.parametrize(
    "name",
    ["claude-sonnet-4-5", "gpt-5.1-codex", "gemini-3-pro", "the-model", "", "minimax-m2", None, 3, ["haiku"], {}],
)
def test_all_other_names_mean_the_runs_model(name: Any) -> None:
    assert asked_of(name, (BIG, SMALL)) is BIG


def test_a_name_that_one_of_the_runs_models_has_means_that_model() -> None:
    mini = ModelSpec("gpt-5-mini")
    assert asked_of("the-other", (BIG, SMALL)) is SMALL
    assert asked_of("gpt-5-mini", (mini, SMALL)) is mini


@given(st.text())
def test_any_name_means_one_of_the_models(name: str) -> None:
    assert asked_of(name, (BIG, SMALL)) in (BIG, SMALL)


def serving(folder: Path, **limits: Any) -> tuple[Gateway, ScriptedModel, ScriptedModel]:
    big, small = ScriptedModel(completion("big")), ScriptedModel(completion("small"))
    door = Door("opaque", "Mend it.", "/work", 7, BIG, Limits(**limits), small=SMALL)
    models = NamedModels({"the-model": big, "the-other": small})
    return Gateway(door, models, FolderWorkspace(folder), folder), big, small


def test_each_protocol_asks_the_small_model_by_name(tmp_path: Path) -> None:
    gateway, big, small = serving(tmp_path, usd=100)
    with gateway as served, client(served) as api:
        for name, text in (("x-haiku", "small"), ("x-sonnet", "big")):
            answer = api.chat.completions.create(model=name, messages=[USER])
            assert answer.choices[0].message.content == text
            assert api.responses.create(model=name, input="hi").output_text == text
            body = {"model": name, "max_tokens": 9, "messages": [USER]}
            assert call(served, "/v1/messages", body)[1]["content"][0]["text"] == text
        assert [model.id for model in api.models.list()] == ["the-model", "the-other"]
    assert {request["model"] for request in big.requests} == {"the-model"} and len(big.requests) == 3
    assert {request["model"] for request in small.requests} == {"the-other"} and len(small.requests) == 3


def test_one_budget_holds_for_both_each_at_its_price(tmp_path: Path) -> None:
    gateway, *_ = serving(tmp_path, usd=100, calls=2)
    with gateway as served:
        for name in ("x", "haiku"):
            assert call(served, "/v1/chat/completions", {"model": name, "messages": [USER]})[0] == 200
        assert code(call(served, "/v1/chat/completions", {"model": "haiku", "messages": [USER]})) == (403, "budget")
    assert served.budget.usage.calls == 2
    assert served.budget.usage.cost_usd == pytest.approx(20 * 1000e-6 + 20 * 1e-6)
    spec = trial_spec(tmp_path, model=BIG, small=SMALL)
    document = trajectory.build(spec, served.events, served.budget.usage, "")
    costs = [step["metrics"]["cost_usd"] for step in document["steps"] if "metrics" in step]
    assert costs == [pytest.approx(20 * 1000e-6), pytest.approx(20 * 1e-6)]
    assert document["final_metrics"]["total_cost_usd"] == pytest.approx(served.budget.usage.cost_usd)


def test_a_dear_call_is_refused_where_a_cheap_one_fits(tmp_path: Path) -> None:
    gateway, big, small = serving(tmp_path, usd=0.05)
    with gateway as served:
        assert code(call(served, "/v1/chat/completions", {"model": "x", "messages": [USER]})) == (403, "budget")
        assert call(served, "/v1/chat/completions", {"model": "haiku", "messages": [USER]})[0] == 200
    assert big.requests == [] and len(small.requests) == 1


def test_a_replay_answers_for_both(tmp_path: Path) -> None:
    bodies = [{"model": name, "messages": [USER]} for name in ("haiku", "x", "haiku")]
    gateway, *_ = serving(tmp_path, usd=100)
    with gateway as served:
        first = [call(served, "/v1/chat/completions", body) for body in bodies]
    again, *_ = serving(tmp_path, usd=100)
    again.model = RecordedModel(served.events)
    with again as served_again:
        assert [call(served_again, "/v1/chat/completions", body) for body in bodies] == first
    assert [event["request"] for event in again.events] == [event["request"] for event in served.events]


def test_a_run_keeps_its_small_model() -> None:
    small = AskedModel(model="tiny", base_url="http://x/v1")
    config = RunConfig(model="big", base_url="http://x/v1", small=small)
    assert config.small_spec == ModelSpec("tiny", "http://x/v1") and config.models[1:] == (small,)
    assert RunConfig.from_stored(config.canonical()) == config
    without = RunConfig(model="big", base_url="http://x/v1")
    assert any(difference.key.startswith("small") for difference in config.differences(without.canonical()))
    assert config.differences(config.canonical()) == []


def test_earlier_runs_have_none() -> None:
    stored = json.loads(RunConfig().canonical())
    del stored["small"]
    assert RunConfig.from_stored(json.dumps(stored)).small is None
    assert RunConfig().differences(json.dumps(stored)) == []


def test_a_small_model_is_at_the_runs_endpoint_unless_it_has_its_own(upstream: Upstream) -> None:
    upstream.script(listing("big", "tiny"))
    own = Settings(model="big", base_url=upstream.base_url, small_model="tiny")
    assert [asked.base_url for asked in new_config(own).models] == [upstream.base_url] * 2
    elsewhere = Settings(model="embedded", small_model="vllm/tiny", small_base_url=upstream.base_url)
    assert [asked.base_url for asked in new_config(elsewhere).models] == [None, upstream.base_url]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"small_model": "big"}, "is the scaffold's model itself"),
        ({"small_base_url": "http://127.0.0.1:2/v1"}, "there is no small model"),
    ],
)
def test_a_small_model_that_makes_no_sense_is_refused(upstream: Upstream, given: dict[str, str], problem: str) -> None:
    upstream.script(listing("big", "tiny"))
    settings = Settings(model="big", base_url=upstream.base_url, **given)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=problem):
        new_config(settings)
