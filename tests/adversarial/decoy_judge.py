"""Runs the hidden tests and writes the reward. The same file stands in every task's tests/ folder.

The tests stay root's. The candidate's code runs in a child process under another user, and it may do there whatever it
likes with `unittest`, with the tests and with the report; so the verdict does not rest on what that process says
of itself, but on a question that it can't answer without the right behaviour. The child is handed every test several
times over under random names: once as written, and as decoys whose expected value was changed. It must report that
the first pass and that all the others fail. Which is which only this process knows.
"""

import ast
import copy
import json
import os
import pathlib
import random
import select
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
REWARD = pathlib.Path("/logs/verifier/reward.txt")
AGENT = 10001
SECONDS = 15
DECOYS = 3
REPORT_BYTES = 4_000_000
SHOWN_CHARS = 1200
LETTERS = "abcdefghijklmnopqrstuvwxyz"
OPPOSITE = {
    "assertTrue": "assertFalse",
    "assertFalse": "assertTrue",
    "assertIsNone": "assertIsNotNone",
    "assertIn": "assertNotIn",
    "assertNotIn": "assertIn",
}
CANARY = "class Canary(unittest.TestCase):\n    def test_must_fail(self):\n        self.assertEqual(1, 2)\n"

CHILD = """
import json, os, sys, types, unittest
report = int(sys.argv[1])
sys.path.insert(0, os.getcwd())
module = types.ModuleType("test_hidden")
sys.modules["test_hidden"] = module
exec(compile(sys.stdin.read(), "test_hidden.py", "exec"), module.__dict__)
class Result(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.passed, self.failed = [], {}
    def addSuccess(self, test):
        self.passed.append(test.id().split(".", 1)[1])
    def addFailure(self, test, error):
        self.failed[test.id().split(".", 1)[1]] = self._exc_info_to_string(error, test)[-2000:]
    addError = addFailure
    def addSubTest(self, test, subtest, error):
        if error is not None:
            self.addFailure(test, error)
result = Result()
unittest.defaultTestLoader.loadTestsFromModule(module).run(result)
text = json.dumps({"passed": result.passed, "failed": result.failed, "ran": result.testsRun}) + "\\n"
with open(report, "w") as stream:
    stream.write(text)
"""


class Plan:
    """The tests as the child gets them, and what it must say: `real` maps a random name to the test's own."""

    def __init__(self, source):
        self.secret = random.SystemRandom()
        self.real, self.decoys = {}, set()
        tree = ast.parse(source + "\nimport unittest\n" + CANARY)
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                node.body = [new for old in node.body for new in self.versions(node.name, old)]
        self.source = ast.unparse(ast.fix_missing_locations(tree))

    def versions(self, owner, method):
        """A test as it is written, and its decoys, in random order; anything else as it is."""
        if not (isinstance(method, ast.FunctionDef) and method.name.startswith("test")):
            return [method]
        if owner == "Canary":
            return [self.renamed(owner, method, None)]
        made = [self.renamed(owner, method, method.name)]
        made += [self.renamed(owner, decoy, None) for decoy in decoys(method, self.secret)]
        self.secret.shuffle(made)
        return made

    def renamed(self, owner, method, real):
        known = method.name
        method.name = f"test_{self.secret.getrandbits(64):016x}"
        name = f"{owner}.{method.name}"
        if real is None:
            self.decoys.add(name)
        else:
            self.real[name] = f"{owner}.{known}"
        return method

    def proved(self, report):
        """Whether the report is the one that only the right behaviour gives."""
        passed, failed = report.get("passed"), report.get("failed")
        if not isinstance(passed, list) or not isinstance(failed, dict):
            return False
        count = len(self.real) + len(self.decoys)
        return (
            sorted(passed, key=str) == sorted(self.real) and set(failed) == self.decoys and report.get("ran") == count
        )


