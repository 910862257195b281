"""What a stranger's packed run may do to the machine that looks into it."""

from __future__ import annotations

import contextlib
import gzip
import stat
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from unittest import mock

import pytest

from evolve.core.errors import BadInput
from evolve.loop.watcher import SilentWatcher
from evolve.pack import archive, checks, manifest
from evolve.pack.checks import Check, State
from evolve.pack.verify import extract_pack, verify_pack
from evolve.repo import bundle
from evolve.repo.objects import store_bytes, store_commit
from evolve.repo.shell import GitShell
from evolve.store import one_run

from ..packed import RUN, Played, forge, forge_rows

Hole = Callable[[], AbstractContextManager[object]]
AT = "2026-11-23T21:44:00+00:00"


def accepted(file: Path) -> bool:
    """Whether its members, among them database and bundle, were taken over."""
    try:
        return verify_pack(file, 0, SilentWatcher()).checks[0].state is State.HOLDS
    except BadInput:
        return False


def writes_outside(run: Played, folder: Path) -> bool:
    escaped = f"{RUN}/../../../escaped"

    def add(members: dict[str, bytes]) -> None:
        members[escaped] = b"x"

    with contextlib.suppress(BadInput):
        extract_pack(forge(run.file, folder / "forged.zip", add), folder / "out")
    return (folder.parent / "escaped").exists()


def fills_the_memory(run: Played, folder: Path) -> bool:
    """A small recording that unpacks to more than any may have."""

    def blow_up(members: dict[str, bytes]) -> None:
        name = next(name for name in members if name.endswith(".recording.gz"))
        members[name] = gzip.compress(bytes(archive.MOST_OF_RECORDING + 1), 1)

    return accepted(forge(run.file, folder / "forged.zip", blow_up))


def hides_a_trigger(run: Played, folder: Path) -> bool:
    trigger = "CREATE TRIGGER more AFTER INSERT ON session BEGIN DELETE FROM trial; END"
    return accepted(forge_rows(run.file, folder / "forged.zip", trigger))


def computes_its_rows(run: Played, folder: Path) -> bool:
    column = "ALTER TABLE lesson ADD COLUMN more TEXT GENERATED ALWAYS AS (hex(zeroblob(100))) VIRTUAL"
    return accepted(forge_rows(run.file, folder / "forged.zip", column))


def has_a_huge_row(run: Played, folder: Path) -> bool:
    statement = f"UPDATE decision SET reason = hex(zeroblob({33 * 1024 * 1024})) WHERE round = 0"
    return accepted(forge_rows(run.file, folder / "forged.zip", statement))


def reads_outside(run: Played, folder: Path) -> bool:
    """A row whose trajectory is a file of the reader's."""
    statement = "UPDATE trial SET trajectory_path = '../secret.gz' WHERE id = 1"
    try:
        extract_pack(forge_rows(run.file, folder / "forged.zip", statement), folder / "out")
    except BadInput:
        return False
    return True


