"""The command `evolve`, in processes that are forked from one that has imported everything.

To import it takes most of the time of a short command.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from evolve.cli import (
    claims,
    commands,
    exporting,
    lineages,
    machine,
    main,
    maintenance,
    measuring,
    models,
    reading,
    task_list,
    transcripts,
)
from tests.faults.killer import forking

SECONDS = 60
IMPORTED = (
    claims, commands, exporting, lineages, machine, maintenance, measuring, models, reading, task_list, transcripts,
)  # fmt: skip


def forked(home: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command in `home`, without a key, with these variables besides."""
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "stdout"), Path(folder, "stderr")
        process = forking().Process(target=_live, args=(home, files, words, variables))
        process.start()
        process.join(SECONDS)
        if process.exitcode is None:
            process.kill()
        out, error = (file.read_text() for file in files)
    assert process.exitcode is not None, f"it did not end within {SECONDS} s: {error}"
    return subprocess.CompletedProcess(words, process.exitcode, out, error)


def _live(home: Path, files: Sequence[Path], words: Sequence[str], variables: Mapping[str, str]) -> None:
    os.chdir(home)
    for stream, path in enumerate(files, 1):
        with path.open("wb") as file:
            os.dup2(file.fileno(), stream)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        os.environ.pop(name, None)
    os.environ.update(variables)
    sys.argv = ["evolve", *words]
    main()