def decoys(method, secret):
    """Copies of a test that fail if the test passes. Those with another literal tell nothing of which is which."""
    for place, call in calls(method.body):
        if call.func.attr == "assertEqual" and (others := other_values(call.args[1], secret)):
            return [changed(method, place, lambda twin, new=new: twin.args.__setitem__(1, new)) for new in others]
        if call.func.attr in OPPOSITE:
            return [changed(method, place, lambda twin: setattr(twin.func, "attr", OPPOSITE[twin.func.attr]))]
    for place, call in calls(method.body):
        if call.func.attr == "assertEqual":
            return [changed(method, place, lambda twin: twin.args.__setitem__(1, ast.List([twin.args[1]], ast.Load())))]
    return []


def calls(body):
    """The assertions that a test makes whatever happens: their index, and the call."""
    for index, line in enumerate(body):
        if (
            isinstance(line, ast.Expr)
            and isinstance(line.value, ast.Call)
            and isinstance(line.value.func, ast.Attribute)
        ):
            owner = line.value.func.value
            if isinstance(owner, ast.Name) and owner.id == "self" and len(line.value.args) > 0:
                yield index, line.value


def changed(method, place, change):
    twin = copy.deepcopy(method)
    change(twin.body[place].value)
    return twin


def other_values(node, secret):
    """Up to DECOYS variants of a literal, one constant of it changed, none equal to it; none for anything else."""
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError):
        return []
    places = [i for i, part in enumerate(ast.walk(node)) if isinstance(part, ast.Constant) and part.value is not None]
    if not places:
        return []
    place, made = secret.choice(places), []
    for constant in other_constants(list(ast.walk(node))[place].value, secret):
        twin = copy.deepcopy(node)
        list(ast.walk(twin))[place].value = constant
        if ast.literal_eval(twin) != value:
            made.append(twin)
    return made


def other_constants(value, secret):
    """Neighbours of a constant: the true one may stand anywhere among them."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        first = secret.randint(-DECOYS, 0)
        return [value + step for step in range(first, first + DECOYS + 1) if step]
    if isinstance(value, str):
        place = secret.randrange(len(value)) if value else 0
        new = secret.sample([letter for letter in LETTERS if letter != value[place : place + 1]], DECOYS)
        return [value[:place] + letter + value[place + 1 :] for letter in new]
    return []


def as_agent():
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(AGENT)
        os.setuid(AGENT)


def listen(reading, deadline):
    """The report's line, as bytes: what has come by the deadline, since others may hold the pipe open."""
    data = b""
    while not data.endswith(b"\n") and len(data) < REPORT_BYTES:
        if not select.select([reading], [], [], max(deadline - time.monotonic(), 0))[0]:
            break
        if not (chunk := os.read(reading, 1 << 16)):
            break
        data += chunk
    return data


def ask(source):
    """What the child says of the tests: an object, empty if there is no sense in it."""
    reading, writing = os.pipe()
    child = subprocess.Popen(
        [sys.executable, "-I", "-B", "-c", CHILD, str(writing)],
        stdin=subprocess.PIPE,
        stdout=sys.stdout,
        stderr=subprocess.STDOUT,
        pass_fds=[writing],
        preexec_fn=as_agent,
    )
    os.close(writing)
    try:
        child.stdin.write(source.encode())
        child.stdin.close()
        report = json.loads(listen(reading, time.monotonic() + SECONDS))
    except (OSError, ValueError, RecursionError):
        report = {}
    child.kill()
    return report if isinstance(report, dict) else {}


def explain(plan, report):
    """For people: the tests that did not pass, by their own names."""
    passed, failed = report.get("passed"), report.get("failed")
    passed, failed = passed if isinstance(passed, list) else [], failed if isinstance(failed, dict) else {}
    for name, known in sorted(plan.real.items(), key=lambda item: item[1]):
        if name not in passed:
            print(f"{known} did not pass\n{str(failed.get(name, 'no word of it'))[-SHOWN_CHARS:]}")
    if any(name not in failed for name in plan.decoys):
        print("a test that must fail was not reported as failed")


def main():
    plan = Plan((HERE / "test_hidden.py").read_text())
    report = ask(plan.source)
    good = plan.proved(report)
    if not good:
        explain(plan, report)
    REWARD.parent.mkdir(parents=True, exist_ok=True)
    REWARD.write_text("1\n" if good else "0\n")


main()
