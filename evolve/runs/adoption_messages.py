"""The messages of commits that bring a run's patches home: hypothesis, expected effect, and the evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evolve.core.errors import BadInput
from evolve.core.records import Candidate, Split
from evolve.core.scores import Score
from evolve.repo import Lineage, commit_message
from evolve.runs.evidence import grounds_of
from evolve.runs.results import claim_of, fresh_scores
from evolve.store import RoundRow, RunRow, Store
from evolve.suite import scaffold

UNCONFIRMED = "unconfirmed: "
LICENCES = "Evolve-Model-"


@dataclass(frozen=True)
class Source:
    """Where patches come from. line: their rounds, in order; confirmed: the numbers of those of the champion's line."""

    store: Store
    row: RunRow
    runs: Path
    lineage: Lineage
    line: tuple[RoundRow, ...]
    champion: Candidate
    confirmed: frozenset[int]

    @property
    def goal(self) -> RoundRow:
        return self.line[-1]

    @property
    def name(self) -> str:
        """The scaffold's name."""
        commit = candidate_of(self.goal).commit
        return scaffold.read(commit[:12], self.lineage.files(commit)).name

    def is_confirmed(self, row: RoundRow) -> bool:
        """Whether the patch of a round is part of the champion."""
        return row.number in self.confirmed

    @property
    def is_champion(self) -> bool:
        """Whether all patches together are the champion."""
        return candidate_of(self.goal) == self.champion


def candidate_of(row: RoundRow) -> Candidate:
    if row.candidate is None:
        raise ValueError(f"round {row.number} has no candidate")
    return row.candidate


def seed_message(source: Source) -> str:
    """Of the commit that adds a scaffold that was never committed."""
    trailers = {"Evolve-Run": source.row.id, "Evolve-Round": "0"}
    return commit_message(f"{source.name}: the scaffold with which Evolve's run began", "", trailers)


def patch_message(source: Source, row: RoundRow) -> str:
    """Of the commit of one patch; that of the last patch has the scores too."""
    proposal = row.proposal
    hypothesis = proposal.hypothesis if proposal else ""
    mark = "" if source.is_confirmed(row) else UNCONFIRMED
    first = hypothesis.strip().split("\n")[0] or f"patch of round {row.number}"
    parts = [hypothesis, *_facts(row), *(_totals(source) if row is source.goal else ())]
    return commit_message(f"{source.name}: {mark}{first}", _text(parts), _trailers(source, row))


def whole_message(source: Source) -> str:
    """Of the commit that brings all patches at once."""
    if len(source.line) == 1:
        return patch_message(source, source.goal)
    what = "the champion" if source.is_champion else f"{UNCONFIRMED}the tip"
    subject = f"{source.name}: {what} of Evolve's run {source.row.id}"
    parts = [f"{len(source.line)} patches, the first one first.", *_totals(source)]
    for row in source.line:
        mark = "" if source.is_confirmed(row) else " (unconfirmed)"
        hypothesis = row.proposal.hypothesis.strip() if row.proposal else ""
        parts.append("\n".join([f"Round {row.number}{mark}: {hypothesis}", *_facts(row)]))
    return commit_message(subject, _text(parts), _trailers(source, source.goal))


def _text(parts: Sequence[str]) -> str:
    return "\n\n".join(part.strip() for part in parts if part.strip())


def _facts(row: RoundRow) -> list[str]:
    """What was expected of a patch, and what the gate decided."""
    expected = row.proposal.prediction.strip() if row.proposal else ""
    facts = [f"Expected: {expected}"] if expected else []
    if row.decision:
        facts.append(f"Decision: {row.decision.verdict}: {row.decision.reason}")
    return facts


def _totals(source: Source) -> list[str]:
    """Seed scaffold against goal on each split, from trials by which nothing was decided, and what they rest on."""
    store, run = source.store, source.row.id
    pair = [fresh_scores(store, run, one) for one in (store.seed(run), candidate_of(source.goal))]
    name = "champion" if source.is_champion else "tip"
    scores = [
        f"{split}: seed scaffold {_percent(pair[0][split])}, {name} {_percent(pair[1][split])}" for split in Split
    ]
    begin = f"Model {source.row.model}; mean rewards from trials by which nothing was decided:"
    lines = [begin, *scores, *_claim_lines(source), f"The run is {grounds_of(store, run, source.runs).validity}"]
    if not source.is_champion:
        lines.append("The tip has not been shown to be better than the champion.")
    return ["\n".join(lines)]


def _percent(score: Score | None) -> str:
    return "not measured" if score is None else f"{100 * score.mean:.1f} % (± {100 * score.half_width:.1f} points)"


def _claim_lines(source: Source) -> list[str]:
    if not source.is_champion:
        return []
    try:
        claim = claim_of(source.store, source.row.id)
    except BadInput:
        return ["On the holdout, seed scaffold and champion were not compared."]
    low, high = 100 * claim.low, 100 * claim.high
    line = (
        f"On the holdout: {100 * claim.difference:+.1f} points (95 % interval {low:+.1f} to {high:+.1f}; "
        f"p = {claim.p_value:.3g}) on {claim.tasks} tasks"
    )
    drifted = "Another model, or version of it, answered the champion than the seed scaffold."
    return [line, *([drifted] if claim.drifted else [])]


def _trailers(source: Source, row: RoundRow) -> dict[str, str]:
    commit = candidate_of(row).commit
    licences = {key: text for key, text in source.lineage.trailers(commit).items() if key.startswith(LICENCES)}
    own = {"Evolve-Run": source.row.id, "Evolve-Round": str(row.number), "Evolve-Candidate": commit}
    return {**licences, **own, "Evolve-Confirmed": "yes" if source.is_confirmed(row) else "no"}
