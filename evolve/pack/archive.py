"""The file itself: a zip that is the same for the same members, and a stranger's, unpacked within bounds."""

from __future__ import annotations

import hashlib
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from evolve.core.errors import BadInput
from evolve.host import disk
from evolve.pack.manifest import NAME, Manifest, Member, read_manifest

CHUNK = 1024 * 1024
# Every entry has this time, so that equal runs make equal files.
TIME = (1980, 1, 1, 0, 0, 0)
# What is compressed already.
STORED = (".gz",)
MOST_BYTES = 64 * 1024 * 1024 * 1024
MOST_OF_MANIFEST = 512 * 1024 * 1024
MOST_OF_DIRECTORY = 1024 * 1024 * 1024
# Of a recording or a trajectory when it is read.
MOST_OF_RECORDING = 128 * 1024 * 1024
END, END_SIZE, LONGEST_COMMENT = b"PK\x05\x06", 22, 65_535
NOT_A_PACK = "is not a pack"
FIX = "give a file that `evolve pack` wrote"


@contextmanager
def new_archive(target: Path) -> Iterator[zipfile.ZipFile]:
    """Provide a zip that becomes `target` at the end, or nothing."""
    part = target.with_name(f".{target.name}{disk.PART}")
    with disk.convert_os_errors(target):
        try:
            with zipfile.ZipFile(part, "w", allowZip64=True) as archive:
                yield archive
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


def add_stream(
    archive: zipfile.ZipFile, path: str, source: IO[bytes], executable: bool, seen: Callable[[bytes], None]
) -> Member:
    """Add a file. `seen`: is given all of its bytes, in order."""
    total, size = hashlib.sha256(), 0
    with archive.open(_entry(path, executable), "w", force_zip64=True) as target:
        while chunk := source.read(CHUNK):
            seen(chunk)
            total.update(chunk)
            size += len(chunk)
            target.write(chunk)
    return Member(path=path, size=size, sha256=total.hexdigest(), executable=executable)


def add_manifest(archive: zipfile.ZipFile, manifest: Manifest) -> None:
    archive.writestr(_entry(NAME, False), manifest.page())


def _entry(path: str, executable: bool) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(path, TIME)
    entry.create_system = 3
    entry.external_attr = (0o100755 if executable else 0o100644) << 16
    entry.compress_type = zipfile.ZIP_STORED if path.endswith(STORED) else zipfile.ZIP_DEFLATED
    return entry


@dataclass(frozen=True)
class Problem:
    """A member that is not what the manifest says."""

    path: str
    what: str


class Pack:
    """A pack of unknown origin. Nothing of it is written before its sizes and names are known to be harmless."""

    def __init__(self, file: Path, archive: zipfile.ZipFile, manifest: Manifest) -> None:
        self.file, self._archive, self.manifest = file, archive, manifest

    @property
    def digest(self) -> str:
        """The sha256 of the file."""
        return file_digest(self.file)

    def misfits(self) -> list[Problem]:
        """Entries that the manifest lacks, and members that have no entry, or one of another size or kind."""
        entries = {entry.filename: entry for entry in self._archive.infolist()}
        members = {member.path: member for member in self.manifest.members}
        problems = [Problem(path, "is not in the manifest") for path in entries.keys() - members.keys() - {NAME}]
        if len(entries) < len(self._archive.infolist()):
            problems.append(Problem(self.file.name, "has two entries of one name"))
        for path, member in members.items():
            if (entry := entries.get(path)) is None:
                problems.append(Problem(path, "is missing"))
            elif entry.file_size != member.size:
                problems.append(Problem(path, f"has {entry.file_size} bytes, not {member.size}"))
            elif entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                problems.append(Problem(path, "is encrypted, or compressed in another way"))
        return sorted(problems, key=lambda problem: problem.path)

    def unpack(self, folder: Path, most: int = MOST_BYTES) -> list[Problem]:
        """Write every member below an empty folder, as a plain file; -> those whose content is another one.

        Raises:
            BadInput: The members have more than `most` bytes together.
            DiskFull: They don't fit.
        """
        size = sum(member.size for member in self.manifest.members)
        if size > most:
            raise BadInput(str(self.file), f"would unpack to {size} bytes; {most} are the limit", "check what it is")
        disk.check_free_space([folder], size + disk.MIN_FREE_BYTES)
        with disk.convert_os_errors(folder):
            return [
                problem for member in self.manifest.members if (problem := self._unpack_one(member, folder)) is not None
            ]

    def _unpack_one(self, member: Member, folder: Path) -> Problem | None:
        target = folder.joinpath(*member.path.split("/"))
        target.parent.mkdir(parents=True, exist_ok=True)
        total = hashlib.sha256()
        try:
            with self._archive.open(member.path) as source, target.open("xb") as file:
                for chunk in _bounded(source, member.size):
                    total.update(chunk)
                    file.write(chunk)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, RuntimeError) as error:
            return Problem(member.path, f"can't be unpacked: {error}")
        if member.executable:
            target.chmod(0o755)
        if total.hexdigest() != member.sha256:
            return Problem(member.path, "has changed since it was packed (sha256 differs)")
        if target.suffix == ".gz" and not _is_bounded(target):
            return Problem(member.path, f"unpacks to more than {MOST_OF_RECORDING} bytes")
        return None


