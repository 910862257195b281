"""Bundles of a run's commits, and others that are read as data."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.errors import BadInput
from evolve.repo import Lineage
from evolve.repo.bundle import _parse, bundle_contents, unpack_bundle, write_bundle
from evolve.repo.shell import GitShell

RUN = "20261123-2144-otter"
AT = "2026-11-23T21:44:00+00:00"


@pytest.fixture
def bundle(tmp_path: Path) -> bytes:
    (tmp_path / "scaffold").mkdir()
    (tmp_path / "scaffold" / "main.py").write_text("LEVEL = 1\n")
    lineage = Lineage.open(tmp_path / "scaffold", tmp_path / "lineage.git", alone=True)
    lineage.seed(RUN, AT)
    return write_bundle(lineage.git_dir, RUN).data


def test_a_bundle_is_unpacked_to_the_same_commits(
    bundle: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("copy").mkdir()
    unpack_bundle(bundle, RUN, Path("copy"))
    ours, theirs = (Lineage.at(tmp_path / name) for name in ("lineage.git", "copy"))
    assert ours.branches(RUN) == theirs.branches(RUN) and len(ours.branches(RUN)) == 2
    seed = str(theirs.seed_of(RUN))
    assert theirs.files(seed) == {"main.py": "LEVEL = 1\n"}
    assert GitShell(tmp_path / "copy", tmp_path / "copy").text("rev-list", "--count", seed) == "1"
    assert write_bundle(tmp_path / "copy", RUN).data == bundle and b"LEVEL = 1\n" in list(bundle_contents(bundle))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data.replace(RUN.encode(), b"20261123-2144-other"), "none of run"),
        (lambda data: data.replace(b"# v2", b"# v4"), "is no git bundle"),
        (lambda data: data[:-30], "its objects can't be read"),
        (lambda data: data[:-25] + bytes([data[-25] ^ 1]) + data[-24:], "its objects can't be read"),
        (lambda data: data.replace(b"refs/heads/", b"refs/heads/\n", 1), "has a header that is none of Evolve's"),
        (lambda data: data[:16] + b"f" * 40 + data[56:], "lacks the commit ffff"),
    ],
)
def test_a_changed_bundle_is_refused(bundle: bytes, tmp_path: Path, change: object, words: str) -> None:
    (tmp_path / "copy").mkdir()
    with pytest.raises(BadInput, match=words):
        unpack_bundle(change(bundle), RUN, tmp_path / "copy")  # type: ignore[operator]


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"# v2 git bundle\n", b"# v3 git bundle\n@object-format=sha256\n"])
)
def test_any_bytes_are_a_bundle_or_refused(data: bytes, start: bytes) -> None:
    try:
        refs, pack = _parse(start + data)
    except BadInput:
        return
    assert refs and pack.startswith(b"PACK")
