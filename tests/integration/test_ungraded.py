"""Graders that crash, hang or break, in real containers: what counts, and what is ungraded."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from evolve.core.records import (
    Fault,
    Limits,
    ModelSpec,
    Outcome,
    SandboxSpec,
    ScaffoldSource,
    Split,
    SuiteProfile,
    TrialResult,
    TrialSpec,
    VerifierMode,
)
from evolve.sandbox import engine, images, kept
from evolve.suite.tasks import load_task
from evolve.trial import verdict
from evolve.trial.grading import MOST_GRADINGS, MOST_TIMEOUTS, MOST_TRIES
from evolve.trial.regrading import regrade
from evolve.trial.reward import NoReward, Reward, Ungraded
from evolve.trial.run import run_trial

from .conftest import OWNER
from .harbor_tasks import DOCKERFILE, VERDICT, Small, with_scaffold
from .test_grading import write_task

pytestmark = pytest.mark.docker
ANSWERS = "import evolve_door as door\ndoor.write('answer.txt', {text!r})\n"
# The reward is 1 for the right answer; the dice are no part of the state.
REWARD = "grep -q right /app/answer.txt && echo 1 > /logs/verifier/reward.txt || echo 0 > /logs/verifier/reward.txt"
FLAKY = f"[ $(od -An -N1 -tu1 /dev/urandom) -lt 128 ] && exit 1; {REWARD}"
BREAKABLE = f"grep -q break /app/answer.txt 2>/dev/null && exit 1; {REWARD}"
HANGING = f"grep -q break /app/answer.txt 2>/dev/null && sleep 60; {REWARD}"
BROKEN = "echo no network >&2; exit 1"
LIVE = '[verifier]\nenvironment_mode = "live"'
numbers = itertools.count()


class Run:
    """Runs trials of a scaffold that leaves an answer, at tasks with given tests. `spec`: the last one."""

    def __init__(self, folder: Path, base: str) -> None:
        self.folder, self.base = folder, base
        self.spec: TrialSpec

    def __call__(
        self,
        test: str,
        text: str = "right",
        profile: SuiteProfile = SuiteProfile.STRICT,
        toml: str = "",
        seconds: float = 20,
        main: str = ANSWERS,
        more: Mapping[str, str] = MappingProxyType({}),
        **changes: object,
    ) -> TrialResult:
        number = next(numbers)
        folder = write_task(self.folder / f"task-{number}", test, toml, **more)
        task = replace(load_task(folder, Split.TRAIN, profile), verifier_seconds=seconds)
        scaffold = self.folder / f"scaffold-{number}"
        scaffold.mkdir()
        (scaffold / "main.py").write_text(main.format(text=text))
        source, image = ScaffoldSource(scaffold, "main.py", self.base), images.task_image(task, self.base)
        spec = TrialSpec(
            "tests", "c" * 40, task, image, source, number, 7, ModelSpec("embedded"), Limits(seconds=30),
            SandboxSpec(memory_mb=128), self.folder / "run", OWNER,
        )  # fmt: skip
        self.spec = replace(spec, **changes)  # type: ignore[arg-type]
        result = run_trial(self.spec)
        assert engine.sweep(OWNER) == 0, result
        return result


@pytest.fixture
def run(tmp_path: Path, base: str) -> Run:
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    return Run(tmp_path, base)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """While it is not empty, each grading ends without a reward, and takes one from it."""
    left: list[str] = []

    real = verdict._read_grade

    def read(*arguments: Any) -> Reward | NoReward:
        grade = real(*arguments)
        return NoReward(Ungraded.CRASHED, left.pop()) if left else grade

    monkeypatch.setattr(verdict, "_read_grade", read)
    return left


@pytest.mark.parametrize("profile", SuiteProfile)
def test_a_grader_that_crashes_in_half_of_its_runs_changes_no_verdict(run: Run, profile: SuiteProfile) -> None:
    results = [run(FLAKY, text, profile) for text in ("right", "wrong") * 2]
    assert [result.reward for result in results] == [1.0, 0.0] * 2


@pytest.mark.parametrize("profile", SuiteProfile)
def test_a_state_is_graded_again_as_it_was_left(run: Run, profile: SuiteProfile, failing: list[str]) -> None:
    failing += ["crash", "crash"]
    result = run(REWARD, profile=profile)
    assert (result.outcome, result.reward, result.failed_gradings, failing) == (Outcome.PASSED, 1.0, 2, [])


@pytest.mark.parametrize("profile", SuiteProfile)
def test_who_breaks_the_grader_has_failed(run: Run, profile: SuiteProfile) -> None:
    result = run(BREAKABLE, "break", profile)
    assert (result.outcome, result.reward, result.fault) == (Outcome.FAILED, 0.0, Fault.NONE)
    assert result.failed_gradings == MOST_GRADINGS and "though the untouched environment could" in result.detail


def test_who_makes_the_tests_hang_has_failed_after_fewer_gradings(run: Run) -> None:
    result = run(HANGING, "break", seconds=2)
    assert (result.outcome, result.failed_gradings) == (Outcome.FAILED, MOST_TIMEOUTS)


@pytest.mark.parametrize("profile", SuiteProfile)
def test_a_grader_that_never_works_is_a_fault_of_its_own(run: Run, profile: SuiteProfile) -> None:
    result = run(BROKEN, profile=profile)
    assert (result.outcome, result.reward, result.fault) == (Outcome.INFRA_ERROR, None, Fault.GRADER)
    assert "nor could the untouched environment" in result.detail and "no network" in result.detail


@pytest.mark.parametrize(("toml", "test"), [(LIVE, BREAKABLE), ("", "kill -9 -1; sleep 1")])
def test_a_state_that_is_gone_is_run_again_a_bounded_number_of_times(run: Run, toml: str, test: str) -> None:
    test = test if toml else f"grep -q break /app/answer.txt 2>/dev/null && {test}; {REWARD}"
    results = [run(test, "break", toml=toml, ungraded=tries) for tries in range(MOST_TRIES)]
    assert [result.fault for result in results] == [Fault.GRADER] * (MOST_TRIES - 1) + [Fault.NONE]
    assert (results[-1].outcome, results[-1].reward) == (Outcome.FAILED, 0.0)


def test_the_untouched_environment_is_graded_once_for_each_task(run: Run, tmp_path: Path) -> None:
    run(REWARD)
    assert not (tmp_path / "run" / "untouched").exists()
    run(BREAKABLE, "break")
    (file,) = (tmp_path / "run" / "untouched").iterdir()
    written = file.stat().st_mtime_ns
    run(BREAKABLE, "break")
    assert file.stat().st_mtime_ns == written


# The tests read what only the agent may read.
AS_AGENT = (
    'python3 -c \'import os; uid = int(os.environ["EVOLVE_AGENT_UID"]); os.setgid(uid); os.setuid(uid); '
    'print(open("b").read())\' > /tmp/read; '
    "grep -q right /tmp/read && echo 1 > /logs/verifier/reward.txt || echo 0 > /logs/verifier/reward.txt"
)
PRIVATE = (
    "import evolve_door as door\nprint(door.run('echo {text} > answer.txt; chmod 600 answer.txt; ln answer.txt b'))"
)


@pytest.mark.parametrize(("text", "reward"), [("right", 1.0), ("wrong", 0.0)])
def test_what_could_not_be_graded_is_kept_and_graded_later(
    run: Run, failing: list[str], tmp_path: Path, text: str, reward: float
) -> None:
    failing += ["no network"] * 2 * MOST_GRADINGS
    result = run(AS_AGENT, text, main=PRIVATE)
    assert (result.fault, failing) == (Fault.GRADER, [])
    assert result.state and result.state.path.startswith("run/states/") and result.trajectory and result.recording
    archive = (tmp_path / result.state.path).read_bytes()
    judgement = regrade(run.spec, archive)
    assert judgement.grade == Reward(reward, reward), judgement
    assert engine.sweep(OWNER) == 0


def test_a_state_that_is_too_large_is_not_kept(run: Run, failing: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MAX_BYTES", 1_000)
    failing += ["no network"] * 2 * MOST_GRADINGS
    result = run(REWARD)
    assert (result.fault, result.state) == (Fault.GRADER, None)


# With Harbor's defaults: the tests end before they can give a reward where the agent left the word.
HARBOR_BREAKABLE = "grep -q break /app/out /data/out 2>/dev/null && exit 1; ! true"
SEPARATE = 'artifacts = ["/app/out"]\n[verifier]\nenvironment_mode = "separate"\n'
COLLECTED = (
    'artifacts = ["/data/out"]\n[verifier]\nenvironment_mode = "separate"\n[[verifier.collect]]\n'
    "command = 'mkdir -p /data && cp /app/out /data/out'\n"
)
STEPS = {
    "toml": "[[steps]]\nname = 'first'\n",
    "more": {
        "steps/first/instruction.md": "Write.\n",
        "steps/first/tests/test.sh": f"{HARBOR_BREAKABLE}{VERDICT}\n",
        "steps/first/solution/solve.sh": "true\n",
    },
}
LEAVES_BREAK = "import evolve_door as door\ndoor.run('echo break > /app/out')"


@pytest.mark.parametrize("toml", [SEPARATE, COLLECTED])
def test_what_a_separate_verifier_gets_is_graded_again(tmp_path: Path, base: str, swept: str, toml: str) -> None:
    spec = with_scaffold(Small(HARBOR_BREAKABLE, toml=toml).spec(tmp_path / "task", base, swept), LEAVES_BREAK)
    result = run_trial(spec)
    assert (result.outcome, result.reward, result.verifier) == (Outcome.FAILED, 0.0, VerifierMode.ISOLATED)
    assert result.failed_gradings == MOST_GRADINGS, result


@pytest.mark.parametrize("small", [Small(HARBOR_BREAKABLE), Small(**STEPS)])  # type: ignore[arg-type]
def test_a_shared_verifier_grades_once_and_the_trial_is_run_again(
    tmp_path: Path, base: str, swept: str, small: Small
) -> None:
    spec = with_scaffold(small.spec(tmp_path / "task", base, swept), LEAVES_BREAK)
    results = [run_trial(replace(spec, ungraded=tries)) for tries in (0, MOST_TRIES - 1)]
    assert [result.fault for result in results] == [Fault.GRADER, Fault.NONE]
    assert (results[1].outcome, results[1].reward, results[1].verifier) == (Outcome.FAILED, 0.0, VerifierMode.SHARED)
    assert {result.failed_gradings for result in results} == {1}


# Writes a reward for the right answer alone, which only the solution gives.
SUCCESS_ALONE = "grep -q right /app/answer.txt && echo 1 > /logs/verifier/reward.txt; [ -s /logs/verifier/reward.txt ]"
SOLVES = "#!/bin/bash\necho right > /app/answer.txt\n"


def test_a_grader_that_writes_a_reward_for_a_solved_task_alone_grades_failures(run: Run, tmp_path: Path) -> None:
    task = {"solution/solve.sh": SOLVES}
    passed, failed = run(SUCCESS_ALONE, "right", more=task), run(SUCCESS_ALONE, "wrong", more=task)
    assert (passed.outcome, failed.outcome, failed.reward) == (Outcome.PASSED, Outcome.FAILED, 0.0), failed.detail
    assert failed.failed_gradings == MOST_GRADINGS + 1 and "the solved environment could" in failed.detail
    again = run(SUCCESS_ALONE, "wrong", more=task)
    assert (again.outcome, again.failed_gradings) == (Outcome.FAILED, MOST_GRADINGS)


def test_that_is_found_once_for_a_shared_verifier(tmp_path: Path, base: str, swept: str) -> None:
    test = "grep -q ok /app/out && echo 1 > /logs/verifier/reward.txt; exit 0"
    small = Small(more={"tests/test.sh": f"#!/bin/bash\n{test}\n"})
    spec = with_scaffold(small.spec(tmp_path / "task", base, swept), LEAVES_BREAK)
    results = [run_trial(replace(spec, ungraded=tries)) for tries in (0, MOST_TRIES - 1, 0)]
    assert [result.fault for result in results] == [Fault.GRADER, Fault.NONE, Fault.NONE]
    assert results[-1].outcome is Outcome.FAILED, results[-1].detail


@pytest.mark.parametrize(("word", "reward"), [("ok", 1.0), ("no", 0.0)])
def test_the_artifacts_of_a_separate_verifier_are_kept_and_graded_later(
    tmp_path: Path, base: str, swept: str, failing: list[str], word: str, reward: float
) -> None:
    failing += ["no network"] * 2 * MOST_GRADINGS
    toml = SEPARATE.replace("/app/out", "/app/kept")
    small = Small("grep -q ok /app/kept/deep/out && [ ! -e /app/kept/of-the-image ]", toml=toml)
    main = f"import evolve_door as door\ndoor.run('mkdir -p kept/deep && echo {word} > kept/deep/out')"
    spec = with_scaffold(small.spec(tmp_path / "task", base, swept), main)
    result = run_trial(spec)
    assert (result.fault, failing) == (Fault.GRADER, []) and result.state is not None, result
    judgement = regrade(spec, (spec.folder.parent / result.state.path).read_bytes())
    assert judgement.grade == Reward(reward, reward), judgement


# What a whole system is: files of the image that are changed, removed and made anew, with owners, modes and links.
CHANGES = (
    "echo {word} > /opt/kept; chown 7:7 /opt/kept; chmod 4750 /opt/kept; ln /opt/kept /opt/second; "
    "ln -s /opt/kept /opt/link; "
    "rm -r /app/gone; rm /app/old; mkdir /app/old; echo x > '/app/old/a b'; echo more >> /app/file; mkfifo /opt/pipe"
)
ALL_THERE = (
    '[ "$(stat -c "%u %a" /opt/kept)" = "7 4750" ] && [ ! -e /app/gone ] && [ -f "/app/old/a b" ] && '
    '[ -p /opt/pipe ] && [ "$(cat /app/file)" = "$(printf "1\\nmore")" ] && '
    "[ /opt/kept -ef /opt/second ] && grep -q ok /opt/link"
)
IMAGE_WITH_FILES = f"{DOCKERFILE}RUN mkdir -p /app/gone/deep && echo 1 | tee /app/gone/deep/x /app/old /app/file\n"


@pytest.mark.parametrize(("word", "reward"), [("ok", 1.0), ("no", 0.0)])
def test_the_file_system_for_an_isolated_verifier_is_kept_and_graded_later(
    tmp_path: Path, base: str, swept: str, failing: list[str], word: str, reward: float
) -> None:
    failing += ["no network"] * 2 * MOST_GRADINGS
    small = Small(ALL_THERE, toml='[verifier]\nenvironment_mode = "isolated"\n', dockerfile=IMAGE_WITH_FILES)
    main = f"import evolve_door as door\nassert not door.run({CHANGES.format(word=word)!r}).exit_code"
    spec = with_scaffold(small.spec(tmp_path / "task", base, swept), main)
    result = run_trial(spec)
    assert (result.fault, failing) == (Fault.GRADER, []) and result.state is not None, result
    archive = (spec.folder.parent / result.state.path).read_bytes()
    assert len(archive) < 10_000
    judgement = regrade(spec, archive)
    assert judgement.grade == Reward(reward, reward), judgement


def test_a_container_with_volumes_is_not_kept(tmp_path: Path, base: str, swept: str, failing: list[str]) -> None:
    failing += ["no network"] * 2 * MOST_GRADINGS
    toml, image = '[verifier]\nenvironment_mode = "isolated"\n', f"{DOCKERFILE}VOLUME /data\n"
    spec = with_scaffold(Small("true", toml=toml, dockerfile=image).spec(tmp_path / "task", base, swept), LEAVES_BREAK)
    result = run_trial(spec)
    assert (result.fault, result.state) == (Fault.GRADER, None)
