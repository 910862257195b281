"""Profiles of models: what the package knows, what a user changes, what a run gets and stores, and what is refused."""

from __future__ import annotations

import json
import pickle
import subprocess
from pathlib import Path
from typing import Any

import pytest

from evolve.core.caps import Caps
from evolve.core.clock import now
from evolve.core.config import Difference, ModelFacts, ModelTerms, RunConfig
from evolve.core.errors import BadInput
from evolve.core.records import ModelSpec, Split
from evolve.loop.propose import direct
from evolve.models.choice import Choice, check_commercial, choose_model
from evolve.models.facts import Sourced
from evolve.models.profile import PROFILES, Known, Profile, read_profiles, split_name
from evolve.report.models import MODEL_COLUMNS, about_model, licence_lines, model_facts, model_lines, model_rows
from evolve.runs import identity, naming, opening, stored_config
from evolve.runs.digests import folder_digest
from evolve.runs.from_settings import run_request
from evolve.runs.request import RunRequest
from evolve.runs.settings import read_settings
from evolve.store import RunRow, Store
from evolve.suite.tasks import load_suite
from evolve.trial.gateway.request import model_request
from tests.fakes import ScriptedModel
from tests.forked import forked
from tests.test_propose import brief
from tests.upstream import Answer, Upstream, raw

ROOT = Path(__file__).parents[1]
M27 = "MiniMaxAI/MiniMax-M2.7"
OWN = """
[minimax]
key_variable = "OUR_KEY"

[minimax.models."MiniMax-M2.7"]
price = { prompt = 0.2, completion = 0.9 }

[minimax.models."MiniMax-M2.7".licence]
name = "our contract"
commercial = "allowed"

[ours]
base_url = "http://gpu7:8000/v1"
local = true
tool_calls = false

[ours.models.big]
context = { tokens = 1000 }
"""


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No key is set, and the working directory is empty."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "MINIMAX_API_KEY", "NVIDIA_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(OWN)
    return path


def order(model: str | None, own: Path | None = None, **values: Any) -> RunRequest:
    """What `evolve run` asks for with these options."""
    usual = {"scaffold": ROOT / "scaffolds/single", "suite": ROOT / "tasks/bugfix", "jobs": 1}
    return run_request(read_settings(model=model, models=own, **usual, **values))


def listing(*names: str) -> Answer:
    """The answer of an endpoint that serves these models."""
    return raw(json.dumps({"object": "list", "data": [{"id": name, "object": "model"} for name in names]}))


def facts_of(known: Known) -> list[Sourced]:
    values = [getattr(known, name) for name in type(known).model_fields]
    return [*known.licence, *(value for value in values if isinstance(value, Sourced))]


@pytest.mark.parametrize("path", sorted(PROFILES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_packaged_fact_has_a_source_and_a_date(path: Path) -> None:
    profile = read_profiles()[path.stem]
    for known in (profile, *profile.models.values()):
        for fact in facts_of(known):
            assert fact.source and fact.as_of, (path.stem, fact)
    assert profile.title and (profile.base_url or profile.base_url_form or profile.name == "embedded")


def test_the_profiles_are_those_of_the_package() -> None:
    hosted = {"openai", "anthropic", "google", "deepseek", "moonshot", "qwen", "mistral", "minimax", "xai"}
    hosted |= {"nvidia", "openrouter", "azure", "groq"}
    local = {"vllm", "sglang", "llamacpp", "ollama", "lmstudio", "tgi", "litellm", "embedded", "local"}
    assert set(read_profiles()) == hosted | local
    assert {name for name, profile in read_profiles().items() if profile.local} == local


def test_the_licence_of_the_same_weights_depends_on_the_provider() -> None:
    known = read_profiles()
    assert known["vllm"].terms(M27).commercial == known["sglang"].terms(M27).commercial == "barred"
    there = known["openrouter"].terms("minimax/minimax-m2.7")
    assert there.commercial == "unknown" and there.licence != known["vllm"].terms(M27).licence


def test_unknown_facts_are_reported_as_unknown() -> None:
    terms = read_profiles()["ollama"].terms("something")
    assert (terms.commercial, terms.price_source) == ("unknown", "")
    assert order_price(read_profiles()["ollama"], "something") is None


def order_price(profile: Profile, model: str) -> object:
    return profile.known(model).price


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("minimax/MiniMax-M2.7", ("minimax", "MiniMax-M2.7")),
        ("vllm/MiniMaxAI/MiniMax-M2.7", ("vllm", M27)),
        ("ollama", ("ollama", None)),
        ("embedded", None),
        ("openai", None),
        ("gpt-5-mini", None),
        ("meta/llama", None),
        ("minimax/", None),
    ],
)
def test_split_name(name: str, found: tuple[str, str | None] | None) -> None:
    parts = split_name(name, read_profiles())
    assert (parts and (parts[0].name, parts[1])) == found


