"""Patches that a model wrote to get out, to hide or to confuse, and repositories that show other than they hold."""

from __future__ import annotations

import os
import unicodedata
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from evolve.core.errors import BadInput, InfraError
from evolve.core.records import FileEdit
from evolve.repo import BadPatch, Lineage
from evolve.repo import objects as objects_module
from evolve.repo.objects import Entry, check_files, compose_message
from evolve.repo.patch import MAX_FILE_BYTES, edit_problem, encode_edits, fold_case
from tests.test_repo import RUN, SCAFFOLD, WHEN, _own_git_config, candidate, git, lineage, template, top, tree, write

__all__ = ["_own_git_config", "lineage", "template", "top"]

INVISIBLE = "\u200b\u200c\u200d\u200e\u202a\u202e\u2060\u2066\u2069\ufeff\u00ad\u034f"
PIECES = st.sampled_from(
    [
        "a", "B", "agent.py", "AGENT.PY", "prompts", "Prompts", ".", "..", "...", "", " ", "~", "-", "é", "e\u0301",
        ".git", ".GIT", ".gIt", ".git.", ".git ", "git~1", "GIT~1", "gi7eba~1", ".git::$INDEX_ALLOCATION",
        ".git\u200c", ".g\u200dit", ".gi\u034ft", "\ufeff.git", "．git", "．ｇｉｔ", ".gitmodules", ".gitattributes",
        ".GitIgnore", "gitmod~1", ".gitmoduleſ", "nul", "CON.txt", "aux.py", "COM1", "lpt9.x", "x:y", "C:", "a\\b",
        "\0", "\n", "\x1b[31m", "\x7f", "\x85", "\u2028", "\u202egnp.exe", "x" * 241, "\ud800", "*", "a*", '"', "$(id)",
    ]
)  # fmt: skip
PATHS = st.builds("/".join, st.lists(PIECES | st.text(max_size=4), min_size=1, max_size=5)) | st.text(max_size=12)
TEXTS = st.none() | st.text(max_size=8)
EDITS = st.lists(st.builds(FileEdit, PATHS, TEXTS), min_size=1, max_size=4)


def is_sound(path: str) -> bool:
    """Written down apart from the code: what a path in a candidate may look like."""
    names = path.split("/")
    flat = [unicodedata.normalize("NFKC", "".join(c for c in name if c not in INVISIBLE)).lower() for name in names]
    return (
        os.path.normpath(f"/top/{path}") == f"/top/{path}"
        and not any(c in path for c in INVISIBLE + '\\:"\0\n\r\x1b\x7f\u2028\u2029')
        and not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for c in path)
        and not any(name.startswith((".git", "git~")) or name.rstrip(". ") != name for name in flat)
        and not any(name.split(".")[0] in ("con", "nul", "aux", "prn", "com1", "lpt9") for name in flat)
        and all(len(name.encode()) <= 255 for name in names)
        and len(path.encode()) <= 4096
    )


@settings(max_examples=400, deadline=None)
@given(PATHS)
@example("a/../../x")
@example("/etc/passwd")
@example("~root/x\\..\\y")
@example("/".join("a" * 18))
def test_a_hostile_path_never_gets_through(path: str) -> None:
    if edit_problem(path) is None:
        assert is_sound(path) and path.count("/") <= 16


@settings(max_examples=200, deadline=None)
@given(EDITS)
def test_the_files_after_a_patch_can_coexist_on_any_file_system(edits: list[FileEdit]) -> None:
    try:
        texts = encode_edits(edits, list(SCAFFOLD))
    except BadPatch as problem:
        told = str(problem)
        texts = {}
    else:
        told = ""
    assert len(told) < 500 and told.isprintable()
    after = {*SCAFFOLD, *texts} - {path for path, text in texts.items() if text is None}
    every = {part for path in after for part in (path, *(str(p) for p in Path(path).parents))}
    assert all(is_sound(path) for path in texts)
    assert len({fold_case(name) for name in every}) == len(every)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EDITS, st.integers(0, 10**9))
def test_what_is_committed_is_what_was_checked(
    lineage: Lineage, top: Path, tmp_path: Path, edits: list[FileEdit], number: int
) -> None:
    seed = lineage.seed(RUN, WHEN)
    try:
        sha = candidate(lineage, seed, *edits, FileEdit("agent.py", f"{number}\n"))
    except BadPatch:
        return
    before, after = tree(top, seed), tree(top, sha)
    changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    assert changed <= {f"scaffolds/single/{edit.path}" for edit in edits} | {"scaffolds/single/agent.py"}
    assert {facts.split()[0] for facts in after.values()} <= {"100644", "100755"}
    out = lineage.export(sha, tmp_path / sha)
    assert all(path.is_dir() or (path.is_file() and not path.is_symlink()) for path in out.rglob("*"))


@pytest.mark.parametrize("path", ["Prompts/new.md", "PROMPTS/x/y.md", "agent.PY", "prompts/System.md"])
def test_names_that_differ_by_case_are_refused_for_folders_too(path: str) -> None:
    with pytest.raises(BadPatch, match="differ only in case"):
        encode_edits([FileEdit(path, "x")], list(SCAFFOLD))


def test_existing_names_that_differ_by_case_may_be_edited() -> None:
    assert encode_edits([FileEdit("A/x.md", "new")], ["A/x.md", "a/y.md", "b"]) == {"A/x.md": b"new"}


