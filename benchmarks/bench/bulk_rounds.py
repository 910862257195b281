"""Write many rounds of a simulated run at once: decided by the real gate, with rows, commits, branches and notes."""

from __future__ import annotations

import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, insert, text

from bench.simulated_run import MAIN, STARTED, patch, result, skill_of
from evolve.core.records import Candidate, Decision, Proposal, Split, TrialResult, Verdict, stable_hash
from evolve.gate import Slot
from evolve.gate.standing import Standing
from evolve.loop.judging import compare_ends, judge_challengers, measure_tip, patch_of
from evolve.repo.objects import compose_message
from evolve.repo.refs import NOTES, round_branch
from evolve.store import convert, schema
from evolve.suite.tasks import Suite

WHO = "simulated <model@evolve.invalid> 1795470240 +0000"
REFUSED_ONE_IN = 40
FLUSH = 100
# The first of the attempts that no rule asks for.
SPARE = 10**8


class FastImport:
    """Makes commits through one `git fast-import`; branches appear when it is closed."""

    def __init__(self, git_dir: Path, prefix: str) -> None:
        command = ["git", f"--git-dir={git_dir}", "fast-import", "--quiet", "--force"]
        self.git = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.prefix, self.marks = f"{prefix}/" if prefix else "", count(1)
        # What it has made itself it knows by these marks alone, until it ends.
        self.known: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.git.stdin
        self.git.stdin.write(b"done\n")
        self.git.stdin.close()
        self.git.wait()

    def commit(self, branch: str, parent: str, message: str, proposal: Proposal) -> str:
        """Commit a patch on a branch; returns its id."""
        mark = next(self.marks)
        self._send(f"commit refs/heads/{branch}\nmark :{mark}\nauthor {WHO}\ncommitter {WHO}\n")
        self._data(message)
        self._send(f"from {self.known.get(parent, parent)}\n")
        for edit in proposal.edits:
            self._send(f"M 100644 inline {self.prefix}{edit.path}\n")
            self._data(edit.text or "")
        self._send(f"\nget-mark :{mark}\n")
        assert self.git.stdin and self.git.stdout
        self.git.stdin.flush()
        made = self.git.stdout.readline().decode().strip()
        self.known[made] = f":{mark}"
        return made

    def note(self, commit: str, note: str) -> None:
        self._send(f"commit {NOTES}\ncommitter {WHO}\n")
        self._data("Notes added by evolve\n")
        self._send(f"N inline {self.known[commit]}\n")
        self._data(note)
        self._send("\n")

    def _data(self, content: str) -> None:
        raw = content.encode()
        self._send(f"data {len(raw)}\n")
        assert self.git.stdin
        self.git.stdin.write(raw + b"\n")

    def _send(self, line: str) -> None:
        assert self.git.stdin
        self.git.stdin.write(line.encode())


@dataclass
class Trials:
    """Stands in for the measurer: makes trials that are asked for, and keeps those of champion to tip in memory."""

    suite: Suite
    seed: int
    skills: dict[str, float]
    known: dict[str, list[TrialResult]] = field(default_factory=lambda: defaultdict(list))
    new: list[TrialResult] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.splits = {task.name: task.split for task in self.suite.tasks}

    def trials(self, commit: str) -> list[TrialResult]:
        return self.known[commit]

    def measure(self, commits: Sequence[str], slots: Iterable[Slot], parent: object = None) -> None:
        for commit in commits:
            have = {(trial.task, trial.attempt) for trial in self.known[commit]}
            for task, attempt in slots:
                if (task, attempt) not in have:
                    seed = stable_hash(self.seed, task, attempt)
                    trial = result(commit, self.skills[commit], task, self.splits[task], attempt, seed)
                    self.known[commit].append(trial)
                    self.new.append(trial)


def commits_of(standing: Standing) -> set[str]:
    """The commits that may be challenged later on: those from champion to tip."""
    return {one.commit for one in standing.line}


