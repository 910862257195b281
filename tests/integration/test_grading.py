"""What a verifier leaves behind in a real container: a reward, or a named reason why there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evolve.core.records import Limits, ModelSpec, SandboxSpec, ScaffoldSource, Split, SuiteProfile, TrialSpec
from evolve.sandbox import images
from evolve.suite.tasks import load_task
from evolve.trial.reward import NoReward, Reward, Ungraded
from evolve.trial.run import populated_shell, sandboxes
from evolve.trial.verdict import Judgement, judge

pytestmark = pytest.mark.docker
DOCKERFILE = "ARG BASE=python:3.11-slim\nFROM ${BASE}\nWORKDIR /app\n"
PADDED = (
    """python3 -c "print('{\\"reward\\": 0.5, \\"pad\\": \\"' + 'x' * SIZE + '\\"}')" > /logs/verifier/reward.json"""
)
TTL = 120


def write_task(folder: Path, test: str, toml: str = "", **files: str) -> Path:
    """Write a task whose `test.sh` runs `test`; `files`: further files by path."""
    texts = {
        "task.toml": f"[environment]\nmemory_mb = 128\n{toml}\n",
        "instruction.md": "Do it.\n",
        "environment/Dockerfile": DOCKERFILE,
        "tests/test.sh": f"#!/bin/bash\n{test}\n",
        "solution/solve.sh": "#!/bin/bash\ntrue\n",
        **files,
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def judged(folder: Path, base: str, owner: str, act: str = "true", seconds: float = 20.0) -> Judgement:
    """Judge what one command leaves behind, in a strict suite."""
    task = replace(load_task(folder, Split.TRAIN, SuiteProfile.STRICT), verifier_seconds=seconds)
    image = images.task_image(task, base)
    source = ScaffoldSource(Path(), "", "")
    spec = TrialSpec(
        "tests", "oracle", task, image, source, 0, 7, ModelSpec("none"), Limits(), SandboxSpec(), Path(), owner
    )
    with sandboxes(spec, TTL) as (state, container):
        shell = populated_shell(container, state, task)
        shell.run(act)
        shell.close()
        return judge(spec, state, container, TTL)


@pytest.mark.parametrize(
    ("test", "grade"),
    [
        ("echo .5 > /logs/verifier/reward.txt; exit 7", Reward(0.5, 0.5)),
        ("echo 0 > /logs/verifier/reward.txt", Reward(0.0, 0.0)),
        ("echo '{\"reward\": 1}' > /logs/verifier/reward.json; echo 0 > /logs/verifier/reward.txt", Reward(1.0, 1.0)),
        (PADDED.replace("SIZE", "5_000"), Reward(0.5, 0.5)),
        (PADDED.replace("SIZE", "400_000"), Reward(0.5, 0.5)),
        (PADDED.replace("SIZE", "1_000_000"), Ungraded.INVALID),
        ("echo 85 > /logs/verifier/reward.txt", Ungraded.RANGE),
        ("echo good > /logs/verifier/reward.txt", Ungraded.INVALID),
        ("echo the reason; exit 1", Ungraded.MISSING),
        ("mkdir /logs/verifier/reward.json", Ungraded.MISSING),
        ("sleep 30", Ungraded.TIMEOUT),
        ("kill -9 -1", Ungraded.CRASHED),
        ("kill -9 $PPID; sleep 1", Ungraded.CRASHED),
    ],
)  # fmt: skip
def test_a_verifier_grades_or_says_why_not(
    tmp_path: Path, base: str, swept: str, test: str, grade: Reward | Ungraded
) -> None:
    folder = write_task(tmp_path / "graded", test)
    judgement = judged(folder, base, swept, seconds=3 if grade is Ungraded.TIMEOUT else 20)
    if isinstance(grade, Reward):
        assert judgement.grade == grade
        return
    assert isinstance(judgement.grade, NoReward) and judgement.grade.why is grade, judgement
    assert judgement.reward == 0.0 and judgement.detail.startswith(judgement.grade.text)
    assert grade is not Ungraded.MISSING or "mkdir" in test or "the reason" in judgement.detail
    assert grade is not Ungraded.RANGE or (judgement.grade.raw, "85" in judgement.detail) == (85.0, True)
