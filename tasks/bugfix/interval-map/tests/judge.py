"""Runs the hidden tests and writes the reward. The same file stands in every task's tests/ folder.

The tests stay root's: the candidate's code runs in a child process under another user, which is handed the tests as
text. The verdict is this process's: every expected test must be reported as passed, and a test that must fail
must be reported as failed.
"""

import ast
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
REWARD = pathlib.Path("/logs/verifier/reward.txt")
AGENT = 10001
SECONDS = 15

CHILD = """
import json, os, sys, types, unittest
report = int(sys.argv[1])
sys.path.insert(0, os.getcwd())
module = types.ModuleType("test_hidden")
sys.modules["test_hidden"] = module
exec(compile(sys.stdin.read(), "test_hidden.py", "exec"), module.__dict__)
class Canary(unittest.TestCase):
    def test_must_fail(self):
        self.assertEqual(1, 2)
loader = unittest.defaultTestLoader
suite = unittest.TestSuite([loader.loadTestsFromModule(module), loader.loadTestsFromTestCase(Canary)])
class Result(unittest.TextTestResult):
    passed = ()
    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += (test.id().split(".", 1)[1],)
result = unittest.TextTestRunner(stream=sys.stdout, resultclass=Result).run(suite)
os.write(report, json.dumps({"passed": sorted(result.passed), "ran": result.testsRun}).encode())
"""


def expected(source):
    """The names `Class.test_method` that the tests' source defines."""
    names = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            methods = (m.name for m in node.body if isinstance(m, ast.FunctionDef))
            names += [f"{node.name}.{name}" for name in methods if name.startswith("test")]
    return sorted(names)


def as_agent():
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(AGENT)
        os.setuid(AGENT)


def main():
    source = (HERE / "test_hidden.py").read_text()
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
        child.communicate(source.encode(), timeout=SECONDS)
        report = json.loads(os.read(reading, 1 << 16) or b"{}")
    except (subprocess.TimeoutExpired, ValueError):
        child.kill()
        report = {}
    wanted = expected(source)
    good = child.returncode == 0 and report == {"passed": wanted, "ran": len(wanted) + 1}
    REWARD.parent.mkdir(parents=True, exist_ok=True)
    REWARD.write_text("1\n" if good else "0\n")


main()
