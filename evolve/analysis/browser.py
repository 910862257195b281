"""The trajectories that the proposer may read in full: steps by reference, and a search over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from evolve.analysis.features import Step
from evolve.analysis.groups import AnalysedTrial

READ_CHARS = 12_000
WHOLE_CHARS = 150_000
FIELD_CHARS = 2_000
FOUND = 20
AROUND = 80


def task_labels(tasks: Iterable[str], split: str = "train") -> dict[str, str]:
    """What the proposer calls each task, by its name: stable as long as the suite is, and no hint of the name."""
    return {name: f"{split}-{number:02d}" for number, name in enumerate(sorted(tasks), 1)}


@dataclass(frozen=True)
class Shelf:
    """Trials by reference, such as `train-03.1`."""

    read: Sequence[AnalysedTrial]

    def steps(self, reference: str, first: int = 1) -> str:
        """The trial's steps from number `first` on, as many as fit; or a line that says what is wrong."""
        found = next((one for one in self.read if one.reference == reference), None)
        if found is None:
            known = ", ".join(sorted(one.reference for one in self.read)[:60])
            return f"error: there is no trial {reference}; there are: {known}"
        steps = found.document["steps"]
        lines = [f"trial {reference}, {found.trial.outcome}, {len(steps)} steps"]
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
        """All trials by reference, each whole but for what is long in it."""
        return {one.reference: shorten("\n".join(_lines(one)), WHOLE_CHARS) for one in self.read}

    def search(self, words: str) -> str:
        """Where these words stand, whatever their case: reference, step, and the text around them."""
        if not words.strip():
            return "error: no words to look for"
        hits = list(self._hits(words.lower()))
        shown = hits[:FOUND] + ([f"({len(hits) - FOUND} more)"] if len(hits) > FOUND else [])
        return "\n".join(shown) or f"found nowhere in {len(self.read)} trials"

    def _hits(self, words: str) -> Iterator[str]:
        for one in sorted(self.read, key=lambda read: read.reference):
            for number, step in enumerate(one.document["steps"], 1):
                text = " ".join("\n".join(step_lines(step, 100_000)).split())
                at = text.lower().find(words)
                if at >= 0:
                    yield f"{one.reference} step {number}: {text[max(0, at - AROUND) : at + len(words) + AROUND]}"


def _lines(one: AnalysedTrial) -> Iterator[str]:
    steps = one.document["steps"]
    yield f"trial {one.reference}, {one.trial.outcome}, {len(steps)} steps"
    for number, step in enumerate(steps, 1):
        yield from step_lines(step, FIELD_CHARS, f"{number} ")


def step_lines(step: Step, most: int, number: str = "") -> list[str]:
    """One step as a reader would want it: who said what, which calls it made, what came back."""
    lines = [f"{number}[{step['source']}] {shorten(str(step.get('message', '')), most)}"]
    if thought := step.get("reasoning_content"):
        lines.append(f"  (thinking) {shorten(str(thought), most)}")
    lines += [f"  -> {c['function_name']} {shorten(repr(c['arguments']), most)}" for c in step.get("tool_calls", [])]
    results = (step.get("observation") or {}).get("results", [])
    return lines + [f"  <- {shorten(result['content'], most)}" for result in results]


def shorten(text: str, most: int) -> str:
    """Its two ends, where it is longer than `most` characters."""
    return text if len(text) <= most else f"{text[: most // 2]} [...] {text[-most // 2 :]}"
