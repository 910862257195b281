"""The files that rows name: whether they are there, and still what was stored."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from evolve.core.records import StoredFile
from evolve.maintenance.doctor.finding import BAD, GOOD, Finding, format_names
from evolve.runs import gc_record
from evolve.store import RunRow, Store
from evolve.trial import trajectory

SAMPLE = 300


def examine(runs: Path, store: Store, rows: Sequence[RunRow], busy: Collection[str], deep: bool) -> list[Finding]:
    """All files are looked for; the bytes of all, or of some of each run, are compared with their sha256."""
    found, there, compared = [], 0, 0
    for row in rows:
        files = stored_files(store, row.id, row.id in busy)
        taken = gc_record.read(runs / row.id).files
        missing = [file.path for file in files if not (runs / file.path).is_file()]
        present = [file for file in files if file.path not in set(missing)]
        some_of = present if deep else present[:: max(1, len(present) // SAMPLE)]
        changed = [file.path for file in some_of if not trajectory.is_intact(file, runs)]
        found += _told(row.id, [path for path in missing if path not in taken], changed)
        there, compared = there + len(present), compared + len(some_of)
    if found or not rows:
        return found
    rest = "" if compared == there else "; --deep compares all"
    return [Finding("files", GOOD, f"{there} that rows name are there; {compared} compared with their sha256{rest}")]


def stored_files(store: Store, run: str, at_work: bool = False) -> list[StoredFile]:
    """The files of a run's trials and conversations, each once: an attempt that is made again writes the same file.

    at_work: without those of failed attempts, which may just be written again.
    """
    trials = [trial for trial in store.trials(run) if trial.counts or not at_work]
    files = [file for trial in trials for file in (trial.trajectory, trial.recording) if file]
    files += [one.proposal.transcript for one in store.rounds(run) if one.proposal and one.proposal.transcript]
    return list({file.path: file for file in files}.values())


def _told(run: str, missing: Sequence[str], changed: Sequence[str]) -> list[Finding]:
    mend = "bring it back from a backup of the runs folder; what needs it, `evolve replay` for one, will say so"
    pairs = (("missing", missing), ("not what was stored (sha256 differs)", changed))
    return [
        Finding("files", BAD, f"run {run}: {len(names)} {what}: {format_names(names)}", mend)
        for what, names in pairs
        if names
    ]
