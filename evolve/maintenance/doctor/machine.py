"""The machine: container engine, limits, images, disk, git, the model's endpoint."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from evolve import llm
from evolve.core.errors import EvolveError
from evolve.maintenance.doctor.finding import BAD, GOOD, NOTE, Finding, size, told
from evolve.models.choice import choose_model
from evolve.models.profile import read_profiles
from evolve.repo import Repository, repository_around
from evolve.sandbox import engine as sandbox_engine
from evolve.sandbox import images, probe, task_images
from evolve.sandbox.exit_cause import engine_faults
from evolve.suite.tasks import load_suite

FREE_GB = 2.0
FREE_INODES = 20_000


def engine(suite: Path | None) -> list[Finding]:
    """The engine, and what needs one to be looked at."""
    if not sandbox_engine.answers():
        mend = "`make evolve` starts or installs one" if os.geteuid() == 0 else "install Docker and start it"
        unseen = [
            Finding(check, NOTE, "not looked at: no container engine answers") for check in ("limits", "base image")
        ]
        return [Finding("container engine", BAD, "none answers", mend), *unseen]
    base = told("base image", _base)
    name = base.detail if base.state == GOOD else None
    checks = [told("container engine", _engine), told("limits", lambda: _limits(name)), base]
    return [*checks, told("task images", lambda: _task_images(suite))] if suite else checks


def _engine() -> Finding:
    with engine_faults():
        facts = sandbox_engine.describe()
    return Finding("container engine", GOOD, ", ".join(f"{name} {value}" for name, value in facts.items()))


def _base() -> Finding:
    with engine_faults():
        name = images.present_base()
    return (
        Finding("base image", GOOD, name)
        if name
        else Finding("base image", NOTE, "not here", "`make evolve` fetches or makes it")
    )


def _limits(base: str | None) -> Finding:
    """One throw-away container tries what the limits must refuse."""
    if base is None:
        return Finding("limits", NOTE, "not looked at: there is no base image to try them in")
    proofs = probe.prove(base)
    if broken := [f"{one.limit} ({one.seen})" for one in proofs if not one.held]:
        mend = "the kernel or the engine does not enforce them: enable cgroups and seccomp, and run nothing here before"
        return Finding("limits", BAD, f"do not hold: {'; '.join(broken)}", mend)
    return Finding("limits", GOOD, f"tried in a container, all hold: {', '.join(one.limit for one in proofs)}")


def _task_images(suite: Path) -> Finding:
    """How many of the suite's images are built; the others are built by the first run."""
    if not suite.is_dir():
        return Finding("task images", NOTE, f"{suite} is not a folder", "name the suite with --suite")
    tasks = load_suite(suite).tasks
    needed = task_images.needed(task.digest for task in tasks)
    here = needed & {one.tag for one in task_images.built()}
    state = GOOD if len(here) == len(tasks) else NOTE
    return Finding(
        "task images",
        state,
        f"{len(here)} of {len(tasks)} of {suite} are built",
        "" if state == GOOD else "the next run builds the others",
    )


def disk(runs: Path) -> Finding:
    """Free room and inodes, and what the results take."""
    place = runs if runs.is_dir() else Path()
    free, state = shutil.disk_usage(place).free / 1e9, os.statvfs(place)
    inodes = state.f_favail if state.f_files else None
    words = [f"{free:.1f} GB free; a run wants {FREE_GB:g}"]
    words += [f"{inodes} inodes free"] if inodes is not None else []
    words += [f"{runs} takes {size(weight(runs))}"] if runs.is_dir() else []
    short = free <= FREE_GB or (inodes is not None and inodes < FREE_INODES)
    mend = "`evolve gc` says what can go" if short else ""
    return Finding("disk", BAD if short else GOOD, "; ".join(words), mend)


def weight(folder: Path) -> int:
    """Bytes of the files below a folder, whatever comes and goes meanwhile."""
    total = 0
    for top, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(top, name)).st_size
            except OSError:
                continue
    return total


def git(scaffold: Path | None) -> Finding:
    """The program, and the repository around the scaffold: that git works there and can be written to."""
    found = shutil.which("git")
    if not found:
        return Finding("git", BAD, "not found", "install git 2.25 or newer")
    if scaffold is None or not scaffold.is_dir():
        return Finding("git", GOOD, found)
    return told("git", lambda: _repository(found, scaffold))


def _repository(program: str, scaffold: Path) -> Finding:
    place = repository_around(scaffold)
    if place is None:
        return Finding("git", GOOD, f"{program}; no repository around {scaffold}: each run makes one of its own")
    if problem := Repository(place).problem():
        return Finding("git", BAD, f"{place}: {problem}", f"make `git status` work in {scaffold}")
    if not all(os.access(place / name, os.W_OK) for name in ("objects", "refs")):
        return Finding("git", BAD, f"{place} can't be written", "let your user write there")
    return Finding("git", GOOD, f"{program}; candidates of {scaffold} go to {place}")


def model() -> Finding:
    """One tiny call, where a model is named or a key is set."""
    try:
        own = os.environ.get("MODELS")
        named = os.environ.get("MODEL") or None, os.environ.get("BASE_URL") or None
        made = choose_model(*named, read_profiles(Path(own) if own else None))
        name, base_url = made.model, made.base_url
        body = {"model": name, "messages": [{"role": "user", "content": "Say OK."}], "max_tokens": 16}
        llm.open_model(made.spec).complete(body)
    except EvolveError as error:
        return Finding("model", BAD, str(error))
    return Finding("model", GOOD, f"{name} at {base_url or 'this process' if name == 'embedded' else base_url}")
