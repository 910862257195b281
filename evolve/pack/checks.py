"""What a pack says, derived once more from what is in it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from evolve import gate
from evolve.core.config import BUILT_IN, RunConfig
from evolve.core.errors import EvolveError
from evolve.core.records import Decision
from evolve.gate.null_copies import judge_copy
from evolve.loop import checkpoint
from evolve.loop.candidates import text_files
from evolve.loop.checkpoint import Checkpoint, rule_digest
from evolve.loop.judging import DecidedRace, OtherDecisions, decided_again, initial_standing
from evolve.maintenance.consistency import find_damage
from evolve.maintenance.doctor.files import stored_files
from evolve.maintenance.doctor.lineages import repository_state, run_record
from evolve.pack.facts import claim_in, facts_of, outputs_of
from evolve.pack.manifest import Manifest
from evolve.repo import Lineage, Repository
from evolve.runs.identity import suite_of_run
from evolve.runs.repository import lineage_home, lineage_of
from evolve.runs.stored_config import stored_config
from evolve.store import RoundRow, RunRow, Store
from evolve.store.one_run import run_names
from evolve.suite.tasks import Suite

# Other versions of the libraries may round otherwise.
TOLERANCE = 1e-6
MOST_NAMED = 5


class State(StrEnum):
    HOLDS = "holds"
    FAILS = "fails"
    UNKNOWN = "not checked"


@dataclass(frozen=True)
class Check:
    """One thing that was checked. `detail`: what was, in a line; `problems`: what does not hold, each by its name."""

    name: str
    state: State
    detail: str
    problems: tuple[str, ...] = ()


def checked(name: str, detail: str, problems: Sequence[str]) -> Check:
    return Check(name, State.FAILS if problems else State.HOLDS, detail, tuple(problems))


@dataclass(frozen=True)
class Unpacked:
    """A pack whose members are in a folder of results of their own. `runs`: that folder."""

    manifest: Manifest
    runs: Path
    store: Store
    row: RunRow

    @property
    def config(self) -> RunConfig:
        return stored_config(self.row)


def check_rows(unpacked: Unpacked) -> Check:
    """Check that the rows are of the manifest's run alone, and that the manifest says what follows from them."""
    manifest, row, problems = unpacked.manifest, unpacked.row, list[str]()
    if (names := run_names(unpacked.runs / "evolve.db")) != [manifest.run]:
        problems.append(f"the rows are of {', '.join(names)[:200]}, not of {manifest.run} alone")
    if hashlib.sha256(row.config.encode()).hexdigest() != row.config_sha256:
        problems.append(f"row of run {row.id}: its config has another sha256")
    facts = facts_of(row)
    for field in type(facts).model_fields:
        if getattr(facts, field) != getattr(manifest.facts, field):
            problems.append(f"manifest: `facts.{field}` is not what the rows say")
    if manifest.outputs != outputs_of(unpacked.config):
        problems.append("manifest: `outputs` is not what the rows say")
    trials, rounds = unpacked.store.trial_count(row.id), len(unpacked.store.rounds_in_brief(row.id))
    return checked("rows", f"{rounds} rounds, {trials} trials", problems)


def check_files(unpacked: Unpacked) -> Check:
    """Check that each file that a row names is in the pack with the row's sha256, or is said to be absent."""
    members = {member.path: member.sha256 for member in unpacked.manifest.members}
    absent, problems = set(unpacked.manifest.absent), list[str]()
    files = stored_files(unpacked.store, unpacked.row.id)
    for file in files:
        if file.path not in members and file.path not in absent:
            problems.append(f"{file.path}: a row names it, and it is not in the pack")
        elif file.path in members and members[file.path] != file.sha256:
            problems.append(f"{file.path}: has another sha256 than its row says")
    lacking = sum(file.path in absent for file in files)
    if not problems and files and lacking == len(files):
        return Check("files of rows", State.UNKNOWN, f"all {len(files)} were left out of the pack")
    return checked("files of rows", f"{len(files) - lacking} of {len(files)}, {lacking} absent", problems)


def check_lineage(unpacked: Unpacked) -> Check:
    """Check that rows and commits agree."""
    record = run_record(unpacked.store, unpacked.runs, unpacked.row, at_work=False)
    repository = Repository(lineage_home(unpacked.runs, unpacked.row.id))
    damage = find_damage(record, repository_state(repository, record, repository.decisions()))
    problems = [f"round {one.round}: {one.kind}: {one.subject}" for one in damage]
    problems += _parent_problems(unpacked, repository.git_dir)
    commits = sum(one.commit is not None for one in record.rounds)
    return checked("lineage", f"{commits} commits, their branches, parents and notes", problems)


def _parent_problems(unpacked: Unpacked, git_dir: Path) -> Iterator[str]:
    """Candidates whose commit says another round or parent than their row."""
    lineage = Lineage.at(git_dir)
    if "measurement" in unpacked.row.config:
        return
    for one in unpacked.store.candidates(unpacked.row.id):
        try:
            trailers = lineage.trailers(one.commit)
        except EvolveError:
            continue
        wanted = {"Evolve-Run": unpacked.row.id, "Evolve-Round": str(one.round)}
        wanted |= {"Evolve-Parent": one.parent} if one.parent else {}
        for key, value in wanted.items():
            if trailers.get(key) != value:
                yield f"round {one.round}: its commit {one.commit[:12]} says {key}: {trailers.get(key)}, not {value}"


