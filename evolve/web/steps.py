"""One trial's trajectory for a page: its steps, each with its texts, cut where they are long and with an address."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from evolve.report.trial_steps import access_text, command_seconds, moment

Document = Mapping[str, Any]
# Characters of one text on a page, from both of its ends.
SHOWN = 4_000
STEPS = 100
SEPARATOR = "."


@dataclass(frozen=True)
class TextView:
    """One text of a step. address: where it is in the document; left: how many characters are not in `text`."""

    kind: str
    label: str
    text: str
    address: str
    left: int = 0
    note: str = ""


@dataclass(frozen=True)
class StepView:
    """One step. seconds: since the first one; None in documents without times."""

    number: str
    source: str
    seconds: float | None
    tokens: tuple[int, int] | None
    model: str
    texts: tuple[TextView, ...]


def step_views(document: Document, first: int, most: int) -> tuple[StepView, ...]:
    """The steps `first` and after, at most so many."""
    steps = _list(document.get("steps"))
    times = [moment(step.get("timestamp")) for step in steps]
    began = next((at for at in times if at), None)
    return tuple(_step(number, steps[number], began) for number in range(first, min(first + most, len(steps))))


def step_count(document: Document) -> int:
    return len(_list(document.get("steps")))


def log_view(document: Document) -> TextView | None:
    """What the scaffold printed; None if that is nothing."""
    log = _mapping(document.get("extra")).get("log")
    return _text("log", "log of the scaffold", log, ("extra", "log")) if log else None


def refusals(document: Document) -> Mapping[str, Any]:
    """How many requests the gateway refused, by the error's code."""
    return _mapping(_mapping(document.get("extra")).get("refusals"))


def text_at(document: Document, address: str) -> str | None:
    """The whole text at an address of a TextView; None if there is none."""
    value: Any = document
    for part in address.split(SEPARATOR):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isascii() and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return _as_text(value)


def _step(number: int, step: Document, began: datetime | None) -> StepView:
    at, metrics = moment(step.get("timestamp")), _mapping(step.get("metrics"))
    tokens = (metrics["prompt_tokens"], metrics["completion_tokens"]) if "prompt_tokens" in metrics else None
    return StepView(
        number=str(step.get("step_id", number + 1)),
        source=str(step.get("source", "?")),
        seconds=(at - began).total_seconds() if at and began else None,
        tokens=tokens,
        model=str(step.get("model_name") or ""),
        texts=tuple(_texts(step, ("steps", str(number)))),
    )


def _texts(step: Document, place: tuple[str, ...]) -> Iterator[TextView]:
    if thought := step.get("reasoning_content"):
        yield _text("thinking", "thinking", thought, (*place, "reasoning_content"))
    if message := step.get("message"):
        yield _text("message", "message", message, (*place, "message"))
    for number, call in enumerate(_list(step.get("tool_calls"))):
        name, inner = str(call.get("function_name")), (*place, "tool_calls", str(number), "arguments")
        yield _text("call", f"calls {name}", call.get("arguments"), inner)
    extra = _mapping(step.get("extra"))
    commands = _list(extra.get("commands"))
    for number, command in enumerate(commands):
        yield from _command(command, (*place, "extra", "commands", str(number)))
    if error := extra.get("error"):
        yield _text("error", "error", error, (*place, "extra", "error"))
    yield from _results(step, commands, place)


def _command(command: Document, place: tuple[str, ...]) -> Iterator[TextView]:
    """A command with its output and its end, or an access to a file."""
    seconds = command_seconds(command)
    took = "" if seconds is None else f", {seconds:.2f} s"
    if command.get("kind") != "run":
        note = f"{access_text(command)}{took}"
        yield _text("file", str(command.get("kind")), str(command.get("path", "")), (*place, "path"), note)
        if "text" in command:
            yield _text("output", "text", command["text"], (*place, "text"))
        return
    ends = [f"exit {command.get('exit_code')}"]
    ends += [words for flag, words in (("timed_out", "timed out"), ("truncated", "output cut")) if command.get(flag)]
    yield _text("command", "command", command.get("command", ""), (*place, "command"), f"{', '.join(ends)}{took}")
    for name in ("stdout", "stderr"):
        if text := command.get(name):
            yield _text("output" if name == "stdout" else "error", name, text, (*place, name))


def _results(step: Document, commands: Sequence[Document], place: tuple[str, ...]) -> Iterator[TextView]:
    """What the model got back, unless that is the output of a command above."""
    outputs = {str(command.get("stdout", "")).strip() for command in commands}
    for number, result in enumerate(_list(_mapping(step.get("observation")).get("results"))):
        content = result.get("content", "")
        if not (isinstance(content, str) and (not content.strip() or content.strip() in outputs)):
            inner = (*place, "observation", "results", str(number), "content")
            yield _text("result", "answer to the model", content, inner)


def _text(kind: str, label: str, value: object, place: tuple[str, ...], note: str = "") -> TextView:
    whole = _as_text(value)
    shown, left = cut(whole)
    return TextView(kind, label, shown, SEPARATOR.join(place), left, note)


def cut(text: str, most: int = SHOWN) -> tuple[str, int]:
    """A text with at most so many characters, of both its ends; and how many are left out."""
    if len(text) <= most:
        return text, 0
    left = len(text) - most
    return f"{text[: most // 2]}\n[... {left:,} characters ...]\n{text[-(most - most // 2) :]}", left


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Mapping[str, Any]]:
    """The objects of a list in their places; what is none counts as empty."""
    return [_mapping(one) for one in value] if isinstance(value, list) else []
