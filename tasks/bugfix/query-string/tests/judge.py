"""Runs the hidden tests and writes the reward. The same files stand in every task's tests/ folder.

The tests run here, as root, and never leave this process. The candidate's code runs in a child process under another
user; for the tests its modules are proxies (`judge_proxies.py`). The child gets the arguments of calls and returns values
(`judge_child.py`); what a test expects is compared here, where the candidate can't look. Nothing that the child sends is
run: it becomes plain values, numbers of objects that stay there, and exceptions (`judge_codec.py`).
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

import judge_codec  # noqa: E402
import judge_proxies  # noqa: E402

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
    """A value with its proxies replaced by the built-in values that they are; raises TypeError if they are none.

    Whether an object of the candidate's is equal to what a test expects is nothing that the candidate may decide.
    """
    kind = type(value)
    if isinstance(value, judge_proxies.Proxy):
        return plain(judge_proxies.do(value, "plain"))
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
    return isinstance(value, judge_proxies.Proxy)


def comparing(assertion):
    """An assertion whose arguments must be plain values."""
    return lambda self, *args, **options: assertion(self, *map(plain, args), **options)


class Case(unittest.TestCase):
    """What the tests get as `unittest.TestCase`."""

    def assertEqual(self, first, second, msg=None):
        """What is expected comes second, and must not have been made by the candidate, who would then know it."""
        if has_proxy(second):
            raise TypeError("an expected value must be a plain value")
        first = plain(first)
        if not first == second:
            raise self.failureException(self._formatMessage(msg, f"{shown(first)} is not {shown(second)}"))


for name in COMPARISONS.split()[1:]:
    setattr(Case, f"assert{name}", comparing(getattr(unittest.TestCase, f"assert{name}")))


def shown(value):
    """The beginning of a value's text, without the slow search for differences that unittest's own messages do."""
    try:
        text = repr(value)
    except (ValueError, RecursionError) as error:
        return f"a {type(value).__name__} ({error})"
    return text if len(text) <= VALUE_CHARS else f"{text[:VALUE_CHARS]}..."


def start_child(stream):
    """Start the candidate's process, with its end of the connection and nothing else of this one."""
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
    """The hidden tests, in which the candidate's modules are proxies."""
    unittest.TestCase = Case
    sys.meta_path.insert(0, judge_proxies.Finder(channel))
    file = HERE / "test_hidden.py"
    module = sys.modules["test_hidden"] = types.ModuleType("test_hidden")
    exec(compile(file.read_text(), str(file), "exec"), module.__dict__)
    return unittest.defaultTestLoader.loadTestsFromModule(module)


def run_tests(channel):
    """Run every test once and print those that fail; whether there are any and all passed."""
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
    channel = judge_proxies.Channel(judge_codec.Stream(ours), time.monotonic() + SECONDS)
    good = run_tests(channel)
    child.kill()
    REWARD.write_text("1\n" if good else "0\n")


main()
