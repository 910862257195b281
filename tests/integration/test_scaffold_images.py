"""A scaffold's own image: checked before anything starts, used by its id, with its variables."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.core.errors import BadInput
from evolve.core.records import Limits, Outcome
from evolve.sandbox import engine, images
from evolve.sandbox.scaffold_images import built_image, pinned_image, write_context
from evolve.trial import trajectory
from evolve.trial.run import run_trial

from .conftest import Trials

pytestmark = pytest.mark.docker
NAME = f"evolve-test-scaffold-{os.getpid()}"
Build = Callable[..., str]
MAIN = """
import os, sys
import evolve_door as door
import extra
print("VARIABLES", os.environ["AGENT_HOME"], os.environ["PATH"].split(":")[0], extra.__file__, sys.path[1])
print("OURS", os.environ["HOME"], os.environ["OPENAI_API_KEY"])
sys.exit(1)
"""


@pytest.fixture
def build(base: str) -> Iterator[Build]:
    """Build an image under a name of its own from lines of a Dockerfile, and remove it at the end."""
    pinned_image.cache_clear()
    client = engine.connect()

    def built(*lines: str, start: str = base) -> str:
        text = "\n".join([f"FROM {start}", *lines]).encode()
        made, _ = client.images.build(fileobj=io.BytesIO(text), tag=NAME, rm=True)
        return str(made.id)

    yield built
    client.images.remove(NAME, force=True)


def test_what_an_image_is_built_from_is_alone_in_its_context(tmp_path: Path) -> None:
    """What lies beside it evolves, and the image must not change with that."""
    for name in ("Dockerfile", "needs.txt", "agent.py"):
        (tmp_path / name).write_text(name)
    alone, installed = tmp_path / "alone", tmp_path / "installed"
    for folder in (alone, installed):
        folder.mkdir()
    write_context(tmp_path / "Dockerfile", alone)
    write_context(tmp_path / "needs.txt", installed)
    assert [file.name for file in alone.iterdir()] == ["Dockerfile"]
    assert (installed / "requirements.txt").read_text() == "needs.txt"
    assert "pip install --no-cache-dir -r /tmp/requirements.txt" in (installed / "Dockerfile").read_text()


def test_an_image_is_used_by_its_id_whatever_its_name_means_later(build: Build, swept: str) -> None:
    first = build("ENV VERSION=1")
    assert pinned_image(NAME, swept) == first
    other = build("ENV VERSION=2")
    assert pinned_image(NAME, f"{swept}-other") == other
    with pytest.raises(
        BadInput, match=r"is no longer the image that the run began with, sha256:0000; start another run"
    ):
        pinned_image(NAME, swept, "sha256:0000")
    assert pinned_image(NAME, swept, other) == other


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["ENTRYPOINT [\"python3\"]"], "has an ENTRYPOINT"),
        (["RUN rm -f /usr/bin/python3* /usr/local/bin/python3*"], "lacks python3 or timeout"),
        (["RUN rm -f /usr/bin/timeout"], "lacks python3 or timeout"),
    ],
)  # fmt: skip
def test_an_image_that_can_start_no_scaffold_is_refused_by_name(
    build: Build, swept: str, lines: list[str], problem: str
) -> None:
    build(*lines)
    with pytest.raises(BadInput, match=f"key `image`: `{NAME}` {problem}"):
        pinned_image(NAME, swept)


def test_an_image_that_is_missing_is_refused_by_name(swept: str) -> None:
    with pytest.raises(BadInput, match=r"key `image`: the engine has no image `no-such-image`; build or pull it first"):
        pinned_image("no-such-image", swept)


def test_the_variables_of_the_image_are_kept(build: Build, trials: Trials) -> None:
    module = "RUN mkdir -p /opt/more && echo 'x = 1' > /opt/more/extra.py"
    image = build(module, "ENV AGENT_HOME=/opt/agent PATH=/opt/bin:$PATH PYTHONPATH=/opt/more HOME=/root")
    spec = trials.spec(MAIN, Limits(calls=1, seconds=30))
    result = run_trial(replace(spec, scaffold=replace(spec.scaffold, image=image)))
    assert result.outcome is Outcome.SCAFFOLD_ERROR and result.trajectory, result.detail
    log = trajectory.load(trials.folder / result.trajectory.path)[0]["extra"]["log"]
    assert "VARIABLES /opt/agent /opt/bin /opt/more/extra.py /opt/evolve" in log
    assert "OURS /tmp none" in log


def test_the_base_image_needs_no_check(base: str, swept: str) -> None:
    assert pinned_image(base, swept) == images.image_id(base)


def test_an_image_is_built_once_for_its_dockerfile_and_the_files_beside_it(
    base: str, swept: str, tmp_path: Path
) -> None:
    notices: list[str] = []
    dockerfile = tmp_path / "image" / "Dockerfile"
    dockerfile.parent.mkdir()
    dockerfile.write_text("ARG BASE\nFROM ${BASE}\nCOPY note /note\n")
    names = []
    for text in ("one", "one", "two"):
        (dockerfile.parent / "note").write_text(f"{text} {os.getpid()}")
        names.append(built_image(dockerfile, base, notices.append))
    try:
        assert names[0] == names[1] != names[2] and notices == ["building the scaffold's image"] * 2
        assert pinned_image(names[0], swept) == images.image_id(names[0])
        dockerfile.write_text("ARG BASE\nFROM ${BASE}\nRUN exit 3\n")
        with pytest.raises(BadInput, match="/image: its image can't be built"):
            built_image(dockerfile, base, notices.append)
    finally:
        for name in {*names}:
            engine.connect().images.remove(name, force=True)