@pytest.mark.parametrize("mode", ["120000", "160000", "040000", "100664", "100600", "104755", "100777"])
def test_only_plain_modes_are_files_of_a_scaffold(mode: str) -> None:
    with pytest.raises(BadInput, match="is not a regular file"):
        check_files("here", [Entry("a", mode, "0" * 40)])


def test_too_many_or_too_large_files_after_the_patch_are_refused(
    lineage: Lineage, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = lineage.seed(RUN, WHEN)
    monkeypatch.setattr(objects_module, "MAX_FILES", len(SCAFFOLD))
    with pytest.raises(BadPatch, match="4 files"):
        candidate(lineage, seed, FileEdit("new.py", "x"))
    assert candidate(lineage, seed, FileEdit("new.py", "x"), FileEdit("run.sh", None))
    monkeypatch.setattr(objects_module, "MAX_BYTES", 2 * MAX_FILE_BYTES)
    big = [FileEdit(name, "x" * (MAX_FILE_BYTES - 1)) for name in SCAFFOLD]
    with pytest.raises(BadPatch, match="bytes exceed"):
        candidate(lineage, seed, *big)


def test_replacements_grafts_attributes_and_filters_change_nothing(
    lineage: Lineage, top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = candidate(lineage, lineage.seed(RUN, WHEN), FileEdit("agent.py", "$Id$ $Format:%H$ honest\n"))
    want, marker = lineage.files(sha), tmp_path / "ran"
    evil = _evil_blob(top, tmp_path)
    real = git(top, "rev-parse", f"{sha}:scaffolds/single/agent.py")
    git(top, "replace", real, evil)
    git(top, "replace", sha, git(top, "rev-parse", "HEAD"))
    (top / ".git/info").mkdir(exist_ok=True)
    (top / ".git/info/grafts").write_text(f"{sha} {git(top, 'rev-parse', 'HEAD')}\n")
    (top / ".git/info/attributes").write_text(
        "* filter=evil ident text eol=crlf export-ignore export-subst diff=evil\n"
    )
    for key in ("filter.evil.smudge", "filter.evil.clean", "filter.evil.process", "diff.evil.textconv", "core.pager"):
        git(top, "config", key, f"touch {marker}; cat")
    write(top / "scaffolds/single", {"agent.py": "dirty\n", ".gitattributes": "* export-ignore\n"})
    monkeypatch.delenv("GIT_NO_REPLACE_OBJECTS", raising=False)
    out = lineage.export(sha, tmp_path / "out")
    assert lineage.files(sha) == want
    assert (out / "agent.py").read_text() == "$Id$ $Format:%H$ honest\n"
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == set(want)
    assert "honest" in lineage.diff(lineage.resolve("evolve/20261123-2144-quiet-otter/round-0000"), sha)
    assert not marker.exists()


def _evil_blob(top: Path, folder: Path) -> str:
    (folder / "evil").write_text("evil\n")
    return git(top, "hash-object", "-w", "--no-filters", str(folder / "evil"))


@pytest.mark.parametrize("kind", ["agent.py", "prompts"])
def test_damaged_objects_are_found(lineage: Lineage, top: Path, kind: str) -> None:
    sha = lineage.seed(RUN, WHEN)
    oid = git(top, "rev-parse", f"{sha}:scaffolds/single/{kind}")
    file = top / ".git/objects" / oid[:2] / oid[2:]
    old = zlib.decompress(file.read_bytes())
    new = old.replace(b"one", b"two") if kind == "agent.py" else old.replace(b"system", b"zystem")
    assert new != old
    file.chmod(0o644)
    file.write_bytes(zlib.compress(new))
    with pytest.raises(InfraError):
        lineage.files(sha)


@pytest.mark.parametrize("format_", ["sha1", "sha256"])
def test_valid_trees_of_any_form_are_accepted(tmp_path: Path, format_: str) -> None:
    """Folders and files whose order in a tree is not the order of their names; executable bits; odd bytes."""
    names = {"a/b": "1", "a.b": "2", "a-b": "", "a0/x/y/z": "é\r\n", "ab": "\x00", "ü/漢 字.md": "3"}
    write(tmp_path / "one", names)
    (tmp_path / "one/ab").chmod(0o755)
    git(tmp_path / "one", "init", "-q", f"--object-format={format_}")
    git(tmp_path / "one", "add", "-A")
    git(tmp_path / "one", "commit", "-qm", "x")
    found = Lineage.open(tmp_path / "one", tmp_path / "none")
    assert set(found.files(found.resolve("HEAD"))) == set(names)


@pytest.mark.parametrize("spoil", ["change", "add", "remove", "link", "mode"])
def test_an_exported_folder_that_was_changed_is_not_used(lineage: Lineage, tmp_path: Path, spoil: str) -> None:
    sha = lineage.seed(RUN, WHEN)
    file = lineage.export(sha, tmp_path / "out") / "agent.py"
    if spoil == "change":
        file.write_text("print('two')\n")
    elif spoil == "mode":
        file.chmod(0o755)
    elif spoil == "add":
        (file.parent / "sitecustomize.py").touch()
    else:
        content = file.read_text()
        file.unlink()
        if spoil == "link":
            (tmp_path / "elsewhere").write_text(content)
            file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadInput, match="remove that folder"):
        lineage.export(sha, tmp_path / "out")


def test_a_message_can_not_reverse_or_hide_text() -> None:
    text = compose_message("Round 1", "good \u202e\u2066evil\u200b \x1b[31m\u2028x", {"Evolve-Run": "a"})
    assert all(c == "\n" or c.isprintable() for c in text)
