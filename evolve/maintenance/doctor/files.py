"""Check that the files that rows name exist and are unchanged."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from evolve.core.records import StoredFile
from evolve.maintenance.doctor.finding import BAD, GOOD, Finding, format_names
from evolve.runs import gc_record
from evolve.store import RunRow, Store
from evolve.trial import trajectory

SAMPLE = 300
FIX = "restore from a backup of the runs folder; until then commands that need it, such as `evolve replay`, fail"


def examine(runs: Path, store: Store, rows: Sequence[RunRow], busy: Collection[str], deep: bool) -> list[Finding]:
    """Look for all files, and verify the sha256 of all (`deep`) or of a sample of each run."""
    findings, present_count, verified_count = [], 0, 0
    for row in rows:
        files = stored_files(store, row.id, row.id in busy)
        removed = gc_record.read(runs / row.id).files
        missing = {file.path: None for file in files if not (runs / file.path).is_file()}
        present = [file for file in files if file.path not in missing]
        sample = present if deep else present[:: max(1, len(present) // SAMPLE)]
        changed = [file.path for file in sample if not trajectory.is_intact(file, runs)]
        findings += _findings(row.id, [path for path in missing if path not in removed], changed)
        present_count, verified_count = present_count + len(present), verified_count + len(sample)
    if findings or not rows:
        return findings
    hint = "" if verified_count == present_count else "; --deep verifies all"
    return [Finding("files", GOOD, f"{present_count} recorded files present, {verified_count} sha256 verified{hint}")]


def stored_files(store: Store, run: str, at_work: bool = False) -> list[StoredFile]:
    """The files of a run's trials and conversations, each once: a repeated attempt writes the same file.

    Args:
        at_work: leave out the files of failed attempts, which may be being rewritten.
    """
    files = [dated.file for dated in store.trial_files(run) if dated.counts or not at_work]
    proposals = [row.proposal for row in store.rounds_in_brief(run) if row.proposal]
    files += [proposal.transcript for proposal in proposals if proposal.transcript]
    return list({file.path: file for file in files}.values())


def _findings(run: str, missing: Sequence[str], changed: Sequence[str]) -> list[Finding]:
    problems = (("missing", missing), ("changed since they were recorded (sha256 differs)", changed))
    return [
        Finding("files", BAD, f"run {run}: {len(paths)} {problem}: {format_names(paths)}", FIX)
        for problem, paths in problems
        if paths
    ]
