"""Verifies a pack of unknown origin: what is in it, what follows from it, and a sample of its trials."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from evolve.core.errors import BadInput, EvolveError
from evolve.host.temporary import temporary_folder
from evolve.loop.watcher import Watcher
from evolve.pack import checks
from evolve.pack.archive import Pack, Problem, open_pack
from evolve.pack.checks import Check, State, Unpacked, checked
from evolve.pack.manifest import BUNDLE, DATABASE, Manifest, place_of
from evolve.pack.replaying import check_replays
from evolve.repo.bundle import unpack_bundle
from evolve.runs.repository import lineage_home
from evolve.store import Store
from evolve.store.one_run import adopt_database

MEMBERS = "members"


@dataclass(frozen=True)
class Verification:
    """The result. `digest`: the sha256 of the file."""

    manifest: Manifest
    digest: str
    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing that was checked fails."""
        return all(check.state is not State.FAILS for check in self.checks)


class Unreadable(Exception):
    """Nothing more of a pack can be checked. `check`: what failed."""

    def __init__(self, check: Check) -> None:
        super().__init__(check.name)
        self.check = check


def verify_pack(file: Path, sample: int, watcher: Watcher, seed: str | None = None) -> Verification:
    """Check a pack, and run a sample of its trials again.

    Args:
        file: The pack.
        sample: How many trials; 0: none, which needs no container engine.
        seed: What chooses the sample; None: the sha256 of the file.

    Raises:
        BadInput: There is no such file, it is no pack or one of a newer format.
    """
    with open_pack(file) as pack, temporary_folder("pack") as folder:
        manifest, digest = pack.manifest, pack.digest
        try:
            found = list(_checks(pack, folder / "runs", sample, seed or digest, watcher))
        except Unreadable as error:
            found = [error.check]
        return Verification(manifest, digest, tuple(found))


def _checks(pack: Pack, runs: Path, sample: int, salt: str, watcher: Watcher) -> Iterator[Check]:
    with unpacked_in(pack, runs) as unpacked:
        count = len(pack.manifest.members)
        yield Check(MEMBERS, State.HOLDS, f"{count} files, sizes and sha256 of all; the database's integrity")
        yield checks.check_rows(unpacked)
        yield checks.check_files(unpacked)
        yield checks.check_lineage(unpacked)
        suite_check, suite = checks.load_suite_of(unpacked)
        yield suite_check
        yield checks.check_decisions(unpacked, suite)
        yield checks.check_claim(unpacked)
        yield check_replays(unpacked, suite, sample, salt, watcher)


@contextmanager
def unpacked_in(pack: Pack, runs: Path) -> Iterator[Unpacked]:
    """Unpack into a new folder, as a folder of results with one run.

    Raises:
        Unreadable: A member is not what the manifest says, or can't be read.
    """
    runs.mkdir(parents=True)
    _refuse(MEMBERS, pack.misfits())
    _refuse(MEMBERS, pack.unpack(runs))
    run = pack.manifest.run
    raw = runs / f"{DATABASE}.packed"
    try:
        (runs / DATABASE).rename(raw)
        adopt_database(raw, runs / DATABASE)
        raw.unlink()
        bundle = runs / place_of(run, BUNDLE)
        bare = lineage_home(runs, run)
        bare.mkdir(parents=True)
        unpack_bundle(bundle.read_bytes(), run, bare)
        bundle.unlink()
    except FileNotFoundError as error:
        raise Unreadable(checked(MEMBERS, "", [f"{Path(str(error.filename)).name}: is missing"])) from error
    except EvolveError as error:
        raise Unreadable(checked(MEMBERS, "", [str(error)])) from error
    with Store.open(runs / DATABASE) as store:
        row = store.run(run)
        if row is None:
            raise Unreadable(checked("rows", "", [f"{DATABASE}: has no run {run}"]))
        yield Unpacked(pack.manifest, runs, store, row)


def _refuse(name: str, problems: list[Problem]) -> None:
    if problems:
        raise Unreadable(checked(name, "", [f"{problem.path}: {problem.what}" for problem in problems]))


def extract_pack(file: Path, target: Path) -> Manifest:
    """Unpack a pack into a new folder of results, which every reading command can show.

    Raises:
        BadInput: It is no pack, a member is not what the manifest says, or the folder exists.
        DiskFull: The disk is full.
    """
    if target.exists():
        raise BadInput(str(target), "already exists, and nothing is overwritten", "name another folder")
    part = target.with_name(f".{target.name}.part")
    try:
        with open_pack(file) as pack:
            try:
                with unpacked_in(pack, part) as unpacked:
                    _refuse_strange(checks.check_rows(unpacked), checks.check_files(unpacked))
            except Unreadable as error:
                _refuse_strange(error.check)
            part.rename(target)
            return pack.manifest
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _refuse_strange(*found: Check) -> None:
    for check in found:
        if check.state is State.FAILS:
            raise BadInput("the pack", check.problems[0], "see `evolve verify`; nothing was extracted")
