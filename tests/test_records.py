"""The nouns keep their own promises."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.core.records import Limits, ModelSpec, Outcome, Usage, opaque_id, stable_hash
from tests.fakes import result, task, trial_spec

AMOUNTS = st.integers(0, 10**6)
USAGES = st.builds(Usage, AMOUNTS, AMOUNTS, AMOUNTS, st.integers(0, 100).map(float), AMOUNTS)


@settings(max_examples=30, deadline=None)
@given(USAGES, USAGES, USAGES)
def test_usage_adds_up(one: Usage, two: Usage, three: Usage) -> None:
    assert one + Usage() == one
    assert one + two == two + one
    assert (one + two) + three == one + (two + three)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Usage)])
def test_nothing_spent_is_negative(field: str) -> None:
    with pytest.raises(ValueError, match="negative"):
        Usage(**{field: -1})


@pytest.mark.parametrize("field", ["calls", "tokens", "seconds", "max_tokens"])
def test_limits_are_positive(field: str) -> None:
    with pytest.raises(ValueError, match="positive"):
        Limits(**{field: 0})


def test_a_limit_of_no_dollars_is_allowed_and_less_is_not() -> None:
    assert Limits(usd=0).usd == 0
    with pytest.raises(ValueError, match="positive"):
        Limits(usd=-0.01)


@pytest.mark.parametrize(
    ("reward", "outcome"),
    [(None, Outcome.FAILED), (0.0, Outcome.INFRA_ERROR), (1.01, Outcome.PASSED), (-0.1, Outcome.FAILED)],
)
def test_a_reward_fits_its_outcome(reward: float | None, outcome: Outcome) -> None:
    with pytest.raises(ValueError, match="reward"):
        result(reward=reward, outcome=outcome)


def test_only_infrastructure_errors_do_not_count() -> None:
    counted = {o: result(reward=None if o is Outcome.INFRA_ERROR else 0.0, outcome=o).counts for o in Outcome}
    assert [outcome for outcome, counts in counted.items() if not counts] == [Outcome.INFRA_ERROR]


def test_a_trials_key_tells_trials_apart() -> None:
    one, again = trial_spec(), trial_spec(attempt=1)
    assert one.key != again.key
    assert "/" not in one.key


def test_the_id_that_a_scaffold_sees_is_the_trials_and_tells_nothing_of_its_task() -> None:
    one, challenger = trial_spec(), trial_spec(candidate="d" * 40)
    assert one.task_id == challenger.task_id == opaque_id(one.run, "alpha", 0, 7)
    others = trial_spec(attempt=1), trial_spec(seed=8), trial_spec(run="other"), trial_spec(task=task("beta"))
    assert len({spec.task_id for spec in (one, *others)}) == 5
    assert "alpha" not in one.task_id


def test_a_trials_description_can_be_sent_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(trial_spec())) == trial_spec()


@pytest.mark.parametrize("value", [trial_spec(), result(), Usage(), ModelSpec("m")])
def test_the_nouns_are_frozen(value: Any) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, dataclasses.fields(value)[0].name, None)


def test_the_embedded_model_is_known_by_its_name() -> None:
    names = {name: ModelSpec(name).embedded for name in ("embedded", "embedded-hard", "embeddings", "gpt")}
    assert names == {"embedded": True, "embedded-hard": True, "embeddings": False, "gpt": False}


def test_prices_are_per_million_tokens() -> None:
    spec = ModelSpec("m", prompt_price=2.0, completion_price=10.0)
    assert spec.cost_usd(1_000_000, 500_000) == 7.0
    assert spec.priced
    assert ModelSpec("m").cost_usd(10, 10) == 0.0
    assert not ModelSpec("m", prompt_price=1.0).priced


def test_the_hash_is_stable_between_processes_and_versions() -> None:
    """Seeds of runs that are stored depend on this value."""
    assert stable_hash(0, "alpha", 1) == 1909235643890435634
    assert stable_hash("a", "b") != stable_hash("ab", "")
    assert stable_hash("a", "b") != stable_hash("b", "a")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers() | st.text(st.characters(codec="utf-8"), max_size=5)))
def test_the_hash_fits_a_signed_integer_of_64_bits(parts: list[object]) -> None:
    assert 0 <= stable_hash(*parts) < 2**63