def _bounded(source: IO[bytes], size: int) -> Iterator[bytes]:
    left = size
    while left > 0 and (chunk := source.read(min(CHUNK, left))):
        left -= len(chunk)
        yield chunk


def _is_bounded(file: Path) -> bool:
    """Whether a compressed file unpacks to a bearable size. One that is no such file fails where it is read."""
    unpacker, size = zlib.decompressobj(wbits=31), 0
    with file.open("rb") as source:
        while chunk := source.read(CHUNK):
            while chunk and size <= MOST_OF_RECORDING:
                try:
                    size += len(unpacker.decompress(chunk, CHUNK))
                except zlib.error:
                    return True
                chunk = unpacker.unconsumed_tail
            if unpacker.eof:
                # A second stream after the first is none of ours.
                return not unpacker.unused_data and not source.read(1) and size <= MOST_OF_RECORDING
    return size <= MOST_OF_RECORDING


def file_digest(file: Path) -> str:
    """The sha256 of a file."""
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


@contextmanager
def open_pack(file: Path) -> Iterator[Pack]:
    """Open a pack of unknown origin.

    Raises:
        BadInput: There is no such file, it is no pack, or one of a newer format.
    """
    if not file.is_file():
        raise BadInput(str(file), "no such file", FIX)
    try:
        _check_directory(file)
        with zipfile.ZipFile(file) as archive:
            yield Pack(file, archive, read_manifest(str(file), _manifest_page(file, archive)))
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, NotImplementedError, UnicodeDecodeError) as error:
        raise BadInput(str(file), f"{NOT_A_PACK}: {error}", FIX) from error
    except OSError as error:
        raise BadInput(str(file), f"can't be read: {error.strerror or error}", "check its permissions") from error


def _manifest_page(file: Path, archive: zipfile.ZipFile) -> bytes:
    try:
        entry = archive.getinfo(NAME)
    except KeyError as error:
        raise BadInput(str(file), f"{NOT_A_PACK}: it has no {NAME}", FIX) from error
    if entry.file_size > MOST_OF_MANIFEST or entry.flag_bits & 1:
        raise BadInput(str(file), f"{NOT_A_PACK}: its {NAME} can't be read", FIX)
    with archive.open(entry) as source:
        return b"".join(_bounded(source, MOST_OF_MANIFEST))


def _check_directory(file: Path) -> None:
    """Raise BadInput if the zip's list of entries is larger than any pack's: it is read into memory as a whole."""
    with file.open("rb") as source:
        source.seek(0, 2)
        source.seek(max(source.tell() - END_SIZE - LONGEST_COMMENT, 0))
        tail = source.read()
    at = tail.rfind(END)
    if at < 0 or len(tail) - at < END_SIZE:
        raise BadInput(str(file), NOT_A_PACK, FIX)
    (size,) = struct.unpack_from("<I", tail, at + 12)
    # Zip64 has the size elsewhere; the file's own size bounds it then.
    size = file.stat().st_size if size == 0xFFFFFFFF else size
    if size > MOST_OF_DIRECTORY:
        raise BadInput(str(file), f"{NOT_A_PACK}: its list of entries has {size} bytes", FIX)
