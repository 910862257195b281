"""Prints `suspicious: file:line score` (Ochiai's) for each line that a failing test runs."""

import os
import sys
import unittest
from collections import Counter

ROOT = os.getcwd()


class Lines:
    """Collects the lines of the project's own files that run."""

    def __init__(self):
        self.seen = set()

    def __call__(self, frame, event, _):
        path = os.path.relpath(frame.f_code.co_filename, ROOT)
        if path.startswith("..") or path.startswith("tests") or path.startswith("<"):
            return None
        if event in ("line", "call"):
            self.seen.add((path, frame.f_lineno))
        return self


def flatten(suite):
    """The single tests of a suite."""
    for part in suite:
        if isinstance(part, unittest.TestSuite):
            yield from flatten(part)
        else:
            yield part


def ran(test):
    """Whether one test passed, and the lines that it ran."""
    lines, result = Lines(), unittest.TestResult()
    sys.settrace(lines)
    try:
        test.run(result)
    finally:
        sys.settrace(None)
    return result.wasSuccessful(), lines.seen


def main():
    sys.path.insert(0, ROOT)
    bad, good, failures = Counter(), Counter(), 0
    for test in flatten(unittest.defaultTestLoader.discover(ROOT)):
        passed, seen = ran(test)
        failures += not passed
        (good if passed else bad).update(seen)
    scores = {at: bad[at] / (failures * (bad[at] + good[at])) ** 0.5 for at in bad}
    for (path, line), score in sorted(scores.items(), key=lambda item: (-item[1], item[0])):
        print(f"suspicious: {path}:{line} {score:.2f}")


main()
