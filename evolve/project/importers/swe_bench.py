"""SWE-bench Verified, and other rows of its form: one published image for each row, its tests graded one by one."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from evolve.core.errors import BadInput
from evolve.project.importers.benchmark import (
    MAX_TASKS,
    Benchmark,
    ImportedTask,
    ImportOptions,
    LeftOut,
    TaskFile,
    Unsuitable,
)
from evolve.project.importers.rows import Row, read_rows
from evolve.project.importers.swe_bench_runners import Runner, runner_of
from evolve.project.importers.texts import TaskSettings, helper, script

SUFFIXES = (".jsonl", ".ndjson")
TESTBED = "/testbed"
PATHS = re.compile(r"^diff --git a/(\S+) b/(\S+)$", re.MULTILINE)
NEW_FILE = re.compile(r"^diff --git a/\S+ b/(\S+)\nnew file mode", re.MULTILINE)
NO_TEST = (".json", ".png", ".csv", ".txt", ".md", ".jpg", ".jpeg", ".pkl", ".yml", ".yaml", ".toml", ".rst", ".cfg")
COMPILED = (".pyx", ".pxd", ".pxi", ".c", ".cc", ".cpp", ".h", ".hpp", ".f", ".f90")
# Nothing that is newer than the commit may stay in the image's repository, or the fix could be read there.
FORGET = (
    "RUN git checkout -q --detach && git remote | xargs -r -n 1 git remote remove && "
    "git for-each-ref --format='delete %(refname)' | git update-ref --stdin && "
    "rm -f .git/ORIG_HEAD .git/FETCH_HEAD .git/MERGE_HEAD && "
    "git reflog expire --expire=now --all && git gc -q --prune=now"
)
INSTRUCTION = """The current directory, `{testbed}`, is a copy of the repository {repo}. An issue was reported:

<issue>
{statement}
</issue>

Change the repository's files so that the issue is resolved. Tests that you don't see will decide; you need not change
existing tests. Python and the project's dependencies are in the conda environment `testbed`:
`source /opt/miniconda3/bin/activate testbed`.
"""


def _names(value: object) -> object:
    """A list of tests, or such a list as JSON text, as the data set is published in both forms."""
    return json.loads(value) if isinstance(value, str) else value


Tests = Annotated[tuple[str, ...], BeforeValidator(_names)]


class Instance(BaseModel):
    """One row; columns that don't matter here are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    instance_id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    repo: str = Field(pattern=r"^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$")
    base_commit: str = Field(pattern=r"^[0-9a-f]{7,64}$")
    version: str = ""
    difficulty: str = ""
    problem_statement: str = Field(min_length=1, max_length=200_000)
    patch: str = Field(min_length=1, max_length=5_000_000)
    test_patch: str = Field(min_length=1, max_length=5_000_000)
    fail_to_pass: Tests = Field(alias="FAIL_TO_PASS", min_length=1)
    pass_to_pass: Tests = Field(alias="PASS_TO_PASS")

    @property
    def image(self) -> str:
        """The name under which SWE-bench publishes the image of this instance."""
        return f"swebench/sweb.eval.x86_64.{self.instance_id}:latest".replace("__", "_1776_").lower()


class SweBench:
    """Imports rows in JSONL. Repositories with another test runner are left out by name."""

    def recognises(self, source: Path) -> bool:
        if not source.is_file() or source.suffix.lower() not in (*SUFFIXES, ".parquet"):
            return False
        try:
            return source.suffix == ".parquet" or any(
                "FAIL_TO_PASS" in row.values for row in read_rows(source, limit=1)
            )
        except BadInput:
            return False

    def read(self, source: Path, options: ImportOptions) -> Benchmark:
        """Read all rows. Raises BadInput, which names the row, for one that is not an instance."""
        if source.suffix.lower() not in SUFFIXES:
            convert = "pandas.read_parquet('FILE').to_json('rows.jsonl', orient='records', lines=True)"
            raise BadInput(str(source), "is not a JSONL file", f"convert it, for example with {convert}")
        tasks: dict[str, ImportedTask] = {}
        left_out: list[LeftOut] = []
        for row in read_rows(source, limit=MAX_TASKS):
            instance = _parsed(row)
            if instance.instance_id in tasks:
                raise BadInput(row.where, f"instance `{instance.instance_id}` is there twice", "remove one of them")
            try:
                tasks[instance.instance_id] = _task(instance)
            except Unsuitable as error:
                left_out.append(LeftOut(instance.instance_id, str(error)))
        return Benchmark(tuple(tasks.values()), tuple(left_out))


