"""Commands that set up a project."""

from __future__ import annotations

from pathlib import Path

from evolve.core.escaping import plain
from evolve.core.records import Split, SuiteProfile
from evolve.project import init
from evolve.project.level import Level


def init_project(
    tasks: Path | None, example: bool, seed: int, profile: SuiteProfile, level: Level | None, agent: str | None
) -> None:
    choice = init.Choice(level, agent) if level or agent else None
    report = init.init_project(Path(), tasks, example, seed, profile, choice)
    for line in init.report_lines(report):
        print(plain(line))


def new_task(name: str, suite: Path | None, split: Split, instances: bool) -> None:
    report = init.new_task(Path(), name, suite, split, instances)
    for line in [*init.done_lines(report), "next: edit the task's files, then run `evolve tasks check`"]:
        print(plain(line))