def load_suite_of(unpacked: Unpacked) -> tuple[Check, Suite | None]:
    """Check the suite against the digest that the run began with; -> the suite, if it can be used."""
    if unpacked.manifest.suite != "whole":
        return Check("suite", State.UNKNOWN, f"the pack's suite is {unpacked.manifest.suite}"), None
    try:
        suite = suite_of_run(unpacked.row, unpacked.runs)
    except EvolveError as error:
        return checked("suite", "its files", [f"suite: {error}"]), None
    if not suite.folder.resolve().is_relative_to((unpacked.runs / unpacked.row.id).resolve()):
        return checked("suite", "its files", ["suite: it is not in the pack"]), None
    digests = {task.name: task.digest for task in unpacked.store.tasks(unpacked.row.id)}
    known = {task.name: task.digest for task in (*suite.tasks, *suite.refused)}
    problems = [f"task {name}: its row has another digest" for name in digests if digests[name] != known.get(name)]
    return checked("suite", f"{len(suite.tasks)} tasks, sha256 of all their files", problems), suite


def check_decisions(unpacked: Unpacked, suite: Suite | None) -> Check:
    """Decide every round once more, from the trials."""
    name, config = "decisions", unpacked.config
    rows = unpacked.store.rounds_in_brief(unpacked.row.id)
    if suite is None:
        return Check(name, State.UNKNOWN, "this takes the whole suite")
    if len(rows) < 2:
        return Check(name, State.HOLDS, "there are no rounds after the seed's")
    if config.gate.rule not in BUILT_IN["rule"]:
        return Check(name, State.UNKNOWN, f"the rule {config.gate.rule} is a plug-in's")
    same_code = unpacked.manifest.rule_sha256 == rule_digest()
    try:
        problems = list(_decision_problems(unpacked, suite, rows, same_code))
    except EvolveError as error:
        problems = [f"rounds: {error}"]
    if problems and not same_code:
        return Check(name, State.UNKNOWN, f"another version of the rule decides otherwise: {problems[0]}")
    version = "" if same_code else ", by another version of the rule, which decides alike"
    return checked(name, f"{len(rows) - 1} rounds decided once more from their trials{version}", problems)


def _decision_problems(unpacked: Unpacked, suite: Suite, rows: Sequence[RoundRow], same: bool) -> Iterator[str]:
    run, store, lineage = unpacked.row.id, unpacked.store, lineage_of(unpacked.row, unpacked.runs)
    used = {task.name for task in store.tasks(run) if task.excluded is None}
    suite = replace(suite, tasks=tuple(task for task in suite.tasks if task.name in used))
    initial = initial_standing(suite, unpacked.config, store.seed(run))
    last = 0
    try:
        for race in decided_again(
            initial, rows, lambda commit: store.trials(run, commit), lambda commit: text_files(lineage, commit)
        ):
            last = max(row.number for row in race.rounds)
            for row, decision in (*race.decisions, *_null_decisions(store, run, race)):
                yield from _differences(row, decision, same)
    except OtherDecisions:
        yield f"round {last + 1}: its trials lead to another decision than its row has"
        return
    kept = Checkpoint(run, store, unpacked.runs / run, lambda commit: text_files(lineage, commit))
    if problem := kept.problem(initial):
        yield f"{run}/{checkpoint.FILE}: {problem}"


def _null_decisions(store: Store, run: str, race: DecidedRace) -> Iterator[tuple[RoundRow, Decision]]:
    for row in race.rounds:
        if row.is_null_copy and row.candidate:
            copy = gate.Entrant(row.candidate, store.trials(run, row.candidate.commit))
            answer = judge_copy(race.before, copy, store.trials(run, race.before.tip.commit))
            if isinstance(answer, gate.NeedTrials):
                raise OtherDecisions
            yield row, answer


def _differences(row: RoundRow, decision: Decision, same: bool) -> Iterator[str]:
    """What a row says otherwise than its trials. same: by the code that decided, texts are compared too."""
    stored = row.decision
    if stored is None:
        return
    for field in ("verdict", "fate", "back_to", "would_be", *(("reason",) if same else ())):
        if getattr(stored, field) != getattr(decision, field):
            yield f"round {row.number}: its {field.replace('_', ' ')} does not follow from its trials"
            return
    pair = [
        one.evidence and (one.evidence.effect, one.evidence.error, one.evidence.doubt) for one in (stored, decision)
    ]
    if (pair[0] is None) != (pair[1] is None) or (pair[0] and pair[1] and not _close(pair[0], pair[1])):
        yield f"round {row.number}: its effect does not follow from its trials"


def _close(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE) for a, b in zip(one, other, strict=True))


def check_claim(unpacked: Unpacked) -> Check:
    """Compute the claim once more, from the trials."""
    stated = unpacked.manifest.claim
    found = claim_in(unpacked.store, unpacked.row.id, stated.other_looks)
    problems = []
    if (stated.figures is None) != (found.figures is None):
        problems.append("manifest: the claim does not follow from the trials: there is " + (found.why or "one"))
    elif stated.figures is not None and found.figures is not None:
        wrong = [key for key in {**stated.figures, **found.figures} if not _equal(key, stated.figures, found.figures)]
        problems += [f"manifest: `claim.figures.{key}` does not follow from the trials" for key in sorted(wrong)]
    elif stated.why != found.why:
        problems.append("manifest: `claim.why` does not follow from the trials")
    detail = "recomputed from the holdout's trials" if found.figures else f"none: {found.why}"
    others = f"; {stated.other_looks} comparisons of other runs, as the author says" if stated.other_looks else ""
    return checked("claim", detail + others, problems)


def _equal(key: str, one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    a, b = one.get(key), other.get(key)
    if isinstance(a, float | int) and isinstance(b, float | int):
        return _close([float(a)], [float(b)])
    return a == b
