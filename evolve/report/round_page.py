"""One round for people: its idea, what it changed, what that did, and what was learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.text import Text

from evolve.analysis import TaskChanges
from evolve.core.escaping import plain
from evolve.core.records import Outcome, Proposal, TrialResult
from evolve.core.voided import voided_share
from evolve.report.gaps import gap_text
from evolve.report.history_table import share_text, wrapped
from evolve.report.marks import VERDICT_STYLES, clean, fitted, strip_of
from evolve.report.tables import Row

MOST_DIFF = 120
INDENT, LEAST_WIDTH = 3, 20
DIFF_STYLES = {"+": "green", "-": "red", "@": "cyan"}
# What shows that a scaffold works differently.
FIGURES: Mapping[str, Callable[[TrialResult], float]] = {
    "calls": lambda trial: trial.usage.calls,
    "commands": lambda trial: trial.usage.commands,
    "k tokens": lambda trial: trial.usage.tokens / 1000,
    "seconds": lambda trial: trial.seconds,
}


@dataclass(frozen=True)
class RoundPage:
    """What is shown of a round. `row`: of the history; `before`: trials of its parent, `trials`: of its candidate.

    `patch`: its diff; None if it is not there, for the reason `no_patch`.
    """

    run: str
    row: Row
    proposal: Proposal | None = None
    trials: Sequence[TrialResult] = ()
    before: Sequence[TrialResult] = ()
    changes: TaskChanges = field(default_factory=TaskChanges)
    patch: str | None = None
    no_patch: str = ""
    lesson: str | None = None


def round_text(page: RoundPage, width: int) -> list[Text]:
    """The page in lines of at most `width` cells, from 20 cells on."""
    width = max(width, LEAST_WIDTH)
    parts = [
        [_title(page, width)],
        _section("hypothesis", [page.proposal.hypothesis] if page.proposal else [], width),
        _section("prediction", _prediction(page), width),
        _patch_section(page, width),
        _section("evidence", _evidence(page), width),
        _section("tasks", _tasks(page), width),
        _section("mechanism", _mechanism(page), width),
        _trials_section(page, width),
        _section("lesson", [page.lesson] if page.lesson else [], width),
    ]
    return [fitted(line, width) for part in parts for line in part]


def _title(page: RoundPage, width: int) -> Text:
    row = page.row
    line = Text(f"round {row['round']} of run {clean(page.run)}: ")
    line.append(str(row["verdict"] or "not decided"), _style(row["verdict"]))
    where = [] if row["parent_round"] is None else [f"parent: round {row['parent_round']}"]
    where += [f"commit {row['commit_sha'][:12]}"] if row["commit_sha"] else []
    return fitted(line.append(f" ({', '.join(where)})" if where else ""), width)


def _style(verdict: str | None) -> str:
    return next((style for known, style in VERDICT_STYLES.items() if known == verdict), "dim")


def _section(name: str, texts: Sequence[str], width: int) -> list[Text]:
    """A heading, and each text wrapped below it; nothing without texts."""
    lines = [line for text in texts for line in wrapped("", text, width, INDENT)]
    return [Text(name, style="bold"), *lines] if lines else []


def _prediction(page: RoundPage) -> list[str]:
    proposal, row = page.proposal, page.row
    if proposal is None:
        return []
    texts = [proposal.prediction] if proposal.prediction else []
    if row["predicted"]:
        texts.append(f"predicted to be fixed: {row['fixed']} of {row['predicted']} tasks went better")
    if row["feared"]:
        texts.append(f"feared to break: {row['broken']} of {row['feared']} tasks went worse")
    kinds = ((proposal.ablates, "leaves out the patch of round"), (proposal.merges, "merges the candidate of round"))
    return texts + [f"{what} {number}" for number, what in kinds if number is not None]


def _patch_section(page: RoundPage, width: int) -> list[Text]:
    if page.patch is None:
        return _section("patch", [page.no_patch] if page.no_patch else [], width)
    lines = plain(page.patch, lines=True).expandtabs(4).splitlines()
    if not lines:
        return []
    added, removed = (sum(one.startswith(sign) and not one.startswith(sign * 3) for one in lines) for sign in "+-")
    shown = [fitted(Text(f"  {one}", style=_diff_style(one)), width) for one in lines[:MOST_DIFF]]
    left = len(lines) - len(shown)
    more = [Text(f"  {left} more lines: evolve diff {page.row['round']}")] if left > 0 else []
    return [Text("patch", style="bold").append(f"  +{added} -{removed} lines", style="dim"), *shown, *more]


def _diff_style(line: str) -> str:
    if line.startswith(("+++", "---", "diff ", "index ")):
        return "bold"
    return DIFF_STYLES.get(line[:1], "")


def _evidence(page: RoundPage) -> list[str]:
    row = page.row
    texts = [row["reason"]] if row["reason"] else []
    scores = (
        f"{name} {share_text(row[f'{name}_score'])}"
        for name in ("train", "validation")
        if row[f"{name}_score"] is not None
    )
    if shown := ", ".join(scores):
        texts.append(f"scores of these trials: {shown}")
    if gap := gap_text(row["train_gain"], row["validation_gain"], row["gap_widened"]):
        texts.append(gap)
    return texts


def _tasks(page: RoundPage) -> list[str]:
    changes = page.changes
    named = (("fixed", changes.fixed), ("broken", changes.broken), ("unstable", changes.unstable))
    return [f"{name} ({len(tasks)}): {', '.join(tasks)}" for name, tasks in named if tasks]


def _mechanism(page: RoundPage) -> list[str]:
    """How the candidate works differently from its parent, by the means of their trials."""
    old, new = ([trial for trial in trials if trial.counts] for trials in (page.before, page.trials))
    if not old or not new:
        return []
    means = {
        name: tuple(sum(figure(trial) for trial in trials) / len(trials) for trials in (new, old))
        for name, figure in FIGURES.items()
    }
    shown = (f"{after:.1f} {name} ({before:.1f})" for name, (after, before) in means.items())
    return [f"a trial takes {', '.join(shown)}; of the parent's in brackets"]


def _trials_section(page: RoundPage, width: int) -> list[Text]:
    if not page.trials:
        return []
    counts = {outcome: sum(trial.outcome is outcome for trial in page.trials) for outcome in Outcome}
    named = ", ".join(f"{count} {outcome.replace('_', ' ')}" for outcome, count in counts.items() if count)
    share = voided_share(page.trials)
    voided = [f"faults of the model's API or the grader voided {share} attempts"] if share.voided else []
    drawn = Text("  ").append_text(strip_of(page.trials, 0, width - 2))
    more = f"--trials lists them; evolve trial {page.row['round']} TASK shows one step by step"
    summary = _section("trials", [f"{len(page.trials)}: {named}", *voided], width)
    return [*summary, drawn, *wrapped("", more, width, INDENT)]
