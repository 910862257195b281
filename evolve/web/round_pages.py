"""Pages of rounds: the list, one round with its patch, and the conversation behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from evolve.core.errors import EvolveError
from evolve.core.records import Proposal, Split, Verdict
from evolve.report.transcripts import message_text
from evolve.runs.repository import find_lineage
from evolve.store import RoundRow, RunRow, Store
from evolve.store.paging import ROUND_ORDERS, Page, RoundFilter, TrialFilter
from evolve.web import steps
from evolve.web.asking import ROWS, Asked, parts
from evolve.web.site import asked, missing, site_of
from evolve.web.trial_pages import load_lines, neighbours, run_crumbs

OPEN = "open"
SHOWN_DIFF = 60_000
NO_PROPOSAL = Proposal("", "", ())


def rounds(request: Request) -> Response:
    """The rounds of a run, filtered and sorted."""
    site, ask = site_of(request), asked(request)
    with site.run(request) as (store, row):
        chosen = RoundFilter(ask.choice("verdict", [*Verdict, OPEN]), ask.text("text"))
        page = rounds_asked(ask)
        found = rounds_with_figures(store, row.id, chosen, page)
        is_last = len(found) < page.most and (found or not page.first)
        total = page.first + len(found) if is_last else store.rounds_count(row.id, chosen)
    older, newer = neighbours(ask, page.first, len(found))
    return site.page(
        request,
        "rounds.html",
        "Rounds",
        run_crumbs(row.id),
        run=row.id,
        rounds=found,
        chosen=chosen,
        total=total,
        first=page.first,
        verdicts=[*Verdict, OPEN],
        older=older,
        newer=newer,
    )


def rounds_asked(ask: Asked) -> Page:
    """Which rounds: the newest first, unless another order is asked for."""
    page = ask.page(ROUND_ORDERS)
    return page if page.order else Page(page.first, page.most, "round", True)


def rounds_with_figures(store: Store, run: str, chosen: RoundFilter, page: Page) -> list[dict[str, Any]]:
    """Rows of a page of rounds, each with its figures by split."""
    rows = store.rounds_page(run, chosen, page)
    figures: dict[int, dict[str, Any]] = {row["number"]: {} for row in rows}
    for one in store.figures(run, list(figures)):
        figures[one["round"]][one["split"]] = one
    return [{**row, "figures": figures[row["number"]]} for row in rows]


def round_page(request: Request) -> Response:
    """One round: what was proposed and why, the patch, the evidence and the trials."""
    site, number = site_of(request), request.path_params["number"]
    with site.run(request) as (store, row):
        shown = one_round(store, row.id, number)
        lesson = store.lesson(row.id, number)
        trials = store.trials_of_round(row.id, TrialFilter(number), Page(most=ROWS, order="task"))
        figures = {one["split"]: one for one in store.figures(row.id, [number])}
        newest = store.newest_round(row.id)
        pair = commits_of(shown)
        effect = site.effect(row, store.state_marker(row.id), number, pair) if pair else None
        before = {} if shown.parent is None else _by_split(store, row.id, shown.parent.round)
        decided_at = store.decided_at(row.id, number)
    patch, problem = patch_text(row, site.runs, shown)
    text, left = steps.cut(patch, SHOWN_DIFF)
    return site.page(
        request,
        "round.html",
        f"Round {number}",
        (*run_crumbs(row.id), ("Rounds", parts("runs", row.id, "rounds"))),
        run=row.id,
        round=round_facts(shown, decided_at),
        number=number,
        figures=figures,
        before=before,
        effect=effect,
        splits=list(Split),
        trials=[(number, trial) for trial in trials],
        lesson=lesson.text if lesson else "",
        patch=diff_lines(text),
        patch_left=left,
        patch_problem=problem,
        newest=newest,
        more_trials=len(trials) == ROWS,
    )


def patch(request: Request) -> Response:
    """The patch of a round as it is."""
    site = site_of(request)
    with site.run(request) as (store, row):
        shown = one_round(store, row.id, request.path_params["number"])
    return site.text(patch_text(row, site.runs, shown)[0])


def conversation(request: Request) -> Response:
    """The conversation behind a proposal; with `text=NUMBER` one message in full."""
    site, number, ask = site_of(request), request.path_params["number"], asked(request)
    with site.run(request) as (store, row):
        shown = one_round(store, row.id, number)
    messages, problem = load_lines(site.runs, shown.proposal.transcript if shown.proposal else None)
    texts = [message_text(message) for message in messages]
    if (which := ask.number("text")) is not None:
        if which >= len(texts):
            raise missing("The conversation has no such message.")
        return site.text(texts[which])
    return site.page(
        request,
        "conversation.html",
        f"Conversation of round {number}",
        (*run_crumbs(row.id), (f"Round {number}", parts("runs", row.id, "rounds", number))),
        messages=[(str(one.get("role", "?")), *steps.cut(text)) for one, text in zip(messages, texts, strict=True)],
        problem=problem,
    )


def one_round(store: Store, run: str, number: int) -> RoundRow:
    found = store.one_round(run, number)
    if found is None:
        raise missing("There is no such round.")
    return found


def round_facts(shown: RoundRow, decided_at: str | None) -> dict[str, Any]:
    """What a page says of a round; what has not happened is None or ""."""
    proposal, decision, candidate = shown.proposal or NO_PROPOSAL, shown.decision, shown.candidate
    evidence = decision.evidence if decision else None
    said = ("hypothesis", "prediction", "note", "fixes", "breaks", "ablates", "merges", "null_copy", "transcript")
    return {
        **{name: getattr(proposal, name) for name in said},
        **{name: decision and getattr(decision, name) for name in ("verdict", "reason", "fate", "back_to", "would_be")},
        **{name: evidence and getattr(evidence, name) for name in ("effect", "error", "doubt")},
        "parent_round": shown.parent and shown.parent.round,
        "commit_sha": candidate and candidate.commit,
        "branch": candidate and candidate.branch,
        "started_at": shown.started_at,
        "decided_at": decided_at,
    }


def commits_of(shown: RoundRow) -> tuple[str, str] | None:
    """The commits of a round's parent and of its candidate; None if it lacks one."""
    return (shown.parent.commit, shown.candidate.commit) if shown.parent and shown.candidate else None


def _by_split(store: Store, run: str, number: int) -> dict[str, Any]:
    return {one["split"]: one for one in store.figures(run, [number])}


def patch_text(row: RunRow, runs: Path, shown: RoundRow) -> tuple[str, str]:
    """What a round changed in the scaffold, and why that is not known, if so."""
    if (pair := commits_of(shown)) is None:
        return "", ""
    try:
        lineage = find_lineage(row, runs)
        if lineage is not None:
            return lineage.diff(*pair), ""
    except EvolveError:
        pass
    return "", "The repository with the commits of this run, or a commit in it, is missing."


def diff_lines(text: str) -> list[tuple[str, str]]:
    """Each line of a patch with its kind: file, hunk, added, removed or same."""
    return [(_kind(line), line) for line in text.splitlines()]


def _kind(line: str) -> str:
    beginnings = {
        "diff ": "file",
        "index ": "file",
        "--- ": "file",
        "+++ ": "file",
        "@@": "hunk",
        "+": "added",
        "-": "removed",
    }
    return next((kind for beginning, kind in beginnings.items() if line.startswith(beginning)), "same")
