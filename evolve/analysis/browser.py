"""The trajectories that the proposer may read in full: steps of one trial, and a search over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from evolve.analysis.features import Step
from evolve.analysis.groups import AnalysedTrial
from evolve.core.fences import one_line, quoted

READ_CHARS = 12_000
WHOLE_CHARS = 150_000
FIELD_CHARS = 2_000
MAX_HITS = 20
HIT_CONTEXT = 80


def task_labels(tasks: Iterable[str], split: str = "train") -> dict[str, str]:
    """Return the proposer's label of each task by name. Labels change only with the suite, and do not hint at names."""
    return {name: f"{split}-{number:02d}" for number, name in enumerate(sorted(tasks), 1)}


@dataclass(frozen=True)
class Shelf:
    """Trials by reference, such as `train-03.1`."""

    trials: Sequence[AnalysedTrial]

    def steps(self, reference: str, first: int = 1) -> str:
        """Return the trial's steps from number `first` on, as many as fit; or a line with an error."""
        trial = next((trial for trial in self.trials if trial.reference == reference), None)
        if trial is None:
            known = ", ".join(sorted(trial.reference for trial in self.trials)[:60])
            return f"error: there is no trial {reference}; there are: {known}"
        steps = trial.document["steps"]
        lines = [f"trial {reference}, {trial.result.outcome}, {len(steps)} steps"]
        size = len(lines[0])
        for number, step in list(enumerate(steps, 1))[max(first, 1) - 1 :]:
            text = "\n".join(step_lines(step, FIELD_CHARS, f"{number} "))
            if size + len(text) > READ_CHARS:
                lines.append(f"(more from step {number} on)")
                break
            lines.append(text)
            size += len(text)
        return "\n".join(lines)

    def texts(self) -> dict[str, str]:
        """Return all trials as text, by reference, with long parts shortened."""
        return {trial.reference: shorten("\n".join(_lines(trial)), WHOLE_CHARS) for trial in self.trials}

    def search(self, query: str) -> str:
        """Find a text, ignoring case: reference, step and context of each match."""
        if not query.strip():
            return "error: the search text is empty"
        hits = list(self._hits(query.lower()))
        shown = hits[:MAX_HITS] + ([f"({len(hits) - MAX_HITS} more)"] if len(hits) > MAX_HITS else [])
        return "\n".join(shown) or f"no match in {len(self.trials)} trials"

    def _hits(self, query: str) -> Iterator[str]:
        for trial in sorted(self.trials, key=lambda trial: trial.reference):
            for number, step in enumerate(trial.document["steps"], 1):
                text = " ".join("\n".join(step_lines(step, 100_000)).split())
                at = text.lower().find(query)
                if at >= 0:
                    context = text[max(0, at - HIT_CONTEXT) : at + len(query) + HIT_CONTEXT]
                    yield f"{trial.reference} step {number}: {context}"


def _lines(trial: AnalysedTrial) -> Iterator[str]:
    steps = trial.document["steps"]
    yield f"trial {trial.reference}, {trial.result.outcome}, {len(steps)} steps"
    for number, step in enumerate(steps, 1):
        yield from step_lines(step, FIELD_CHARS, f"{number} ")


def step_lines(step: Step, most: int, number: str = "") -> list[str]:
    """Format one step: the message with its source, the tool calls, and their results. None passes for another step."""
    lines = [f"{number}[{step['source']}] {_part(step.get('message', ''), most)}"]
    if thought := step.get("reasoning_content"):
        lines.append(f"  (thinking) {_part(thought, most)}")
    calls = ((one_line(c["function_name"]), repr(c["arguments"])) for c in step.get("tool_calls", []))
    lines += [f"  -> {name} {shorten(arguments, most)}" for name, arguments in calls]
    results = (step.get("observation") or {}).get("results", [])
    return lines + [f"  <- {_part(result['content'], most)}" for result in results]


def _part(text: object, most: int) -> str:
    return quoted(shorten(str(text), most))


def shorten(text: str, most: int) -> str:
    """Keep only both ends of a text that is longer than `most` characters."""
    return text if len(text) <= most else f"{text[: most // 2]} [...] {text[-most // 2 :]}"
