"""The command that imports tasks of other benchmarks."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict

from evolve.core.escaping import plain
from evolve.core.records import Split
from evolve.project.importers.importing import ImportReport, Request, import_suite
from evolve.report.tables import show

SHOWN = 200


def import_tasks(request: Request, as_json: bool) -> None:
    """Import a suite, and print what was imported and what was left out."""
    report = import_suite(request)
    if as_json:
        print(json.dumps(_facts(report), indent=2))
        return
    rows = [{"left out": one.name, "reason": one.reason} for one in report.left_out[:SHOWN]]
    show(rows, False) if rows else None
    for line in _lines(report):
        print(plain(line))


def _facts(report: ImportReport) -> dict[str, object]:
    origin = report.origin
    source = {"name": origin.name, "url": origin.url, "commit": origin.commit, "sha256": origin.sha256}
    return {
        "suite": str(report.target),
        "importer": report.importer,
        "source": source,
        "licence": origin.licence.name,
        "splits": _counts(report),
        "tasks": [asdict(one) for one in report.tasks],
        "left_out": [asdict(one) for one in report.left_out],
        "beyond_limit": report.beyond_limit,
        "notes": list(report.notes),
    }


def _counts(report: ImportReport) -> dict[str, int]:
    counted = Counter(one.split for one in report.tasks)
    return {str(split): counted[split] for split in Split}


def _lines(report: ImportReport) -> list[str]:
    counts = ", ".join(f"{count} {split}" for split, count in _counts(report).items())
    beyond = f", {report.beyond_limit} beyond --limit" if report.beyond_limit else ""
    more = len(report.left_out) - SHOWN
    return [
        *([f"and {more} more, which import.json lists"] if more > 0 else []),
        *report.notes,
        f"imported {len(report.tasks)} tasks ({counts}), left out {len(report.left_out)}{beyond}",
        f"source: {report.importer}, licence {report.origin.licence.name}; recorded in {report.target}/import.json",
        f"next: evolve tasks check --suite {report.target}",
    ]
