"""Run the hidden tests and write the reward. Every task's tests/ folder has a copy of these files.

The tests run in this process, as root. The candidate's code runs in a child process under another user
(`judge_child.py`). In the tests, the candidate's modules are proxies (`judge_proxies.py`) that send requests to the child
(`judge_channel.py`, `judge_codec.py`). The child receives arguments and returns results; expected values never leave this
process, and nothing that the child sends is run here.

Each test runs once, and all must pass. So a request that follows another one tells the child only that it has not failed
for good, which a candidate that guesses can't use.
"""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import types
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

from judge_channel import Channel  # noqa: E402
from judge_codec import Stream  # noqa: E402
from judge_proxies import Finder, Proxy, do  # noqa: E402

REWARD = pathlib.Path("/logs/verifier/reward.txt")
AGENT = int(os.environ.get("EVOLVE_AGENT_UID") or 10001)
SECONDS = 15
SHOWN_CHARS = 1200
VALUE_CHARS = 300
START = """
import sys, types
codec = sys.modules["judge_codec"] = types.ModuleType("judge_codec")
exec(compile({codec!r}, "judge_codec.py", "exec"), codec.__dict__)
exec(compile({child!r}, "judge_child.py", "exec"), {{"__name__": "judge_child"}})
"""
COMPARISONS = "Equal NotEqual AlmostEqual NotAlmostEqual Less LessEqual Greater GreaterEqual CountEqual Regex NotRegex"


def plain(value):
    """Replace the proxies in a value by plain values. Raises TypeError if one is an instance of no built-in class.

    The candidate's `__eq__` must not decide whether an object equals an expected value.
    """
    kind = type(value)
    if isinstance(value, Proxy):
        return plain(do(value, "plain"))
    if kind in (list, tuple, set, frozenset):
        return kind(map(plain, value))
    if kind is dict:
        return {plain(key): plain(item) for key, item in value.items()}
    return value


def has_proxy(value):
    if type(value) in (list, tuple, set, frozenset):
        return any(map(has_proxy, value))
    if type(value) is dict:
        return has_proxy(list(value.items()))
    return isinstance(value, Proxy)


def comparing(assertion):
    """An assertion that compares plain values."""
    return lambda self, *args, **options: assertion(self, *map(plain, args), **options)


class Case(unittest.TestCase):
    """Replaces `unittest.TestCase` in the tests."""

    def assertEqual(self, first, second, msg=None):
        """Compare a result with an expected value, which the candidate's code must not have made: it would know it."""
        if has_proxy(second):
            raise TypeError("an expected value must be a plain value")
        first = plain(first)
        if not first == second:
            raise self.failureException(self._formatMessage(msg, f"{shown(first)} is not {shown(second)}"))


for name in COMPARISONS.split()[1:]:
    setattr(Case, f"assert{name}", comparing(getattr(unittest.TestCase, f"assert{name}")))


def shown(value):
    """The beginning of a value's text. unittest's own messages list differences, which takes minutes for large values."""
    try:
        text = repr(value)
    except (ValueError, RecursionError) as error:
        return f"a {type(value).__name__} ({error})"
    return text if len(text) <= VALUE_CHARS else f"{text[:VALUE_CHARS]}..."


def start_child(stream):
    """Start the candidate's process with its end of the connection."""
    user = {"user": AGENT, "group": AGENT, "extra_groups": []} if os.geteuid() == 0 else {}
    program = START.format(codec=(HERE / "judge_codec.py").read_text(), child=(HERE / "judge_child.py").read_text())
    child = subprocess.Popen(
        [sys.executable, "-I", "-B", "-c", "import sys; exec(sys.stdin.read())", str(stream.fileno())],
        stdin=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[stream.fileno()],
        **user,
    )
    stream.close()
    try:
        child.stdin.write(program.encode())
        child.stdin.close()
    except OSError:
        pass
    return child


def load_tests(channel):
    """Import the hidden tests, with proxies as the candidate's modules."""
    unittest.TestCase = Case
    sys.meta_path.insert(0, Finder(channel))
    file = HERE / "test_hidden.py"
    module = sys.modules["test_hidden"] = types.ModuleType("test_hidden")
    exec(compile(file.read_text(), str(file), "exec"), module.__dict__)
    return unittest.defaultTestLoader.loadTestsFromModule(module)


def run_tests(channel):
    """Run every test once, print those that fail, and return whether all passed and there are any."""
    try:
        tests = load_tests(channel)
    except Exception as error:
        print(f"the tests did not pass: they can't be loaded\n{str(error)[:SHOWN_CHARS]}")
        return False
    result = unittest.TestResult()
    tests.run(result)
    for test, text in [*result.failures, *result.errors]:
        print(f"{test.id().partition('.')[2]} did not pass\n{text[-SHOWN_CHARS:]}")
    passed = result.testsRun - len(result.skipped) - len(result.expectedFailures)
    return result.wasSuccessful() and passed == tests.countTestCases() > 0 and not channel.broken


def main():
    REWARD.parent.mkdir(parents=True, exist_ok=True)
    REWARD.write_text("0\n")
    signal.alarm(2 * SECONDS)
    ours, theirs = socket.socketpair()
    child = start_child(theirs)
    channel = Channel(Stream(ours), time.monotonic() + SECONDS)
    good = run_tests(channel)
    child.kill()
    REWARD.write_text("1\n" if good else "0\n")


main()
