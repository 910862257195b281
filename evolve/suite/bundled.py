"""The suite and the scaffolds that come with Evolve: in a wheel inside the package, in a checkout at its top."""

from __future__ import annotations

from pathlib import Path

DEFAULT_SUITE = Path("tasks/bugfix")
DEFAULT_SCAFFOLD = Path("scaffolds/single")
_PACKAGE = Path(__file__).parent.parent


def bundled_suite() -> Path:
    """The bundled suite's folder."""
    return _top() / DEFAULT_SUITE


def bundled_scaffold(name: str = "single") -> Path:
    """The folder of the bundled scaffold `name`; it may not exist."""
    return _top() / "scaffolds" / name


def or_bundled(path: Path) -> Path:
    """`path`, or the bundled folder of this name if the current directory has none: `tasks/bugfix`, `scaffolds/...`."""
    return _top() / path if is_bundled(path) else path


def is_bundled(path: Path) -> bool:
    """Whether `path` stands for a bundled folder: nothing has this name here, and a bundled folder has it."""
    named = len(path.parts) == 2 and path.parts[0] in ("tasks", "scaffolds") and path.name != ".."
    return named and not path.exists() and (_top() / path).is_dir()


def stored_folder(path: Path, runs: Path) -> Path:
    """The folder that a run stored as `path`.

    A relative path counts from the folder that holds the results: a run is mostly started there, and it can then be
    read from anywhere. Otherwise the path counts from the current directory; otherwise it is a bundled folder.
    """
    beside = runs.resolve().parent / path
    if path.is_absolute() or path.absolute() == beside or not beside.is_dir():
        return or_bundled(path)
    return beside


def _top() -> Path:
    inside = _PACKAGE / "bundled"
    return inside if inside.is_dir() else _PACKAGE.parent