def _parsed(row: Row) -> Instance:
    try:
        return Instance.model_validate(dict(row.values))
    except ValidationError as error:
        first: Any = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise BadInput(
            row.where, f"column `{key}`: {first['msg']}", "use the rows as SWE-bench publishes them"
        ) from error


def _task(instance: Instance) -> ImportedTask:
    runner = runner_of(instance.repo, instance.version)
    changed = {path for pair in PATHS.findall(instance.patch + "\n" + instance.test_patch) for path in pair}
    if built := sorted(path for path in changed if path.endswith(COMPILED)):
        raise Unsuitable(f"its patch changes {built[0]}, which would have to be compiled again")
    tests = _test_files(instance.test_patch)
    if not tests:
        raise Unsuitable("its test patch changes no test file")
    return ImportedTask(instance.instance_id, tuple(_files(instance, runner, tests)), instance.instance_id)


def _test_files(patch: str) -> list[str]:
    """The test files of a patch, in its order; deleted ones can't be run."""
    deleted = set(re.findall(r"^diff --git a/\S+ b/(\S+)\ndeleted file mode", patch, re.MULTILINE))
    files = [after for _, after in PATHS.findall(patch) if after not in deleted and not after.endswith(NO_TEST)]
    return list(dict.fromkeys(files))


def _files(instance: Instance, runner: Runner, tests: list[str]) -> list[TaskFile]:
    expected = {
        "parser": runner.parser,
        "fail_to_pass": list(instance.fail_to_pass),
        "pass_to_pass": list(instance.pass_to_pass),
    }
    statement = instance.problem_statement.strip()
    image = f"FROM {instance.image}\nWORKDIR {TESTBED}\n{FORGET}\n"
    return [
        TaskFile.of_text("task.toml", _settings(instance, runner).text()),
        TaskFile.of_text(
            "instruction.md", INSTRUCTION.format(testbed=TESTBED, repo=instance.repo, statement=statement)
        ),
        TaskFile.of_text("environment/Dockerfile", image),
        script("tests/test.sh", *_test_lines(instance, runner, tests)),
        TaskFile.of_text("tests/test.patch", instance.test_patch),
        TaskFile.of_text("tests/expected.json", json.dumps(expected, indent=1)),
        TaskFile("tests/grade.py", helper("swe_bench", "grade.py")),
        script("solution/solve.sh", "#!/bin/bash", f"cd {TESTBED} && git apply /solution/fix.patch"),
        TaskFile.of_text("solution/fix.patch", instance.patch),
    ]


def _settings(instance: Instance, runner: Runner) -> TaskSettings:
    return TaskSettings(
        agent_seconds=3000,
        verifier_seconds=1800,
        memory_mb=4096,
        storage_mb=10_240,
        public_network=runner.network,
        difficulty=re.sub(r"\W+", "-", instance.difficulty).strip("-") or "unknown",
        metadata={"repository": instance.repo, "base_commit": instance.base_commit, "image": instance.image},
    )


def _test_lines(instance: Instance, runner: Runner, tests: list[str]) -> list[str]:
    """Put the tests of the patch in the place of what is there, run them, and grade each one."""
    changed = list(dict.fromkeys(path for pair in PATHS.findall(instance.test_patch) for path in pair))
    new = set(NEW_FILE.findall(instance.test_patch))
    old = [shlex.quote(path) for path in changed if path not in new]
    restore = [f"git checkout -q {instance.base_commit} -- {' '.join(old)}"] if old else []
    remove = [f"rm -rf -- {' '.join(shlex.quote(path) for path in changed if path in new)}"] if new else []
    return [
        "#!/bin/bash",
        "mkdir -p /logs/verifier",
        "echo 0 >/logs/verifier/reward.txt",
        "source /opt/miniconda3/bin/activate testbed",
        f"cd {TESTBED} || exit 1",
        # Bytecode that the agent left can be older than its source, or made up for a test.
        "export PYTHONPYCACHEPREFIX=$(mktemp -d)",
        "export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'",
        *runner.setup,
        *restore,
        *remove,
        "git apply /tests/test.patch || exit 1",
        f"{runner.command(tests)} >/tmp/tests.log 2>&1",
        "tail -n 50 /tmp/tests.log",
        "/opt/miniconda3/bin/python3 -I /tests/grade.py /tests/expected.json /tmp/tests.log &&",
        "    echo 1 >/logs/verifier/reward.txt",
    ]
