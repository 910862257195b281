"""The adapter for mini-swe-agent with the real tool, against a scripted endpoint: `EVOLVE_ADAPTERS=1`, needs PyPI."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.core.records import Limits, Outcome, ScaffoldSource, TrialSpec
from evolve.sandbox.scaffold_images import built_image, pinned_tools
from evolve.suite.scaffold import check_folder
from evolve.trial import comparison, trajectory
from evolve.trial.run import run_trial
from tests.fakes import tool_call
from tests.upstream import Upstream, says

from .conftest import OWNER, ROOT, Trials

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(not os.environ.get("EVOLVE_ADAPTERS"), reason="EVOLVE_ADAPTERS is not set"),
]
FOLDER = ROOT / "scaffolds" / "mini-swe-agent"
SUBMIT = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"


@pytest.fixture(scope="module")
def tools(base: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image with the tool; the packages come by the pip of this machine, with its settings."""
    folder = tmp_path_factory.mktemp("mini") / "image"
    shutil.copytree(FOLDER / "image", folder)
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-r", "requirements.txt", "-d", "wheels"]
    subprocess.run(command, cwd=folder, check=True)
    name = built_image(folder / "Dockerfile", base, print)
    return pinned_tools(name, OWNER, check_folder(FOLDER).launch.tools)


@pytest.fixture
def spec(trials: Trials, tools: str, upstream: Upstream) -> TrialSpec:
    file = next((trials.task.folder / "solution").glob("*.py"))
    commands = (f"cat > {file.name} <<'END'\n{file.read_text()}\nEND", "python3 -m unittest -q", SUBMIT)
    upstream.script(*(says("Next.", tool_call("bash", {"command": command})) for command in commands))
    for place in (FOLDER, *FOLDER.parents[:1]):
        place.chmod(0o755)
    source = ScaffoldSource(FOLDER, "", trials.base, check_folder(FOLDER).launch, tools)
    limits = Limits(calls=10, seconds=120)
    made = trials.spec("", limits, upstream.spec(prompt_price=0, completion_price=0))
    return replace(made, scaffold=source)


def test_it_solves_a_task_and_its_replay_is_the_same(spec: TrialSpec, trials: Trials, tmp_path: Path) -> None:
    result = run_trial(spec)
    assert (result.outcome, result.usage.calls) == (Outcome.PASSED, 3), result.detail
    assert result.trajectory and result.recording
    document = trajectory.load(trials.folder / result.trajectory.path)[0]
    print("start-up", document["extra"]["start_up_seconds"], "whole", result.seconds)
    steps = document["steps"]
    assert [step["source"] for step in steps] == ["system", "user", "agent", "agent", "agent", "system"]
    assert "<returncode>0</returncode>" in steps[2]["observation"]["results"][0]["content"]
    recording = trials.folder / result.recording.path
    again = run_trial(replace(spec, replay_of=recording, folder=tmp_path / "again"))
    events = trajectory.load(recording)
    assert again.recording and again.outcome is Outcome.PASSED
    assert comparison.first_difference(events, trajectory.load(tmp_path / again.recording.path)) is None
    events[1]["response"]["choices"][0]["message"]["content"] = "Next!"
    trajectory.store(tmp_path / "changed.gz", tmp_path, events)
    other = run_trial(replace(spec, replay_of=tmp_path / "changed.gz", folder=tmp_path / "other"))
    assert other.recording
    changed = trajectory.load(tmp_path / other.recording.path)
    assert comparison.first_difference(trajectory.load(recording), changed) == 2
