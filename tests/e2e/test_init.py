"""From an agent in an empty repository to its first measured round, each command suggested by the one before."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.e2e.test_cli import SHORT, evolve, rows

DOOR = """import evolve_door as door

task = door.task()
door.chat([{"role": "user", "content": task["instruction"]}])
print(door.run("ls").stdout)
"""
# It asks the model and runs commands itself, in the task's container.
OWN = """import json, os, subprocess, sys, urllib.request

message = {"role": "user", "content": sys.argv[1]}
request = urllib.request.Request(
    os.environ["OPENAI_BASE_URL"] + "/chat/completions",
    json.dumps({"model": "any", "messages": [message]}).encode(),
    {"content-type": "application/json"},
)
json.load(urllib.request.urlopen(request))
subprocess.run(["ls"], check=True)
"""


@pytest.mark.docker
@pytest.mark.usefixtures("task_images")
@pytest.mark.parametrize(("text", "place"), [(DOOR, "entry = "), (OWN, 'place = "task"')], ids=["door", "own"])
def test_two_commands_lead_to_a_measured_round(tmp_path: Path, text: str, place: str) -> None:
    (tmp_path / "agent.py").write_text(text)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    started = evolve(tmp_path, "init")
    assert started.returncode == 0, started.stderr
    assert place in (tmp_path / "scaffold.toml").read_text()
    suggested = re.findall(r"`evolve (run[^`]*)`", started.stdout.splitlines()[-1])
    assert suggested == ["run --rounds 1"]
    run = evolve(tmp_path, *shlex.split(suggested[0]), *SHORT)
    assert run.returncode == 0, run.stdout + run.stderr
    assert rows(tmp_path, "select count(*) > 0 from trial where outcome in ('passed', 'failed') and calls") == [(1,)]
