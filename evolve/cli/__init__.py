"""The command line. Results go to stdout, progress and errors to stderr."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

from evolve import __version__
from evolve.core.errors import EXIT_BAD_INPUT, EXIT_BUG, EXIT_INTERRUPTED, EXIT_MACHINE, EvolveError
from evolve.core.escaping import plain
from evolve.core.secrets import environment_secrets, without_secrets
from evolve.host import disk
from evolve.host.platform import check_platform
from evolve.report.crash import without_keys, write_crash_log

__all__ = ["main"]

# What modules and rows make at a start stays: looking for garbage so often takes a tenth of it.
COLLECTED_AFTER = 50_000


def main() -> None:
    """Run the command line; never shows a traceback."""
    if sys.argv[1:] == ["--version"]:
        print(f"evolve {__version__}")
        return
    gc.set_threshold(COLLECTED_AFTER)
    try:
        check_platform()
        status = _run_command()
    except EvolveError as error:
        status = _fail(str(error), error.exit_status)
    except KeyboardInterrupt:
        status = _fail("interrupted; the same command resumes it", EXIT_INTERRUPTED)
    except Exception as error:
        status = _failed_unexpectedly(error)
    sys.exit(status)


def _run_command() -> int:
    """Run the command of the arguments. -> its exit status"""
    from typer import Abort
    from typer.exceptions import TyperException

    # They register their commands, in the order in which help lists them.
    from evolve.cli import commands, pack_commands, result_commands, setup_commands  # noqa: F401
    from evolve.cli.options import app
    from evolve.cli.usage import usage_line

    try:
        status = app(standalone_mode=False, prog_name="evolve")
    except TyperException as error:
        return _fail(usage_line(error), EXIT_BAD_INPUT)
    except Abort:
        raise KeyboardInterrupt from None
    if status == EXIT_INTERRUPTED:
        raise KeyboardInterrupt
    return status if isinstance(status, int) else 0


def _failed_unexpectedly(error: Exception) -> int:
    if disk.is_full_disk_error(error):
        return _fail(str(disk.disk_full_error(Path.cwd(), str(error))), EXIT_MACHINE)
    if (refused := disk.refused_path(error)) is not None:
        return _fail(str(refused), refused.exit_status)
    log = write_crash_log(error)
    words = f"this is a bug in evolve {__version__}: {type(error).__name__}: {error}; the details are in {log}"
    return _fail(without_keys(words, error), EXIT_BUG)


def _fail(text: str, status: int) -> int:
    from rich.console import Console
    from rich.text import Text

    # Errors of libraries may quote a request with its headers.
    shown = plain(without_secrets(text, environment_secrets(os.environ)))
    line = Text.assemble(("error:", "bold red"), " ", shown)
    Console(stderr=True, highlight=False).print(line, soft_wrap=True)
    return status
