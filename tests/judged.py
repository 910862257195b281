"""Verdicts of the bundled verifier without a container, under the user of the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
VERIFIER = ROOT / "tasks" / "bugfix" / "_verifier"
REWARD = "/logs/verifier/reward.txt"
# The verifier that this one replaced: the tests run in the candidate's process, among decoys.
DECOY_JUDGE = ROOT / "tests" / "adversarial" / "decoy_judge.py"


@dataclass(frozen=True)
class Verdict:
    """The reward that was written, and all that the verifier and the candidate's code printed."""

    reward: float
    output: str


def verdict(folder: Path, project: Mapping[str, str], hidden: str, **changes: str) -> Verdict:
    """Judge a project by a hidden test. `changes` replaces constants of judge.py, such as `SECONDS="2"`."""
    app = folder / "app"
    for name, text in project.items():
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).write_text(text)
    return judge(folder, app, {file.name: file.read_text() for file in VERIFIER.glob("*.py")}, hidden, **changes)


def decoy_verdict(folder: Path, app: Path, hidden: str, **changes: str) -> Verdict:
    """What the verifier said that gave the tests to the candidate's process."""
    return judge(folder, app, {"judge.py": DECOY_JUDGE.read_text()}, hidden, AGENT=str(os.getuid()), **changes)


def judge(folder: Path, app: Path, files: Mapping[str, str], hidden: str, **changes: str) -> Verdict:
    tests, reward = folder / "tests", folder / "logs" / "reward.txt"
    tests.mkdir(parents=True)
    for name, text in {**files, "test_hidden.py": hidden}.items():
        (tests / name).write_text(text)
    main = tests / "judge.py"
    main.write_text(_changed(main.read_text().replace(REWARD, str(reward)), changes))
    command = [sys.executable, "-I", str(main)]
    env = {**os.environ, "EVOLVE_AGENT_UID": str(os.getuid())}
    done = subprocess.run(command, cwd=app, env=env, capture_output=True, timeout=120)
    return Verdict(float(reward.read_text()), (done.stdout + done.stderr).decode(errors="replace"))


def _changed(text: str, changes: Mapping[str, str]) -> str:
    lines = []
    for line in text.splitlines():
        name = line.split(" = ")[0]
        lines.append(f"{name} = {changes[name]}" if name in changes else line)
    return "\n".join(lines) + "\n"
