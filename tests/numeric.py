"""Ten tasks whose tests write numbers, and a scaffold that comes closer to them the higher its LEVEL is."""

from __future__ import annotations

import subprocess
from pathlib import Path

TARGETS = {f"guess-{number}": 17 * (number + 3) for number in range(10)}
SPLITS = {"train": 4, "validation": 4, "holdout": 2}
SUITE = """[suite]
name = "numbers"
[splits]
{splits}
[reward]
main = "error"
direction = "lower"
min = 0
max = 100
passes = 10
"""
# The last task has a scale of its own.
OWN_SCALE = '[metadata.evolve.reward]\nmain = "accuracy"\nmax = 1\n'
TASK = """schema_version = "1.4"
[metadata]
difficulty = "easy"
{scale}[environment]
cpus = 1
memory_mb = 128
network_mode = "no-network"
[agent]
timeout_sec = 30
[verifier]
timeout_sec = 30
"""
TEST = """#!/bin/sh
guess=$(cat guess.txt 2>/dev/null || echo 0)
error=$((guess > {target} ? guess - {target} : {target} - guess))
[ $error -le 100 ] || error=100
printf '{{"error": %d, "accuracy": %d.%02d, "digits": %d}}' \\
    $error $(((100 - error) / 100)) $(((100 - error) % 100)) ${{#guess}} > /logs/verifier/reward.json
"""
MAIN = """import evolve_door as door

LEVEL = {level}
door.chat([{{"role": "user", "content": "Hello"}}])
target = int(door.task()["instruction"].split()[-1])
door.run(f"echo {{target - (100 - LEVEL)}} > guess.txt")
"""
TOML = 'name = "guesser"\nentry = "main.py"\nevolvable = ["*.py"]\n'


def write_suite(folder: Path) -> Path:
    """Write the suite. At LEVEL n each task's error is 100 - n; doing nothing has an error of up to 100."""
    names = iter(TARGETS)
    splits = "\n".join(f"{split} = {[next(names) for _ in range(count)]}" for split, count in SPLITS.items())
    _write(folder / "suite.toml", SUITE.format(splits=splits.replace("'", '"')))
    for name, target in TARGETS.items():
        scale = OWN_SCALE if name == "guess-9" else ""
        _write(folder / name / "task.toml", TASK.format(scale=scale))
        _write(folder / name / "instruction.md", f"Write this number into guess.txt: {target}\n")
        _write(folder / name / "environment/Dockerfile", "ARG BASE=python:3.11-slim\nFROM ${BASE}\nWORKDIR /app\n")
        _write(folder / name / "tests/test.sh", TEST.format(target=target))
        _write(folder / name / "solution/solve.sh", f"#!/bin/sh\necho {target} > guess.txt\n")
    return folder


def write_scaffold(home: Path, level: int) -> Path:
    """Write a repository with the scaffold."""
    _write(home / "agent/main.py", MAIN.format(level=level))
    _write(home / "agent/scaffold.toml", TOML)
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x"]):
        subprocess.run(["git", "-C", str(home), *words], check=True)
    return home / "agent"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755 if path.suffix == ".sh" else 0o644)
