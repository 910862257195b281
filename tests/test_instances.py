"""Generated instances without containers: their seeds, what a generator may write, and which files a trial then has."""

from __future__ import annotations

import io
import pickle
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.config import RunConfig
from evolve.core.errors import BadInput
from evolve.core.instances import FileContent, Instance
from evolve.core.records import ScaffoldSource, Split, Task, TaskImage, Usage
from evolve.guard import leaks
from evolve.loop.trial_specs import TrialSpecs
from evolve.project.init import new_task
from evolve.suite.instances import GENERATOR, PARTS, SCRIPTS, instance_seed, parse_instance
from evolve.suite.tasks import Suite, load_suite, load_task
from evolve.suite.vocabulary import vocabulary_of
from evolve.trial import trajectory
from evolve.trial.instances import packed_part
from tests.fakes import task, trial_spec
from tests.test_tasks import make_task

NAMES = st.text(min_size=1, max_size=12)
ATTEMPTS = st.integers(0, 2**31)
FILE = FileContent(b"x")


@given(st.integers(0, 2**63), NAMES, ATTEMPTS)
def test_candidates_share_the_instance_of_an_attempt_and_splits_share_none(run: int, name: str, attempt: int) -> None:
    seeds = {split: instance_seed(run, split, name, attempt) for split in Split}
    assert seeds == {split: instance_seed(run, split, name, attempt) for split in Split}
    assert [seed >> 51 for seed in seeds.values()] == [0, 1, 2]
    assert all(0 <= seed < 2**53 and float(seed) == seed for seed in seeds.values())


def test_every_attempt_and_task_and_run_has_a_seed_of_its_own() -> None:
    slots = [(run, name, attempt) for run in range(5) for name in "abcde" for attempt in range(400)]
    seeds = [instance_seed(run, Split.TRAIN, name, attempt) for run, name, attempt in slots]
    assert len({*seeds}) == len(slots)
    for few in (2, 3, 4, 10, 16):
        assert {seed % few for seed in seeds} == {*range(few)}


def test_an_instance_is_parsed_into_its_parts() -> None:
    files = {
        "instruction.md": FileContent("Mend the café.\n".encode()),
        "workdir/src/cafe.py": FILE,
        "tests/test.sh": FileContent(b"#!/bin/sh\n", True),
        "solution/cafe.py": FILE,
    }
    instance = parse_instance("here", 5, files)
    assert (instance.seed, instance.instruction) == (5, "Mend the café.\n")
    assert {part: [*instance.part(part)] for part in PARTS} == {
        "workdir": ["src/cafe.py"],
        "tests": ["test.sh"],
        "solution": ["cafe.py"],
    }
    assert parse_instance("here", 5, {"tests/data.json": FILE}).instruction is None


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({}, "it wrote nothing for seed 5"),
        ({"notes.txt": FILE}, "it wrote 'notes.txt', which is no part of an instance"),
        ({"workdir": FILE}, "it wrote 'workdir', which is no part of an instance"),
        ({"environment/Dockerfile": FILE}, "it wrote 'environment/Dockerfile', which is no part of an instance"),
        ({"task.toml": FILE}, "it wrote 'task.toml', which is no part of an instance"),
        ({"workdir/../../etc/passwd": FILE}, "it wrote 'workdir/../../etc/passwd', which is no part of an instance"),
        ({"/tests/test.sh": FILE}, "it wrote '/tests/test.sh', which is no part of an instance"),
        ({"tests/test.sh": FILE}, "tests/test.sh is not executable"),
        ({"solution/solve.sh": FILE}, "solution/solve.sh is not executable"),
        ({"instruction.md": FileContent(b"\xff")}, "instruction.md is not UTF-8 text: invalid start byte"),
        ({"instruction.md": FileContent(b" \n")}, "instruction.md is empty"),
        ({"x\n\x1b[31m": FILE}, "it wrote 'x\\n\\x1b[31m', which is no part of an instance"),
    ],
)
def test_what_is_no_instance_is_one_line(files: dict[str, FileContent], problem: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_instance("suite/one/instances/generate.sh", 5, files)
    assert caught.value.problem == problem
    assert "\n" not in str(caught.value)


@given(st.dictionaries(st.text(max_size=40), st.builds(FileContent, st.binary(max_size=20), st.booleans()), max_size=4))
def test_whatever_is_written_is_an_instance_or_bad_input(files: dict[str, FileContent]) -> None:
    instance, problem = None, ""
    try:
        instance = parse_instance("here", 1, files)
    except BadInput as error:
        problem = str(error)
    if instance is None:
        assert len(problem.splitlines()) == 1
        return
    assert {*instance.files} == {*files} - {"instruction.md"}
    assert all(path.split("/")[0] in PARTS and ".." not in path.split("/") for path in instance.files)
    assert all(files[path].executable for path in SCRIPTS if path in files)


def test_a_task_generates_instances_if_it_has_an_executable_generator(tmp_path: Path) -> None:
    folder = make_task(tmp_path / "one", "")
    assert not load_task(folder, Split.TRAIN).generates
    (folder / GENERATOR).parent.mkdir()
    (folder / GENERATOR).write_text("#!/bin/sh\n")
    with pytest.raises(BadInput, match=r"instances/generate.sh: is not executable; set its mode"):
        load_task(folder, Split.TRAIN)
    before = load_task(make_task(tmp_path / "two", ""), Split.TRAIN).digest
    (folder / GENERATOR).chmod(0o755)
    generating = load_task(folder, Split.TRAIN)
    assert generating.generates and generating.digest != before


def made(folder: Path, seed: int) -> dict[str, str]:
    """What the template's generator writes."""
    folder.mkdir()
    generator = Path("evolve/project/generator_template").absolute() / GENERATOR
    subprocess.run([generator, str(seed)], cwd=folder, check=True)
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_the_templates_generator_depends_on_its_seed_alone(tmp_path: Path) -> None:
    files = [made(tmp_path / str(number), seed) for number, seed in enumerate((1, 1, 2, 3))]
    assert files[0] == files[1]
    assert files[0] != files[2] != files[3]
    assert {path.partition("/")[0] for path in files[0]} == {"instruction.md", *PARTS}


def test_a_new_task_may_have_a_generator(tmp_path: Path) -> None:
    new_task(tmp_path, "plain")
    new_task(tmp_path, "many", split=Split.HOLDOUT, instances=True)
    suite = load_suite(tmp_path / "tasks")
    assert {one.name: one.generates for one in suite.tasks} == {"plain": False, "many": True}


class Exported:
    """Stands for a run's candidates."""

    folder = Path("runs/run")
    base_image = "base"

    def export(self, commit: str) -> ScaffoldSource:
        return ScaffoldSource(self.folder, "main.py", self.base_image)


def specs(*tasks: Task) -> TrialSpecs:
    images = {one.name: TaskImage("image", "/work") for one in tasks}
    return TrialSpecs("run", RunConfig(seed=3), Suite(Path("tasks"), tasks), images, Exported())  # type: ignore[arg-type]


def test_trials_of_one_attempt_have_one_instance_whoever_is_tried() -> None:
    described = specs(replace(task("alpha"), generates=True), task("beta"))
    slots = [("alpha", 0), ("alpha", 1), ("beta", 0)]
    tip, patch = (described.trials(commit, slots) for commit in ("a" * 40, "b" * 40))
    assert [spec.instance_seed for spec in tip] == [spec.instance_seed for spec in patch]
    first, second, fixed = (spec.instance_seed for spec in tip)
    assert first != second and fixed is None
    assert pickle.loads(pickle.dumps(tip)) == tip


def members(archive: bytes) -> dict[str, tuple[bytes, int]]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return {member.name: (opened.extractfile(member).read(), member.mode) for member in opened}  # type: ignore[union-attr]


def test_an_instance_replaces_the_tasks_own_files_and_keeps_the_others(tmp_path: Path) -> None:
    fixed = load_task(make_task(tmp_path / "one", ""), Split.TRAIN)
    (fixed.folder / "tests" / "test.sh").chmod(0o755)
    (fixed.folder / "tests" / "data").write_text("old")
    files = {"tests/data": FileContent(b"new"), "tests/more/x.sh": FileContent(b"more", True), "workdir/a": FILE}
    varied = fixed.as_instance(Instance(1, None, files))
    assert varied.instruction == fixed.instruction
    assert members(packed_part(varied, "tests")) == {
        "data": (b"new", 0o644),
        "more/x.sh": (b"more", 0o755),
        "test.sh": (b"tests/test.sh\n", 0o755),
    }
    assert members(packed_part(fixed, "tests"))["data"] == (b"old", 0o644)
    assert fixed.as_instance(Instance(1, "Mend it.", {})).instruction == "Mend it."


def test_the_words_of_instances_are_words_of_their_task(tmp_path: Path) -> None:
    tasks = [replace(load_task(make_task(tmp_path / name, ""), Split.TRAIN), generates=True) for name in ("one", "two")]
    written = {"workdir/zorkmid.py": FileContent(b"def weigh_frobnitz_purse_of_gold(): ...\n")}
    instances = {"one": [Instance(1, "Mend the quuxian frobnicator of the third basement.", written)]}
    patch = "When you mend the quuxian frobnicator of the third basement, use weigh_frobnitz_purse_of_gold."
    assert leaks.problem(patch, "", (), vocabulary_of(tasks)) is None
    refused = leaks.problem(patch, "", (), vocabulary_of(tasks, instances))
    assert refused is not None and refused.startswith("leak: ")


def test_the_words_of_the_generator_are_words_of_its_task(tmp_path: Path) -> None:
    folder = make_task(tmp_path / "one", "")
    (folder / GENERATOR).parent.mkdir()
    (folder / GENERATOR).with_name("generate.py").write_text("def weigh_frobnitz_purse_of_gold(): ...\n")
    found = vocabulary_of([load_task(folder, Split.TRAIN)])
    assert "weigh_frobnitz_purse_of_gold" in found.identifiers


def test_a_trajectory_names_the_instances_seed_and_that_of_a_fixed_task_is_as_before() -> None:
    varied = trajectory.build(trial_spec(instance_seed=12), [], Usage(), "")
    fixed = trajectory.build(trial_spec(), [], Usage(), "")
    assert varied["extra"].pop("instance_seed") == 12
    assert varied == fixed
