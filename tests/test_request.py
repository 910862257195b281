"""From settings to the request for a run: what is new, what is resumed, and what a request finds in the results."""

from __future__ import annotations

import functools
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evolve.core.caps import Caps
from evolve.core.clock import now
from evolve.core.config import AskedModel, ModelFacts, ModelTerms, RunConfig, TrialLimits
from evolve.core.errors import BadInput
from evolve.executor.evaluate import default_jobs
from evolve.runs import opening
from evolve.runs.digests import folder_digest
from evolve.runs.from_settings import given_values, run_request
from evolve.runs.identity import continued_config, identity
from evolve.runs.jobs import planned_concurrency
from evolve.runs.lookup import DATABASE
from evolve.runs.request import RunRequest, stored_row
from evolve.runs.settings import described, read_settings
from evolve.runs.stored_config import stored_config
from evolve.store import RunRow, Store
from evolve.suite.tasks import Suite, load_suite

ROOT = Path(__file__).parents[1]
SINGLE, BUGFIX = ROOT / "scaffolds" / "single", ROOT / "tasks" / "bugfix"
FOLDERS = {"scaffold": SINGLE, "suite": BUGFIX}
STARTED = RunConfig.model_validate(
    {**FOLDERS, "seed": 3, "limits": {"calls": 9}, "gate": {"risk": 0.02}, "network": False, "score_attempts": 5}
    | {"prompt_price": 0.0, "completion_price": 0.0}
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", *(one.variable for one in described())):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@functools.cache
def bundled_suite() -> Suite:
    return load_suite(BUGFIX)


def store_run(config: RunConfig, name: str = "older", **changes: Any) -> RunRow:
    """A run of the bundled suite and scaffold in the results of the current folder."""
    suite = bundled_suite()
    values = json.loads(identity(config, suite, folder_digest(SINGLE, Path("runs")))) | changes
    paths = (str(BUGFIX), str(SINGLE))
    row = RunRow(name, now(), config.seed, json.dumps(values), "0" * 64, *paths, "m", None, "{}", "0", "/gone", None)
    Path("runs").mkdir(exist_ok=True)
    with Store.open(Path("runs", DATABASE)) as store:
        store.create_run(row, suite.tasks)
    return row


def requested(**options: Any) -> RunRequest:
    return run_request(read_settings(**options))


def test_a_new_run_has_the_settings_that_are_given(home: Path) -> None:
    (home / "evolve.toml").write_text("budget_trials = 5\n[limits]\nseconds = 60\n")
    request = requested(**FOLDERS, seed=4, runtime="runsc", sandbox=["cpus=2"], jobs=3)
    assert (request.config.seed, request.config.limits) == (4, TrialLimits(seconds=60))
    assert (request.config.sandbox.runtime, request.config.sandbox.cpus, request.config.sandbox.pids) == (
        "runsc",
        2,
        256,
    )
    assert (request.caps, request.jobs, request.run) == (Caps(trials=5), 3, None)
    assert request.config.model_spec.free and request.config.proposed_by is None


def test_the_name_alone_resumes_a_run() -> None:
    store_run(STARTED)
    request = requested(run="older")
    assert request.config == STARTED
    assert opening.check(request).digest == bundled_suite().digest


def test_a_run_of_an_earlier_version_is_resumed_by_its_name() -> None:
    """It has its limits, and lacks what came later."""
    older = json.loads(STARTED.canonical())["limits"] | {"seconds": 180.0}
    del older["commands"]
    store_run(STARTED, limits=older)
    request = requested(run="older", seed=3)
    opening.check(request)
    assert request.config.limits.for_task(900.0).seconds == 180


def test_the_session_is_not_stored() -> None:
    store_run(STARTED)
    request = requested(run="older", rounds=50, jobs=7, budget_usd=2.0, call_seconds=9.0)
    opening.check(request)
    assert (request.jobs, request.caps) == (7, Caps(usd=2.0))


@pytest.mark.parametrize(
    ("options", "key", "stored", "given"),
    [
        ({"seed": 4}, "seed", "3", "4"),
        ({"gate": ["risk=0.03"]}, "gate.risk", "0.02", "0.03"),
        ({"gate": ["race=2"]}, "gate.race", "1", "2"),
        ({"limits": ["calls=8"]}, "limits.calls", "9", "8"),
        ({"limits": ["seconds=60"]}, "limits.seconds", "nothing", "60.0"),
        ({"sandbox": ["cpus=4"]}, "sandbox.cpus", "1.0", "4.0"),
        ({"runtime": "runsc"}, "sandbox.runtime", "nothing", "runsc"),
        ({"network": True}, "network", "False", "True"),
        ({"score_attempts": 2}, "score_attempts", "5", "2"),
        ({"prompt_price": 1.5}, "prompt_price", "0.0", "1.5"),
        ({"model": "embedded-hard"}, "model", "embedded", "embedded-hard"),
        ({"commercial": True}, "commercial", "False", "True"),
        ({"proposer": "self"}, "proposer", "direct", "self"),
        ({"proposer_model": "embedded-hard"}, "proposed_by", "nothing", "embedded-hard"),
    ],
)
def test_a_given_setting_that_differs_is_refused(options: dict[str, Any], key: str, stored: str, given: str) -> None:
    store_run(STARTED)
    with pytest.raises(BadInput) as raised:
        opening.check(requested(run="older", **options))
    assert raised.value.where.startswith(key)
    assert f"run older has {stored}, not " in raised.value.problem and given in raised.value.problem


@pytest.mark.parametrize(
    "options",
    [{"seed": 3}, {"gate": ["risk=0.02"]}, {"limits": ["calls=9"]}, {"network": False}, {"model": "embedded"}, FOLDERS],
)
def test_a_given_setting_that_is_the_stored_one_is_fine(options: dict[str, Any]) -> None:
    store_run(STARTED)
    request = requested(run="older", **options)
    opening.check(request)
    assert request.config == STARTED


def test_a_setting_of_the_file_is_given_too(home: Path) -> None:
    store_run(STARTED)
    (home / "evolve.toml").write_text("seed = 8\n")
    with pytest.raises(BadInput, match=r"^seed: run older has 3, not 8; "):
        opening.check(requested(run="older"))


def test_prices_that_a_profile_changed_since_are_the_stored_ones() -> None:
    proposing = AskedModel(model="embedded-hard", prompt_price=9.0, completion_price=9.0)
    started = STARTED.model_copy(update={"terms": ModelTerms(licence="old"), "proposed_by": proposing})
    row = store_run(started)
    settings = read_settings(run="older", model="embedded", proposer_model="embedded-hard")
    values = given_values(settings, row)
    assert "prompt_price" not in values and values["proposed_by"].prompt_price == 9.0
    opening.check(requested(run="older", model="embedded", proposer_model="embedded-hard"))


LOCAL = """
[lab]
base_url = "http://127.0.0.1:9/v1"
local = true
[far]
base_url = "https://host.invalid/v1"
key_variable = "PATH"
[far.models.m]
"""


@pytest.mark.parametrize(("options", "rates"), [({}, (30, None)), ({"requests_per_minute": 9}, (9, None))])
def test_limits_per_minute_hold_anew_at_each_start(options: dict[str, Any], rates: tuple[int, int | None]) -> None:
    started = STARTED.model_copy(update={"facts": ModelFacts(requests_per_minute=30)})
    row = store_run(started)
    request = requested(run="older", **options)
    opening.check(request)
    continued = continued_config(stored_config(row), request.config)
    for config in (request.config, continued):
        spec = config.model_spec
        assert (spec.requests_per_minute, spec.tokens_per_minute) == rates
    assert continued == started.model_copy(update={"facts": continued.facts})


def test_limits_per_minute_given_with_the_command_win_over_the_profiles() -> None:
    config = requested(**FOLDERS, tokens_per_minute=5000).config
    assert (config.facts.tokens_per_minute, config.facts.requests_per_minute) == (5000, None)
    other = config.model_copy(update={"facts": ModelFacts()})
    assert other.differences(config.canonical()) == []


def test_the_limits_of_a_proposing_model_hold_anew_too() -> None:
    stored, asked = (
        STARTED.model_copy(update={"proposed_by": AskedModel(model="m", facts=ModelFacts(requests_per_minute=number))})
        for number in (1, 2)
    )
    assert asked.differences(stored.canonical()) == []
    assert continued_config(stored, asked) == asked


def test_a_model_that_is_named_again_keeps_its_limits() -> None:
    row = store_run(STARTED.model_copy(update={"facts": ModelFacts(requests_per_minute=30)}))
    values = given_values(read_settings(run="older", model="embedded", tokens_per_minute=7), row)
    assert values["facts"] == ModelFacts(requests_per_minute=30, tokens_per_minute=7)


@pytest.mark.parametrize(("profile", "own"), [("lab", True), ("far", False), ("embedded", False), ("", False)])
def test_a_local_profile_is_of_the_users_own_server(home: Path, profile: str, own: bool) -> None:
    (home / "evolve.models.toml").write_text(LOCAL)
    store_run(STARTED.model_copy(update={"facts": ModelFacts(profile=profile)}))
    assert requested(run="older").own_server is own


def test_the_number_of_trials_is_chosen_by_who_answers() -> None:
    request = requested(**FOLDERS)
    assert request.jobs == 0
    assert planned_concurrency(request, bundled_suite()).most == default_jobs()
    far = request.config.model_copy(update={"base_url": "https://host.invalid/v1", "model": "m"})
    remote = planned_concurrency(replace(request, config=far), bundled_suite())
    assert "endpoint is remote" in remote.reason and remote.most >= 1
    assert planned_concurrency(replace(request, jobs=99), bundled_suite()).most == 99


def test_a_run_that_is_not_stored_is_new() -> None:
    assert stored_row(Path("runs"), "older") is None
    store_run(STARTED)
    assert requested(run="other", **FOLDERS).config.seed == 0
    assert stored_row(Path("runs"), None) is None and stored_row(Path("runs"), "older") is not None


def test_a_missing_suite_is_named(home: Path) -> None:
    row = store_run(STARTED)
    with Store.open(Path("runs", DATABASE)) as store:
        moved = RunRow(**{**vars(row), "id": "moved", "suite": str(home / "gone")})
        store.create_run(moved, bundled_suite().tasks)
    with pytest.raises(BadInput, match=r"run moved: its suite .*gone is missing; name its folder with --suite"):
        requested(run="moved")
    opening.check(requested(run="moved", suite=BUGFIX))
    other = home / "suite"
    shutil.copytree(BUGFIX / "lru-cache", other / "lru-cache")
    (other / "suite.toml").write_text('[splits]\ntrain = ["lru-cache"]\n')
    request = requested(run="moved", suite=other)
    with pytest.raises(BadInput, match="the files of its suite have changed"):
        opening.check(request)
