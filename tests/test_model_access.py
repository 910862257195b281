"""How tests ask a model: which variables take part, what takes their place, and what is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.errors import BadInput
from evolve.core.model_access import APIS, model_access, verifier_access, with_gateway
from evolve.core.records import Split, SuiteProfile, Task, VerifierMode
from evolve.runs.from_settings import checking_config, new_config
from evolve.runs.settings import read_settings
from evolve.suite.tasks import load_suite, load_task
from evolve.suite.variables import refuse_questions
from tests.harbor_tasks import write

URL, TOKEN = "http://127.0.0.1:8111", "a-token"
KEY = 'OPENAI_API_KEY = "${OPENAI_API_KEY}"'


def loaded(folder: Path, toml: str, has_grader: bool = True, passed: tuple[str, ...] = ()) -> Task:
    place = write(folder / "task", {"task.toml": toml})
    return load_task(place, Split.TRAIN, SuiteProfile.LOOSE, True, passed, has_grader)


def given_to_tests(*variables: tuple[str, str]) -> dict[str, str]:
    access = model_access(variables)
    assert access is not None
    return access.variables(URL, TOKEN, "the-model")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (
            [("OPENAI_API_KEY", "${OPENAI_API_KEY}")],
            {"OPENAI_API_KEY": TOKEN, "OPENAI_BASE_URL": f"{URL}/v1", "OPENAI_API_BASE": f"{URL}/v1"},
        ),
        (
            [("ANTHROPIC_API_KEY", "${ANTHROPIC_API_KEY}")],
            {"ANTHROPIC_API_KEY": TOKEN, "ANTHROPIC_BASE_URL": URL, "ANTHROPIC_API_BASE": URL},
        ),
        ([("JUDGE_KEY", "${OPENROUTER_API_KEY}")], {"JUDGE_KEY": TOKEN, "OPENROUTER_BASE_URL": f"{URL}/v1"}),
        ([("OPENAI_API_KEY", "${MY_KEY:-}")], {"OPENAI_API_KEY": TOKEN}),
        (
            [("K", "${OPENAI_API_KEY}"), ("OPENAI_BASE_URL", "https://api.openai.com/v1")],
            {"K": TOKEN, "OPENAI_BASE_URL": f"{URL}/v1"},
        ),
        (
            [("URL", "${OPENAI_BASE_URL:-https://x/v1}"), ("OPENAI_API_KEY", "none")],
            {"URL": f"{URL}/v1", "OPENAI_BASE_URL": f"{URL}/v1"},
        ),
        (
            [
                ("OPENAI_API_KEY", "${OPENAI_API_KEY}"), ("MODEL_NAME", "${MODEL_NAME:-gpt-4o}"),
                ("JUDGE_MODEL", "${JUDGE_MODEL}"), ("GEMINI_API_KEY", "${GEMINI_API_KEY:-}"),
            ],
            {"MODEL_NAME": "gpt-4o", "JUDGE_MODEL": "the-model", "GEMINI_API_KEY": ""},
        ),
    ],
)  # fmt: skip
def test_what_takes_the_place_of_keys_addresses_and_names(
    variables: list[tuple[str, str]], expected: dict[str, str]
) -> None:
    assert expected.items() <= given_to_tests(*variables).items()


@pytest.mark.parametrize(
    "variables",
    [
        [],
        [("OPENAI_API_KEY", "none")],
        [("OPENAI_BASE_URL", "http://localhost:1/v1")],
        [("MODEL_NAME", "${MODEL_NAME:-x}")],
        [("GITHUB_TOKEN", "${GITHUB_TOKEN}")],
        [("OPENAI_API_KEY", "x ${OPENAI_API_KEY}")],
    ],
)
def test_tests_that_ask_no_model(variables: list[tuple[str, str]]) -> None:
    assert model_access(tuple(variables)) is None


@given(st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=6))
def test_any_variables_are_read(variables: list[tuple[str, str]]) -> None:
    model_access(tuple(variables))


@given(st.sampled_from([(api, key) for api in APIS if api.served for key in api.keys]), st.text("AB_", min_size=1))
def test_no_key_is_left_to_be_looked_up(one: tuple[object, str], name: str) -> None:
    found = given_to_tests((name, f"${{{one[1]}}}"))
    assert found[name] == TOKEN and not any("${" in value for value in found.values())


def test_a_task_that_asks_in_shared_mode_is_graded_in_a_container_of_its_own(tmp_path: Path) -> None:
    task = loaded(tmp_path, f"[verifier.env]\n{KEY}\n")
    assert (task.verifier, task.format.verifier.environment) == (VerifierMode.ISOLATED, None)
    explicit = loaded(tmp_path, f'[verifier]\nenvironment_mode = "shared"\n[verifier.env]\n{KEY}\n')
    assert explicit.verifier is VerifierMode.ISOLATED


def test_a_key_with_a_default_asks_where_there_is_a_model_and_only_there(tmp_path: Path) -> None:
    toml = '[verifier.env]\nOPENAI_API_KEY = "${OPENAI_API_KEY:-}"\n'
    asking = loaded(tmp_path, toml)
    assert asking.format.verifier.env == (("OPENAI_API_KEY", "${OPENAI_API_KEY}"),)
    assert asking.verifier is VerifierMode.ISOLATED
    place = write(tmp_path / "task", {"task.toml": toml})
    plain = load_task(place, Split.TRAIN, SuiteProfile.LOOSE, True)
    assert plain.verifier is VerifierMode.SHARED
    refuse_questions("x", plain.format, SuiteProfile.LOOSE, (), False)


def test_variables_of_the_tests_container_ask_too_and_others_stay(tmp_path: Path) -> None:
    toml = f'[verifier.environment.env]\n{KEY}\nA = "1"\n[verifier.env]\nB = "2"\nNO_PROXY = "x"\n'
    format = with_gateway(loaded(tmp_path, toml).format, URL, TOKEN, "m")
    assert format.verifier.environment is not None
    assert format.verifier.environment.env == (("A", "1"),) and verifier_access(format.verifier) is None
    given = dict(format.verifier.env)
    assert (given["B"], given["OPENAI_API_KEY"], given["NO_PROXY"]) == ("2", TOKEN, "x,127.0.0.1,localhost")


STEP = "[[steps]]\nname = 'first'\n"


@pytest.mark.parametrize(
    ("toml", "has_grader", "reason"),
    [
        (f"[verifier.env]\n{KEY}", False, "asks a model, and the run has none for tests; name one with --grader-model"),
        (f"[verifier]\nenvironment_mode = 'live'\n[verifier.env]\n{KEY}", True, "environment_mode `live`"),
        (f"{STEP}[steps.verifier.env]\n{KEY}", True, "`steps.first.verifier.env.OPENAI_API_KEY` asks a model, but"),
        ('[verifier.env]\nGEMINI_API_KEY = "${GEMINI_API_KEY}"', True, "by the API of GEMINI, which the gateway"),
        (f"[environment.env]\n{KEY}", True, "which only a separate verifier may have"),
        (f'[verifier.env]\n{KEY}\nOTHER = "${{OTHER}}"', True, "`verifier.env.OTHER` takes the host's variable"),
    ],
)
def test_what_can_not_ask_is_refused_by_name(tmp_path: Path, toml: str, has_grader: bool, reason: str) -> None:
    write(tmp_path / "task", {"steps/first/instruction.md": "Do it.\n", "steps/first/tests/test.sh": ""})
    with pytest.raises(BadInput) as caught:
        loaded(tmp_path, toml, has_grader)
    assert reason in str(caught.value) and "\n" not in str(caught.value)


def test_a_solution_never_gets_the_key_of_a_models_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    format = loaded(tmp_path, f"[solution.env]\n{KEY}", True, ("OPENAI_API_KEY",)).format
    assert (format.solved, format.unsolved) == (False, "OPENAI_API_KEY")


def test_a_step_with_tests_of_its_own_may_ask(tmp_path: Path) -> None:
    write(tmp_path / "task", {"steps/first/instruction.md": "Do it.\n", "steps/first/tests/test.sh": ""})
    toml = f"{STEP}[steps.verifier]\nenvironment_mode = 'separate'\n[steps.verifier.env]\n{KEY}\n"
    (step,) = with_gateway(loaded(tmp_path, toml).format, URL, TOKEN, "m").steps
    assert dict(step.verifier.env)["OPENAI_API_KEY"] == TOKEN


def test_a_run_that_passed_a_key_before_graders_had_models_still_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    toml = f'[verifier]\nenvironment_mode = "separate"\n[verifier.env]\n{KEY}\n'
    assert loaded(tmp_path, toml, False, ("OPENAI_API_KEY",)).verifier is VerifierMode.ISOLATED


def test_a_suite_names_the_tasks_that_it_can_not_grade(tmp_path: Path) -> None:
    write(tmp_path / "plain", {})
    write(tmp_path / "asks", {"task.toml": f"[verifier.env]\n{KEY}\n"})
    without, asking = load_suite(tmp_path, ()), load_suite(tmp_path, (), has_grader=True)
    assert [task.name for task in without.tasks] == ["plain"] and "--grader-model" in without.reasons["asks"]
    assert len(asking.tasks) == 2


# Settings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_the_graders_model_is_chosen_and_limited_by_settings(home: Path) -> None:
    (home / "evolve.toml").write_text('grader_model = "embedded"\n[grader]\ncalls = 7\n')
    config = new_config(read_settings(model="embedded"))
    assert config.graded_by is not None and config.graded_by.model == "embedded"
    assert config.grader.for_tests(60.0).calls == 7
    assert [one.model for one in config.all_models] == ["embedded", "embedded"] and len(config.models) == 1
    assert [one.key for one in config.differences(new_config(read_settings(grader=["calls=8"])).canonical())] == [
        "grader.calls"
    ]
    assert checking_config(read_settings()).graded_by is not None


def test_no_container_gets_the_key_of_a_models_api(home: Path) -> None:
    with pytest.raises(BadInput, match=r"pass_env OPENAI_API_KEY: is the key .*; name a model .* --grader-model MODEL"):
        new_config(read_settings(model="embedded", pass_env=["OPENAI_API_KEY"]))
    assert new_config(read_settings(model="embedded", pass_env=["OPENAI_API_KEY="])).pass_env == ("OPENAI_API_KEY=",)
    with pytest.raises(BadInput, match="pass_env: KEY: values are not given here") as caught:
        new_config(read_settings(model="embedded", pass_env=["KEY=secret"]))
    assert "secret" not in str(caught.value)


def test_a_stored_run_without_a_grader_is_the_same_run(home: Path) -> None:
    config = new_config(read_settings(model="embedded"))
    values = {key: value for key, value in config.model_dump(mode="json").items() if key not in ("graded_by", "grader")}
    assert config.differences(json.dumps(values)) == []
