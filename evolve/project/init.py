"""`evolve init` and `evolve tasks new`: what a folder has, and which files it gets."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evolve.core.errors import BadInput
from evolve.core.launch import Place
from evolve.core.records import Split, SuiteProfile, Task
from evolve.project.agents import Agent, recognise
from evolve.project.folder import agent_texts
from evolve.project.guesses import PACKAGES, RUNS, with_ignored
from evolve.project.level import Level
from evolve.project.starts import CODING_TOOLS, FOLDER
from evolve.project.texts import add_to_split, evolve_toml, scaffold_toml, suite_toml
from evolve.project.writing import IS_THERE, NewFile, Unit, write
from evolve.suite.bundled import bundled_scaffold, bundled_suite
from evolve.suite.refusals import LOOSE_FIX
from evolve.suite.scaffold import FILE as SCAFFOLD_FILE
from evolve.suite.split import split_tasks
from evolve.suite.task_files import TASK_FILE, load_task
from evolve.suite.tasks import SUITE_FILE, task_folders

CONFIG_FILE = "evolve.toml"
TEMPLATE = Path(__file__).with_name("task_template")
GENERATOR_TEMPLATE = Path(__file__).with_name("generator_template")
SAMPLE = "first-task"
SUITE_FOLDERS = ("tasks", "evolve-tasks")


@dataclass(frozen=True)
class Layout:
    """The two folders as `evolve.toml` names them, the files to write, and what was recognised in a few lines.

    left_out: Why tasks are no part of the suite, by name.
    needs_model: the embedded model can't answer this agent.
    """

    scaffold: str
    suite: str
    units: tuple[Unit, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    about: tuple[str, ...] = ()
    needs_model: bool = False


@dataclass(frozen=True)
class Report:
    """What was done with each file or folder, by name; what a run still needs; what was recognised.

    next: the command to give next; "" if something has to be filled in before.
    """

    done: Mapping[str, str]
    missing: tuple[str, ...]
    about: tuple[str, ...] = ()
    next: str = "evolve run"


@dataclass(frozen=True)
class Choice:
    """What the user asked for. level: how much may evolve; tool: the coding agent that follows instructions."""

    level: Level | None = None
    tool: str | None = None


def init_project(
    folder: Path,
    tasks: Path | None = None,
    example: bool = False,
    seed: int = 0,
    profile: SuiteProfile = SuiteProfile.STRICT,
    choice: Choice | None = None,
) -> Report:
    """Make `folder` a project that Evolve can run in. Existing files stay as they are.

    tasks: a folder of tasks to make a suite of; example: copy the bundled scaffold and suite; seed: of the split;
    profile: of the new suite. Raises BadInput if something is wrong; nothing is written then.
    """
    if example and (tasks or choice):
        other = "--tasks" if tasks else "--evolve and --agent"
        raise BadInput("--example", f"can't be combined with {other}", "choose one of them")
    if profile is SuiteProfile.LOOSE and not tasks:
        raise BadInput("--profile", "needs a folder of tasks", "name one with --tasks")
    layout = _example() if example else _own(folder, tasks, seed, profile, choice or Choice())
    config = Unit.of_text(CONFIG_FILE, evolve_toml(layout.scaffold, layout.suite))
    done = write(folder, (config, *layout.units), _gitignore(folder))
    missing = tuple(_missing(folder, layout, example))
    return Report(done | dict(layout.left_out), missing, layout.about, _next(folder, layout, missing))


def _example() -> Layout:
    copies = (Unit.of_folder("scaffold", bundled_scaffold()), Unit.of_folder("tasks", bundled_suite()))
    return Layout("scaffold", "tasks", copies)


def _own(folder: Path, tasks: Path | None, seed: int, profile: SuiteProfile, choice: Choice) -> Layout:
    """The agent in this folder, with the suite that was named, one that is here, or a new one."""
    left_out: dict[str, str] = {}
    if tasks and profile is SuiteProfile.LOOSE:
        suite, units, left_out = _loose_suite_of(folder, tasks, seed)
    else:
        suite, units = _suite_of(folder, tasks, seed) if tasks else _suite_here(folder, seed)
    texts = agent_texts(folder, suite)
    agent = _agent(texts, choice)
    level = _level(agent, texts, choice)
    text = scaffold_toml(folder.resolve().name or "scaffold", agent.start, agent.evolvable(level))
    if agent.start is not None and agent.start.in_task:
        units = tuple(_with_room(unit) for unit in units)
    files = (Unit.of_text(SCAFFOLD_FILE, text), *_files_beside(agent), *units)
    needs_model = bool(agent.start and agent.start.tool)
    return Layout(".", suite, files, tuple(left_out.items()), tuple(_about(agent, level)), needs_model)


def _agent(texts: Mapping[str, str], choice: Choice) -> Agent:
    if choice.tool is not None and choice.tool not in CODING_TOOLS:
        raise BadInput(f"--agent {choice.tool}", "is not known", f"choose one of {', '.join(CODING_TOOLS)}")
    return recognise(texts, choice.tool)


def _level(agent: Agent, texts: Mapping[str, str], choice: Choice) -> Level:
    """How much may evolve: what the user asked for, if there is such a thing."""
    level = choice.level or agent.default_level(texts)
    if choice.level and not agent.evolvable(level):
        has = ", ".join(one for one in Level if agent.patterns[one]) or "none of them"
        raise BadInput(f"--evolve {level}", f"this folder has no {level}", f"choose what it has: {has}")
    return level


def _files_beside(agent: Agent) -> tuple[Unit, ...]:
    """The folder with what starts the agent; () if it needs none."""
    start = agent.start
    if start is None or not (start.files or start.tool):
        return ()
    if start.tool:
        return (Unit.of_folder(FOLDER, bundled_scaffold(start.tool) / FOLDER),)
    return (Unit(FOLDER, start.files),)


def _about(agent: Agent, level: Level) -> Iterator[str]:
    """What was recognised and chosen, a line each."""
    if agent.found:
        yield f"found: {', '.join(agent.found)}"
    if agent.start is not None:
        yield from agent.start.notes
    others = [one for one in Level if agent.patterns[one] and one is not level]
    choice = f"; `--evolve {'` or `--evolve '.join(others)}` chooses otherwise" if others else ""
    yield f"evolves: {', '.join(agent.evolvable(level))} ({level}{choice})"


def _suite_here(folder: Path, seed: int) -> tuple[str, tuple[Unit, ...]]:
    """The folder of tasks that is there already; otherwise a new suite with one sample task."""
    for name in SUITE_FOLDERS:
        place = folder / name
        if (place / SUITE_FILE).is_file() or task_folders(place):
            return _suite_of(folder, Path(name), seed)
        if not place.exists():
            return name, (_new_suite(name, SAMPLE), _new_task(f"{name}/{SAMPLE}", SAMPLE))
    raise BadInput(
        SUITE_FOLDERS[0], "exists, but holds no tasks", "name a folder of tasks: `evolve init --tasks FOLDER`"
    )


def _suite_of(folder: Path, tasks: Path, seed: int) -> tuple[str, tuple[Unit, ...]]:
    """The folder as `evolve.toml` names it, and its `suite.toml`."""
    place, name = folder / tasks, _inside(folder, tasks)
    if (place / SUITE_FILE).is_file():
        return name, (Unit(f"{name}/{SUITE_FILE}", ()),)
    difficulties = {path: _strict_task(one).difficulty for path, one in _tasks_in(place, tasks).items()}
    text = suite_toml(place.resolve().name, split_tasks(difficulties, seed), seed)
    return name, (Unit.of_text(f"{name}/{SUITE_FILE}", text),)


def _tasks_in(place: Path, tasks: Path) -> dict[str, Path]:
    """The folders of tasks by their path below `place`. Raises BadInput if there is none."""
    found = task_folders(place)
    if not found:
        raise BadInput(str(tasks), "holds no task", f"name a folder whose folders have a {TASK_FILE} each")
    return {one.relative_to(place).as_posix(): one for one in found}


def _strict_task(folder: Path) -> Task:
    try:
        return load_task(folder, Split.TRAIN)
    except BadInput as error:
        if error.fix != LOOSE_FIX:
            raise
        raise BadInput(error.where, error.problem, "pass --profile loose") from error


def _loose_suite_of(folder: Path, tasks: Path, seed: int) -> tuple[str, tuple[Unit, ...], dict[str, str]]:
    """As `_suite_of`, for tasks as Harbor reads them; and why some can't be used. Raises BadInput if none can be."""
    place, name = folder / tasks, _inside(folder, tasks)
    if (place / SUITE_FILE).is_file():
        raise BadInput(str(tasks / SUITE_FILE), IS_THERE, "set its profile there")
    difficulties: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for path, one in _tasks_in(place, tasks).items():
        try:
            difficulties[path] = load_task(one, Split.TRAIN, SuiteProfile.LOOSE, harbor=True).difficulty
        except BadInput as error:
            left_out[f"{name}/{path}"] = f"left out: {error}"
    if not difficulties:
        raise BadInput(str(tasks), f"none of its tasks can be used: {min(left_out.values())}", "correct them")
    text = suite_toml(place.resolve().name, split_tasks(difficulties, seed), seed, SuiteProfile.LOOSE)
    return name, (Unit.of_text(f"{name}/{SUITE_FILE}", text),), left_out


def _inside(folder: Path, tasks: Path) -> str:
    """A folder of tasks, relative to the project's if it is in there. Raises BadInput for the project's own folder."""
    own, place = folder.resolve(), (folder / tasks).resolve()
    if place == own or place in own.parents:
        raise BadInput(str(tasks), "contains the agent, which must not see its tasks", "move the tasks to a folder")
    return place.relative_to(own).as_posix() if own in place.parents else place.as_posix()


def _new_suite(folder: str, task: str) -> Unit:
    name = f"{folder}/{SUITE_FILE}"
    return Unit.of_text(name, suite_toml(Path(folder).name, {Split.TRAIN: [task]}))


def _new_task(folder: str, name: str, instances: bool = False) -> Unit:
    """The template of a task, with the verifier of the bundled suite; `instances`: and with a generator."""
    template = Unit.of_folder(folder, TEMPLATE, lambda content: content.replace(b'"NAME"', f'"{name}"'.encode()))
    verifier = Unit.of_folder(f"{folder}/tests", bundled_suite() / "_verifier")
    generator = Unit.of_folder(folder, GENERATOR_TEMPLATE).files if instances else ()
    return Unit(folder, (*template.files, *verifier.files, *generator))


def _with_room(task: Unit) -> Unit:
    """The template of a task with memory for an agent that works in the task's container."""
    small, large = b"memory_mb = 256", b"memory_mb = 2048  # for the agent too, which works in this container"
    files = (replace(file, content=file.content.replace(small, large)) for file in task.files)
    return replace(task, files=tuple(files))


def _gitignore(folder: Path) -> tuple[NewFile, ...]:
    file = folder / ".gitignore"
    before = _read(file) if file.exists() else ""
    after = with_ignored(before, (RUNS, *([PACKAGES] if (folder / "package.json").exists() else [])))
    return () if after == before else (NewFile(file.name, after.encode()),)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(str(file), f"can't be read: {error}", "correct the file") from error


def _missing(folder: Path, layout: Layout, example: bool) -> list[str]:
    """What a run still needs, in the order in which to provide it."""
    found = [f'{key} = "{value}" in {CONFIG_FILE}' for key, value in _unnamed(folder, layout)]
    if not example and not {"entry", "command"} & {*_values(folder / SCAFFOLD_FILE)}:
        found.append(f"the Python file that starts the agent (`entry` in {SCAFFOLD_FILE})")
    if any(unit.name.endswith(f"/{SAMPLE}") for unit in layout.units):
        found.append("tasks of your own (`evolve tasks new NAME`)")
    if not (example or _names_model(folder)):
        found.append(f"a model (`model` in {CONFIG_FILE}; `evolve models` lists them)")
    return found


def _next(folder: Path, layout: Layout, missing: Sequence[str]) -> str:
    """The command that measures a first round; "" if a file has to be completed before."""
    if not missing:
        return "evolve run"
    if any(part in line for line in missing for part in (f"in {SCAFFOLD_FILE}", f'" in {CONFIG_FILE}')):
        return ""
    needs_model = layout.needs_model and not _names_model(folder)
    return "evolve run --rounds 1" + (" --model PROFILE/MODEL" if needs_model else "")


def _names_model(folder: Path) -> bool:
    """Whether `evolve.toml` or the environment says which model to use."""
    variables = ("MODEL", "BASE_URL", "OPENAI_BASE_URL", "OPENAI_API_KEY")
    in_file = {"model", "base_url"} & {*_values(folder / CONFIG_FILE)}
    return bool(in_file) or any(os.environ.get(name) for name in variables)


def _unnamed(folder: Path, layout: Layout) -> list[tuple[str, str]]:
    """The folders that an `evolve.toml` from before does not name."""
    values = _values(folder / CONFIG_FILE)
    pairs = (("scaffold", layout.scaffold), ("suite", layout.suite))
    return [(key, wanted) for key, wanted in pairs if values.get(key) != wanted]


def _values(file: Path) -> dict[str, object]:
    """A TOML file's keys; none if it is not there or not valid."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return {}


def new_task(
    folder: Path, name: str, suite: Path | None = None, split: Split = Split.TRAIN, instances: bool = False
) -> Report:
    """Write a task that passes `evolve tasks check`, and name it in the suite, which is made if it does not exist.

    suite: by default the one of `evolve.toml`, otherwise `tasks`; instances: with a generator of instances. Raises
    BadInput; nothing is written then.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name):
        raise BadInput(f"task {name!r}", "is not a task's name", "use small letters, digits, - and _, at most 64")
    place = str(suite or _values(folder / CONFIG_FILE).get("suite") or SUITE_FOLDERS[0])
    if (folder / place / name).exists():
        raise BadInput(f"{place}/{name}", IS_THERE, "choose another name")
    file, task = folder / place / SUITE_FILE, _new_task(f"{place}/{name}", name, instances)
    if _values(folder / SCAFFOLD_FILE).get("place") == Place.TASK:
        task = _with_room(task)
    if not file.exists():
        if split is not Split.TRAIN:
            raise BadInput(str(file), "does not exist yet", "put the first task into train")
        return Report(write(folder, (_new_suite(place, name), task)), ())
    edited = add_to_split(_read(file), split, name)
    if edited is None:
        raise BadInput(str(file), f"task `{name}` can't be added to [splits]", "correct the file")
    change = NewFile(f"{place}/{SUITE_FILE}", edited.encode())
    return Report(write(folder, (task,), (change,)), ())


def report_lines(report: Report) -> list[str]:
    """For people: what was recognised, a line for each file or folder, and what is missing or next."""
    missing = "; ".join(report.missing)
    if not missing:
        last = f"nothing is missing; next: `{report.next}`"
    else:
        last = f"still missing: {missing}" + (f"; for a first measured round: `{report.next}`" if report.next else "")
    return [*report.about, *done_lines(report), last]


def done_lines(report: Report) -> list[str]:
    return [f"{name}: {what}" for name, what in report.done.items()]
