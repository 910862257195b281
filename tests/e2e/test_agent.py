"""An agent in the task's container, from the command line: measured, evolved and replayed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .marked import ROOT
from .test_cli import SHORT

pytestmark = pytest.mark.docker
AGENT = """
import json, os, subprocess, sys, urllib.request
assert open("/opt/agent/version").read() == "1"
messages = [{"role": "user", "content": open(sys.argv[1]).read()}]
body = json.dumps({"model": "any", "messages": messages}).encode()
request = urllib.request.Request(sys.argv[2] + "/v1/chat/completions", body, {"Content-Type": "application/json"})
json.load(urllib.request.urlopen(request))
subprocess.run("echo seen > seen.txt", shell=True, check=True)
"""
FILES = {
    "agent/scaffold.toml": (
        'name = "plain"\nplace = "task"\nevolvable = ["*.py"]\n'
        'command = ["python3", "/scaffold/agent.py", "{instruction_file}", "{url}"]\n[image]\nbuild = "Dockerfile"\n'
    ),
    "agent/Dockerfile": (
        "ARG BASE=python:3.11-slim\nFROM ${BASE}\nRUN mkdir -p /opt/agent && printf 1 > /opt/agent/version\n"
    ),
    "agent/agent.py": AGENT,
    "suite/suite.toml": '[splits]\ntrain = ["lru-cache"]\nvalidation = ["vending-machine"]\n',
}


def evolve(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    command = [sys.executable, "-m", "evolve", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_an_agent_in_the_tasks_container_is_evolved_and_replayed(tmp_path: Path, task_images: str) -> None:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for task in ("lru-cache", "vending-machine"):
        (tmp_path / "suite" / task).symlink_to(ROOT / "tasks" / "bugfix" / task)
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    words = ("--scaffold", "agent", "--suite", "suite", "--rounds", "1", "--model", "embedded")
    said = evolve(tmp_path, "run", *words, *SHORT)
    assert "run: VALID" in said
    (run,) = (path.name for path in (tmp_path / "runs").iterdir() if path.is_dir())
    identical = re.search(r"(\d+) of (\d+) trials identical", evolve(tmp_path, "replay", f"evolve/{run}/round-0000"))
    assert identical and identical[1] == identical[2]
