"""How a scaffold is started: where, by which command, with which variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

INSTRUCTION = "{instruction}"
# Where a trial's agent finds its instruction as a file.
INSTRUCTION_FILE = "/opt/evolve/instruction.md"
SCAFFOLD = "/scaffold"
# The folder of a scaffold's own image that is copied into the images of tasks, unless it names another one.
TOOLS = "/opt/agent"
# The port of the gateway on an agent's loopback; `launch.py` in the sandbox's files has the same.
GATEWAY_PORT = 8111
GATEWAY_URL = f"http://127.0.0.1:{GATEWAY_PORT}"


class Place(StrEnum):
    """OWN: a container of its own, from which commands go through the door. TASK: the task's container."""

    OWN = "own"
    TASK = "task"


@dataclass(frozen=True)
class Launch:
    """How a scaffold is started.

    Attributes:
        command: The program and its arguments, with placeholders; empty: `python3 ENTRY`.
        stdin: The instruction is the command's standard input.
        env: Variables beside those that Evolve sets, with placeholders.
        tools: TASK: the folder of the scaffold's image that is copied into the task's.
    """

    place: Place = Place.OWN
    command: tuple[str, ...] = ()
    stdin: bool = False
    env: tuple[tuple[str, str], ...] = ()
    tools: str = TOOLS

    @property
    def in_task(self) -> bool:
        return self.place is Place.TASK

    def filled(self, values: Mapping[str, str]) -> Launch:
        """The same with values in place of `{name}`; other braces stay as they are."""

        def fill(text: str) -> str:
            return _fill(text, values)

        command = tuple(map(fill, self.command))
        env = tuple((name, fill(value)) for name, value in self.env)
        return Launch(self.place, command, self.stdin, env, self.tools)


def _fill(text: str, values: Mapping[str, str]) -> str:
    """Replace each placeholder once: what a value holds is no placeholder."""
    parts: list[str] = []
    while text:
        found = [(at, name) for name in values if (at := text.find(f"{{{name}}}")) >= 0]
        if not found:
            break
        at, name = min(found)
        parts += [text[:at], values[name]]
        text = text[at + len(name) + 2 :]
    return "".join([*parts, text])


def gateway_variables(url: str) -> dict[str, str]:
    """The variables by which clients of the known protocols find a gateway. `url`: without a slash at the end.

    The keys mean nothing: clients refuse to start without one.
    """
    return {
        "OPENAI_BASE_URL": f"{url}/v1",
        "OPENAI_API_BASE": f"{url}/v1",
        "OPENAI_API_KEY": "none",
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": "none",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }
