"""Check the machine: container engine, limits, images, disk, git, and the model's endpoint."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from evolve import llm
from evolve.core.errors import BadInput, EvolveError
from evolve.host.temporary import abandoned_folders
from evolve.maintenance.doctor.finding import BAD, GOOD, NOTE, Finding, format_size, run_check
from evolve.models.choice import choose_model
from evolve.models.profile import read_profiles
from evolve.repo import Repository, repository_around
from evolve.sandbox import engine as sandbox_engine
from evolve.sandbox import images, probe, task_images
from evolve.sandbox.exit_cause import engine_faults
from evolve.sandbox.task_build import task_of_tag
from evolve.suite.tasks import load_suite

FREE_GB = 2.0
FREE_INODES = 20_000


def check_engine(suite: Path | None) -> list[Finding]:
    """Check the engine, and what can only be checked with one."""
    if not sandbox_engine.answers():
        skipped = [
            Finding(check, NOTE, "not checked: no container engine answers") for check in ("limits", "base image")
        ]
        return [_explain_missing_engine(), *skipped]
    base = run_check("base image", _check_base_image)
    name = base.detail if base.state == GOOD else None
    findings = [run_check("container engine", _describe_engine), run_check("limits", lambda: _check_limits(name)), base]
    return [*findings, run_check("task images", lambda: _check_task_images(suite))] if suite else findings


def _explain_missing_engine() -> Finding:
    """Explain why there is no engine: none answers, or the one that the settings name can't be used."""
    problem = sandbox_engine.connection_problem()
    problem = problem if isinstance(problem, BadInput) else sandbox_engine.chosen_problem()
    if problem is not None:
        return Finding("container engine", BAD, f"{problem.where}: {problem.problem}", problem.fix)
    fix = "`evolve setup` starts or installs one" if os.geteuid() == 0 else "install Docker and start it"
    return Finding("container engine", BAD, "no container engine answers", fix)


def _describe_engine() -> Finding:
    with engine_faults():
        facts = sandbox_engine.describe()
    return Finding("container engine", GOOD, ", ".join(f"{name} {value}" for name, value in facts.items()))


def _check_base_image() -> Finding:
    with engine_faults():
        name = images.local_base()
    if not name:
        return Finding("base image", NOTE, "missing", "`evolve setup` downloads or builds it")
    return Finding("base image", GOOD, name)


def _check_limits(base: str | None) -> Finding:
    """Try in a throw-away container what the limits must prevent."""
    if base is None:
        return Finding("limits", NOTE, "not checked: needs the base image")
    checks = probe.check_limits(base)
    if broken := [f"{check.limit} ({check.observed})" for check in checks if not check.holds]:
        fix = "enable cgroups and seccomp in the kernel and the engine; start no run on this machine until then"
        return Finding("limits", BAD, f"not enforced: {'; '.join(broken)}", fix)
    return Finding("limits", GOOD, f"enforced, tried in a container: {', '.join(check.limit for check in checks)}")


def _check_task_images(suite: Path) -> Finding:
    """Count the suite's built images; the first run builds the others."""
    if not suite.is_dir():
        return Finding("task images", NOTE, f"{suite} is not a folder", "name the suite with --suite")
    tasks = load_suite(suite).tasks
    needed = task_images.needed_tags(task.digest for task in tasks)
    built = needed & {task_of_tag(image.tag) for image in task_images.built_images()}
    detail = f"{len(built)} of {len(tasks)} images of {suite} are built"
    if len(built) == len(tasks):
        return Finding("task images", GOOD, detail)
    return Finding("task images", NOTE, detail, "the next run builds the others")


def check_disk(runs: Path) -> Finding:
    """Check free space and inodes, and report the size of the results."""
    folder = runs if runs.is_dir() else Path()
    free, filesystem = shutil.disk_usage(folder).free / 1e9, os.statvfs(folder)
    inodes = filesystem.f_favail if filesystem.f_files else None
    facts = [f"{free:.1f} GB free; a run needs {FREE_GB:g}"]
    facts += [f"{inodes} inodes free"] if inodes is not None else []
    facts += [f"{runs} takes {format_size(folder_size(runs))}"] if runs.is_dir() else []
    if free <= FREE_GB or (inodes is not None and inodes < FREE_INODES):
        return Finding("disk", BAD, "; ".join(facts), "`evolve gc` lists what can be removed")
    return Finding("disk", GOOD, "; ".join(facts))


def check_temporary() -> list[Finding]:
    """Report temporary folders of processes that were killed; no finding if there are none."""
    folders = abandoned_folders()
    if not folders:
        return []
    detail = f"{len(folders)} of ended processes, {format_size(sum(map(folder_size, folders)))}"
    return [Finding("temporary folders", NOTE, detail, "`evolve doctor --fix` removes them, as does the next run")]


def folder_size(folder: Path) -> int:
    """Bytes of all files below a folder; files that vanish meanwhile are skipped."""
    total = 0
    for top, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(top, name)).st_size
            except OSError:
                continue
    return total


def check_git(scaffold: Path | None) -> Finding:
    """Check that git is installed, works in the scaffold's repository, and can write there."""
    program = shutil.which("git")
    if not program:
        return Finding("git", BAD, "not found", "install git 2.25 or newer")
    if scaffold is None or not scaffold.is_dir():
        return Finding("git", GOOD, program)
    return run_check("git", lambda: _check_repository(program, scaffold))


def _check_repository(program: str, scaffold: Path) -> Finding:
    path = repository_around(scaffold)
    if path is None:
        return Finding("git", GOOD, f"{program}; {scaffold} is in no repository: each run creates its own")
    if problem := Repository(path).problem():
        return Finding("git", BAD, f"{path}: {problem}", f"make `git status` work in {scaffold}")
    if not all(os.access(path / name, os.W_OK) for name in ("objects", "refs")):
        return Finding("git", BAD, f"{path} is not writable", "give your user write access")
    return Finding("git", GOOD, f"{program}; candidates of {scaffold} are stored in {path}")


@dataclass(frozen=True)
class AskedModel:
    """The model that the user named, its endpoint, and the file with the user's own profiles."""

    model: str | None = None
    base_url: str | None = None
    profiles: Path | None = None


def check_model(asked: AskedModel) -> Finding:
    """Make one tiny call if a model is named or a key is set."""
    try:
        choice = choose_model(asked.model, asked.base_url, read_profiles(asked.profiles))
        body = llm.tiny_body(choice.model)
        llm.open_model(choice.spec).complete(body)
    except EvolveError as error:
        return Finding("model", BAD, str(error))
    where = choice.base_url or ("this process" if choice.model == "embedded" else "the OpenAI API")
    return Finding("model", GOOD, f"{choice.model} at {where}")
