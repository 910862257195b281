"""Small sources in the published forms, and what tests ask of an import."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evolve.project.importers.benchmark import ImportOptions, Shares
from evolve.project.importers.importing import ImportReport, Request, import_suite


def put(folder: Path, files: Mapping[str, str]) -> Path:
    """Write texts by path, and return the folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def import_from(source: Path, importer: str = "", **changes: Any) -> ImportReport:
    """Import into a folder `suite` beside the source."""
    return import_suite(Request(source, source.parent / "suite", importer, **changes))


def table(folder: Path, *rows: Mapping[str, Any], name: str = "table.jsonl") -> Path:
    file = folder / name
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def reasons(report: ImportReport) -> dict[str, str]:
    return {one.name: one.reason for one in report.left_out}


QUIXBUGS = {
    "LICENSE": "Permission is hereby granted, free of charge, to any person obtaining a copy of this software ...",
    "python_programs/halve.py": 'def halve(n):\n    return n * 2\n\n\n"""\nHalve a number.\n"""\n',
    "correct_python_programs/halve.py": "def halve(n):\n    return n / 2\n",
    "json_testcases/halve.json": "[[4], 2]\n[[7], 3.5]\n",
    "python_testcases/load_testdata.py": (
        "import json\nfrom pathlib import Path\n\n\ndef load_json_testcases(name):\n"
        '    path = Path(__file__).parent / ".." / f"json_testcases/{name}.json"\n'
        "    return [json.loads(line) for line in open(path)]\n"
    ),
    "python_testcases/test_halve.py": (
        "import pytest\nfrom load_testdata import load_json_testcases\n\n"
        "if pytest.use_correct:\n    from correct_python_programs.halve import halve\n"
        "else:\n    from python_programs.halve import halve\n\n"
        "testdata = load_json_testcases(halve.__name__)\n\n\n"
        '@pytest.mark.parametrize("input_data,expected", testdata)\n'
        "def test_halve(input_data, expected):\n"
        "    assert halve(*input_data) == pytest.approx(expected, abs=0.01)\n"
    ),
    # A graph program: its tests have no data file, and a helper.
    "python_programs/last.py": "def last(node):\n    return node\n",
    "python_programs/last_test.py": "def main():\n    pass\n",
    "python_programs/node.py": "class Node:\n    pass\n",
    "correct_python_programs/last.py": (
        "def last(node):\n    while node.successor:\n        node = node.successor\n    return node\n"
    ),
    "python_testcases/node.py": (
        "class Node:\n    def __init__(self, value=None, successor=None):\n"
        "        self.value, self.successor = value, successor\n"
    ),
    "python_testcases/test_last.py": (
        "import pytest\nfrom node import Node\n\n"
        "if pytest.use_correct:\n    from correct_python_programs.last import last\n"
        "else:\n    from python_programs.last import last\n\n\n"
        "def test1():\n    end = Node(2)\n    assert last(Node(1, end)) is end\n\n\n"
        "def test2():\n    pytest.skip('too slow')\n"
    ),
}

YAML_TASK = {
    "task.yaml": (
        "# canary\ninstruction: |-\n  Write 42 to /app/answer.\n\nauthor_name: Somebody\ndifficulty: easy\n"
        "category: files\ntags:\n  - a\n  - b\nparser_name: pytest\nmax_agent_timeout_sec: 900.0\n"
        "max_test_timeout_sec: 180.0\nrun_tests_in_same_shell: false\n"
    ),
    "Dockerfile": "FROM ghcr.io/laude-institute/t-bench/ubuntu-24-04:latest\nWORKDIR /app\nCOPY data ./\n",
    "data/input.txt": "40 + 2\n",
    "docker-compose.yaml": (
        "services:\n  client:\n    build:\n      dockerfile: Dockerfile\n"
        "    image: ${T_BENCH_TASK_DOCKER_CLIENT_IMAGE_NAME}\n"
        "    container_name: ${T_BENCH_TASK_DOCKER_CLIENT_CONTAINER_NAME}\n"
        '    command: [ "sh", "-c", "sleep infinity" ]\n'
        "    environment:\n      - TEST_DIR=${T_BENCH_TEST_DIR}\n      - LANG=C.UTF-8\n"
        "    volumes:\n      - ${T_BENCH_TASK_LOGS_PATH}:${T_BENCH_CONTAINER_LOGS_PATH}\n"
        "      - ${T_BENCH_TASK_AGENT_LOGS_PATH}:${T_BENCH_CONTAINER_AGENT_LOGS_PATH}\n"
        "    deploy:\n      resources:\n        limits:\n          cpus: '1'\n          memory: 4G\n"
    ),
    "run-tests.sh": "#!/bin/bash\nuv run pytest $TEST_DIR/test_outputs.py -rA\n",
    "tests/test_outputs.py": "def test_it():\n    assert open('/app/answer').read() == '42'\n",
    "solution.sh": "#!/bin/bash\nprintf 42 >/app/answer\n",
}

