"""What Dockerfiles need of their builder, and the context that it gets."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.errors import BadInput
from evolve.sandbox.build_context import pack_context, pack_dockerfile
from evolve.sandbox.build_faults import is_engine_fault, is_network_fault
from evolve.sandbox.dockerfiles import build_arguments, buildkit_features, names_frontend


@pytest.mark.parametrize(
    ("text", "features"),
    [
        ("FROM x\nRUN true\nCOPY --chown=1 --from=a b c\n", ()),
        ("FROM x\nRUN <<EOF\nRUN --mount=type=cache x\nEOF\n", ("heredocs",)),
        ("FROM x\nRUN python3 - <<'PY'\nprint(1)\nPY\nRUN true\n", ("heredocs",)),
        ("FROM x\nCOPY <<-EOF /a\n\ttext\n\tEOF\n", ("heredocs",)),
        ("FROM x\nrun --mount=type=cache,target=/c \\\n  --network=none make\n", ("RUN --mount", "RUN --network")),
        ("FROM x\nRUN \\\n# comment\n  --mount=type=tmpfs,target=/t true\n", ("RUN --mount",)),
        ("FROM x\nCOPY --chmod=755 a b\nADD --checksum=sha256:0 c d\n", ("COPY --chmod", "ADD --checksum")),
        ("FROM x\nCOPY --link a b\n", ("COPY --link",)),
        ("FROM --platform=$BUILDPLATFORM x\n", ("FROM --platform",)),
        ("FROM --platform=linux/amd64 x\n", ()),
        ("FROM x\nRUN cat <<<text; echo $((1<<n)); make --mount\n", ()),
        ("FROM x\nRUN cat<<EOF\n", ()),
        ("# escape=`\nFROM x\nRUN `\n --mount=type=cache true\n", ("RUN --mount",)),
        ("FROM x\n# RUN --mount=type=cache\nLABEL a=<<EOF\n", ()),
    ],
)
def test_features_of_buildkit_are_found(text: str, features: tuple[str, ...]) -> None:
    assert buildkit_features(text) == features


@given(st.text(alphabet="RUNCOPY<-EOF'\"#\\ \n=mount", max_size=60))
def test_any_text_can_be_looked_through(text: str) -> None:
    assert isinstance(buildkit_features(text), tuple) and isinstance(names_frontend(text), bool)
    build_arguments(text, "base", "default", "linux/amd64")


def test_a_frontend_is_named_in_the_first_comments_only() -> None:
    assert names_frontend("# syntax=docker/dockerfile:1\nFROM x") and names_frontend("#escape=`\n# syntax = a/b\n")
    assert not names_frontend("FROM x\n# syntax=a/b\n") and not names_frontend("# words\n# syntax=a/b\n")


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("ARG BASE=python:3.11-slim\nFROM $BASE\n", {"BASE": "local"}),
        ('ARG BASE="python:3.11-slim"\nFROM $BASE\n', {"BASE": "local"}),
        ("ARG BASE\nFROM $BASE\n", {"BASE": "local"}),
        ("ARG BASE=ubuntu:22.04\nFROM $BASE\nARG BASE\n", {}),
        ("FROM x\n", {}),
        ("FROM x\nARG TARGETARCH\nARG BUILDPLATFORM\n", {"TARGETARCH": "arm64", "BUILDPLATFORM": "linux/arm64"}),
        ("FROM x\nARG TARGETARCH=mine\n", {}),
    ],
)
def test_only_what_a_dockerfile_leaves_open_is_given(text: str, arguments: dict[str, str]) -> None:
    assert build_arguments(text, "local", "python:3.11-slim", "linux/arm64") == arguments


def members(folder: Path, dockerfile: str | None = None) -> dict[str, tarfile.TarInfo]:
    with pack_context(folder, dockerfile) as file, tarfile.open(fileobj=file) as archive:
        return {member.name: member for member in archive}


def test_a_context_has_files_folders_and_links_but_no_caches(tmp_path: Path) -> None:
    for name in ("Dockerfile", "a/run.sh", "a/__pycache__/x.pyc", ".hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "empty").mkdir()
    (tmp_path / "a" / "run.sh").chmod(0o700)
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "folder").symlink_to("a")
    found = members(tmp_path)
    assert set(found) == {"Dockerfile", "a", "a/run.sh", ".hidden", "empty", "link", "folder"}
    assert found["link"].issym() and found["link"].linkname == "/etc/passwd" and found["folder"].issym()
    assert (found["a/run.sh"].mode, found["Dockerfile"].mode) == (0o755, 0o644)
    assert {member.uid for member in found.values()} == {0} and {member.mtime for member in found.values()} == {0}


@pytest.mark.parametrize(
    ("rules", "kept"),
    [
        ("", {"a.txt", "b/a.txt", "b/c.py"}),
        ("# a.txt\n*.txt\n", {"b/a.txt", "b/c.py"}),
        ("**/*.txt\n", {"b/c.py"}),
        ("b\n!b/c.py\n", {"a.txt", "b/c.py"}),
        ("*\n", set()),
        ("Dockerfile\n", {"a.txt", "b/a.txt", "b/c.py"}),
    ],
)
def test_what_dockerignore_excludes_is_left_out(tmp_path: Path, rules: str, kept: set[str]) -> None:
    (tmp_path / "b").mkdir()
    for name in ("Dockerfile", "a.txt", "b/a.txt", "b/c.py"):
        (tmp_path / name).write_text(name)
    (tmp_path / ".dockerignore").write_text(rules)
    found = {name for name, member in members(tmp_path).items() if member.isfile()}
    assert found - {".dockerignore"} == kept | {"Dockerfile"}


def test_a_context_may_get_another_dockerfile(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    with pack_context(tmp_path, "FROM y\n") as file, tarfile.open(fileobj=file) as archive:
        content = archive.extractfile("Dockerfile")
        assert content is not None and content.read() == b"FROM y\n" and "x" in archive.getnames()
    with pack_dockerfile("FROM z\n") as file, tarfile.open(fileobj=file) as archive:
        assert archive.getnames() == ["Dockerfile"]


def test_rules_that_are_no_text_are_named(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_bytes(b"\xff")
    with pytest.raises(BadInput, match=r"\.dockerignore: is not UTF-8"):
        pack_context(tmp_path)


@pytest.mark.parametrize(
    "output",
    [
        "toomanyrequests: You have reached your pull rate limit",
        "received unexpected HTTP status: 429 Too Many Requests",
        "dial tcp: lookup registry-1.docker.io: no such host",
        "Get https://registry-1.docker.io/v2/: net/http: TLS handshake timeout",
        "net/http: request canceled while waiting for connection (Client.Timeout exceeded)",
        "Err:1 http://deb.debian.org bookworm InRelease\n  Temporary failure resolving 'deb.debian.org'",
        "curl: (6) Could not resolve host: example.org",
        "pip._vendor.urllib3.exceptions.ReadTimeoutError: HTTPSConnectionPool",
        "npm ERR! code EAI_AGAIN",
        "received unexpected HTTP status: 503 Service Unavailable",
        "read: connection reset by peer",
        'error parsing HTTP 429 response body: unexpected end of JSON input: ""',
        "slow download: it took longer than 600 s",
        "unexpected EOF",
    ],
)
def test_faults_of_network_and_registry_are_told_apart(output: str) -> None:
    assert is_network_fault(output)


@pytest.mark.parametrize(
    "output",
    [
        "The command '/bin/sh -c false' returned a non-zero code: 1",
        "dockerfile parse error line 3: unknown instruction: NONSENSE",
        "manifest for python:0.0 not found: manifest unknown",
        "pull access denied for nobody/nothing, repository does not exist",
        "COPY failed: file not found in build context",
        "E: Unable to locate package nonsense",
        "ERROR: No matching distribution found for requests==0.429",
    ],
)
def test_faults_of_a_task_are_not_the_networks(output: str) -> None:
    assert not is_network_fault(output) and not is_engine_fault(output)