def with_bundle(run: Played, folder: Path, change: Callable[[GitShell], dict[str, str]]) -> bool:
    """Whether a bundle with these refs besides the run's is taken over."""
    name = f"{RUN}/lineage.bundle"

    def rewrite(members: dict[str, bytes]) -> None:
        bare = folder / "repo"
        bare.mkdir()
        bundle.unpack_bundle(members[name], RUN, bare)
        shell = GitShell(bare, bare)
        lines = shell.text("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        refs = dict(line.split(" ") for line in lines) | change(shell)
        members[name] = bundle._header(refs) + bundle._packed(shell, refs.values())

    with mock.patch.object(bundle, "MOST_PATHS", 1 << 60):
        file = forge(run.file, folder / "forged.zip", rewrite)
    return accepted(file)


def brings_other_refs(run: Played, folder: Path) -> bool:
    return with_bundle(
        run, folder, lambda shell: {"refs/heads/main": shell.text("rev-parse", f"evolve/{RUN}/champion")}
    )


def unfolds_its_folders(run: Played, folder: Path) -> bool:
    """Eight folders, each of which holds the next one ten times: a hundred million files."""

    def fold(shell: GitShell) -> dict[str, str]:
        (oid,) = store_bytes(shell, [b"x"])
        kind = "100644 blob"
        for _ in range(9):
            lines = "".join(f"{kind} {oid}\t{number}\n" for number in range(10))
            oid, kind = shell.text("mktree", stdin=lines.encode()), "040000 tree"
        return {f"refs/heads/evolve/{RUN}/round-0009": store_commit(shell, oid, None, "x\n", AT)}

    return with_bundle(run, folder, fold)


def any_path() -> AbstractContextManager[object]:
    return mock.patch.multiple(manifest, path_problem=lambda path: "", has_place=lambda run, path: True)


def any_size() -> AbstractContextManager[object]:
    return mock.patch.object(archive, "_is_bounded", return_value=True)


def any_schema() -> AbstractContextManager[object]:
    return mock.patch.object(one_run, "_check_schema")


def any_value() -> AbstractContextManager[object]:
    return mock.patch.object(one_run, "MOST_BYTES_OF_A_VALUE", 1 << 28)


def any_file() -> AbstractContextManager[object]:
    return mock.patch.object(checks, "check_files", return_value=Check("files of rows", State.HOLDS, ""))


def any_ref() -> AbstractContextManager[object]:
    name = mock.Mock()
    name.fullmatch = lambda text: True
    return mock.patch.object(bundle, "NAME", name)


def any_folder() -> AbstractContextManager[object]:
    return mock.patch.object(bundle, "MOST_PATHS", 1 << 60)


ATTACKS: list[tuple[Callable[[Played, Path], bool], Hole]] = [
    (writes_outside, any_path),
    (fills_the_memory, any_size),
    (hides_a_trigger, any_schema),
    (computes_its_rows, any_schema),
    (has_a_huge_row, any_value),
    (reads_outside, any_file),
    (brings_other_refs, any_ref),
    (unfolds_its_folders, any_folder),
]


@pytest.mark.parametrize(("attack", "hole"), ATTACKS, ids=lambda one: one.__name__)
def test_a_strangers_pack_does_no_harm(
    attack: Callable[[Played, Path], bool], hole: Hole, packed_run: Played, tmp_path: Path
) -> None:
    weak, real = tmp_path / "weak" / "in", tmp_path / "real" / "in"
    for folder in (weak, real):
        folder.mkdir(parents=True)
    with hole():
        assert attack(packed_run, weak), "the attack does not work without the protection"
    assert not attack(packed_run, real)


def test_a_link_in_the_zip_is_written_as_a_file(packed_run: Played, tmp_path: Path) -> None:
    """What a zip says of an entry's kind is not used."""
    target = tmp_path / "linked.zip"
    with zipfile.ZipFile(packed_run.file) as source, zipfile.ZipFile(target, "w") as linked:
        for entry in source.infolist():
            data = source.read(entry)
            if entry.filename.endswith("standing.json"):
                entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            linked.writestr(entry, data)
    extract_pack(target, tmp_path / "out")
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_symlink()]


def test_a_stated_size_is_a_bound_before_anything_is_written(packed_run: Played, tmp_path: Path) -> None:
    with archive.open_pack(packed_run.file) as pack, pytest.raises(BadInput, match="would unpack to"):
        pack.unpack(tmp_path, most=1000)
    assert list(tmp_path.iterdir()) == []


def test_hooks_and_settings_of_a_repository_do_not_travel(packed_run: Played, tmp_path: Path) -> None:
    extract_pack(packed_run.file, tmp_path / "out")
    bare = tmp_path / "out" / RUN / "lineage.git"
    assert not (bare / "hooks").exists() and "[core]" in (bare / "config").read_text()
    assert "fsmonitor" not in (bare / "config").read_text()
