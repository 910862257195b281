"""The event of what an agent changed, and the archives that it is read from."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from evolve.sandbox import working_files
from evolve.sandbox.working_files import WorkingChanges, WorkingFile
from evolve.trial.changes import MAX_LISTED, TEXT_BYTES, describe_changes, state_event


def file(data: bytes) -> WorkingFile:
    return WorkingFile(len(data), hashlib.sha256(data).hexdigest(), data[:TEXT_BYTES])


def test_texts_are_kept_and_the_rest_is_named_by_its_digest() -> None:
    big, binary = file(b"x" * (TEXT_BYTES + 1)), file(b"\xff")
    event = state_event(
        WorkingChanges({"gone": file(b""), "old": None}, {"old": file(b"new\n"), "big": big, "blob": binary})
    )
    assert event == {
        "kind": "state",
        "changes": [
            {"path": "big", "change": "added", "size": big.size, "sha256": big.sha256},
            {"path": "blob", "change": "added", "size": 1, "sha256": binary.sha256},
            {"path": "gone", "change": "deleted"},
            {"path": "old", "change": "modified", "text": "new\n"},
        ],
    }
    assert describe_changes(event).splitlines()[-1] == "modified old"


def test_many_files_are_counted_and_a_part_is_called_one() -> None:
    event = state_event(WorkingChanges({}, {f"{n:04}": file(b"x" * 900) for n in range(MAX_LISTED + 5)}, False))
    assert (len(event["changes"]), event["unlisted"], event["partial"]) == (MAX_LISTED, 5, True)
    assert sum(len(row.get("text", "")) for row in event["changes"]) <= 60_000
    assert describe_changes(event).splitlines()[-1] == f"and {MAX_LISTED + 5 - 40} more"
    assert describe_changes(state_event(WorkingChanges({}, {}))) == "no file changed"


def packed(files: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"app/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for name, to in (links or {}).items():
            member = tarfile.TarInfo(f"app/{name}")
            member.type, member.linkname = tarfile.SYMTYPE, to
            archive.addfile(member)
    return target.getvalue()


def chunks(data: bytes, size: int = 700) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def test_an_archive_is_read_without_caches_and_links_are_what_they_name() -> None:
    data = packed({"a": b"x" * 9_000, ".git/index": b"1", "b/__pycache__/c": b"2"}, {"l": "/etc/passwd"})
    files, complete = working_files._read_archive(chunks(data), 10)
    assert complete and files == {
        "a": WorkingFile(9_000, hashlib.sha256(b"x" * 9_000).hexdigest(), b"x" * 10),
        "l": file(b"2:/etc/passwd"),
    } | {"l": WorkingFile(13, hashlib.sha256(b"2:/etc/passwd").hexdigest(), b"2:/etc/pas")}


def test_limits_end_the_reading(monkeypatch: object) -> None:
    many = packed({str(n): b"x" for n in range(working_files.MAX_FILES + 1)})
    files, complete = working_files._read_archive(chunks(many, 65_536), 10)
    assert len(files) == working_files.MAX_FILES and not complete


@given(st.binary(max_size=3_000), st.integers(0, 3_000))
def test_any_bytes_are_an_archive_or_a_part_of_one(data: bytes, at: int) -> None:
    for broken in (data, packed({"a": data})[:at], packed({"a": b"x"})[:at] + data):
        files, complete = working_files._read_archive(chunks(broken), 10)
        assert isinstance(files, dict) and isinstance(complete, bool)
