"""Suites and tasks on disk: small ones made here, and the one that comes with the package."""

from __future__ import annotations

import ast
import shutil
from collections import Counter
from pathlib import Path

import pytest

from evolve.core.config import TASK_SECONDS
from evolve.core.errors import BadInput
from evolve.core.records import Split, SuiteProfile, Task
from evolve.core.reward_scale import RewardScale
from evolve.suite.tasks import REQUIRED_FILES, Suite, load_suite, load_task
from tests.numeric import write_suite

BUGFIX = Path(__file__).parent.parent / "tasks" / "bugfix"
TASK_TOML = """
schema_version = "1.4"
[metadata]
difficulty = "hard"
[environment]
cpus = 2
memory_mb = 64
unknown_key = true
[agent]
timeout_sec = 30
"""


def make_task(folder: Path, text: str = TASK_TOML) -> Path:
    for name in REQUIRED_FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{name}\n")
    (folder / "task.toml").write_text(text)
    return folder


def make_suite(folder: Path, **splits: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    lines = [f"{split} = {names!r}" for split, names in splits.items()]
    (folder / "suite.toml").write_text("\n".join(["[suite]", "name = 'x'", "[splits]", *lines]))
    for names in splits.values():
        for name in names:
            make_task(folder / name)
    return folder


def read(folder: Path) -> Task:
    return load_task(folder, Split.TRAIN)


def test_a_task_is_read(tmp_path: Path) -> None:
    task = load_task(make_task(tmp_path / "one"), Split.HOLDOUT)
    assert (task.name, task.split, task.difficulty) == ("one", Split.HOLDOUT, "hard")
    assert task.instruction == "instruction.md\n"
    assert (task.agent_seconds, task.verifier_seconds) == (30.0, 600.0)
    assert read(make_task(tmp_path / "b", "")).agent_seconds == TASK_SECONDS
    sandbox = task.sandbox
    assert (sandbox.cpus, sandbox.memory_mb, sandbox.disk_mb, sandbox.network) == (2.0, 64, 64, False)


def test_a_task_has_a_network_only_if_it_asks_for_one(tmp_path: Path) -> None:
    assert read(make_task(tmp_path / "a", '[environment]\nnetwork_mode = "public"')).sandbox.network
    assert not read(make_task(tmp_path / "b", "")).sandbox.network


def test_older_keys_are_accepted_and_newer_keys_win(tmp_path: Path) -> None:
    older = read(make_task(tmp_path / "a", '[environment]\nmemory = "2G"\nstorage = "512MB"\nallow_internet = true'))
    assert (older.sandbox.memory_mb, older.sandbox.disk_mb, older.sandbox.network) == (2048, 512, True)
    both = read(make_task(tmp_path / "b", '[environment]\nmemory = "2G"\nmemory_mb = 64\nallow_internet = false'))
    assert (both.sandbox.memory_mb, both.sandbox.network) == (64, False)


@pytest.mark.parametrize(
    ("mode", "wanted"),
    [("", "isolated"), ("'separate'", "isolated"), ("'shared'", "live"), ("'live'", "live")],
)
def test_a_task_has_a_live_verifier_only_if_it_asks_for_one(tmp_path: Path, mode: str, wanted: str) -> None:
    text = f"[verifier]\nenvironment_mode = {mode}" if mode else ""
    assert read(make_task(tmp_path / "a", text)).verifier == wanted


def test_the_profile_belongs_to_the_suite_and_its_digest(tmp_path: Path) -> None:
    strict = load_suite(make_suite(tmp_path / "s", train=["a"]))
    file = tmp_path / "s" / "suite.toml"
    file.write_text(file.read_text().replace("name = 'x'", "profile = 'loose'"))
    loose = load_suite(tmp_path / "s")
    assert (strict.profile, loose.profile) == (SuiteProfile.STRICT, SuiteProfile.LOOSE)
    assert [task.profile for task in loose.tasks] == [SuiteProfile.LOOSE] and strict.digest != loose.digest


@pytest.mark.parametrize("name", REQUIRED_FILES)
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (make_task(tmp_path / "one") / name).unlink()
    with pytest.raises(BadInput) as caught:
        read(tmp_path / "one")
    assert caught.value.where == str(tmp_path / "one" / name)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[environment", "is not valid TOML"),
        ("[environment]\nmemory_mb = 'big'", "key `environment.memory_mb`"),
        ("[environment]\ncpus = 0", "key `environment.cpus`"),
        ("[agent]\ntimeout_sec = -1", "key `agent.timeout_sec`"),
        ("agent = 3", "key `agent`"),
        ("[verifier]\nenvironment_mode = 'else'", "key `verifier.environment_mode`"),
        ("[environment]\nmemory = 'much'", "key `environment`: memory must be a size"),
        ("[environment]\nmemory = '1M'", "key `environment.memory_mb`"),
    ],
)
def test_a_bad_key_is_named_with_its_file(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(BadInput) as caught:
        read(make_task(tmp_path / "one", text))
    assert caught.value.where == str(tmp_path / "one" / "task.toml")
    assert caught.value.problem.startswith(problem)


def test_text_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (make_task(tmp_path / "one") / "instruction.md").write_bytes(b"\xff")
    with pytest.raises(BadInput, match=r"instruction\.md"):
        read(tmp_path / "one")


def test_the_digest_covers_names_contents_and_modes(tmp_path: Path) -> None:
    folder = make_task(tmp_path / "one")
    seen = [read(folder).digest]
    assert read(Path(shutil.copytree(folder, tmp_path / "two"))).digest == seen[0]
    (folder / "tests" / "hidden.py").write_text("x")
    seen.append(read(folder).digest)
    (folder / "tests" / "hidden.py").write_text("y")
    seen.append(read(folder).digest)
    (folder / "tests" / "hidden.py").rename(folder / "tests" / "other.py")
    seen.append(read(folder).digest)
    (folder / "tests" / "other.py").chmod(0o755)
    seen.append(read(folder).digest)
    assert len(set(seen)) == 5
    (folder / "tests" / "__pycache__").mkdir()
    (folder / "tests" / "__pycache__" / "a.pyc").write_text("")
    assert read(folder).digest == seen[-1]


def test_a_suite_is_read_with_its_splits(tmp_path: Path) -> None:
    suite = load_suite(make_suite(tmp_path / "s", train=["a", "b"], holdout=["c"]))
    assert [(task.name, task.split) for task in suite.tasks] == [
        ("a", Split.TRAIN),
        ("b", Split.TRAIN),
        ("c", Split.HOLDOUT),
    ]
    assert [task.name for task in suite.split(Split.HOLDOUT, Split.VALIDATION)] == ["c"]


def test_a_suites_digest_covers_tasks_and_splits_but_not_their_order(tmp_path: Path) -> None:
    digests = {
        load_suite(make_suite(tmp_path / f"s{number}", **splits)).digest
        for number, splits in enumerate(
            [{"train": ["a", "b"]}, {"train": ["b", "a"]}, {"train": ["a"], "holdout": ["b"]}, {"train": ["a"]}]
        )
    }
    assert len(digests) == 3


def test_a_folder_without_a_suite_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"suite\.toml: no such file"):
        load_suite(tmp_path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[suite]\nprofile = 'wild'\n[splits]\ntrain = ['a']", "key `suite.profile`"),
        ("[splits]\ntrain = []", "key `splits.train`"),
        ("", "key `splits`"),
        ("[splits]\ntrain = ['a']\ntest = ['b']", "key `splits.test`"),
        ("[splits]\ntrain = ['a', 'a']", "task `a` is listed twice"),
        ("[splits]\ntrain = ['a']\nholdout = ['a']", "task `a` is listed twice"),
    ],
)
def test_a_bad_suite_file_is_named(tmp_path: Path, text: str, problem: str) -> None:
    make_task(tmp_path / "a")
    (tmp_path / "suite.toml").write_text(text)
    with pytest.raises(BadInput) as caught:
        load_suite(tmp_path)
    assert caught.value.where == str(tmp_path / "suite.toml")
    assert caught.value.problem.startswith(problem)


