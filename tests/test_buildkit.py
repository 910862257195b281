"""Building through `docker buildx`, by a program of this name that notes what it gets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from docker.errors import BuildError

from evolve.sandbox import buildkit
from evolve.sandbox.build_context import pack_dockerfile
from evolve.sandbox.image_store import machine_fault

Program = Callable[[str], Path]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Makes a `docker` that runs a shell script; returns the folder in which it works."""
    buildkit.has_buildx.cache_clear()
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)

    def make(script: str) -> Path:
        (tmp_path / "docker").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "docker").chmod(0o755)
        return tmp_path

    yield make
    buildkit.has_buildx.cache_clear()


def engine(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    client = SimpleNamespace(version=lambda: {"Version": version})
    monkeypatch.setattr(buildkit, "connect", lambda: client)


@pytest.mark.parametrize(
    ("script", "version", "features", "frontend", "problem"),
    [
        ("exit 1", "28.0.1", ("RUN --mount",), False, "`docker buildx` is not installed"),
        ("exit 0", "28.0.1", ("RUN --mount", "heredocs"), False, ""),
        ("exit 0", "20.10.24+dfsg1", ("RUN --mount",), False, ""),
        ("exit 0", "20.10.24+dfsg1", ("heredocs",), False, "the engine 20.10.24+dfsg1 has an older one"),
        ("exit 0", "20.10.24+dfsg1", ("heredocs",), True, ""),
        ("exit 1", "20.10.24", (), False, ""),
    ],
)
def test_what_can_not_be_built_here_is_said(
    program: Program,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    version: str,
    features: tuple[str, ...],
    frontend: bool,
    problem: str,
) -> None:
    program(script)
    engine(monkeypatch, version)
    found = buildkit.missing_builder(features, frontend)
    assert (problem in found) if problem else found == ""


def test_without_the_program_there_is_no_buildkit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    buildkit.has_buildx.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not buildkit.has_buildx()
    buildkit.has_buildx.cache_clear()


def test_context_and_arguments_are_handed_over(program: Program) -> None:
    folder = program('echo "$@" > arguments; cat > context.tar')
    with pack_dockerfile("FROM x\n") as context:
        buildkit.build(context, "a:b", {"BASE": "local"}, 30)
    assert (folder / "arguments").read_text().split() == [
        "buildx", "build", "--load", "--progress", "plain", "--tag", "a:b", "--build-arg", "BASE=local", "-",
    ]  # fmt: skip
    assert b"FROM x" in (folder / "context.tar").read_bytes()


def failure(seconds: float = 30) -> BuildError:
    with pack_dockerfile("FROM x\n") as context, pytest.raises(BuildError) as caught:
        buildkit.build(context, "a:b", {}, seconds)
    return caught.value


def test_a_failed_build_has_the_builders_words(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evolve.sandbox.image_store.answers", lambda: True)
    program("cat >/dev/null; echo 'exit code: 1' >&2; exit 1")
    error = failure()
    assert "exit code: 1" in str(error) and machine_fault(error, "task") is None
    program("cat >/dev/null; echo '429 Too Many Requests' >&2; exit 1")
    assert machine_fault(failure(), "task") is not None


def test_a_build_ends_at_its_time(program: Program) -> None:
    program("exec sleep 20")
    assert "took longer than 0.3 s" in str(failure(0.3))
