"""The check of a run's models: which are checked, what is kept, and what a resumed run compares."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evolve.core.config import AskedModel, LearnedFacts, ModelTerms, RunConfig
from evolve.core.errors import BadInput
from evolve.core.records import Usage
from evolve.models.preflight import Preflight, Requests
from evolve.runs.identity import identity
from evolve.runs.lookup import DATABASE
from evolve.runs.model_check import CheckedModel, check_models, requests_of, summary_line, with_learned
from evolve.runs.request import RunRequest
from evolve.store import RunRow, Store
from evolve.suite.tasks import Suite, load_suite

SUITE = load_suite(Path("tasks/bugfix"))
CONFIG = RunConfig(model="m", base_url="http://x/v1")
SERVER = (("build_info", "b1"), ("model_path", "/m.gguf"))
LEARNED = LearnedFacts(parameters=(("seed", ""),), server=SERVER)


class Checker:
    """Finds the same about each model."""

    def __init__(self, **found: Any) -> None:
        self.found, self.asked = Preflight(**found), list[tuple[AskedModel, Requests]]()

    def __call__(self, asked: AskedModel, requests: Requests) -> Preflight:
        self.asked.append((asked, requests))
        return self.found


def request(tmp_path: Path, config: RunConfig = CONFIG, run: str | None = None, **changes: Any) -> RunRequest:
    return RunRequest(config, tmp_path, run, 1, **changes)


def ignore(_: str) -> None: ...


def started(tmp_path: Path, config: RunConfig) -> str:
    """Store a run that began with this config."""
    text = identity(config, SUITE, "digest")
    with Store.open(tmp_path / DATABASE) as store:
        store.create_run(
            RunRow(
                id="r1", created_at="2026-11-23T21:44:00+00:00", seed=0, config=text, config_sha256="0",
                suite="tasks/bugfix", scaffold="scaffolds/single", model="m", base_url="http://x/v1", engine="{}",
                evolve_version="0", repository="", base_commit=None,
            )
        )  # fmt: skip
    return "r1"


def test_every_model_with_an_endpoint_is_checked(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"proposed_by": AskedModel(model="p", base_url="http://y/v1")})
    check = Checker(learned=LEARNED, usage=Usage(calls=9))
    found, checked = check_models(request(tmp_path, config), SUITE, ignore, check)
    assert [(model.role, model.asked.model) for model in checked] == [("scaffold", "m"), ("proposer", "p")]
    assert found.config.learned == LEARNED and found.config.proposed_by and found.config.proposed_by.learned == LEARNED
    assert [(row.role, row.model, row.usage.calls) for row in found.preflights] == [
        ("scaffold", "m", 9),
        ("proposer", "p", 9),
    ]
    assert found.config.model_spec.parameters == (("seed", ""),)
    assert not any(tmp_path.iterdir())


def asking(tmp_path: Path, asks: bool) -> Suite:
    """A suite of one task, whose tests may ask a model."""
    env = '[verifier.env]\nOPENAI_API_KEY = "${OPENAI_API_KEY}"\n' if asks else ""
    files = {
        "task.toml": env, "instruction.md": "Do it.\n", "environment/Dockerfile": "FROM scratch\n",
        "tests/test.sh": "#!/bin/bash\n", "solution/solve.sh": "#!/bin/bash\n",
    }  # fmt: skip
    for name, text in files.items():
        file = tmp_path / "suite" / "one" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return load_suite(tmp_path / "suite", (), has_grader=True)


@pytest.mark.parametrize("asks", [True, False])
def test_the_graders_model_is_checked_if_tests_ask_it(tmp_path: Path, asks: bool) -> None:
    grader, small = AskedModel(model="g", base_url="http://z/v1"), AskedModel(model="s", base_url="http://x/v1")
    config = CONFIG.model_copy(update={"graded_by": grader, "small": small})
    check = Checker(learned=LEARNED)
    found, checked = check_models(request(tmp_path, config), asking(tmp_path, asks), ignore, check)
    assert [row.role for row in found.preflights] == ["scaffold", "small", *(["grader"] if asks else [])]
    assert found.config.graded_by is not None
    assert found.config.graded_by.learned == (LEARNED if asks else LearnedFacts())
    if asks:
        assert checked[-1].asked == grader and check.asked[-1][1] == requests_of(config, "grader")
        assert found.config.graded_by.spec.parameters == (("seed", ""),)


def test_tests_ask_for_answers_of_their_own_length() -> None:
    config = RunConfig.model_validate({"grader": {"max_tokens": 900}})
    requests = requests_of(config, "grader")
    assert (requests.trial_answer, requests.proposal_answer) == (900, 900)
    assert requests_of(config).trial_answer == 4_096


def test_a_graders_model_that_can_not_be_used_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    def check(asked: AskedModel, requests: Requests) -> Preflight:
        if asked.model == "g":
            raise BadInput("model g", "it writes nonsense", "use another")
        return Preflight()

    config = CONFIG.model_copy(update={"graded_by": AskedModel(model="g", base_url="http://z/v1")})
    with pytest.raises(BadInput, match="model g: it writes nonsense"):
        check_models(request(tmp_path, config), asking(tmp_path, True), ignore, check)


def test_the_model_in_this_process_needs_no_check(tmp_path: Path) -> None:
    check = Checker()
    asked = request(tmp_path, RunConfig())
    assert check_models(asked, SUITE, ignore, check) == (asked, []) and not check.asked


def test_the_check_can_be_left_out(tmp_path: Path) -> None:
    asked = request(tmp_path, checks_models=False)
    assert check_models(asked, SUITE, ignore, Checker()) == (asked, [])


def test_it_asks_for_the_lengths_of_the_run(tmp_path: Path) -> None:
    long = CONFIG.model_copy(update={"limits": CONFIG.limits.model_copy(update={"max_tokens": 32_000})})
    assert (requests_of(CONFIG).trial_answer, requests_of(CONFIG).proposal_answer) == (4_096, 16_384)
    assert (requests_of(long).trial_answer, requests_of(long).proposal_answer) == (32_000, 32_000)
    assert {tool["function"]["name"] for tool in requests_of(CONFIG).proposal_tools} >= {"propose"}


def test_listed_prices_are_used_where_none_is_known() -> None:
    found = Preflight(listed_prices=(0.3, 1.2))
    config = with_learned(CONFIG, [CheckedModel("scaffold", CONFIG.models[0], found)])
    assert config.priced and config.terms.price_source == "listed by the endpoint"
    known = CONFIG.model_copy(update={"prompt_price": 1.0, "completion_price": 2.0, "terms": ModelTerms()})
    assert with_learned(known, [CheckedModel("scaffold", known.models[0], found)]).prompt_price == 1.0


def test_what_was_learned_is_stored_and_no_part_of_the_identity(tmp_path: Path) -> None:
    learned = CONFIG.model_copy(update={"learned": LEARNED})
    text = learned.canonical()
    assert RunConfig.from_stored(text).learned == LEARNED
    assert CONFIG.differences(text) == []


def test_a_resumed_run_keeps_what_it_began_with(tmp_path: Path) -> None:
    run, lines = started(tmp_path, CONFIG.model_copy(update={"learned": LEARNED})), list[str]()
    check = Checker(learned=LearnedFacts(stream=False, server=(("build_info", "b2"), ("model_path", "/m.gguf"))))
    found, checked = check_models(request(tmp_path, run=run), SUITE, lines.append, check)
    assert check.asked[0][0].learned == LEARNED and len(checked) == 1
    assert found.config == CONFIG and len(found.preflights) == 1
    assert lines[1:] == [
        "the model's server now says build_info b2 (at the run's start: b1)",
        "the endpoint now differs in parameters, stream; the run keeps what it began with",
    ]


def test_a_resumed_run_refuses_another_model(tmp_path: Path) -> None:
    run = started(tmp_path, CONFIG.model_copy(update={"learned": LEARNED}))
    check = Checker(learned=LEARNED.model_copy(update={"server": (("model_path", "/other.gguf"),)}))
    with pytest.raises(BadInput, match=r"model_path /other\.gguf; at the run's start it was /m\.gguf"):
        check_models(request(tmp_path, run=run), SUITE, ignore, check)


def test_the_summary_is_one_line_and_the_report_is_json() -> None:
    found = Preflight(
        tools=True, window=7_900, tokens_per_second=41.5, right_answers=3, questions=3, usage=Usage(calls=9),
        refused=(("temperature", "no"),), notes=("a note",), learned=LearnedFacts(parameters=(("temperature", ""),)),
    )  # fmt: skip
    model = CheckedModel("scaffold", CONFIG.models[0], found)
    assert summary_line(model) == (
        "model m: calls tools, reads prompts of 7,900 tokens, 42 tokens/s, 3 of 3 simple questions answered; "
        "Evolve never sends temperature; checked with 9 calls (a note)"
    )
    assert json.loads(model.row().report)["refused"] == [["temperature", "no"]]


@pytest.mark.parametrize(
    ("learned", "words"),
    [(LearnedFacts(context_tokens=4_096), "a window of 4,096 tokens"), (LearnedFacts(), "window unknown")],
)
def test_a_window_that_was_not_read_is_said_to_be_as_it_is_known(learned: LearnedFacts, words: str) -> None:
    assert words in summary_line(CheckedModel("scaffold", CONFIG.models[0], Preflight(learned=learned)))
