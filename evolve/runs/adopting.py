"""Take a run's champion, or its tip, over into the user's repository: which patches, from where, and to where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from evolve.core.clock import now
from evolve.core.errors import BadInput
from evolve.core.records import Candidate
from evolve.repo import Adopted, Home, Step, adopt
from evolve.runs.adoption_messages import Source, candidate_of, patch_message, seed_message, whole_message
from evolve.runs.ends import ends_of
from evolve.runs.lookup import open_results, run_row
from evolve.runs.patches import home_of_run, lineage_with, places_on_disk
from evolve.store import RoundRow, RunRow, Store
from evolve.suite.scaffold import FILE

PREFIX = "adopt"


@dataclass(frozen=True)
class AdoptRequest:
    """What is to be adopted, and how.

    run: its id, None for the newest; tip: the tip in place of the champion; each: a commit and a branch for each patch;
    branch: the name of the branch, with `each` of the folder of branches; "" for `adopt/RUN/...`.
    """

    run: str | None = None
    tip: bool = False
    each: bool = False
    branch: str = ""


@dataclass(frozen=True)
class Adoption:
    """What was adopted. `git_dir`: the repository; `confirmed`: whether it is the champion; `on`: the user's HEAD."""

    run: str
    git_dir: Path
    on: str | None
    confirmed: bool
    commits: tuple[Adopted, ...]


def adopt_run(runs: Path, request: AdoptRequest, here: Path) -> Adoption:
    """Put the wanted patches on HEAD as new branches; HEAD, index and work tree stay as they are.

    Args:
        runs: The folder of the results.
        here: The current folder: in a work tree of the scaffold's repository, its HEAD is the one.

    Raises:
        BadInput: No such run, nothing to adopt, no repository, or HEAD was changed in the same places.
    """
    with open_results(runs) as store:
        row = run_row(store, request.run)
        lineage = lineage_with(row, runs)
        champion, goal = _goal(store, row, request.tip)
        rounds = store.rounds_in_brief(row.id)
        confirmed = frozenset(one.number for one in _line(rounds, champion))
        source = Source(store, row, runs, lineage, _line(rounds, goal), champion, confirmed)
        home = home_of_run(row, runs, lineage, here) or _refuse_homeless(row, runs)
        steps = _steps(source, home, request)
    adopted = adopt(lineage, home, steps, now())
    return Adoption(row.id, home.shell.cwd, home.head, goal == champion, tuple(adopted))


def _refuse_homeless(row: RunRow, runs: Path) -> NoReturn:
    folder = next(iter(places_on_disk(row, runs)), Path(row.scaffold)).absolute()
    apply = f"`cd {folder} && evolve diff --run {row.id} --runs {runs.resolve()} | git apply` changes its files"
    raise BadInput(f"scaffold {folder}", "is in no git repository", f"{apply}; or make it one with `git init`")


def _goal(store: Store, row: RunRow, tip: bool) -> tuple[Candidate, Candidate]:
    """The champion, and the candidate to adopt."""
    ends = ends_of(store.milestones(row.id))
    if ends is None:
        raise BadInput(f"run {row.id}", "no round is decided yet", "resume the run")
    champion, latest = ends
    goal = latest if tip else champion
    if goal.round == 0:
        fix = "resume the run for more rounds" if latest.round == 0 else "adopt what is stacked on it with --tip"
        raise BadInput(f"run {row.id}", "the champion is still the seed scaffold", fix)
    return champion, goal


def _line(rounds: Sequence[RoundRow], goal: Candidate) -> tuple[RoundRow, ...]:
    """The rounds of the patches from the seed scaffold to the goal, the first one first."""
    by_commit = {row.candidate.commit: row for row in rounds if row.candidate}
    line, at = [], goal.commit
    while (parent := candidate_of(by_commit[at]).parent) is not None:
        line.append(by_commit[at])
        at = parent
    return tuple(reversed(line))


def _steps(source: Source, home: Home, request: AdoptRequest) -> list[Step]:
    """The commits to make. A scaffold that was never committed is added first, as the run found it."""
    pairs = [(candidate_of(row).parent, row) for row in source.line]
    seed, top = pairs[0][0], request.branch or f"{PREFIX}/{source.row.id}"
    steps = []
    if FILE not in home.entries() and not home.had(FILE):
        steps.append(Step("the seed scaffold", None, str(seed), seed_message(source), None))
    if request.each:
        named = [(parent, row, f"{top}/round-{row.number:04d}") for parent, row in pairs]
        return steps + [
            Step(f"round {row.number}", parent, candidate_of(row).commit, patch_message(source, row), branch)
            for parent, row, branch in named
        ]
    name = "champion" if source.is_champion else "tip"
    branch, goal = request.branch or f"{top}/{name}", candidate_of(source.goal).commit
    return [*steps, Step(f"the {name}", seed, goal, whole_message(source), branch)]
