"""Small drawings in text: a mark for each trial or round, spark lines, bars, and lines that fit a width."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from evolve.core.escaping import plain
from evolve.core.records import Outcome, TrialResult, Verdict

SPARKS = "▁▂▃▄▅▆▇█"
ASCII_SPARKS = "_.-=+*#@"
# Of an ending: mark, mark in ASCII, style.
TRIAL_MARKS = {
    Outcome.PASSED: ("■", "#", "green"),
    Outcome.FAILED: ("·", ".", "red"),
    Outcome.SCAFFOLD_ERROR: ("!", "!", "magenta"),
    Outcome.TIMEOUT: ("t", "t", "yellow"),
    Outcome.BUDGET: ("b", "b", "yellow"),
    Outcome.INFRA_ERROR: ("?", "?", "dim"),
}
PARTIAL = ("▪", "+", "cyan")
VERDICT_STYLES = {
    Verdict.BASELINE: "bold",
    Verdict.KEEP: "bold green",
    Verdict.STACK: "green",
    Verdict.REVERT: "red",
    Verdict.REFUSED: "magenta",
}
LEGEND = "■ passed ▪ in part · failed ! error t time b budget ? again ▒ running"
ASCII_LEGEND = "# passed + in part . failed ! error t time b budget ? again ~ running"


def trial_mark(trial: TrialResult, ascii_only: bool = False) -> Text:
    """One character for how a trial ended; a failed one with some reward has its own."""
    in_part = trial.outcome is Outcome.FAILED and trial.reward
    mark, in_ascii, style = PARTIAL if in_part else TRIAL_MARKS[trial.outcome]
    return Text(in_ascii if ascii_only else mark, style=style)


def strip_of(
    trials: Sequence[TrialResult], planned: int, room: int, ascii_only: bool = False, running: int = 0
) -> Text:
    """A mark for each trial, for each of at most `running` others, and for each that is still to come.

    If the room is too small, the newest ones.
    """
    room = max(room, 1)
    shown, cut = (trials[-(room - 1) :] if room > 1 else [], True) if len(trials) > room else (trials, False)
    strip = Text("<" if cut else "")
    for trial in shown:
        strip.append_text(trial_mark(trial, ascii_only))
    left = min(max(planned - sum(trial.counts for trial in trials), 0), room - len(strip))
    now = min(running, left)
    strip.append(("~" if ascii_only else "▒") * now, style="blue")
    return strip.append(("-" if ascii_only else "░") * (left - now), style="dim")


def spark(values: Sequence[float | None], room: int, ascii_only: bool = False) -> str:
    """A spark line of shares in [0, 1]; a space stands for what was not measured. The newest values fit in `room`."""
    steps = ASCII_SPARKS if ascii_only else SPARKS
    marks = (
        " " if value is None else steps[round(min(max(value, 0.0), 1.0) * (len(steps) - 1))]
        for value in values[-max(room, 0) :]
    )
    return "".join(marks) if room > 0 else ""


def bar(share: float, room: int, ascii_only: bool = False) -> str:
    """A bar that is full at 1."""
    full, empty = ("#", "-") if ascii_only else ("▓", "░")
    filled = round(min(max(share, 0.0), 1.0) * room)
    return full * filled + empty * (room - filled)


def clean(text: str) -> str:
    """Foreign text in one line, without what could move a cursor."""
    return plain(" ".join(text.split()))


def fitted(line: Text, width: int) -> Text:
    """The line, cut with an ellipsis where it is wider than `width` cells."""
    cut = line.copy()
    cut.truncate(max(width, 1), overflow="ellipsis")
    cut.no_wrap = True
    return cut
