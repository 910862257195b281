"""The command that shows the conversation behind a proposal."""

from __future__ import annotations

import json

from evolve.core.errors import BadInput, InfraError
from evolve.core.escaping import plain
from evolve.report.transcripts import message_text
from evolve.runs.lookup import open_results, run_row
from evolve.runs.settings import Settings
from evolve.trial import trajectory


def transcript(number: int, settings: Settings, as_json: bool) -> None:
    with open_results(settings.runs) as store:
        row = run_row(store, settings.run)
        files = [r.proposal.transcript for r in store.rounds_in_brief(row.id) if r.number == number and r.proposal]
    if not files or files[0] is None:
        raise BadInput(f"round {number}", f"run {row.id} has no conversation of it", "see `evolve history`")
    try:
        messages = trajectory.load(settings.runs / files[0].path)
    except InfraError as error:
        fix = "restore the file from a backup"
        raise BadInput(f"round {number}", f"its conversation is lost: {error}", fix) from error
    print(json.dumps(messages, indent=2) if as_json else plain("\n\n".join(map(message_text, messages)), lines=True))
