"""Honest graders of strict suites: as root they use all that the agent left, and gain it nothing of root's."""

from __future__ import annotations

import contextlib
import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from unittest import mock

import pytest

from evolve.sandbox import task_containers
from evolve.trial.reward import Reward

from .harbor_tasks import VERDICT
from .test_grading import judged, write_task

pytestmark = pytest.mark.docker
PRIVATE = "umask 077; mkdir private; echo ok > private/file; chmod 500 private"
# What the tests run as the user of the candidate's code.
AS_AGENT = (
    'python3 -c \'import os, subprocess; user = int(os.environ["EVOLVE_AGENT_UID"]); os.setgroups([]); '
    'os.setgid(user); os.setuid(user); raise SystemExit(subprocess.run(["sh", "-c", "{}"]).returncode)\''
)
POWERLESS = "! cat /tests/test.sh 2>/dev/null && ! touch /logs/x 2>/dev/null && grep -q 'CapEff:.0*$' /proc/self/status"
GRADERS = {
    "reads private files": (PRIVATE, "grep -q ok private/file"),
    "writes into the working directory": ("mkdir -m 500 own; touch own/f", "echo x > result && mkdir cache && "
                                          "echo y > own/f && chmod 755 own && chown root own"),
    "keeps the candidate's code powerless": ("true", AS_AGENT.format(POWERLESS)),
}  # fmt: skip


@pytest.mark.parametrize("name", list(GRADERS))
def test_root_in_the_verifier_uses_the_agents_files(tmp_path: Path, base: str, swept: str, name: str) -> None:
    act, test = GRADERS[name]
    judgement = judged(write_task(tmp_path / "task", test + VERDICT), base, swept, act)
    assert judgement.grade == Reward(1.0, 1.0), judgement


@pytest.fixture
def with_git(tmp_path: Path) -> Path:
    """A task whose image has this machine's git; its tests ask git about the agent's repository."""
    test = "git -C /app status --short && git log -1 --format=%s | grep -q done && git diff --quiet HEAD"
    git = shutil.which("git")
    assert git is not None
    dockerfile = "ARG BASE=python:3.11-slim\nFROM ${BASE}\nCOPY git /usr/bin/git\nWORKDIR /app\n"
    folder = write_task(tmp_path / "repository", test + VERDICT)
    (folder / "environment" / "Dockerfile").write_text(dockerfile)
    shutil.copy(git, folder / "environment" / "git")
    return folder


COMMITTED = (
    "git init -q . && git config user.name a && git config user.email a@b && echo x > f && git add f && "
    "git commit -q -m done"
)


@pytest.mark.parametrize("from_file", [False, True])
def test_git_works_in_the_agents_repository(with_git: Path, base: str, swept: str, from_file: bool) -> None:
    """Earlier versions of git look at the file alone, not at variables."""
    script = with_git / "tests" / "test.sh"
    script.write_text(
        script.read_text().replace("\ngit", "\nunset GIT_CONFIG_COUNT\ngit") if from_file else script.read_text()
    )
    judgement = judged(with_git, base, swept, COMMITTED)
    assert judgement.grade == Reward(1.0, 1.0), judgement


@pytest.mark.parametrize(
    ("hole", "reward"),
    [
        (contextlib.nullcontext(), 0.0),
        (mock.patch.dict(task_containers.VERIFIER_GIT, {"GIT_CONFIG_COUNT": "1"}), 1.0),
    ],
)
def test_a_program_in_the_repositorys_settings_is_not_run(
    tmp_path: Path, with_git: Path, base: str, swept: str, hole: AbstractContextManager[object], reward: float
) -> None:
    (with_git / "tests" / "test.sh").write_text("#!/bin/bash\necho 0 > /logs/verifier/reward.txt; git status\n")
    forged = "git config core.fsmonitor 'echo 1 >/logs/verifier/reward.txt; false'"
    with hole:
        judgement = judged(with_git, base, swept, f"{COMMITTED} && {forged}")
    assert judgement.grade == Reward(reward, reward), judgement
