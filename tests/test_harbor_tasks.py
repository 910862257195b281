"""Tasks in Harbor's format: what is read, what is refused by name, and a folder of them as a suite."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from evolve.cli.task_list import list_tasks
from evolve.core.errors import BadInput
from evolve.core.records import Split, SuiteProfile, Task, VerifierMode
from evolve.core.task_format import (
    AgentPhase,
    Artifact,
    Environment,
    Healthcheck,
    NetworkMode,
    NetworkPolicy,
    RewardStrategy,
    VerifierPhase,
)
from evolve.suite.tasks import load_suite, load_task
from tests.harbor_corpus import CORPUS
from tests.harbor_tasks import PLAIN, REFUSED, USABLE, write

Loader = Callable[[str], Task]


def load(folder: Path, passed: tuple[str, ...] = ()) -> Task:
    return load_task(folder, Split.TRAIN, SuiteProfile.LOOSE, harbor=True, pass_env=passed)


@pytest.fixture
def usable(tmp_path: Path) -> Loader:
    return lambda name: load(write(tmp_path / name, USABLE[name]))


@pytest.fixture
def toml(tmp_path: Path) -> Loader:
    """Loads a task with this `task.toml`."""
    return lambda text: load(write(tmp_path / "task", {"task.toml": text}))


@pytest.mark.parametrize("name", USABLE)
def test_a_usable_task_is_read_without_a_warning(usable: Loader, name: str) -> None:
    assert usable(name).format.warnings == ()


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_supported_is_refused_by_name(tmp_path: Path, name: str) -> None:
    files, reason = REFUSED[name]
    with pytest.raises(BadInput) as caught:
        load(write(tmp_path / name, files))
    assert reason in str(caught.value) and str(tmp_path / name) in caught.value.where
    assert "\n" not in str(caught.value)


def test_absent_keys_mean_what_they_mean_in_harbor(usable: Loader) -> None:
    task = usable("plain")
    sandbox = task.sandbox
    assert (sandbox.cpus, sandbox.memory_mb, sandbox.disk_mb, sandbox.network) == (None, None, None, True)
    assert (task.agent_seconds, task.verifier_seconds, task.verifier) == (None, 600.0, VerifierMode.SHARED)
    assert task.format.environment.build_seconds == 600.0


def test_times_and_sizes_are_as_written(usable: Loader) -> None:
    assert usable("long-agent").agent_seconds == 12000.0
    assert usable("long-build").format.environment.build_seconds == 1800.0
    old = usable("old-spellings").sandbox
    assert (old.memory_mb, old.disk_mb, old.network) == (2048, 10240, False)
    assert usable("number-as-difficulty").difficulty == "3"


def test_tables_of_variables_and_users_are_read(usable: Loader) -> None:
    assert usable("environment-env").format.environment.env == (("COLOUR", "blue"),)
    assert usable("solution-env").format.solution_env == (("WORD", "done"),)
    assert usable("verifier-env").format.verifier.env == (("WORD", "done"),)
    numbers = usable("user-number").format
    assert (numbers.agent.user, numbers.verifier.user) == ("1000", "0")


def test_canary_lines_are_not_shown(usable: Loader) -> None:
    assert usable("canary").instruction == "Write `done`.\n"
    assert usable("plain").instruction == PLAIN["instruction.md"]


def test_a_task_without_a_solution_says_so(usable: Loader) -> None:
    assert not usable("no-solution").format.solved and usable("plain").format.solved


def test_steps_have_their_own_files_and_inherit_the_rest(usable: Loader) -> None:
    first, second = usable("steps").format.steps
    assert (first.name, first.folder, first.instruction, first.min_reward) == (
        "first", "steps/first", "First.\n", (("reward", 0.5),),
    )  # fmt: skip
    assert first.tests == ("tests", "steps/first/tests") and second.tests == ("tests",)
    assert (first.verifier.seconds, second.verifier.seconds) == (600.0, 30.0)
    assert (first.solved, second.solved) == (True, False)
    assert usable("steps").format.strategy is RewardStrategy.MEAN and usable("steps").instruction == "First.\n"


def test_a_step_overrides_the_task(toml: Callable[[str], Task], tmp_path: Path) -> None:
    write(tmp_path / "task", USABLE["steps"])
    (step,) = toml(
        '[agent]\ntimeout_sec = 5\nuser = "ann"\n[verifier]\ntimeout_sec = 7\nuser = "bob"\n[verifier.env]\nA = "1"\n'
        'B = "1"\n[[steps]]\nname = "first"\n[steps.agent]\ntimeout_sec = 6\n[steps.verifier.env]\nB = "2"\n'
    ).format.steps
    assert (step.agent.seconds, step.agent.user, step.verifier.user) == (6.0, "ann", "bob")
    assert step.verifier.env == (("A", "1"), ("B", "2")) and step.verifier.seconds == 600.0


@pytest.mark.parametrize(
    ("text", "files", "context", "image", "holds_tests"),
    [
        ('environment_mode = "separate"', {}, "environment", "", False),
        ('environment_mode = "separate"', {"tests/Dockerfile": "FROM x\n"}, "tests", "", True),
        ('[verifier.environment]\ndocker_image = "x/y"', {}, "tests", "x/y", True),
        ("[verifier.environment]\ncpus = 2", {}, "environment", "", False),
        ('[verifier.environment]\ndocker_image = "x/y"', {"tests/test.sh": ""}, "tests", "x/y", True),
    ],
)
def test_a_separate_verifier_has_its_own_image_or_the_tasks(
    tmp_path: Path, text: str, files: dict[str, str], context: str, image: str, holds_tests: bool
) -> None:
    task = load(write(tmp_path / "task", {"task.toml": f"[verifier]\n{text}\n", **files}))
    environment = task.format.verifier.environment
    assert task.verifier is VerifierMode.ISOLATED and environment is not None
    assert (environment.context, environment.docker_image, environment.holds_tests) == (context, image, holds_tests)


def test_the_agents_network_is_the_containers(usable: Loader) -> None:
    task = usable("network-by-phase")
    assert not task.sandbox.network
    assert task.format.verifier.environment is not None
    assert task.format.verifier.environment.network.mode is NetworkMode.PUBLIC


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[environment]\nmemory_mb = 'big'", "environment.memory_mb"),
        ("[environment.env]\nX = 1", "environment.env.X"),
        ("[agent]\ntimeout_sec = -1", "agent.timeout_sec"),
        ("[agent]\ntimeout_sec = nan", "agent.timeout_sec"),
        ("[[steps]]\nname = '../x'", "steps.0.name"),
        ("[[steps]]\nname = 'a'\n[[steps]]\nname = 'A'", "steps"),
        ("artifacts = ['../x']", "artifacts.0.source"),
        ("artifacts = [{ source = '/x', destination = '/y' }]", "artifacts.0.destination"),
        ("[verifier]\nenvironment_mode = 'shared'\n[verifier.environment]", "verifier"),
        ("[environment]\nnetwork_mode = 'maybe'", "environment.network_mode"),
        ("[environment]\nos = 'beos'", "environment.os"),
        ("multi_step_reward_strategy = 'max'", "multi_step_reward_strategy"),
        ("[environment]\nmemory = 'G'", "environment"),
        ("[environment]\nallow_internet = 'perhaps'", "environment"),
        ("[[steps]]\nname = 'a '", "steps.0.name"),
        ("[[steps]]\nname = '..'", "steps.0.name"),
        (f"[[steps]]\nname = '{'é' * 128}'", "steps.0.name"),
        ("[[steps]]\nname = 'a'\nmin_reward = 'much'", "steps.0.min_reward"),
    ],
)
def test_an_impossible_value_is_named(toml: Loader, text: str, key: str) -> None:
    with pytest.raises(BadInput, match=rf"task\.toml: key `{key}`"):
        toml(text)


@pytest.mark.parametrize(
    ("text", "memory", "mode"),
    [
        ("memory = '2G'\nmemory_mb = 2048", 2048, NetworkMode.PUBLIC),
        ("memory = ' .5g '", 512, NetworkMode.PUBLIC),
        ("memory = '1e3M'", 1000, NetworkMode.PUBLIC),
        ("allow_internet = 'true'", None, NetworkMode.PUBLIC),
        ("allow_internet = 'no'", None, NetworkMode.NONE),
        ("allow_internet = 1", None, NetworkMode.PUBLIC),
        ("allow_internet = 0", None, NetworkMode.NONE),
        ("allow_internet = false\nnetwork_mode = 'public'", None, NetworkMode.PUBLIC),
    ],
)
def test_older_keys_mean_what_they_mean_in_harbor(
    toml: Loader, text: str, memory: int | None, mode: NetworkMode
) -> None:
    environment = toml(f"[environment]\n{text}\n").format.environment
    assert (environment.sandbox.memory_mb, environment.network.mode) == (memory, mode)


@pytest.mark.parametrize("value", ["0.5", "'0.5'", "{ reward = 0.5 }"])
def test_a_minimum_is_a_number_or_a_table(toml: Loader, tmp_path: Path, value: str) -> None:
    write(tmp_path / "task", USABLE["steps"])
    (step,) = toml(f"[[steps]]\nname = 'first'\nmin_reward = {value}\n").format.steps
    assert step.min_reward == (("reward", 0.5),)


def test_a_solution_of_the_task_solves_steps_that_have_none(toml: Loader, tmp_path: Path) -> None:
    write(tmp_path / "task", USABLE["steps"])
    format = toml("[[steps]]\nname = 'second'\n").format
    assert format.solved and not format.steps[0].solved


@pytest.mark.parametrize("source", ["/etc/hostname", "etc/hosts", "/etc//resolv.conf", "/proc/version", "/dev", "/"])
def test_an_artifact_at_a_place_of_the_engine_is_refused_where_it_would_be_copied(toml: Loader, source: str) -> None:
    text = f'artifacts = ["{source}"]\n'
    assert toml(text).format.artifacts[0].source == source
    with pytest.raises(BadInput, match=f"artifact `{source}` can't be put into the container of the tests"):
        toml(text + SEPARATE)
    for near in ("/etc/hostname2", "/processed", "/development/x", "/etc"):
        assert toml(f'artifacts = ["{near}"]\n{SEPARATE}').format.artifacts


def test_a_template_means_its_default_unless_its_variable_is_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "secret")
    text = "[environment.env]\nA = '${MY_KEY:-a:-b}'\n[solution.env]\nA = '${MY_KEY:-}'\n"
    separate = f"{SEPARATE}[verifier.env]\nA = '${{MY_KEY:-c}}'\n[verifier.environment.env]\nA = '${{MY_KEY:-d}}'\n"
    folder = write(tmp_path / "task", {"task.toml": text + separate})
    format = load(folder).format
    assert format.environment.env == (("A", "a:-b"),) and format.solution_env == (("A", ""),)
    assert format.verifier.env == (("A", "c"),) and format.verifier.environment is not None
    assert format.verifier.environment.env == (("A", "d"),)
    with pytest.raises(BadInput, match="only a separate verifier may have"):
        load(folder, ("MY_KEY",))
    (folder / "task.toml").write_text(separate)
    assert load(folder, ("MY_KEY",)).format.verifier.env == (("A", "${MY_KEY:-c}"),)


def test_a_variable_that_the_user_leaves_empty_is_empty_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "secret")
    text = "[environment.env]\nA = '${MY_KEY}'\n[solution.env]\nA = '${MY_KEY}'\nB = '${MY_KEY:-b}'\n"
    tests = "[verifier.env]\nA = '${MY_KEY}'\nOPENAI_API_KEY = '${OPENAI_API_KEY}'\n"
    folder = write(tmp_path / "task", {"task.toml": text + tests})
    with pytest.raises(BadInput, match="leave it empty with --pass-env MY_KEY="):
        load(folder, ("OPENAI_API_KEY=",))
    format = load(folder, ("MY_KEY=", "OPENAI_API_KEY=")).format
    assert format.environment.env == (("A", ""),) and format.solution_env == (("A", ""), ("B", "b"))
    assert format.verifier.env == (("A", ""), ("OPENAI_API_KEY", "")) and format.solved


def test_a_solution_without_a_variable_of_the_host_is_not_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "task", {"task.toml": "[solution.env]\nA = '${MY_KEY}'\n"})
    monkeypatch.setenv("MY_KEY", "secret")
    assert (load(folder).format.solved, load(folder).format.unsolved) == (False, "MY_KEY")
    passed = load(folder, ("MY_KEY",)).format
    assert (passed.solved, passed.unsolved, passed.solution_env) == (True, "", (("A", "${MY_KEY}"),))
    monkeypatch.delenv("MY_KEY")
    assert load(folder, ("MY_KEY",)).format.unsolved == "MY_KEY"


def test_an_unknown_key_is_a_warning_with_the_nearest_known_one(toml: Loader, tmp_path: Path) -> None:
    write(tmp_path / "task", USABLE["steps"])
    text = "[agent]\ntimeout_secs = 3\n[environment]\nmemroy_mb = 64\n[other]\nx = 1\n[enviroment]\n[solution]\n"
    steps = "timeout_sec = 3\n[[steps]]\nname = 'first'\nneeds = []\n[[steps]]\nname = 'second'\nneeds = ['first']\n"
    lines = toml(text + steps).format.warnings
    assert [line.partition("task.toml: ")[2] for line in lines] == [
        "unknown key `agent.timeout_secs` is ignored; did you mean `agent.timeout_sec`?",
        "unknown key `environment.memroy_mb` is ignored; did you mean `environment.memory_mb`?",
        "unknown key `other` is ignored",
        "unknown key `enviroment` is ignored; did you mean `environment`?",
        "unknown key `solution.timeout_sec` is ignored; did you mean `agent.timeout_sec`?",
        "unknown key `steps.needs` is ignored",
    ]


SEPARATE = '[verifier]\nenvironment_mode = "separate"\n'


def test_a_separate_verifier_takes_the_variables_that_the_user_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "task", {"task.toml": f'{SEPARATE}[verifier.env]\nKEY = "${{MY_KEY}}"\n'})
    monkeypatch.setenv("MY_KEY", "secret")
    with pytest.raises(BadInput, match="MY_KEY, which was not passed; pass it with --pass-env MY_KEY"):
        load(folder)
    assert load(folder, ("MY_KEY",)).format.verifier.env == (("KEY", "${MY_KEY}"),)
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(BadInput, match="MY_KEY, which is not set"):
        load(folder, ("MY_KEY",))


@pytest.mark.parametrize("value", ["a ${MY_KEY}", "$MY_KEY", "${MY_KEY} ", "$${MY_KEY}"])
def test_only_a_whole_value_is_a_template(toml: Loader, value: str) -> None:
    assert toml(f"[environment.env]\nX = '{value}'\n").format.environment.env == (("X", value),)


@pytest.mark.parametrize("place", ["tests/data", "solution/data", "instruction.md", "environment/Dockerfile"])
def test_a_link_that_leads_out_of_the_task_is_refused(tmp_path: Path, place: str) -> None:
    folder = write(tmp_path / "task", {})
    (tmp_path / "secret").write_text("FROM x\n")
    (folder / place).unlink(missing_ok=True)
    (folder / place).symlink_to("../../secret" if "/" in place else "../secret")
    with pytest.raises(BadInput, match="is a link that leads out of the task"):
        load(folder)


def test_a_link_out_of_what_a_step_shows_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "task", USABLE["steps"])
    link = folder / "steps" / "second" / "workdir" / "link"
    link.symlink_to("setup.sh")
    assert load(folder).format.steps
    link.unlink()
    link.symlink_to("../../first/tests/test.sh")
    with pytest.raises(BadInput, match="is a link that leads out of the step's workdir"):
        load(folder)


def test_links_within_a_task_and_in_its_build_context_are_kept(tmp_path: Path) -> None:
    folder = write(tmp_path / "task", {})
    (folder / "tests" / "other.sh").symlink_to("test.sh")
    (folder / "environment" / "python").symlink_to("/usr/bin/python3")
    before = load(folder).digest
    (folder / "environment" / "python").unlink()
    (folder / "environment" / "python").symlink_to("/usr/bin/python4")
    assert load(folder).digest != before


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[agent]\nuser = "ann"', "agent.user"),
        ("[verifier]\nuser = 0", "verifier.user"),
        ("[verifier.environment]\ncpus = 1", "verifier.environment"),
        ('[[verifier.collect]]\ncommand = "true"', "verifier.collect"),
    ],
)
def test_a_strict_suite_refuses_what_it_has_no_place_for(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(BadInput, match=f"key `{key}` is not supported in a strict suite"):
        load_task(write(tmp_path / "task", {"task.toml": text}), Split.TRAIN)


def test_a_folder_of_tasks_is_a_suite(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        write(tmp_path / name, {})
    write(tmp_path / "_hidden", {})
    (tmp_path / "notes").mkdir()
    suite = load_suite(tmp_path)
    assert (suite.profile, suite.harbor, suite.refused) == (SuiteProfile.LOOSE, True, ())
    assert Counter(task.split for task in suite.tasks) == {Split.TRAIN: 2, Split.VALIDATION: 1, Split.HOLDOUT: 1}
    assert load_suite(tmp_path).digest == suite.digest


def test_tasks_may_be_in_groups(tmp_path: Path) -> None:
    for name in ("maths/easy/a", "maths/b", "web/c", "_hidden/d", "web/.cache/e", "a/b/c/d/too-deep"):
        write(tmp_path / name, {})
    write(tmp_path / "web" / "c" / "environment" / "inner", {})
    (tmp_path / "web" / "loop").symlink_to(tmp_path, target_is_directory=True)
    suite = load_suite(tmp_path)
    assert {task.name: task.folder.relative_to(tmp_path).as_posix() for task in suite.tasks} == {
        "a": "maths/easy/a", "b": "maths/b", "c": "web/c",
    }  # fmt: skip


def test_groups_don_t_count_beside_tasks(tmp_path: Path) -> None:
    for name in ("a", "group/b"):
        write(tmp_path / name, {})
    assert [task.name for task in load_suite(tmp_path).tasks] == ["a"]


@pytest.mark.parametrize("with_file", [True, False])
def test_two_tasks_of_one_name_are_an_error(tmp_path: Path, with_file: bool) -> None:
    for name in ("x/a", "y/a", "y/b"):
        write(tmp_path / name, {})
    if with_file:
        (tmp_path / "suite.toml").write_text('[splits]\ntrain = ["x/a", "y/a"]\n')
    with pytest.raises(BadInput, match=r"two tasks are named `a`: .*x/a and .*y/a"):
        load_suite(tmp_path)


def test_a_task_is_a_suite_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "only", {})
    (task,) = load_suite(folder).tasks
    assert (task.name, task.split) == ("only", Split.TRAIN)
    monkeypatch.chdir(folder)
    assert load_suite(Path()).tasks[0].name == "only"


@pytest.mark.parametrize("with_file", [True, False])
def test_refused_tasks_are_named_and_the_others_are_used(tmp_path: Path, with_file: bool) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, {})
    write(tmp_path / "broken", {"task.toml": "[agent"})
    write(tmp_path / "gpus", REFUSED["gpus"][0])
    (tmp_path / "notes").mkdir()
    if with_file:
        (tmp_path / "suite.toml").write_text(
            '[suite]\nprofile = "loose"\n[splits]\ntrain = ["a", "b", "gpus"]\nholdout = ["broken"]\n'
        )
    suite = load_suite(tmp_path)
    assert {task.name for task in suite.tasks} == {"a", "b"}
    assert {task.name for task in suite.refused} == set(suite.reasons) == {"broken", "gpus"}
    assert "is not valid TOML" in suite.reasons["broken"] and "environment.gpus" in suite.reasons["gpus"]


def test_a_folder_that_lacks_its_task_toml_is_named(tmp_path: Path) -> None:
    for name in ("a", "half"):
        write(tmp_path / name, {})
    (tmp_path / "half" / "task.toml").unlink()
    reasons = load_suite(tmp_path).reasons
    assert list(reasons) == ["half"] and "task.toml: required file is missing" in reasons["half"]


def test_a_task_that_a_loose_suite_names_and_lacks_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "a", {})
    (tmp_path / "suite.toml").write_text('[suite]\nprofile = "loose"\n[splits]\ntrain = ["a", "gone"]\n')
    with pytest.raises(BadInput, match="gone: no such task"):
        load_suite(tmp_path)


def test_a_folder_with_refused_tasks_only_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "gpus", REFUSED["gpus"][0])
    with pytest.raises(BadInput, match=r"none of its tasks can be used: .*environment\.gpus"):
        load_suite(tmp_path)


def test_a_loose_suite_of_an_earlier_version_can_be_read_as_it_was(tmp_path: Path) -> None:
    write(tmp_path / "a", {})
    (tmp_path / "suite.toml").write_text('[suite]\nprofile = "loose"\n[splits]\ntrain = ["a"]\n')
    now, earlier = load_suite(tmp_path), load_suite(tmp_path, earlier=True)
    assert now.digest != earlier.digest and not earlier.harbor
    assert (earlier.tasks[0].verifier, earlier.tasks[0].sandbox.memory_mb) == (VerifierMode.ISOLATED, 512)


def test_the_executable_bit_does_not_matter(tmp_path: Path) -> None:
    folder = write(tmp_path / "task", {})
    assert not os.access(folder / "tests" / "test.sh", os.X_OK)
    assert load(folder).name == "task"


def test_the_list_of_tasks_names_those_that_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "a", {"task.toml": "[agent]\ntimeout_secs = 1\n"})
    write(tmp_path / "gpus", REFUSED["gpus"][0])
    list_tasks(tmp_path, as_json=False)
    shown = capsys.readouterr()
    assert "gpus" not in shown.out
    assert "gpus is left out: " in shown.err and "did you mean `agent.timeout_sec`?" in shown.err


def described_network(policy: NetworkPolicy | None) -> Any:
    return None if policy is None else [str(policy.mode), list(policy.allowed_hosts)]


def described_health(check: Healthcheck | None) -> Any:
    return None if check is None else list(dataclasses.astuple(check))


def described_environment(own: Environment) -> dict[str, Any]:
    sizes = own.sandbox
    return {
        "context": own.context, "image": own.docker_image, "holds_tests": own.holds_tests, "env": dict(own.env),
        "sizes": [sizes.cpus, sizes.memory_mb, sizes.disk_mb], "workdir": own.workdir, "build": own.build_seconds,
        "network": described_network(own.network), "health": described_health(own.healthcheck),
    }  # fmt: skip


def described_agent(phase: AgentPhase) -> dict[str, Any]:
    return {"seconds": phase.seconds, "user": phase.user, "network": described_network(phase.network)}


def described_verifier(phase: VerifierPhase) -> dict[str, Any]:
    return {
        "seconds": phase.seconds, "env": dict(phase.env), "user": phase.user,
        "network": described_network(phase.network),
        "collect": [list(dataclasses.astuple(one)) for one in phase.collect],
        "environment": phase.environment and described_environment(phase.environment),
    }  # fmt: skip


def described_artifacts(artifacts: Iterable[Artifact]) -> list[Any]:
    return [[one.source, one.destination, list(one.exclude), one.service] for one in artifacts]


def described(task: Task) -> dict[str, Any]:
    """A task in the form of `tests/harbor_values.py`."""
    own = task.format
    steps = [
        {
            "name": step.name, "instruction": step.instruction, "agent": described_agent(step.agent),
            "verifier": described_verifier(step.verifier), "min_reward": dict(step.min_reward),
            "health": described_health(step.healthcheck), "artifacts": described_artifacts(step.artifacts),
        }
        for step in own.steps
    ]  # fmt: skip
    return {
        "instruction": task.instruction, "environment": described_environment(own.environment),
        "agent": described_agent(own.agent), "verifier": described_verifier(own.verifier),
        "solution": dict(own.solution_env), "artifacts": described_artifacts(own.artifacts),
        "strategy": str(own.strategy), "steps": steps,
    }  # fmt: skip


def read_by_harbor(folders: Iterable[Path]) -> dict[str, Any]:
    """What Harbor reads in these tasks, by folder; None if it refuses one."""
    script = Path(__file__).with_name("harbor_values.py")
    command = [os.environ["EVOLVE_HARBOR"], "-W", "ignore", str(script), *map(str, folders)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# Needs Harbor in an environment of its own: EVOLVE_HARBOR names its Python.
if "EVOLVE_HARBOR" in os.environ:

    def test_harbor_takes_all_of_these_tasks(tmp_path: Path) -> None:
        # A mode of Evolve's own.
        refused = {name: files for name, (files, _) in REFUSED.items() if name != "networks-in-one-container"}
        found = read_by_harbor(write(tmp_path / name, files) for name, files in {**USABLE, **refused}.items())
        assert [folder for folder, values in found.items() if values is None] == []

    def test_harbor_reads_the_same_values(tmp_path: Path) -> None:
        cases = {**USABLE, **{name: case.files for name, case in CORPUS.items()}}
        folders = {name: write(tmp_path / name, files) for name, files in cases.items()}
        # Templates stay as they are until a trial begins there.
        ours = {
            str(folder): described(load_task(folder, Split.TRAIN, SuiteProfile.LOOSE, harbor=True))
            for folder in folders.values()
        }
        assert read_by_harbor(folders.values()) == ours


@pytest.mark.parametrize("mode", ["live", "isolated"])
def test_a_verifier_that_ends_the_container_is_refused_in_a_task_with_steps(tmp_path: Path, mode: str) -> None:
    write(tmp_path / "task", USABLE["steps"])
    file = tmp_path / "task" / "task.toml"
    file.write_text(f"{file.read_text()}\n[verifier]\nenvironment_mode = '{mode}'\n")
    with pytest.raises(BadInput, match=f"step first: environment_mode `{mode}` is not supported"):
        load_task(tmp_path / "task", Split.TRAIN, SuiteProfile.LOOSE, harbor=True)
