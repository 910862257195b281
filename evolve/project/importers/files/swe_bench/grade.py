"""Grade a log of tests: exit status 0 if every test that should pass has passed.

Usage: grade.py EXPECTED.json LOG. A test counts as passed only if the log says so.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

PASSING = ("PASSED", "XFAIL")
STATUSES = (*PASSING, "FAILED", "ERROR", "SKIPPED", "XPASS")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# What a progress line leaves behind where a test's name should be.
NO_NAME = re.compile(r"\[\s*\d+%?\]")
PARAMETERS = re.compile(r"^(.*?)\[(/(?!/)[^*]*)\]$")


def main() -> int:
    expected = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    log = Path(sys.argv[2]).read_text(encoding="utf-8", errors="replace")
    results = READERS[expected["parser"]](log)
    bad = [f"{name}: {state}" for kind in KINDS for name, state in failures(expected[kind], results, kind)]
    print("\n".join(bad[:50]) or "all expected tests passed")
    return 1 if bad else 0


KINDS = ("fail_to_pass", "pass_to_pass")


def failures(expected: list[str], results: dict[str, str], kind: str) -> Iterator[tuple[str, str]]:
    """The expected tests that have not passed. One that passed before and is skipped now is no failure."""
    good = PASSING if kind == "fail_to_pass" else (*PASSING, "SKIPPED")
    for name in expected:
        if NO_NAME.fullmatch(name):
            continue
        states = _states(normal(name), results)
        if not states or not set(states) <= set(good):
            yield name, ", ".join(sorted(set(states))) or "not run"


def _states(name: str, results: dict[str, str]) -> list[str]:
    """The results of a test. Some published names end within their parameters: all tests that begin so count."""
    if name in results:
        return [results[name]]
    if name.count("[") > name.count("]"):
        return [state for found, state in results.items() if found.startswith(name)]
    return []


def normal(name: str) -> str:
    """A test's name in the form in which the data set has it: of a path among the parameters only the end."""
    name = name.replace("MouseButton.LEFT", "1").replace("MouseButton.RIGHT", "3")
    match = PARAMETERS.match(name)
    return f"{match[1]}[/{match[2].rsplit('/', 1)[-1]}]" if match else name


def read_pytest(log: str) -> dict[str, str]:
    """The results in pytest's summary (`PASSED name`), or in the lines of older versions (`name PASSED`)."""
    results: dict[str, str] = {}
    for line in COLOURS.sub("", log).splitlines():
        first, _, rest = line.strip().partition(" ")
        if first in STATUSES and rest:
            name = rest.split(" - ", 1)[0] if first in ("FAILED", "ERROR", "XFAIL") else rest
            _note(results, name.strip(), first)
        elif (last := line.strip().rpartition(" "))[2] in STATUSES and "::" in last[0]:
            _note(results, last[0].strip(), last[2])
    return results


def _note(results: dict[str, str], name: str, state: str) -> None:
    """Keep a result under its name, and under its first word, as some published names are cut there."""
    if NO_NAME.match(name):
        return
    for key in dict.fromkeys((normal(name), normal(name.split()[0]))):
        # A failure of any test of one name stays.
        if results.get(key) not in ("FAILED", "ERROR"):
            results[key] = state


def read_django(log: str) -> dict[str, str]:
    """The results of Django's runner: `name ... ok`, where other output may come between name and result."""
    results: dict[str, str] = {}
    waiting = ""
    for line in map(str.strip, COLOURS.sub("", log).splitlines()):
        name, dots, outcome = f"{line} ".rpartition(" ... ")
        if dots:
            waiting = line.split(" ...", 1)[0]
            if state := _django_state(outcome):
                results[name if state == "PASSED" else waiting] = state
        elif line.startswith(("FAIL: ", "ERROR: ")):
            results[line.split(": ", 1)[1]] = "FAILED"
        elif waiting and (state := _django_state(line)):
            results[waiting] = state
            waiting = ""
    return results


def _django_state(outcome: str) -> str:
    words = (("ok", "PASSED"), ("OK", "PASSED"), ("skipped", "SKIPPED"), ("expected failure", "XFAIL"))
    failed = (("FAIL", "FAILED"), ("ERROR", "ERROR"), ("unexpected success", "FAILED"))
    outcome = outcome.strip()
    for word, state in (*words, *failed):
        if outcome == word or (word == "skipped" and outcome.startswith("skipped ")):
            return state
    return ""


SYMPY_STATES = {
    "ok": "PASSED",
    "f": "XFAIL",
    "F": "FAILED",
    "E": "ERROR",
    "T": "ERROR",
    "X": "XPASS",
    "s": "SKIPPED",
    "w": "SKIPPED",
}
SYMPY_TEST = re.compile(r"(test_\w*)(?:\s+(.*))?")
# At the end of a file's last test.
SYMPY_FILE = re.compile(r"\s*\[(?:OK|FAIL)\]$")


def read_sympy(log: str) -> dict[str, str]:
    """The results of SymPy's runner: `name ok`, where other output may come between. Of equal names the last counts."""
    results: dict[str, str] = {}
    waiting = ""
    for line in map(str.strip, COLOURS.sub("", log).splitlines()):
        words = SYMPY_FILE.sub("", line)
        if match := SYMPY_TEST.fullmatch(words):
            waiting, words = match[1], match[2] or ""
        state = SYMPY_STATES.get(words.rpartition(" ")[2]) if match else SYMPY_STATES.get(words)
        if waiting and state:
            results[waiting] = state
            waiting = ""
    return results


READERS = {"pytest": read_pytest, "django": read_django, "sympy": read_sympy}

if __name__ == "__main__":
    sys.exit(main())
