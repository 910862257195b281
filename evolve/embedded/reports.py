"""Read the output of `unittest`: whether the tests passed, and where and how they failed."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SIGNS = re.compile(
    r"^(?:OK(?: \(.*\))?|FAILED \(.*\)|Traceback \(most recent call last\):|(?:FAIL|ERROR): \S.*"
    r"|Ran \d+ tests? in .*)\s*$",
    re.MULTILINE,
)
_GOOD = re.compile(r"^OK(?: \(.*\))?\s*$|^(?:all )?(?:\d+ )?tests pass(?:ed)?\W*$", re.MULTILINE | re.IGNORECASE)
_BAD = re.compile(r"^(?:FAILED \(|Traceback \(most|(?:FAIL|ERROR): )", re.MULTILINE)
_FRAME = re.compile(r'^\s*File "([^"\n]+)", line (\d+)(?:, in (\S+))?[^\n]*(?:\n[ \t]+(\S[^\n]*))?', re.MULTILINE)
_KIND = re.compile(
    r"^(?:[a-z_][\w.]*\.)?([A-Z]\w*(?:Error|Exception|Exit|Iteration|Interrupt))\b(?::[ ]?(.*))?$",
    re.MULTILINE,
)
_NAMED = re.compile(r"^(?:FAIL|ERROR): (?:test_?)?(\w+)", re.MULTILINE)
_UNEQUAL = re.compile(r"^(.{1,200}?) (?:!=|not (?:less|greater) than) (.{1,200}?)(?: : .*)?$")
_LIBRARY = re.compile(r"/lib/python|/site-packages/|^<|/unittest/")


@dataclass(frozen=True)
class Report:
    """One run of the tests.

    frames: (path, line, function) outside tests; calls: the functions called on failed test lines; kinds: exception
    names, and hints in lower case such as `by_one` (two unequal numbers differ by one).
    """

    passed: bool
    frames: tuple[tuple[str, int, str], ...] = ()
    kinds: frozenset[str] = frozenset()
    calls: frozenset[str] = frozenset()
    tests: tuple[str, ...] = ()

    def mentions(self, function: str) -> bool:
        """Whether a failed test calls the function, or is named after it."""
        bare = function.rsplit(".", 1)[-1]
        return bare in self.calls or any(f"_{bare.strip('_')}_" in f"_{name}_" for name in self.tests)


def looks_like_tests(text: str) -> bool:
    """Whether the text contains the output of a test run."""
    return _SIGNS.search(text) is not None


def is_test_path(path: str) -> bool:
    """Whether the path is a test file, which is never edited or read."""
    parts = path.replace("\\", "/").split("/")
    return parts[-1].startswith("test") or parts[-1].endswith("_test.py") or "tests" in parts[:-1]


def is_library_path(path: str) -> bool:
    """Whether the path belongs to Python itself or an installed package."""
    return _LIBRARY.search(path) is not None


def read_report(text: str) -> Report:
    """Read the output of one run; without a success line it counts as failed."""
    frames, calls = [], set[str]()
    for path, line, function, quoted in _FRAME.findall(text):
        if is_test_path(path):
            calls.update(re.findall(r"(\w+)\(", quoted))
        elif not is_library_path(path):
            frames.append((path, int(line), function))
    failures = _KIND.findall(text)
    kinds = {kind for kind, _ in failures} | {hint for _, message in failures for hint in _value_hints(message)}
    passed = _GOOD.search(text) is not None and _BAD.search(text) is None
    names = tuple(dict.fromkeys(_NAMED.findall(text)))
    return Report(passed, tuple(dict.fromkeys(frames)), frozenset(kinds), frozenset(calls), names)


def _value_hints(message: str) -> list[str]:
    hints = [hint for sign, hint in (("not raised", "not_raised"), ("Lists differ", "lists")) if sign in message]
    match = _UNEQUAL.match(message.replace("Lists differ: ", "").replace("Tuples differ: ", ""))
    return hints + (_compare_values(match[1], match[2]) if match else [])


def _compare_values(left: str, right: str) -> list[str]:
    numbers = [_number(left), _number(right)]
    if numbers[0] is not None and numbers[1] is not None:
        return ["by_one" if abs(numbers[0] - numbers[1]) == 1 else "numbers"]
    if "None" in (left, right):
        return ["none"]
    if {left, right} == {"True", "False"}:
        return ["bool"]
    return ["text"] if left[:1] in "'\"" else ["lists"] if left[:1] in "[({" else []


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else None
