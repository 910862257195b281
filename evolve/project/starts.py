"""How a recognised agent is started: the lines of its `scaffold.toml`, and the files beside it."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Template

from evolve.guard.change import parse_files
from evolve.guard.scope import DOOR
from evolve.project.quoting import quoted
from evolve.project.writing import NewFile

# The folder of what `evolve init` adds to an agent; coding agents' own is copied from the bundled scaffold.
FOLDER = "evolve-agent"
PLACE = 'place = "task"  # it works in the task\'s container'
NODE = "24.22.3"
CODING_TOOLS = {"codex": "Codex CLI", "opencode": "opencode", "qwen-code": "Qwen Code"}

_READS_STDIN = re.compile(r"sys\.stdin|\binput\(|process\.stdin|readFileSync\((?:0|['\"]/dev/stdin)")
_FLAG = re.compile(r"['\"](--(?:task|instruction|prompt|message|query|problem))['\"]")

PYTHON_IMAGE = """# The packages of the agent, in /opt/agent, which is copied into the images of the tasks.
ARG BASE=python:3.11-slim
FROM ${BASE}
COPY . /opt/agent/
# Packages in a folder `lib`, if there is one, are taken in place of the index's.
RUN [ -d /opt/agent/lib ] || { apt-get update && apt-get install -y --no-install-recommends python3-pip && \\
    python3 -m pip install --no-cache-dir --target /opt/agent/lib -r /opt/agent/requirements.txt; }
RUN python3 -m compileall -q /opt/agent/lib
"""
NODE_IMAGE = """# Node and the packages of the agent, in /opt/agent, which is copied into the images of the tasks.
ARG BASE=python:3.11-slim
FROM $${BASE}
COPY . /opt/agent/
# A file `node` and a folder `node_modules`, if they are there, are taken in place of the registry's.
RUN [ -x /opt/agent/node ] && [ -d /opt/agent/node_modules ] || \\
    { apt-get update && apt-get install -y --no-install-recommends npm; }
RUN [ -x /opt/agent/node ] || { mkdir -p /opt/node && cd /opt/node && \\
    npm install --no-audit --no-fund "node-linux-$$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')@$node" && \\
    cp node_modules/node-linux-*/bin/node /opt/agent/node; }
RUN [ -d /opt/agent/node_modules ] || { cd /opt/agent && npm $install --no-audit --no-fund; }
"""
NODE_RUN = """#!/bin/sh
# Start the agent from a copy of its files that has its packages beside it. Arguments: those of the agent.
set -eu
work=$$(mktemp -d)
cp -R /scaffold/. "$$work"
ln -s /opt/agent/node_modules "$$work/node_modules"
exec /opt/agent/node "$$work/$entry" "$$@"
"""


@dataclass(frozen=True)
class Start:
    """How an agent is started.

    Attributes:
        title: What it is, for people.
        entry: Its first file; "" for a coding agent.
        lines: Of `scaffold.toml`, from `entry` or `place` on; `tables`: those that come last.
        files: To write beside it.
        tool: The bundled scaffold that runs instructions and skills; "" for a program.
        notes: What people should check.
    """

    title: str
    language: str
    entry: str = ""
    lines: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    files: tuple[NewFile, ...] = ()
    tool: str = ""
    notes: tuple[str, ...] = ()

    @property
    def in_task(self) -> bool:
        """Whether it works in the task's container."""
        return PLACE in self.lines


def coding_start(tool: str) -> Start:
    """Instructions and skills that a coding agent follows in the task's container."""
    lines = (PLACE, _command("sh", f"/scaffold/{FOLDER}/run.sh", "{instruction_file}"))
    title = CODING_TOOLS[tool]
    return Start(
        title,
        "coding",
        lines=lines,
        tables=_image(),
        tool=tool,
        notes=(f"{title} follows them; `--agent` chooses another one of {', '.join(CODING_TOOLS)}",),
    )


def python_start(entry: str, texts: Mapping[str, str], packages: Sequence[str]) -> Start:
    """A Python program: behind the door if it imports it, otherwise in the task's container."""
    if _uses_door(texts):
        return Start("a Python agent that uses evolve_door", "python", entry, (_entry(entry),))
    lines, notes = _task_lines(("python3", f"/scaffold/{entry}"), texts[entry])
    files: tuple[NewFile, ...] = ()
    tables: tuple[str, ...] = ()
    if packages:
        requirements = NewFile(f"{FOLDER}/image/requirements.txt", ("\n".join(packages) + "\n").encode())
        files = (NewFile(f"{FOLDER}/image/Dockerfile", PYTHON_IMAGE.encode()), requirements)
        tables = (*_image(), "", "[env]", 'PYTHONPATH = "/opt/agent/lib"')
    return Start(
        "a Python agent", "python", entry, lines, tables, files, notes=(*notes, "the images of the tasks need python3")
    )


def node_start(entry: str, texts: Mapping[str, str]) -> Start:
    """A program for Node in the task's container; Node itself runs TypeScript."""
    lines, notes = _task_lines(("sh", f"/scaffold/{FOLDER}/run.sh"), texts[entry])
    locked = "package-lock.json" in texts
    image = Template(NODE_IMAGE).substitute(node=NODE, install="ci" if locked else "install")
    manifests = ["package.json", *(["package-lock.json"] if locked else [])]
    files = (
        NewFile(f"{FOLDER}/run.sh", Template(NODE_RUN).substitute(entry=entry).encode(), executable=True),
        NewFile(f"{FOLDER}/image/Dockerfile", image.encode()),
        *(NewFile(f"{FOLDER}/image/{name}", texts[name].encode()) for name in manifests),
    )
    kind = "a TypeScript agent" if entry.endswith("ts") else "a JavaScript agent"
    return Start(kind, "node", entry, lines, _image(), files, notes=notes)


def _uses_door(texts: Mapping[str, str]) -> bool:
    """Whether its code imports the door, or there is no code yet: nothing else reaches a task from outside."""
    modules = parse_files(texts).values()
    nodes = [node for module in modules for node in module.nodes]
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return DOOR in names or not any(isinstance(node, ast.stmt) for node in nodes)


def _task_lines(command: Sequence[str], text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The lines that start a command in the task's container, and how it gets the instruction, for people."""
    if flag := _FLAG.search(text):
        return (PLACE, _command(*command, flag[1], "{instruction}")), (f"it gets the instruction by {flag[1]}",)
    if _READS_STDIN.search(text):
        return (PLACE, _command(*command), "stdin = true  # the instruction is its standard input"), (
            "it gets the instruction as its standard input",
        )
    return (PLACE, _command(*command, "{instruction}")), ("it gets the instruction as its argument (`command`)",)


def _entry(entry: str) -> str:
    return f"entry = {quoted(entry)}  # run as `python3 {entry}` for each trial"


def _command(*parts: str) -> str:
    return f"command = {quoted(list(parts))}"


def _image() -> tuple[str, ...]:
    return (
        "[image]",
        f'build = "{FOLDER}/image/Dockerfile"  # built once; its /opt/agent goes into the tasks\' images',
    )
