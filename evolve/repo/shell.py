"""Run git commands in a clean environment, with a time limit, and report errors with git's own message."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from git import Git
from git.exc import GitCommandNotFound

from evolve.core.errors import BadInput, InfraError
from evolve.host import disk

SECONDS = 60.0

# The user's config is read, but must not run a program, sign, or write anything except objects and refs.
_NEUTRAL = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.splitIndex=false",
    "core.quotePath=false",
    "core.fsync=committed,reference",
    "commit.gpgSign=false",
    "i18n.commitEncoding=UTF-8",
    "gc.auto=0",
    "maintenance.auto=false",
)
_SETTINGS = tuple(word for setting in _NEUTRAL for word in ("-c", setting))

# All other GIT_* variables are dropped: set by a hook or an alias, they would point git at another repository.
_KEPT_PREFIXES = ("GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_", "GIT_PYTHON_")
_KEPT = {
    "GIT_CEILING_DIRECTORIES",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_SYSTEM",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
    "GIT_EXEC_PATH",
}

_ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "Evolve",
    "GIT_AUTHOR_EMAIL": "evolve@localhost",
    "GIT_COMMITTER_NAME": "Evolve",
    "GIT_COMMITTER_EMAIL": "evolve@localhost",
}


@dataclass(frozen=True)
class Answer:
    """The result of a git command. `error`: its stderr, stripped."""

    status: int
    out: bytes
    error: str

    @property
    def text(self) -> str:
        """stdout without its last newline. Bytes that are not UTF-8 become lone surrogates."""
        return self.out.decode("utf-8", "surrogateescape").removesuffix("\n")


@dataclass(frozen=True)
class GitShell:
    """Runs git in `cwd`. Without `git_dir`, git finds the repository itself."""

    cwd: Path
    git_dir: Path | None = None
    work_tree: Path | None = None

    def ask(
        self, *args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None, seconds: float = SECONDS
    ) -> Answer:
        """Run a command and return its result, whatever its exit status. Raises InfraError after the time limit."""
        variables = {**self._variables(), **(env or {})}
        command = [*_unset_strays(variables), Git.GIT_PYTHON_GIT_EXECUTABLE or "git", *_SETTINGS, *args]
        status, out, error = self._execute(command, stdin, variables, seconds)
        if error.startswith("Timeout: the command"):
            raise InfraError(f"git {args[0]} took longer than {seconds:g} seconds in {self.git_dir or self.cwd}")
        return Answer(status, out, error.strip())

    def run(self, *args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> bytes:
        """Run a command and return its stdout. Raises InfraError with git's message if it fails."""
        return self._check_status(args, self.ask(*args, stdin=stdin, env=env)).out

    def text(self, *args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> str:
        """Like `run`, but return text without the last newline."""
        return self._check_status(args, self.ask(*args, stdin=stdin, env=env)).text

    def _check_status(self, args: tuple[str, ...], answer: Answer) -> Answer:
        if answer.status != 0:
            raise self.failure(f"git {args[0]} failed in {self.git_dir or self.cwd}", answer)
        return answer

    def failure(self, what: str, answer: Answer) -> InfraError:
        """Return the error for a failed command. Checks the disk too: git does not always report that it is full."""
        message = f"{what}: {' '.join(answer.error.split()) or f'exit status {answer.status}'}"
        place = self.git_dir or self.cwd
        if disk.mentions_full_disk(answer.error) or disk.is_full(place):
            return disk.disk_full_error(place, message)
        return InfraError(message)

    def _variables(self) -> dict[str, str]:
        folders = {"GIT_DIR": self.git_dir, "GIT_WORK_TREE": self.work_tree}
        return {**_ENVIRONMENT, **{name: str(path) for name, path in folders.items() if path}}

    def _execute(self, command: list[str], stdin: bytes, env: dict[str, str], seconds: float) -> tuple[int, bytes, str]:
        with disk.convert_os_errors(Path(tempfile.gettempdir())), tempfile.TemporaryFile() as source:
            source.write(stdin)
            source.seek(0)
            try:
                status, out, error = Git(str(self.cwd)).execute(
                    command,
                    istream=source,
                    with_extended_output=True,
                    with_exceptions=False,
                    stdout_as_string=False,
                    strip_newline_in_stdout=False,
                    kill_after_timeout=seconds,
                    env=env,
                )
            except GitCommandNotFound as missing:
                raise BadInput("git", "not installed", "install git 2.25 or newer") from missing
        return status, out, error


def _unset_strays(variables: Mapping[str, str]) -> list[str]:
    """Return the `env -u` command that unsets stray variables: GitPython can only add some."""
    strays = [
        name
        for name in os.environ
        if name.startswith("GIT_") and name not in _KEPT | variables.keys() and not name.startswith(_KEPT_PREFIXES)
    ]
    return ["env", *(word for name in sorted(strays) for word in ("-u", name))] if strays else []