def test_a_missing_task_is_named(tmp_path: Path) -> None:
    make_suite(tmp_path, train=["a"])
    (tmp_path / "suite.toml").write_text("[splits]\ntrain = ['a', 'gone']")
    with pytest.raises(BadInput, match="gone"):
        load_suite(tmp_path)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture(scope="module")
def bugfix() -> Suite:
    return load_suite(BUGFIX)


def test_the_bundled_suite_holds_every_task_once(bugfix: Suite) -> None:
    counts = Counter(task.split for task in bugfix.tasks)
    assert counts == {Split.TRAIN: 28, Split.VALIDATION: 16, Split.HOLDOUT: 16}
    folders = {path.parent.name for path in BUGFIX.glob("*/task.toml")}
    assert {task.name for task in bugfix.tasks} == folders
    assert len(folders) == 60


def test_the_bundled_splits_are_stratified_by_difficulty(bugfix: Suite) -> None:
    total = Counter(task.difficulty for task in bugfix.tasks)
    assert set(total) == {"easy", "medium", "hard"}
    for split in Split:
        tasks = bugfix.split(split)
        counts = Counter(task.difficulty for task in tasks)
        for difficulty, number in total.items():
            assert abs(counts[difficulty] - number * len(tasks) / 60) <= 1.5, (split, difficulty)


