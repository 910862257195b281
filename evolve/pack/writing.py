"""Write a stored run into one file. Nothing of the run or of the user's repository is changed."""

from __future__ import annotations

import io
import platform
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO

from evolve import __version__
from evolve.core.errors import BadInput, Locked
from evolve.core.records import StoredFile
from evolve.host.locks import is_locked
from evolve.host.temporary import temporary_folder
from evolve.loop import checkpoint
from evolve.loop.checkpoint import rule_digest
from evolve.maintenance.doctor.files import stored_files
from evolve.pack.archive import add_manifest, add_stream, file_digest, new_archive
from evolve.pack.facts import claim_in, facts_of, other_looks, outputs_of
from evolve.pack.key_search import KeySearch
from evolve.pack.manifest import BUNDLE, DATABASE, Manifest, Member, place_of
from evolve.repo.bundle import bundle_contents, write_bundle
from evolve.runs import gc_record
from evolve.runs.identity import PACKED_SUITE, suite_of_run
from evolve.runs.lookup import open_results, results_file, run_row
from evolve.runs.repository import lineage_of
from evolve.runs.stored_config import stored_config
from evolve.store import RunRow, Store
from evolve.store.one_run import extract_run, texts_of
from evolve.suite.hidden import OPEN_FILES, is_shown
from evolve.suite.reading import INSTRUCTION
from evolve.suite.tasks import SUITE_FILE, Suite

EXTENSION = ".evolve.zip"


@dataclass(frozen=True)
class Packed:
    """A pack that was written. `size`: of the file, in bytes."""

    file: Path
    sha256: str
    size: int
    manifest: Manifest


@dataclass(frozen=True)
class Source:
    """A file that goes into a pack. `path`: in the pack."""

    path: str
    file: Path
    executable: bool = False


class Extent(StrEnum):
    """How much goes into a pack: all, all but tests and solutions, or neither files of trials nor a suite."""

    WHOLE = "whole"
    WITHOUT_TESTS = "without tests"
    LIGHT = "absent"


def pack_run(runs: Path, run: str | None, target: Path | None, extent: Extent = Extent.WHOLE) -> Packed:
    """Write a run into one file: its rows, commits, recordings and trajectories, and its suite.

    The same run gives the same bytes.

    Args:
        runs: The folder of the results.
        run: The run's id; None: the newest.
        target: The file; None: the run's id in the current folder. It must not exist.
        extent: Without the suite's tests no trial can be run again, and without the suite no decision checked.

    Raises:
        BadInput: There is no such run, its suite has changed, the file exists, or a key is in what would be packed.
        DiskFull: The disk is full.
        Locked: A process is working on the run.
    """
    with open_results(runs) as store:
        row = run_row(store, run)
        others = other_looks(store, row.id)
    file = target or Path(f"{row.id}{EXTENSION}")
    if file.exists() or not file.absolute().parent.is_dir():
        problem = "already exists, and nothing is overwritten" if file.exists() else "its folder does not exist"
        raise BadInput(str(file), problem, "name another file with --out")
    if is_locked(runs / row.id):
        raise Locked(f"run {row.id}: another process is working on it; wait for it, or stop it")
    with temporary_folder("pack") as place, new_archive(file) as archive:
        extract_run(results_file(runs), row.id, place / DATABASE)
        manifest = _Writing(archive, runs, row, place, extent, others).write()
    return Packed(file, file_digest(file), file.stat().st_size, manifest)


@dataclass(frozen=True)
class _Writing:
    """Writes one pack. `place`: a folder with the run's own database."""

    archive: zipfile.ZipFile
    runs: Path
    row: RunRow
    place: Path
    extent: Extent
    others: int

    def write(self) -> Manifest:
        config = stored_config(self.row)
        search = KeySearch.of(config)
        for where, text in texts_of(self.place / DATABASE):
            search.check(f"run {self.row.id}, {where}", text.encode("utf-8", "replace"))
        lineage = lineage_of(self.row, self.runs)
        bundled = write_bundle(lineage.git_dir, self.row.id, lineage.place.prefix)
        for contents in bundle_contents(bundled.data):
            search.check(f"run {self.row.id}, a file or message of its commits", contents)
        members = [self._add(DATABASE, (self.place / DATABASE).open("rb"), search)]
        members.append(self._add(place_of(self.row.id, BUNDLE), io.BytesIO(bundled.data), search))
        with Store.open(self.place / DATABASE) as store:
            recorded = stored_files(store, self.row.id)
            claim = claim_in(store, self.row.id, self.others)
        sources = [*self._recorded(recorded), *self._suite_files()]
        members += [self._add(one.path, one.file.open("rb"), search, one.executable) for one in sources]
        packed = {member.path for member in members}
        manifest = Manifest(
            evolve=__version__,
            python=platform.python_version(),
            rule_sha256=rule_digest(),
            facts=facts_of(self.row),
            claim=claim,
            outputs=outputs_of(config),
            suite=self.extent.value,
            outside=bundled.outside,
            absent=tuple(sorted({one.path for one in recorded} - packed)),
            members=tuple(members),
        )
        search.check("the manifest", manifest.page())
        add_manifest(self.archive, manifest)
        return manifest

    def _add(self, path: str, source: IO[bytes], search: KeySearch, executable: bool = False) -> Member:
        with source:
            return add_stream(self.archive, path, source, executable, search.stream(path))

    def _recorded(self, recorded: Sequence[StoredFile]) -> Iterator[Source]:
        """The files that rows name, and what is kept beside the run and can be checked against the rows."""
        if self.extent is not Extent.LIGHT:
            removed = gc_record.read(self.runs / self.row.id).files
            for path in sorted(one.path for one in recorded):
                if (self.runs / path).is_file():
                    yield Source(path, self.runs / path)
                elif path not in removed:
                    raise BadInput(str(self.runs / path), "is missing", "restore it from a backup; see `evolve doctor`")
        for name in (gc_record.FILE, checkpoint.FILE):
            if (file := self.runs / self.row.id / name).is_file():
                yield Source(place_of(self.row.id, name), file)

    def _suite_files(self) -> Iterator[Source]:
        if self.extent is Extent.LIGHT:
            return
        suite = suite_of_run(self.row, self.runs)
        top = place_of(self.row.id, f"{PACKED_SUITE}/{Path(self.row.suite).name}")
        for file in files_of(suite, self.extent is Extent.WHOLE):
            name = file.relative_to(suite.folder.resolve()).as_posix()
            yield Source(f"{top}/{name}", file, bool(file.stat().st_mode & 0o100))


def files_of(suite: Suite, with_tests: bool) -> Iterator[Path]:
    """The files of a suite that its digest covers. Raises BadInput for a link."""
    if (file := suite.folder.resolve() / SUITE_FILE).is_file():
        yield file
    for task in sorted((*suite.tasks, *suite.refused), key=lambda task: task.name):
        folder = task.folder.resolve()
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            shown = is_shown(f"{task.name}/{name}") or path.name in (*OPEN_FILES, INSTRUCTION)
            if "__pycache__" in path.parts or (path.is_dir() and not path.is_symlink()):
                continue
            if path.is_symlink() and with_tests:
                fix = "put the file there, or use --without-tests"
                raise BadInput(str(path), "is a link, which no pack can hold", fix)
            if path.is_file() and not path.is_symlink() and (with_tests or shown):
                yield path
