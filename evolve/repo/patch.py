"""Which paths and edits may become part of a candidate. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from pathlib import PurePosixPath

from evolve.core.errors import EvolveError
from evolve.core.records import FileEdit

MAX_EDITS = 64
MAX_FILE_BYTES = 1024 * 1024
MAX_PATH_BYTES = 1024
MAX_NAME_BYTES = 240
MAX_FOLDERS = 16
SHOWN_CHARS = 120

# Short names that NTFS gives to `.git`, `.gitmodules` and their like.
_SHORT_NAME = re.compile(r"gi[a-z0-9]*~[0-9]+.*")
# Printable by name, but shown as nothing: some file systems leave them out of comparisons.
_INVISIBLE = re.compile(r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
# Devices on DOS and Windows, with any ending.
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9])( *\..*)?")


class BadPatch(EvolveError):
    """A patch that can't become a candidate; its text is the reason, fit to be told to the proposer."""


def path_problem(path: str) -> str | None:
    """What is wrong with a path of a scaffold's file, relative and with `/`; None if it is fine."""
    if not path or path.startswith("/") or len(path.encode("utf-8", "replace")) > MAX_PATH_BYTES:
        return "must be relative, not empty and not long"
    if not path.isprintable() or any(char in path for char in '\\:"'):
        return "must have no control or invisible characters, backslashes, colons or double quotes"
    return next((problem for name in path.split("/") if (problem := _name_problem(name))), None)


def _name_problem(name: str) -> str | None:
    if name in ("", ".", ".."):
        return "must have no empty, `.` or `..` part"
    if name.endswith((" ", ".")) or name != name.lstrip(" "):
        return "must have no part that begins or ends with a space, or ends with a dot"
    if len(name.encode()) > MAX_NAME_BYTES:
        return f"must have no part over {MAX_NAME_BYTES} bytes"
    if fold_case(name) == ".git" or _SHORT_NAME.fullmatch(fold_case(name)):
        return "must not lead into `.git`"
    return None


def edit_problem(path: str) -> str | None:
    """Like `path_problem`, and stricter, as a model wrote it: no file that git or another system takes for its own."""
    if problem := path_problem(path):
        return problem
    if _INVISIBLE.search(path):
        return "must have no invisible characters"
    names = path.split("/")
    if any(fold_case(name).startswith(".git") for name in names):
        return "must not be one of git's own files"
    if any(_DEVICE.fullmatch(fold_case(name)) for name in names):
        return "must have no part that is a device's name on Windows"
    return f"must not be in more than {MAX_FOLDERS} folders" if len(names) > MAX_FOLDERS + 1 else None


def fold_case(path: str) -> str:
    """One spelling for all that a file system might take for the same name."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())


def encode_edits(edits: Sequence[FileEdit], present: Collection[str]) -> dict[str, bytes | None]:
    """The new bytes of each edited file (None deletes), given the paths that the parent holds.

    Raises BadPatch with the reason.
    """
    if not 0 < len(edits) <= MAX_EDITS:
        raise BadPatch(f"a patch edits 1 to {MAX_EDITS} files, this one {len(edits)}")
    for edit in edits:
        if problem := edit_problem(edit.path):
            raise BadPatch(f"the path {edit.path[:SHOWN_CHARS]!a} {problem}")
    texts = {edit.path: _encoded(edit) for edit in edits}
    if len(texts) < len(edits):
        raise BadPatch("the same file is edited twice")
    _check_result(texts, present)
    return texts


def _encoded(edit: FileEdit) -> bytes | None:
    if edit.text is None:
        return None
    try:
        content = edit.text.encode()
    except UnicodeEncodeError as broken:
        raise BadPatch(f"the text of {edit.path} isn't valid Unicode") from broken
    if len(content) > MAX_FILE_BYTES:
        raise BadPatch(f"{edit.path} has {len(content)} bytes, over {MAX_FILE_BYTES}")
    return content


def _check_result(texts: dict[str, bytes | None], present: Collection[str]) -> None:
    """The files after the edits must be able to lie side by side on any file system."""
    missing = [path for path, text in texts.items() if text is None and path not in present]
    if missing:
        raise BadPatch(f"{missing[0]} can't be deleted: there is no such file")
    after = (set(present) | set(texts)) - {path for path, text in texts.items() if text is None}
    if not after:
        raise BadPatch("no file would be left")
    spelled = {fold_case(name): name for path in sorted(after) for name in (path, *_folders(path))}
    for path in sorted(after - set(present)):
        for name in (path, *_folders(path)):
            if spelled[fold_case(name)] != name:
                raise BadPatch(f"{name} and {spelled[fold_case(name)]} differ only in case or spelling")
    files = {fold_case(path): path for path in after}
    for path in sorted(after):
        for folder in _folders(path):
            if clash := files.get(fold_case(folder)):
                raise BadPatch(f"{clash} can't be a file and a folder")


def _folders(path: str) -> list[str]:
    return [str(folder) for folder in PurePosixPath(path).parents if str(folder) != "."]
