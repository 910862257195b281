"""The rounds of a run for people: figures in columns, idea and reason below them, in any width from 60 cells."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text

from evolve.core.records import Verdict
from evolve.core.scores import INTERVAL_ERRORS
from evolve.report.marks import VERDICT_STYLES, clean, fitted, spark
from evolve.report.tables import Row

HEAD = f"{'round':>5} {'verdict':<8} {'train':>7} {'validation':>10}  {'effect in points':<25} {'trials':>7}  {'fixed'}"
LABEL = 8
LEAST_WIDTH = 40
# The reason of a decision begins with figures that have a column of their own.
FIGURES = re.compile(r"^[-+][0-9.]+ ± [0-9.]+ points against round [0-9]+ after [0-9]+ trials: ")
NO_REFERENCE = "effects without a reference are the rule's estimates, of rounds that earlier versions of Evolve decided"


def history_text(rows: Sequence[Row], width: int) -> list[Text]:
    """The table: for each round a line of figures, then its idea and the reason of its decision, wrapped.

    Args:
        rows: As `runs.history` makes them.
        width: In cells.
    """
    width = max(width, LEAST_WIDTH)
    lines = [fitted(Text(HEAD, style="bold"), width)]
    for row in rows:
        lines += [fitted(_figures(row), width), *wrapped("idea", row["hypothesis"], width)]
        lines += wrapped("why", FIGURES.sub("", row["reason"] or ""), width)
    if any(_effect(row) and not _has_reference(row) for row in rows):
        lines += wrapped("", NO_REFERENCE, width)
    return lines


def _figures(row: Row) -> Text:
    verdict = row["verdict"] or "open"
    known = verdict in {str(v) for v in Verdict}
    line = Text(f"{row['round']:>5} ").append(f"{verdict:<8}", VERDICT_STYLES[Verdict(verdict)] if known else "dim")
    line.append(f" {share_text(row['train_score']):>7} {share_text(row['validation_score']):>9}")
    line.append("!" if row.get("gap_widened") else " ")
    fixed = f"{row['fixed']}/{row['predicted']}" if row["predicted"] and row["commit_sha"] else ""
    return line.append(f"  {_effect(row):<25} {_trials(row):>7}  {fixed}")


def share_text(share: float | None) -> str:
    """A share in percent, or a dash where nothing was measured."""
    return "-" if share is None else f"{100 * share:.1f} %"


def _effect(row: Row) -> str:
    """The effect with its 95 % interval, and the round that it is measured against."""
    if row["effect"] is None:
        return ""
    figures = f"{100 * row['effect']:+.1f} ± {100 * INTERVAL_ERRORS * row['error']:.1f}"
    return f"{figures} vs round {row['parent_round']}" if _has_reference(row) else figures


def _has_reference(row: Row) -> bool:
    """Whether the effect is one against the parent's own trials, which decisions name."""
    return " points against round " in (row["reason"] or "")


def _trials(row: Row) -> str:
    """The trials that count, and of how many attempts if some have none; `*` where faults voided some."""
    counted = row["trials"] if row["graded"] == row["attempts"] else f"{row['graded']}/{row['attempts']}"
    return f"{counted}{'*' if row.get('voided') else ''}"


def wrapped(label: str, text: str | None, width: int, indent: int = LABEL) -> list[Text]:
    """A text in lines of at most `width` cells, with a label in its indent; nothing if it is empty.

    A bar stands before each line, so that no text can pass for one of ours where it is broken.
    """
    if not text:
        return []
    pieces = _folded(clean(text), width - indent)
    return [
        Text(f"{label if not number else '':>{indent - 3}} | ", style="dim").append(piece, style="default")
        for number, piece in enumerate(pieces)
    ]


def _folded(text: str, width: int) -> list[str]:
    """The text in lines of at most `width` cells, broken between words where that is possible."""
    lines, line, room = [], "", width
    for word in text.split(" "):
        size = cell_len(word)
        if line and size + 1 <= room:
            line, room = f"{line} {word}", room - size - 1
            continue
        if line:
            lines.append(line)
        *full, line = _broken(word, width) if size > width else [word]
        lines += full
        room = width - cell_len(line)
    return [*lines, line]


def _broken(word: str, width: int) -> list[str]:
    """A word in pieces of at most `width` cells."""
    pieces, start, cells = [], 0, 0
    for place, character in enumerate(word):
        size = cell_len(character)
        if cells + size > width:
            pieces.append(word[start:place])
            start, cells = place, 0
        cells += size
    return [*pieces, word[start:]]


def notes(rows: Sequence[Row], width: int) -> list[str]:
    """What the marks of the table mean, and how the scores went."""
    lines = [f"scores by round: {name} {drawn}" for name, drawn in _sparks(rows, width - 28) if drawn.strip()]
    for row in rows:
        if row.get("gap_widened"):
            gains = f"train {100 * row['train_gain']:+.1f}, validation {100 * row['validation_gain']:+.1f} points"
            lines.append(
                f"! round {row['round']} gained clearly more on train than on validation over the seed: {gains}"
            )
    if voided := sum(row.get("voided") or 0 for row in rows):
        lines.append(f"* faults of the model's API or the grader voided {voided} attempts")
    return lines


def _sparks(rows: Sequence[Row], room: int) -> list[tuple[str, str]]:
    return [(f"{name:<10}", spark([row[f"{name}_score"] for row in rows], room)) for name in ("train", "validation")]