def test_a_profile_provides_everything_that_a_run_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIMAX_API_KEY", "k")
    made = order("minimax/MiniMax-M2.7").config
    spec = made.model_spec
    assert (spec.name, spec.base_url, spec.key_variable) == (
        "MiniMax-M2.7",
        "https://api.minimax.io/v1",
        "MINIMAX_API_KEY",
    )
    assert (spec.prompt_price, spec.completion_price, spec.context_tokens) == (0.3, 1.2, 204_800)
    assert spec.stream and spec.keep_reasoning and not spec.text_tools
    assert spec.sampling == (("temperature", 1.0), ("top_p", 0.95))
    assert (spec.cached_price, spec.cache_write_price, spec.answer_tokens) == (0.06, 0.375, 131_072)
    assert made.terms.licence and made.terms.source and made.terms.price_source and made.terms.price_as_of
    assert pickle.loads(pickle.dumps(spec)) == spec and hash(spec)


def test_a_price_on_the_command_line_overrides_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIMAX_API_KEY", "k")
    made = order("minimax/MiniMax-M2.7", prompt_price=0.1).config
    assert (made.prompt_price, made.completion_price, made.cached_price) == (0.1, 1.2, None)
    assert made.terms.price_source == "given with the command"


def test_base_url_moves_a_local_profile(upstream: Upstream) -> None:
    upstream.script(listing(M27))
    named, alone = (order(name, base_url=upstream.base_url).config for name in (f"vllm/{M27}", "vllm"))
    assert named == alone
    assert (named.model, named.base_url, named.terms.commercial) == (M27, upstream.base_url, "barred")


def test_base_url_makes_a_hosted_profiles_name_a_plain_name(upstream: Upstream) -> None:
    upstream.script(listing("openai/gpt-5-mini"))
    made = order("openai/gpt-5-mini", base_url=upstream.base_url).config
    assert (made.model, made.base_url) == ("openai/gpt-5-mini", upstream.base_url)
    assert made.facts == ModelFacts() and made.terms == ModelTerms()


def test_plain_names_need_no_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_model(None, None, read_profiles()) == Choice("embedded", None)
    assert order("embedded/embedded-hard").config == order("embedded-hard").config
    with pytest.raises(BadInput, match="set OPENAI_API_KEY"):
        order("gpt-unlisted")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert choose_model("gpt-unlisted", None, read_profiles()) == Choice("gpt-unlisted", None)
    with pytest.raises(BadInput, match="set MINIMAX_API_KEY"):
        order("minimax/MiniMax-M2.7")


def test_a_user_overrides_a_price_and_adds_a_model(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_KEY", "k")
    made = order("minimax/MiniMax-M2.7", own, commercial=True).config
    check_commercial(made)
    assert (made.prompt_price, made.facts.key_variable, made.facts.context_tokens) == (0.2, "OUR_KEY", 204_800)
    assert made.terms.price_source == str(own) and made.terms.source == str(own) and not made.terms.price_as_of
    assert [stated.licence for stated in made.terms.statements] == ["our contract", "MiniMax Terms of Service"]
    added = read_profiles(own)["ours"]
    assert (added.facts("big").context_tokens, added.facts("big").text_tools) == (1000, True)


def test_a_file_in_the_working_directory_is_read() -> None:
    Path("evolve.models.toml").write_text(OWN)
    assert "ours" in read_profiles()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[minimax", "is not valid TOML"),
        ("minimax = 1", "minimax: is not a profile"),
        ("[a]\nbase_url = 'http://x'\n[a.models.b.price]\nprompt = -1\ncompletion = 1", "a.models.b.price.prompt: "),
        ("[a]\nbase = 'http://x'", "a.base: "),
        (
            "[a]\nbase_url = 'http://x'\n[a.models.b.licence]\nname = 'x'\ncommercial = 'maybe'",
            "a.models.b.licence.commercial: ",
        ),
        ("[a]\nmodels_from = 'b'", "a.models_from: there is no profile b"),
        ("[minimax]\nmodels = 3", "minimax.models: "),
        ("[a]\nlocal = true", "base_url is missing"),
    ],
)
def test_errors_in_a_users_file_are_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(BadInput) as raised:
        read_profiles(path)
    assert str(path) in str(raised.value) and words in str(raised.value) and raised.value.fix


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"gone\.toml"):
        read_profiles(tmp_path / "gone.toml")


