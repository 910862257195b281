"""Check which paths and edits may become part of a candidate. Pure."""

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

# Short names that NTFS gives to `.git`, `.gitmodules` and similar files.
_SHORT_NAME = re.compile(r"gi[a-z0-9]*~[0-9]+.*")
# Printable according to Unicode, but invisible: some file systems ignore them in comparisons.
_INVISIBLE = re.compile(r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
# Device names of DOS and Windows, with any extension.
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9])( *\..*)?")


class BadPatch(EvolveError):
    """A patch that can't become a candidate. The message is the reason, and may be shown to the proposer."""


def path_problem(path: str) -> str | None:
    """Say what is wrong with the path of a scaffold's file (relative, with `/`); None if it is fine."""
    if not path or path.startswith("/") or len(path.encode("utf-8", "replace")) > MAX_PATH_BYTES:
        return f"must be relative, not empty, and at most {MAX_PATH_BYTES} bytes long"
    if not path.isprintable() or any(char in path for char in '\\:"'):
        return "must not contain control or invisible characters, backslashes, colons or double quotes"
    return next((problem for name in path.split("/") if (problem := _name_problem(name))), None)


def _name_problem(name: str) -> str | None:
    if name in ("", ".", ".."):
        return "must not have an empty, `.` or `..` part"
    if name.endswith((" ", ".")) or name != name.lstrip(" "):
        return "must not have a part that begins or ends with a space, or ends with a dot"
    if len(name.encode()) > MAX_NAME_BYTES:
        return f"must not have a part longer than {MAX_NAME_BYTES} bytes"
    if fold_case(name) == ".git" or _SHORT_NAME.fullmatch(fold_case(name)):
        return "must not lead into `.git`"
    return None


def edit_problem(path: str) -> str | None:
    """Like `path_problem`, but stricter, for paths from a model: no file with a meaning for git or the system."""
    if problem := path_problem(path):
        return problem
    if _INVISIBLE.search(path):
        return "must not contain invisible characters"
    names = path.split("/")
    if any(fold_case(name).startswith(".git") for name in names):
        return "must not be one of git's own files"
    if any(_DEVICE.fullmatch(fold_case(name)) for name in names):
        return "must not have a part that is a device name on Windows"
    return f"must not be nested in more than {MAX_FOLDERS} folders" if len(names) > MAX_FOLDERS + 1 else None


def fold_case(path: str) -> str:
    """Return one spelling for all names that a file system might treat as the same."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())


def encode_edits(edits: Sequence[FileEdit], present: Collection[str]) -> dict[str, bytes | None]:
    """Return the new bytes of each edited file; None deletes it.

    Args:
        edits: The patch.
        present: Paths of the parent's files.

    Raises:
        BadPatch: The edits can't be applied.
    """
    if not 0 < len(edits) <= MAX_EDITS:
        raise BadPatch(f"a patch must edit 1 to {MAX_EDITS} files, this one edits {len(edits)}")
    for edit in edits:
        if problem := edit_problem(edit.path):
            raise BadPatch(f"the path {edit.path[:SHOWN_CHARS]!a} {problem}")
    texts = {edit.path: _encode(edit) for edit in edits}
    if len(texts) < len(edits):
        raise BadPatch("the same file is edited twice")
    _check_result(texts, present)
    return texts


def _encode(edit: FileEdit) -> bytes | None:
    if edit.text is None:
        return None
    try:
        content = edit.text.encode()
    except UnicodeEncodeError as broken:
        raise BadPatch(f"the text of {edit.path} is not valid Unicode") from broken
    if len(content) > MAX_FILE_BYTES:
        raise BadPatch(f"{edit.path} has {len(content)} bytes, the limit is {MAX_FILE_BYTES}")
    return content


def _check_result(texts: dict[str, bytes | None], present: Collection[str]) -> None:
    """Raise BadPatch unless the files after the edits can exist side by side on any file system."""
    missing = [path for path, text in texts.items() if text is None and path not in present]
    if missing:
        raise BadPatch(f"{missing[0]} can't be deleted: it does not exist")
    after = (set(present) | set(texts)) - {path for path, text in texts.items() if text is None}
    if not after:
        raise BadPatch("the patch deletes every file")
    spellings = {fold_case(name): name for path in sorted(after) for name in (path, *_folders(path))}
    for path in sorted(after - set(present)):
        for name in (path, *_folders(path)):
            if spellings[fold_case(name)] != name:
                raise BadPatch(f"{name} and {spellings[fold_case(name)]} differ only in case or spelling")
    files = {fold_case(path): path for path in after}
    for path in sorted(after):
        for folder in _folders(path):
            if clash := files.get(fold_case(folder)):
                raise BadPatch(f"{clash} can't be both a file and a folder")


def _folders(path: str) -> list[str]:
    return [str(folder) for folder in PurePosixPath(path).parents if str(folder) != "."]
