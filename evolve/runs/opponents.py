"""What a champion is compared with: the seed, best of several, one self-refinement, any scaffold. Raises BadInput."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evolve.core.errors import BadInput
from evolve.core.records import TrialResult
from evolve.gate.arms import MOST_SAMPLES, samples_within
from evolve.loop.side_by_side import Arm
from evolve.repo import Lineage
from evolve.runs.branches import run_and_commit
from evolve.runs.contents import check_scaffold
from evolve.runs.digests import scaffold_survey
from evolve.runs.repository import left_out_places, lineage_of
from evolve.store import RunRow, Store
from evolve.suite import scaffold
from evolve.suite.bundled import or_bundled
from evolve.suite.tasks import Suite

CHAMPION, SEED, REFINE = "champion", "seed", "refine"
BEST_OF = re.compile(r"best-of-(k|[1-9][0-9]?)")
OPPONENTS = "seed, best-of-k, best-of-8, refine, a scaffold's folder or a branch evolve/RUN/NAME"
REFINING = "evolve_refine.py"
Contents = Mapping[str, tuple[str, bytes]]


@dataclass(frozen=True)
class Pair:
    """Seed and champion of a run, with what their trials on the holdout cost."""

    row: RunRow
    seed: str
    champion: str
    seed_trials: Sequence[TrialResult]
    champion_trials: Sequence[TrialResult]

    @property
    def samples(self) -> int:
        """How many samples of the seed cost what the champion does: in dollars if both have a price, else in tokens."""
        usd, tokens = (
            [mean_cost(trials, kind) for trials in (self.seed_trials, self.champion_trials)]
            for kind in ("cost_usd", "tokens")
        )
        return samples_within(*(usd if min(usd) > 0 else tokens))


def mean_cost(trials: Sequence[TrialResult], kind: str) -> float:
    """The mean of `tokens` or `cost_usd` over trials that count; 0 without any."""
    counted = [float(getattr(trial.usage, kind)) for trial in trials if trial.counts]
    return sum(counted) / len(counted) if counted else 0.0


def check_opponent(word: str) -> None:
    """Raise BadInput for what can't be an opponent, without looking at any run."""
    if word in (SEED, REFINE) or word.startswith("evolve/") or or_bundled(Path(word)).is_dir():
        return
    match = BEST_OF.fullmatch(word)
    if match is None:
        raise BadInput(f"--against {word}", "there is no such opponent", f"use one of: {OPPONENTS}")
    if match[1] != "k" and int(match[1]) > MOST_SAMPLES:
        raise BadInput(f"--against {word}", f"more than {MOST_SAMPLES} samples", "name fewer")


def arm_of(word: str, pair: Pair, store: Store, runs: Path, suite: Suite) -> Arm:
    """The arm of one opponent; its commit is in the repository of the run. The best of one sample is the seed.

    Args:
        word: As the user named it.
        suite: On which it is measured: no scaffold may hold its hidden files.
    """
    check_opponent(word)
    lineage = lineage_of(pair.row, runs)
    if word == SEED:
        return Arm(SEED, pair.seed)
    if match := BEST_OF.fullmatch(word):
        samples = pair.samples if match[1] == "k" else int(match[1])
        return Arm(f"best-of-{samples}" if samples > 1 else SEED, pair.seed, samples)
    contents = _contents(word, pair, store, runs, suite, lineage)
    commit = lineage.commit_contents(pair.row.id, pair.seed, contents, f"Opponent: {word}", pair.row.created_at)
    return Arm(word, commit)


def _contents(word: str, pair: Pair, store: Store, runs: Path, suite: Suite, lineage: Lineage) -> Contents:
    if word == REFINE:
        return refining(lineage.contents(pair.seed))
    if or_bundled(Path(word)).is_dir():
        check_scaffold(Path(word), suite, runs)
        entries = scaffold_survey(Path(word), *left_out_places(suite.folder, runs)).entries
        return {entry.path: (entry.mode, (or_bundled(Path(word)) / entry.path).read_bytes()) for entry in entries}
    row, commit = run_and_commit(store, word, runs)
    return lineage_of(row, runs).contents(commit)


def refining(seed: Contents) -> Contents:
    """The seed's files with an entry point that runs the seed's twice, the second time to review the first."""
    texts: dict[str, str | bytes] = {path: content for path, (_, content) in seed.items()}
    toml = seed[scaffold.FILE][1].decode()
    spec = scaffold.read(SEED, {**texts, scaffold.FILE: toml})
    if not spec.entry:
        problem = "only a scaffold with an `entry` can be run twice in one trial, and the seed has a `command`"
        raise BadInput(f"--against {REFINE}", problem, "leave it out, or give your own scaffold's folder")
    changed, count = re.subn(r"(?m)^\s*entry\s*=.*$", f'entry = "{REFINING}"', toml, count=1)
    if not count or scaffold.read(REFINE, {**texts, scaffold.FILE: changed, REFINING: b""}).entry != REFINING:
        problem = "the key `entry` of the seed's scaffold.toml is not on a line of its own"
        raise BadInput(f"--against {REFINE}", problem, 'write it as `entry = "main.py"`')
    script = Path(__file__).with_name("refine.py.txt").read_text(encoding="utf-8").replace("@ENTRY@", spec.entry)
    return {**seed, scaffold.FILE: ("100644", changed.encode()), REFINING: ("100644", script.encode())}