HARBOR_TASK = {
    "task.toml": (
        'version = "1.0"\n\n[metadata]\ndifficulty = "hard"\n\n[verifier]\ntimeout_sec = 900.0\n\n'
        '[agent]\ntimeout_sec = 900.0\n\n[environment]\nbuild_timeout_sec = 600.0\nmemory = "2G"\nstorage = "10G"\n'
    ),
    "instruction.md": "Do it.\n",
    "environment/Dockerfile": "FROM python:3.13-slim\nWORKDIR /app\n",
    "solution/solve.sh": "#!/bin/bash\ntouch done\n",
    "tests/test.sh": "#!/bin/bash\necho 1 >/logs/verifier/reward.txt\n",
}

FIX = """diff --git a/calc.py b/calc.py
--- a/calc.py
+++ b/calc.py
@@ -1,2 +1,2 @@
 def add(a, b):
-    return a - b
+    return a + b
"""
TEST_PATCH = """diff --git a/tests/test_calc.py b/tests/test_calc.py
--- a/tests/test_calc.py
+++ b/tests/test_calc.py
@@ -3,3 +3,7 @@ from calc import add
 
 def test_zero():
     assert add(0, 0) == 0
+
+
+def test_add():
+    assert add(2, 2) == 4
diff --git a/tests/test_new.py b/tests/test_new.py
new file mode 100644
--- /dev/null
+++ b/tests/test_new.py
@@ -0,0 +1,2 @@
+def test_new():
+    pass
"""
REPOSITORY = {
    "calc.py": "def add(a, b):\n    return a - b\n",
    "tests/test_calc.py": "from calc import add\n\n\ndef test_zero():\n    assert add(0, 0) == 0\n",
    "conftest.py": "",
}


def swe_row(**changes: Any) -> dict[str, Any]:
    """A row in the published form."""
    row = {
        "repo": "pallets/flask",
        "instance_id": "pallets__flask-5014",
        "base_commit": "7ee9ceb71e868944a46e1ff00b506772a53a4f1d",
        "patch": FIX,
        "test_patch": TEST_PATCH,
        "problem_statement": "`add` subtracts.",
        "hints_text": "It is the minus.",
        "created_at": "2023-03-04T18:36:21Z",
        "version": "2.3",
        "FAIL_TO_PASS": json.dumps(["tests/test_calc.py::test_add"]),
        "PASS_TO_PASS": json.dumps(["tests/test_calc.py::test_zero", "tests/test_new.py::test_new"]),
        "environment_setup_commit": "182ce3dd15dfa3537391c3efaf9c3ff407d134d4",
        "difficulty": "<15 min fix",
    }
    return row | changes


def git(folder: Path, *words: str) -> str:
    """Run git there, as somebody."""
    who = {f"GIT_{role}_{what}": "t@t" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    command = ["git", "-C", str(folder), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **who}).stdout.strip()


def run_script(file: Path, places: Mapping[str, Path], folder: Path, path: str = "") -> str:
    """Run a shell script of a task on this machine, with folders of the container in other places. -> its output"""
    text = file.read_text()
    for name, place in places.items():
        text = text.replace(name, str(place))
    moved = folder / f"moved-{file.name}"
    moved.write_text(text)
    shell = text.partition("\n")[0].removeprefix("#!")
    env = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}" if path else os.environ["PATH"]}
    done = subprocess.run(
        [shell, str(moved)], cwd=folder, capture_output=True, text=True, env=env, timeout=120, check=False
    )
    return done.stdout + done.stderr


OPTIONS, SHARES = ImportOptions(), Shares()