def test_every_bundled_task_has_the_same_verifier(bugfix: Suite) -> None:
    wanted = contents(BUGFIX / "_verifier")
    assert set(wanted) == {
        "judge.py",
        "judge_channel.py",
        "judge_child.py",
        "judge_codec.py",
        "judge_proxies.py",
        "test.sh",
    }
    for task in bugfix.tasks:
        found = contents(task.folder / "tests")
        assert found.pop("test_hidden.py")
        assert found == wanted, task.name


def test_bundled_tasks_have_no_network_and_a_runnable_test(bugfix: Suite) -> None:
    for task in bugfix.tasks:
        assert not task.sandbox.network, task.name
        assert task.instruction.strip(), task.name
        assert (task.folder / "tests" / "test.sh").stat().st_mode & 0o100, task.name


def test_no_hidden_test_is_visible_to_the_agent(bugfix: Suite) -> None:
    for task in bugfix.tasks:
        hidden = [path for path in (task.folder / "tests").rglob("*") if path.is_file()]
        shown = {path.read_bytes() for path in (task.folder / "environment").rglob("*") if path.is_file()}
        assert not [path for path in hidden if path.read_bytes() in shown], task.name


def test_no_hidden_test_runs_what_a_candidate_returned(bugfix: Suite) -> None:
    for task in bugfix.tasks:
        tree = ast.parse((task.folder / "tests" / "test_hidden.py").read_text())
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert not names & {"eval", "exec", "compile", "__import__", "open"}, task.name


def test_a_suite_and_its_tasks_declare_scales_of_rewards(tmp_path: Path) -> None:
    suite = load_suite(write_suite(tmp_path / "numbers"))
    scales = {task.name: task.scale for task in suite.tasks}
    assert scales.pop("guess-9") == RewardScale("accuracy")
    assert set(scales.values()) == {RewardScale("error", 0, 100, lower_is_better=True, passes=10)}
    file = tmp_path / "numbers/suite.toml"
    file.write_text(file.read_text().replace("max = 100", "max = 200"))
    assert load_suite(tmp_path / "numbers").digest != suite.digest


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("max = 100", "max = -1", "min must be below max"),
        ("passes = 10", "passes = 500", "passes must be from min to max"),
        ('direction = "lower"', 'direction = "down"', "reward.direction"),
        ("passes = 10", "threshold = 10", "reward.threshold"),
    ],
)
def test_a_wrong_scale_is_refused_by_name(tmp_path: Path, old: str, new: str, text: str) -> None:
    file = write_suite(tmp_path / "numbers") / "suite.toml"
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(BadInput, match=text) as caught:
        load_suite(file.parent)
    assert str(file) in str(caught.value)