@dataclass
class Bulk:
    """Plays rounds without the loop, and writes their rows in batches.

    least: trials of each round, on the average: what the gate did not ask for is measured of the candidate beside it.
    """

    run: str
    connection: Connection
    suite: Suite
    trials: Trials
    git: FastImport
    tell: Callable[[str], None]
    least: int = 0
    pending: dict[Any, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    keys: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.train = [task.name for task in self.suite.split(Split.TRAIN)]
        query = text("SELECT id, commit_sha FROM candidate WHERE run_id = :run")
        self.keys = {row.commit_sha: row.id for row in self.connection.execute(query, {"run": self.run})}
        self.next_candidate = self._last(schema.candidate) + 1
        self.next_trial = self._last(schema.trial) + 1

    def play(self, standing: Standing, texts: dict[str, dict[str, str]], numbers: Iterable[int]) -> Standing:
        """Play rounds, each a race of its own. texts: of the seed commit."""
        for number in numbers:
            standing = measure_tip(self.trials, compare_ends(self.trials, standing))  # type: ignore[arg-type]
            standing = self._round(standing, texts, number)
            kept = commits_of(standing)
            for commit in [commit for commit in texts if commit not in kept]:
                del texts[commit]
            if number % FLUSH == 0:
                self.flush()
                self.tell(f"{number} rounds, {self.next_trial - 1} trials")
        self.flush()
        return standing

    def _round(self, standing: Standing, texts: dict[str, dict[str, str]], number: int) -> Standing:
        tip = standing.tip
        before = texts[tip.commit]
        proposal = patch(skill_of(before[MAIN]), stable_hash(self.trials.seed, "propose", number), self.train)
        self._add(schema.round_, number=number, parent_round=tip.round, started_at=STARTED, race=None)
        self._propose(number, proposal)
        if number % REFUSED_ONE_IN == 0:
            self._decide(number, Decision(Verdict.REFUSED, "it changes nothing that is measured"))
            after = judge_challengers(self.trials, standing, []).standing  # type: ignore[arg-type]
            self._store_trials(commits_of(standing) | commits_of(after))
            return after
        candidate = self._commit(tip, number, proposal)
        texts[candidate.commit] = {**before, MAIN: proposal.edits[0].text or ""}
        self.trials.skills[candidate.commit] = skill_of(texts[candidate.commit][MAIN])
        made = patch_of(texts.__getitem__, tip, candidate, proposal)
        ruled = judge_challengers(self.trials, standing, [made])  # type: ignore[arg-type]
        self._decide(number, ruled.decisions[0])
        self._note(candidate, ruled.decisions[0])
        after = ruled.standing
        self._fill_up(candidate, number)
        self._store_trials({candidate.commit} | commits_of(standing) | commits_of(after))
        return after

    def _fill_up(self, candidate: Candidate, number: int) -> None:
        """Measure a candidate on attempts that nothing else uses, until there are as many trials as there should be."""
        missing = self.least * number - (self.next_trial - 1 + len(self.trials.new))
        names = [task.name for task in self.suite.split(Split.TRAIN, Split.VALIDATION)]
        attempts = (SPARE + place // len(names) for place in count())
        slots = zip(cycle(names), attempts, strict=False)
        self.trials.measure([candidate.commit], islice(slots, max(missing, 0)))

    def _propose(self, number: int, proposal: Proposal) -> None:
        values = {"prompt_sha256": "0" * 64, "model": "simulated-proposer", "created_at": STARTED}
        self._add(schema.proposal, round=number, **values, **convert.proposal_values(proposal))
        for predicted in convert.prediction_values(proposal):
            self._add(schema.prediction, round=number, **predicted)

    def _decide(self, number: int, decision: Decision) -> None:
        self._add(schema.decision, round=number, decided_at=STARTED, **convert.decision_values(decision))

    def _commit(self, tip: Candidate, number: int, proposal: Proposal) -> Candidate:
        trailers = {"Evolve-Run": self.run, "Evolve-Round": str(number), "Evolve-Parent": tip.commit}
        message = compose_message(f"Round {number}", proposal.hypothesis, trailers)
        branch = round_branch(self.run, number)
        commit = self.git.commit(branch, tip.commit, message, proposal)
        self.keys[commit], key = self.next_candidate, self.next_candidate
        self.next_candidate += 1
        place = {"id": key, "round": number, "commit_sha": commit, "branch": branch}
        self._add(schema.candidate, parent_id=self.keys[tip.commit], **place)
        return Candidate(commit, number, tip.commit, branch)

    def _note(self, candidate: Candidate, decision: Decision) -> None:
        facts = {"Run": self.run, "Round": candidate.round, "Decision": decision.verdict, "Reason": decision.reason}
        self.git.note(candidate.commit, "".join(f"Evolve-{key}: {value}\n" for key, value in facts.items()))

    def _store_trials(self, kept: set[str]) -> None:
        for trial in self.trials.new:
            number, self.next_trial = self.next_trial, self.next_trial + 1
            key = self.keys[trial.candidate]
            self._add(schema.trial, id=number, candidate_id=key, **convert.trial_values(trial))
            assert trial.condition
            self.pending[schema.trial_condition].append(
                {"trial_id": number, **convert.condition_values(trial.condition)}
            )
        self.trials.new.clear()
        for commit in [commit for commit in self.trials.known if commit not in kept]:
            del self.trials.known[commit]

    def _add(self, table: Any, **values: Any) -> None:
        self.pending[table].append({"run_id": self.run, **values})

    def flush(self) -> None:
        for table in schema.metadata.sorted_tables:
            if rows := self.pending.pop(table, None):
                self.connection.execute(insert(table), rows)
        self.connection.commit()

    def _last(self, table: Any) -> int:
        return int(self.connection.execute(text(f"SELECT coalesce(max(id), 0) FROM {table.name}")).scalar_one())
