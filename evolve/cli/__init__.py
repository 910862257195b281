"""The command line. Results go to stdout, progress and errors to stderr."""

from __future__ import annotations

import sys
from pathlib import Path

import typer
from rich.console import Console
from rich.text import Text
from typer.exceptions import TyperException

from evolve import __version__
from evolve.cli import maintenance, measuring, reading, starting
from evolve.cli.options import app
from evolve.core.errors import EXIT_BAD_INPUT, EXIT_BUG, EXIT_INTERRUPTED, EXIT_MACHINE, EvolveError
from evolve.host import disk
from evolve.report.crash import write_crash_log
from evolve.report.escaping import plain

__all__ = ["app", "main", "maintenance", "measuring", "reading", "starting"]


def _fail(text: str) -> None:
    line = Text.assemble(("error:", "bold red"), " ", plain(text))
    Console(stderr=True, highlight=False).print(line, soft_wrap=True)


def _usage_words(error: TyperException) -> str:
    """The error with the option that it is about, on one line."""
    return " ".join(error.format_message().split()).rstrip(".")


def main() -> None:
    """Run the command line; never shows a traceback."""
    try:
        status = app(standalone_mode=False)
        if status == EXIT_INTERRUPTED:
            raise KeyboardInterrupt
        sys.exit(status if isinstance(status, int) else 0)
    except TyperException as error:
        _fail(f"{_usage_words(error)}; see `evolve --help`")
        sys.exit(EXIT_BAD_INPUT)
    except EvolveError as error:
        _fail(str(error))
        sys.exit(error.exit_status)
    except (KeyboardInterrupt, typer.Abort):
        _fail("interrupted; the same command goes on from here")
        sys.exit(EXIT_INTERRUPTED)
    except Exception as error:
        if disk.is_full_disk_error(error):
            _fail(str(disk.disk_full_error(Path.cwd(), str(error))))
            sys.exit(EXIT_MACHINE)
        log = write_crash_log(error)
        _fail(f"this is a bug in evolve {__version__}: {type(error).__name__}: {error}; the details are in {log}")
        sys.exit(EXIT_BUG)
