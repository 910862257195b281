"""The door's edits in a real container: whole or not at all, also where the disk is full."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from evolve.core.records import Limits, SandboxSpec, TaskImage
from evolve.sandbox.inside import AGENT
from evolve.sandbox.shell import ContainerShell
from evolve.sandbox.task_containers import task_container
from evolve.sandbox.task_state import TaskState
from evolve.trial.gateway.commands import READ_BYTES
from evolve.trial.gateway.door import Door
from evolve.trial.gateway.server import Gateway
from tests.fakes import ScriptedModel
from tests.test_gateway import SPEC, call, code, replace

pytestmark = pytest.mark.docker


@pytest.fixture
def shell(built: dict[str, TaskImage], swept: str) -> Iterator[ContainerShell]:
    state = TaskState(swept, next(iter(built.values())), SandboxSpec(memory_mb=128, disk_mb=16))
    container = task_container(state, 120)
    opened = container.shell(AGENT, "/app")
    yield opened
    opened.close()
    container.kill()
    state.remove()


def test_an_edit_is_whole_or_nothing(shell: ContainerShell, tmp_path: Path) -> None:
    line = b"0123456789abcdef\r\n"
    content = line * 50_000 + b"the end"
    for at in range(0, len(content), READ_BYTES):
        shell.run("cat >> big", stdin=content[at : at + READ_BYTES])
    shell.run("chmod 750 big; ln -s big link; echo one > twin; ln twin other; printf 'a\\nb' > kept; chmod 400 kept")
    with Gateway(Door("opaque", "Mend it.", "/app", 7, SPEC, Limits()), ScriptedModel(), shell, tmp_path) as served:
        assert replace(served, "link", "the end", "the\nvery end")[0] == 200
        assert replace(served, "other", "one", "two")[0] == 200
        assert code(replace(served, "kept", "a", "c")) == (400, "not_writable")
        assert code(call(served, "/evolve/read", {"path": "big"})) == (413, "too_large")
        shell.run("cat /dev/zero > full 2>/dev/null; echo more >> twin")
        filled = shell.run("cat twin").stdout
        for path, old in (("big", "very end"), ("twin", "two")):
            assert code(replace(served, path, old, "x" * 900_000)) in ((413, "too_large"), (400, "not_writable"))
        assert shell.run("cat twin").stdout == filled
    assert served.fault is None
    assert shell.run("tail -c 20 big; stat -c %a big; wc -c < big").stdout == (
        b"bcdef\r\nthe\r\nvery end750\n%d\n" % (len(content) + 6)
    )
    assert shell.run("cat twin other kept; ls -A | sort").stdout.endswith(b"kept\nlink\nother\ntwin\n")
