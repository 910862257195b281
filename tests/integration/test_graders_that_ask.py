"""Tests that ask a model, in real containers: what they get, what it costs them, and whose fault a failure is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.core.records import Fault, Grader, Limits, Outcome, Split, TrialResult, TrialSpec, VerifierMode
from evolve.loop.watcher import SilentWatcher
from evolve.runs import check_tasks
from evolve.sandbox import images
from evolve.suite.tasks import load_suite, load_task
from evolve.trial import trajectory
from evolve.trial.run import run_trial
from tests.upstream import Upstream, refuses, says, scripted_upstream

from .harbor_tasks import Small, with_scaffold

pytestmark = pytest.mark.docker

ENV = """
[verifier.env]
OPENAI_API_KEY = "${OPENAI_API_KEY}"
MODEL_NAME = "${MODEL_NAME:-gpt-4o}"
"""
# A judge as people write them, with nothing but the standard library.
JUDGE = """import json, os, sys, urllib.request
question = sys.argv[1] if len(sys.argv) > 1 else open("/app/out").read()
body = {"model": os.environ["MODEL_NAME"], "messages": [{"role": "user", "content": question}]}
request = urllib.request.Request(
    os.environ["OPENAI_BASE_URL"] + "/chat/completions",
    json.dumps(body).encode(),
    {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"], "Content-Type": "application/json"},
)
try:
    answer = json.load(urllib.request.urlopen(request, timeout=60))["choices"][0]["message"]["content"]
except Exception as error:
    print(error)
    answer = "no"
print("the judge says", answer)
sys.exit(answer != "yes")
"""
ASKS = Small(test="python3 -I /tests/judge.py", toml=ENV, more={"tests/judge.py": JUDGE})
WRITES = "import evolve_door as door\ndoor.write('out', 'my answer')\n"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Upstream]:
    with scripted_upstream() as upstream:
        yield upstream


@pytest.fixture
def asking(tmp_path: Path, base: str, swept: str, endpoint: Upstream) -> TrialSpec:
    """A trial whose scaffold leaves an answer, which the tests show to a model at the scripted endpoint."""
    return made(tmp_path, base, swept, endpoint)


def made(folder: Path, base: str, owner: str, endpoint: Upstream, task: Small = ASKS, main: str = WRITES) -> TrialSpec:
    grader = Grader(endpoint.spec(prompt_price=1.0, completion_price=1.0), Limits(calls=3, seconds=600.0), base)
    return replace(with_scaffold(task.spec(folder, base, owner), main), grader=grader)


def test_the_tests_ask_the_graders_model_in_a_fresh_container(asking: TrialSpec, endpoint: Upstream) -> None:
    endpoint.script(says("yes"))
    result = run_trial(asking)
    assert (result.outcome, result.verifier) == (Outcome.PASSED, VerifierMode.ISOLATED), result.detail
    assert [body["messages"][-1]["content"] for body in endpoint.bodies()] == ["my answer"]
    assert {body["model"] for body in endpoint.bodies()} == {"m"}
    assert result.usage.calls == 0 and result.grading is not None and result.grading.usage.calls == 1
    assert result.grading.usage.cost_usd > 0 and result.grading.recording is not None


def recorded(spec: TrialSpec, result: TrialResult) -> Path:
    assert result.grading is not None and result.grading.recording is not None
    return spec.folder.parent / result.grading.recording.path


def test_a_replay_grades_from_the_recorded_answers(asking: TrialSpec, endpoint: Upstream) -> None:
    endpoint.script(says("yes"), says("no"))
    first = run_trial(asking)
    assert first.recording is not None
    again = replace(
        asking,
        replay_of=asking.folder.parent / first.recording.path,
        grader_replay_of=recorded(asking, first),
        folder=asking.folder.parent / "again",
    )
    replayed = run_trial(again)
    assert (replayed.reward, len(endpoint.requests())) == (1.0, 1), replayed.detail
    assert len(trajectory.load(recorded(again, replayed))) == 1


def test_a_failing_endpoint_is_no_failure_of_the_scaffold(
    asking: TrialSpec, endpoint: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evolve.llm.client.LONGEST_WAIT_SECONDS", 0.01, raising=False)
    endpoint.script(refuses(401, "invalid key"))
    result = run_trial(asking)
    assert (result.outcome, result.fault) == (Outcome.INFRA_ERROR, Fault.ACCOUNT), result.detail


def test_a_spent_budget_leaves_the_trial_ungraded(tmp_path: Path, base: str, swept: str, endpoint: Upstream) -> None:
    endpoint.script(says("yes"))
    often = "for n in 1 2 3 4; do python3 -I /tests/judge.py $n || exit_code=1; done; [ -z $exit_code ]"
    spec = made(tmp_path, base, swept, endpoint, replace(ASKS, test=often))
    result = run_trial(spec)
    assert (result.outcome, result.fault) == (Outcome.INFRA_ERROR, Fault.GRADER), result.detail
    assert "the grader's budget of calls is spent" in result.detail
    assert result.grading is not None and result.grading.usage.calls == 3


@pytest.mark.parametrize(
    "toml", [f'artifacts = ["/app/out"]\n[verifier]\nenvironment_mode = "separate"\n{ENV}',
             f'[environment]\nnetwork_mode = "no-network"\n{ENV}']
)  # fmt: skip
def test_they_ask_from_containers_of_any_kind(
    tmp_path: Path, base: str, swept: str, endpoint: Upstream, toml: str
) -> None:
    endpoint.script(says("yes"))
    result = run_trial(made(tmp_path, base, swept, endpoint, replace(ASKS, toml=toml)))
    assert result.outcome is Outcome.PASSED, result.detail
    assert len(endpoint.requests()) == 1


def test_the_tests_of_a_strict_suite_ask_too(tmp_path: Path, base: str, swept: str, endpoint: Upstream) -> None:
    endpoint.script(says("yes"))
    spec = made(tmp_path, base, swept, endpoint, replace(ASKS, toml=f"[environment]\nmemory_mb = 128\n{ENV}"))
    for script in ("tests/test.sh", "solution/solve.sh"):
        (spec.task.folder / script).chmod(0o755)
    task = load_task(spec.task.folder, Split.TRAIN)
    result = run_trial(replace(spec, task=task, image=images.task_image(task, base)))
    assert result.outcome is Outcome.PASSED, result.detail
    assert result.grading is not None and result.grading.usage.calls == 1


def test_checks_of_tasks_ask_the_graders_model(tmp_path: Path, base: str, swept: str, endpoint: Upstream) -> None:
    nothing, answer = "test -e /app/out && ", "python3 -I /tests/judge.py"
    spec = made(tmp_path, base, swept, endpoint, replace(ASKS, test=f"{nothing}{answer}"))
    endpoint.script(says("yes"))
    suite = load_suite(spec.task.folder, (), has_grader=True)
    (finding,) = check_tasks.check_suite(suite, 1, SilentWatcher(), grader_of=lambda task, image: spec.grader)
    assert (finding.problem, finding.solution, finding.nothing) == ("", (1.0, 1.0), (0.0, 0.0))
