"""Terminal-Bench, both generations: what is written, what is left out by name, and how results are read."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from evolve.core.errors import BadInput
from evolve.core.records import VerifierMode
from evolve.suite.tasks import load_suite
from tests.imported import HARBOR_TASK, YAML_TASK, import_from, put, reasons, run_script


def compose(changes: str) -> dict[str, str]:
    """A task of the first generation whose compose file has other lines at its service."""
    return YAML_TASK | {"docker-compose.yaml": f"services:\n  client:\n    build: .\n{changes}"}


def first_reason(tmp_path: Path, files: dict[str, str]) -> str:
    put(tmp_path / "tasks/good", YAML_TASK)
    put(tmp_path / "tasks/odd", files)
    return reasons(import_from(tmp_path / "tasks"))["odd"]


def test_both_generations_become_tasks(tmp_path: Path) -> None:
    put(tmp_path / "source/original-tasks/one", YAML_TASK)
    put(tmp_path / "source/two", HARBOR_TASK)
    report = import_from(tmp_path / "source")
    assert report.importer == "terminal-bench" and report.left_out == ()
    assert {task.name: (task.origin, task.difficulty) for task in report.tasks} == {
        "one": ("original-tasks/one", "easy"),
        "two": ("two", "hard"),
    }
    tasks = {task.name: task for task in load_suite(tmp_path / "suite").tasks}
    assert (tasks["one"].agent_seconds, tasks["one"].verifier_seconds) == (900, 180)
    assert (tasks["one"].sandbox.memory_mb, tasks["two"].sandbox.memory_mb) == (4096, 2048)
    assert all(task.sandbox.network and task.verifier is VerifierMode.SHARED for task in tasks.values())


def test_the_first_generation_is_converted(tmp_path: Path) -> None:
    put(tmp_path / "tasks/one", YAML_TASK | {"notes.md": "hidden"})
    import_from(tmp_path / "tasks")
    task = tmp_path / "suite/one"
    files = sorted(path.relative_to(task).as_posix() for path in task.rglob("*") if path.is_file())
    assert files == [
        *("environment/Dockerfile", "environment/data/input.txt", "environment/notes.md", "instruction.md"),
        *("solution/solve.sh", "task.toml", "tests/run-tests.sh", "tests/test.sh", "tests/test_outputs.py"),
    ]
    assert (task / "instruction.md").read_text() == "Write 42 to /app/answer.\n"
    assert (task / "environment/Dockerfile").read_text().endswith('COPY data ./\nENV LANG="C.UTF-8"\n')
    assert tomllib.loads((task / "task.toml").read_text())["metadata"]["tags"] == ["a", "b"]
    assert all((task / name).stat().st_mode & 0o111 for name in ("tests/test.sh", "solution/solve.sh"))


def test_the_second_generation_keeps_its_text(tmp_path: Path) -> None:
    put(tmp_path / "tasks/two", HARBOR_TASK | {"unrelated.log": "", "environment/.hidden": "x"})
    import_from(tmp_path / "tasks")
    assert (tmp_path / "suite/two/task.toml").read_text() == HARBOR_TASK["task.toml"]
    assert (tmp_path / "suite/two/environment/.hidden").is_file() and not (
        tmp_path / "suite/two/unrelated.log"
    ).exists()
    assert (tmp_path / "suite/two/tests/test.sh").stat().st_mode & 0o111


@pytest.mark.parametrize(
    ("text", "mode", "network"),
    [
        ("", VerifierMode.SHARED, True),
        ("[environment]\nallow_internet = false", VerifierMode.SHARED, False),
        ('[environment] # x\nnetwork_mode = "no-network"\n', VerifierMode.SHARED, False),
        ('[verifier]\nenvironment_mode = "separate"', VerifierMode.ISOLATED, True),
        ("environment.cpus = 2\n[agent]\n", VerifierMode.SHARED, True),
    ],
)
def test_an_imported_task_means_what_it_means_in_harbor(
    tmp_path: Path, text: str, mode: VerifierMode, network: bool
) -> None:
    put(tmp_path / "tasks/two", HARBOR_TASK | {"task.toml": text})
    import_from(tmp_path / "tasks")
    suite = load_suite(tmp_path / "suite")
    (task,) = suite.tasks
    assert (task.verifier, task.sandbox.network, task.sandbox.memory_mb) == (mode, network, None)
    assert (tmp_path / "suite/two/task.toml").read_text() == text
    original = load_suite(tmp_path / "tasks" / "two").tasks[0]
    assert original.format == task.format


@pytest.mark.parametrize("text", ["[environment", "environment = 3", "[[environment]]\n"])
def test_a_description_that_is_wrong_is_left_out(tmp_path: Path, text: str) -> None:
    put(tmp_path / "tasks/bad", HARBOR_TASK | {"task.toml": text})
    put(tmp_path / "tasks/good", HARBOR_TASK)
    assert "task.toml" in reasons(import_from(tmp_path / "tasks"))["bad"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"task.yaml": "instruction: x\nparser_name: swelancer\n"}, "parser `swelancer`"),
        ({"task.yaml": "difficulty: easy\n"}, "no instruction"),
        ({"task.yaml": "instruction: [\n"}, "not valid YAML"),
        ({"task.yaml": "instruction: !!python/object/apply:os.system [ls]\n"}, "not valid YAML"),
        ({"task.yaml": "instruction: x\nmax_agent_timeout_sec: -1\n"}, "`max_agent_timeout_sec`"),
        ({"task.yaml": "[]"}, "task.yaml"),
        ({"task.yaml": "instruction: &a x\ndifficulty: *a\n"}, "uses aliases"),
        ({"task.yaml": "[" * 5000}, "not valid YAML"),
        ({"data/" + "d/" * 100 + "x": ""}, "nested more than 60 deep"),
        ({"run-tests.sh": "source $TEST_DIR/setup-uv-pytest.sh\n"}, "setup-uv-pytest.sh, which is not in tests/"),
        ({"run-tests.sh": 'pytest "${TEST_DIR}/sub/test_other.py"\n'}, "sub/test_other.py, which is not in tests/"),
        ({"docker-compose.yaml": "services:\n  client: {}\n  db: {image: postgres}\n"}, "services client, db"),
        ({"docker-compose.yaml": "services: {web: {build: .}}\n"}, "called `client`"),
        ({"docker-compose.yaml": "x"}, "no services"),
        ({"docker-compose.yaml": "services: {client: {}}\nsecrets: {}\n"}, "`secrets`"),
        (compose("    privileged: true\n"), "`privileged`"),
        (compose("    cap_add: [SYS_ADMIN]\n"), "`cap_add`"),
        (compose("    volumes: ['/var/run/docker.sock:/var/run/docker.sock']\n"), "mounts"),
        (compose("    environment: {KEY: '${OPENAI_API_KEY}'}\n"), "from the host"),
        (compose('    environment: {KEY: "a\\nRUN x"}\n'), "from the host"),
        (compose("    network_mode: host\n"), "network_mode `host`"),
        (compose("    command: ./start-server\n"), "starts"),
        (compose('    working_dir: "/app\\nRUN x"\n'), "working_dir"),
        (compose("    mem_limit: much\n"), "memory limit"),
        ({"docker-compose.yaml": "services: {client: {build: {context: ..}}}\n"}, "outside the task"),
        ({"docker-compose.yaml": "services: {client: {build: {context: ., target: x}}}\n"}, "options that are not"),
        ({"docker-compose.yaml": "services: {client: {build: {context: sub}}}\n"}, "it has no sub/Dockerfile"),
    ],
)
def test_what_has_no_counterpart_is_left_out_by_name(tmp_path: Path, changes: dict[str, str], reason: str) -> None:
    assert reason in first_reason(tmp_path, YAML_TASK | changes)


def test_files_that_are_missing_are_named(tmp_path: Path) -> None:
    without_tests = {name: text for name, text in YAML_TASK.items() if name != "run-tests.sh"}
    assert first_reason(tmp_path, without_tests) == "it has no run-tests.sh"
    without_solution = {name: text for name, text in YAML_TASK.items() if name != "solution.sh"}
    put(tmp_path / "other/keys", without_solution | {"solution.yaml": "- command: vim\n"})
    put(tmp_path / "other/good", YAML_TASK)
    (tmp_path / "suite").rename(tmp_path / "before")
    assert "keystrokes" in reasons(import_from(tmp_path / "other"))["keys"]


@pytest.mark.parametrize("part", ["environment/link", "tests/link", "solution/link"])
def test_a_link_out_of_a_task_is_left_out(tmp_path: Path, part: str) -> None:
    put(tmp_path / "tasks/good", HARBOR_TASK)
    put(tmp_path / "tasks/bad", HARBOR_TASK)
    put(tmp_path, {"secret": "password"})
    (tmp_path / "tasks/bad" / part).symlink_to(tmp_path / "secret")
    assert reasons(import_from(tmp_path / "tasks")) == {"bad": f"{part} is a link that leads out of its folder"}


def test_a_link_inside_a_task_becomes_a_file(tmp_path: Path) -> None:
    put(tmp_path / "tasks/two", HARBOR_TASK | {"environment/real": "x"})
    (tmp_path / "tasks/two/environment/link").symlink_to("real")
    import_from(tmp_path / "tasks")
    link = tmp_path / "suite/two/environment/link"
    assert link.read_text() == "x" and not link.is_symlink()


def test_odd_files_and_names_are_left_out(tmp_path: Path) -> None:
    put(tmp_path / "tasks/good", HARBOR_TASK)
    put(tmp_path / "tasks/a b", HARBOR_TASK)
    put(tmp_path / "tasks/again/good", HARBOR_TASK)
    put(tmp_path / "tasks/lfs", HARBOR_TASK | {"tests/x.bin": "version https://git-lfs.github.com/spec/v1\noid ..."})
    put(tmp_path / "tasks/folder", HARBOR_TASK)
    (tmp_path / "tasks/folder/environment/link").symlink_to(".")
    found = reasons(import_from(tmp_path / "tasks"))
    assert set(found) == {"a b", "good", "lfs", "folder"} or set(found) == {"a b", "again/good", "lfs", "folder"}
    assert "Git LFS" in found["lfs"] and "no regular file" in found["folder"] and "not a task's name" in found["a b"]


def test_what_the_loader_refuses_is_left_out_with_its_reason(tmp_path: Path) -> None:
    put(tmp_path / "tasks/good", HARBOR_TASK)
    put(tmp_path / "tasks/bad", HARBOR_TASK | {"task.toml": "[agent]\ntimeout_sec = -5\n"})
    reason = reasons(import_from(tmp_path / "tasks"))["bad"]
    assert reason.startswith("task.toml: key `agent.timeout_sec`") and str(tmp_path) not in reason


def test_a_conversation_that_can_not_be_given_to_the_agent_is_not_left_out_in_silence(tmp_path: Path) -> None:
    put(tmp_path / "tasks/good", HARBOR_TASK)
    put(tmp_path / "tasks/bad", HARBOR_TASK | {"trajectory.json": "{}"})
    assert "conversation" in reasons(import_from(tmp_path / "tasks"))["bad"]


def test_a_folder_without_tasks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no task"):
        import_from(put(tmp_path / "x", {"a": ""}), "terminal-bench")
    put(tmp_path / "y/bad", {"task.yaml": "x: 1\n"})
    with pytest.raises(BadInput, match=r"no task that can be imported: bad: its task\.yaml has no instruction"):
        import_from(tmp_path / "y")
    assert not (tmp_path / "suite").exists()


SUMMARY = "=========== short test summary info ============"


@pytest.mark.parametrize(
    ("parser", "output", "passed"),
    [
        ("pytest", f"{SUMMARY}\nPASSED tests/a.py::test_a\nPASSED b\n", True),
        ("pytest", f"{SUMMARY}\nPASSED a\nFAILED b - AssertionError\n", False),
        ("pytest", f"{SUMMARY}\nPASSED a\nERROR b\n", False),
        ("pytest", f"{SUMMARY}\nSKIPPED [1] a\n", False),
        ("pytest", "PASSED a\n", False),
        ("pytest", f"PASSED before\n{SUMMARY}\n", False),
        ("pytest", f"FAILED before\n{SUMMARY}\nPASSED a", True),
        ("pytest", "", False),
        ("swebench", "SWEBench results starts here\nPASSED\nSWEBench results ends here\n", True),
        ("swebench", "SWEBench results starts here\nFAILED\nSWEBench results ends here\n", False),
        ("swebench", "PASSED\n", False),
        ("swebench", f"{SUMMARY}\nPASSED a\n", False),
    ],
)
def test_results_are_read_as_the_first_generation_does(tmp_path: Path, parser: str, output: str, passed: bool) -> None:
    task = YAML_TASK["task.yaml"].replace("parser_name: pytest", f"parser_name: {parser}")
    put(tmp_path / "tasks/one", YAML_TASK | {"task.yaml": task, "run-tests.sh": f"cat <<'E'\n{output}\nE\nexit 1\n"})
    import_from(tmp_path / "tasks")
    tests = tmp_path / "suite/one/tests"
    printed = run_script(tests / "test.sh", {"/tests": tests, "/logs": tmp_path / "logs"}, tmp_path)
    assert (tmp_path / "logs/verifier/reward.txt").read_text() == ("1\n" if passed else "0\n")
    assert output.strip() in printed