def config(licence: str, **values: Any) -> RunConfig:
    terms = ModelTerms.model_validate({"licence": "L", "summary": "Show its name.", "commercial": licence})
    usual = {"model": "m", "base_url": "http://x/v1", "commercial": True, "terms": terms}
    return RunConfig.model_validate({**usual, **values})


@pytest.mark.parametrize(("commercial", "words"), [("barred", "bars commercial use"), ("unknown", "state its licence")])
def test_commercial_use_is_rejected_unless_the_licence_allows_it(commercial: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        check_commercial(config(commercial))
    check_commercial(config(commercial, commercial=False))


def test_licence_conditions_are_printed_and_the_embedded_model_has_none() -> None:
    check_commercial(config("allowed"))
    check_commercial(config("conditions"))
    assert "Show its name." in "\n".join(about_model(config("conditions")))
    check_commercial(RunConfig(commercial=True))
    assert licence_lines(RunConfig().terms) == []


def test_a_barred_model_ends_the_command_in_one_line(tmp_path: Path, upstream: Upstream) -> None:
    upstream.script(listing(M27))
    words = ["run", "--model", f"vllm/{M27}", "--base-url", upstream.base_url, "--commercial"]
    words += ["--suite", str(ROOT / "tasks/bugfix"), "--scaffold", str(ROOT / "scaffolds/single")]
    done = evolve(tmp_path, *words)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "bars commercial use" in done.stderr
    assert not (tmp_path / "runs").exists()


def evolve(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return forked(home, *words, COLUMNS="200")


def test_a_cap_in_dollars_needs_a_price(upstream: Upstream) -> None:
    upstream.script(listing(M27))
    made = order(f"vllm/{M27}", base_url=upstream.base_url)
    assert "price is not known" in about_model(made.config)[0]
    with pytest.raises(BadInput, match="no price is known"):
        opening.check(RunRequest(made.config, made.runs, None, 1, Caps(usd=5.0), checks_models=False))
    with pytest.raises(BadInput, match="no price is known"):
        opening.check_priced(made.config, Caps(usd=5.0))


def test_a_stored_config_comes_back_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIMAX_API_KEY", "k")
    made = order("minimax/MiniMax-M2.7").config
    assert RunConfig.model_validate_json(made.canonical()) == made
    assert made.differences(made.canonical()) == []
    moved = made.model_copy(update={"terms": ModelTerms(licence="another"), "prompt_price": 0.4})
    assert moved.differences(made.canonical()) == [Difference("prompt_price", 0.3, 0.4)]
    warmer = made.model_copy(update={"facts": ModelFacts(sampling=(("temperature", 0.5),))})
    assert any(difference.key == "facts.sampling" for difference in warmer.differences(made.canonical()))


@pytest.fixture
def stored(tmp_path: Path) -> tuple[RunRequest, Store]:
    """An order for the embedded model, and a database with a run of it from before there were profiles."""
    made = order("embedded")
    suite = load_suite(made.config.suite)
    values = json.loads(identity.identity(made.config, suite, folder_digest(made.config.scaffold, tmp_path)))
    for key in ("facts", "terms", "commercial"):
        del values[key]
    store = Store.open(tmp_path / "evolve.db")
    row = RunRow(
        id="older", created_at=now(), seed=0, config=json.dumps(values, sort_keys=True),
        config_sha256="0" * 64, suite="s", scaffold="s", model="embedded", base_url=None, engine="{}",
        evolve_version="0", repository="r", base_commit="0" * 40,
    )  # fmt: skip
    store.create_run(row, suite.tasks)
    return made, store


def test_a_run_from_before_profiles_is_resumed(stored: tuple[RunRequest, Store], tmp_path: Path) -> None:
    made, store = stored
    with store:
        suite = load_suite(made.config.suite)
        assert suite.split(Split.TRAIN)
        assert naming._known_name(made, suite, store) == "older"
        assert stored_config.stored_config(store.runs()[0]).facts == ModelFacts()
        opening.check(RunRequest(made.config, tmp_path, "older", 1))
        other = RunRequest(made.config.model_copy(update={"seed": 4}), tmp_path, None, 1)
        assert naming._known_name(other, suite, store) is None


def test_sampling_is_filled_in_unless_the_scaffold_sets_it() -> None:
    spec = ModelSpec("m", sampling=(("temperature", 1.0), ("top_k", 40)))
    body = {"messages": [], "temperature": 0, "top_k": None}
    assert {key: model_request(body, spec, 9)[key] for key in ("temperature", "top_k")} == {
        "temperature": 0,
        "top_k": 40,
    }
    assert "temperature" not in model_request({"messages": []}, ModelSpec("embedded"), 9)
    for some, asked in ((spec, 40), (ModelSpec("embedded"), None)):
        model = ScriptedModel()
        direct(model, some, brief(), 1, lambda proposal: None)
        assert model.requests[0].get("top_k") == asked


def test_the_list_shows_whether_a_key_is_set_but_never_the_key() -> None:
    rows = model_rows(read_profiles(), {"MINIMAX_API_KEY": "very-secret"})
    assert all(set(MODEL_COLUMNS) <= set(row) for row in rows)
    keys = {row["model"]: row["key"] for row in rows}
    assert (keys["minimax/MiniMax-M2.7"], keys["openai/gpt-5-mini"]) == ("set", "not set")
    assert keys["embedded"] == keys["llamacpp/..."] == "not needed"
    assert "very-secret" not in json.dumps(rows)
    lines = model_lines(rows)
    assert len(lines) == len(rows) + 1
    assert any(line.startswith("minimax/MiniMax-M2.7-highspeed ") and "0.6 / 2.4" in line for line in lines)


def test_one_model_is_shown_with_its_sources() -> None:
    shown = model_facts(f"vllm/{M27}", read_profiles(), {})
    assert "barred" in shown["licence"] and "huggingface" in shown["licence_source"] and shown["price"] == "not known"
    assert "MiniMax-M2.7" in model_facts("minimax", read_profiles(), {})["models"]
    for wrong in ("nothing", "minimax/nothing"):
        with pytest.raises(BadInput, match="is in no profile"):
            model_facts(wrong, read_profiles(), {})


def test_the_command_lists_and_shows(tmp_path: Path) -> None:
    assert len(json.loads(evolve(tmp_path, "models", "--json").stdout)) > 20
    assert "barred" in evolve(tmp_path, "models", f"vllm/{M27}").stdout
    rows = json.loads(evolve(tmp_path, "models", "--commercial", "--json").stdout)
    assert {row["commercial"] for row in rows} == {"allowed", "conditions"}
    wrong = evolve(tmp_path, "models", "nothing")
    assert wrong.returncode == 2 and wrong.stderr.count("\n") == 1


def test_another_model_may_propose(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    upstream.script(listing("small", "large"))
    base = order("small", base_url=upstream.base_url)
    here = base.config.base_url
    both = order("small", base_url=here, proposer_model="large").config
    assert (both.model_spec.name, both.proposer_spec.name) == ("small", "large")
    assert both.proposer_spec.base_url == upstream.base_url
    assert [line.partition(" at ")[0] for line in about_model(both)] == ["model: small", "proposing model: large"]
    assert order("small", base_url=here, proposer_model="embedded").config.proposer_spec.base_url is None
    monkeypatch.setenv("MINIMAX_API_KEY", "secret")
    profiled = order("small", base_url=here, proposer_model=f"minimax/{M27.rpartition('/')[2]}").config
    assert profiled.proposer_spec.key_variable == "MINIMAX_API_KEY"
    assert not profiled.priced and "secret" not in profiled.canonical()


def test_the_proposing_model_is_part_of_a_runs_frozen_config(upstream: Upstream) -> None:
    upstream.script(listing("small", "large"))
    base = order("small", base_url=upstream.base_url)
    both = order("small", base_url=upstream.base_url, proposer_model="large")
    assert any("proposed_by" in difference.key for difference in both.config.differences(base.config.canonical()))
    assert RunConfig.model_validate_json(both.config.canonical()) == both.config


def test_commercial_use_also_checks_the_proposing_model(upstream: Upstream) -> None:
    upstream.script(listing(M27))
    asked = order("embedded", proposer_model=f"vllm/{M27}", proposer_base_url=upstream.base_url)
    barred = asked.config.model_copy(update={"commercial": True})
    with pytest.raises(BadInput, match="bars commercial use"):
        check_commercial(barred)
