"""Run one test module in a process of its own. Exit status 0: all its tests passed, and there was at least one."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TESTS = "python_testcases"
SECONDS = 30.0
PASSED = "all tests passed"


def main() -> int:
    if len(sys.argv) == 3:
        return run_module(sys.argv[1], int(sys.argv[2]))
    return supervise(sys.argv[1])


def supervise(module: str) -> int:
    """Run the tests in a child process, which the program under test may end or keep busy for ever."""
    report, answer = os.pipe()
    command = [sys.executable, str(HERE / "run_tests.py"), module, str(answer)]
    child = subprocess.Popen(command, pass_fds=(answer,), stdout=sys.stderr)
    os.close(answer)
    try:
        status = child.wait(SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        print(f"the tests took longer than {SECONDS:g} seconds")
        return 1
    verdict = _reported(report)
    print(verdict or f"the tests ended early, with exit status {status}")
    return 0 if status == 0 and verdict == PASSED else 1


def _reported(report: int) -> str:
    """What the child wrote; never waits, since a process that it left may still have the pipe open."""
    os.set_blocking(report, False)
    try:
        return os.read(report, 100).decode(errors="replace")
    except BlockingIOError:
        return ""


def run_module(module: str, answer: int) -> int:
    """Run the module's test functions one after another, and report the first failure."""
    # The stand-in for pytest lies beside this file, the program in the current directory.
    sys.path[:0] = [str(HERE), str(HERE / TESTS), os.getcwd()]
    count, started = 0, time.monotonic()
    skipped = importlib.import_module("pytest").Skipped
    for name, test in _tests(importlib.import_module(module)):
        try:
            test()
            count += 1
        except skipped:
            print(f"{name}: skipped")
        except BaseException as error:
            print(f"{name}: {type(error).__name__}: {str(error)[:300]}")
            return 1
    print(f"{count} tests passed in {time.monotonic() - started:.1f} s")
    os.write(answer, PASSED.encode() if count else b"no test ran")
    return 0


def _tests(module: Any) -> Iterator[tuple[str, Callable[[], None]]]:
    """Every test of a module, with its arguments."""
    for name, function in vars(module).copy().items():
        if not name.startswith("test") or not callable(function):
            continue
        names, cases = getattr(function, "parameters", ((), [()]))
        for number, case in enumerate(cases):
            values = dict(zip(names, case if len(names) != 1 else (case,), strict=True))
            yield f"{name}[{number}]", lambda function=function, values=values: function(**values)


if __name__ == "__main__":
    sys.exit(main())
