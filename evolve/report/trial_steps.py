"""Format one trial for people: how it ended, and its trajectory step by step."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from evolve.core.records import TrialResult

SHORT = 2_000
Document = Mapping[str, Any]


def trial_lines(trial: TrialResult, number: int) -> list[str]:
    """How a trial ended, how long it took, and what it used.

    Args:
        number: The round of its candidate.
    """
    reward = "" if trial.reward is None else f", reward {trial.reward:g}"
    used = trial.usage
    cost = f", ${used.cost_usd:.4f}" if used.cost_usd else ""
    lines = [
        f"round {number}, {trial.task} ({trial.split}), attempt {trial.attempt}: {trial.outcome}{reward}",
        f"{trial.seconds:.1f} s; {used.calls} calls, {used.prompt_tokens:,} + {used.completion_tokens:,} tokens{cost}; "
        f"{used.commands} commands; started {trial.started_at}",
    ]
    reasons = {"limit": trial.cause, "fault": trial.fault, "rewards": _rewards(trial), "detail": trial.detail.strip()}
    return lines + [f"{name}: {_indented(str(value))}" for name, value in reasons.items() if value]


def _rewards(trial: TrialResult) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in trial.rewards)


def document_lines(document: Document, most: int | None = SHORT) -> Iterator[str]:
    """The steps of a trajectory, each with the seconds since the first, then the scaffold's log.

    Texts are indented, so no line of one passes for a step.

    Args:
        document: In ATIF.
        most: Characters of a text that are shown, from both of its ends; None: all.
    """
    began: datetime | None = None
    for step in document.get("steps", []):
        at = moment(step.get("timestamp"))
        began = began or at
        yield ""
        yield _heading(step, (at - began).total_seconds() if at and began else None)
        yield from _step_lines(step, most)
    extra = document.get("extra", {})
    if refusals := extra.get("refusals"):
        counts = ", ".join(f"{code} {count} times" for code, count in refusals.items())
        yield f"\nrequests that the gateway refused: {counts}"
    if log := extra.get("log"):
        yield f"\nlog of the scaffold:\n  {_indented(_short(log, most))}"


def _heading(step: Document, seconds: float | None) -> str:
    at = "" if seconds is None else f"  {seconds:.1f} s"
    metrics = step.get("metrics") or {}
    tokens = f"  {metrics['prompt_tokens']:,} + {metrics['completion_tokens']:,} tokens" if metrics else ""
    model = f"  {step['model_name']}" if step.get("model_name") else ""
    return f"[{step.get('step_id', '?')}] {step.get('source', '?')}{at}{tokens}{model}"


def _step_lines(step: Document, most: int | None) -> Iterator[str]:
    if thought := step.get("reasoning_content"):
        yield f"  (thinking) {_indented(_short(thought, most))}"
    if message := step.get("message"):
        yield f"  {_indented(_short(message, most))}"
    for call in step.get("tool_calls", []):
        arguments = json.dumps(call.get("arguments"), ensure_ascii=False)
        yield f"  -> {_indented(str(call.get('function_name')))} {_indented(_short(arguments, most))}"
    commands = (step.get("extra") or {}).get("commands", [])
    for command in commands:
        yield from _command_lines(command, most)
    outputs = {str(command.get("stdout", "")).strip() for command in commands}
    for result in (step.get("observation") or {}).get("results", []):
        content = result.get("content", "")
        same = isinstance(content, str) and content.strip() and content.strip() in outputs
        yield f"  <- {'the output above' if same else _indented(_short(content, most))}"


def _command_lines(command: Document, most: int | None) -> Iterator[str]:
    """What passed the gateway: a command with its output and its end, or an access to a file."""
    kind, seconds = command.get("kind"), command_seconds(command)
    took = "" if seconds is None else f", {seconds:.2f} s"
    if kind != "run":
        yield f"  $ {kind} {_indented(str(command.get('path', '')))}  ({access_text(command)}{took})"
        return
    ends = [f"exit {command.get('exit_code')}"]
    ends += [words for flag, words in (("timed_out", "timed out"), ("truncated", "output cut")) if command.get(flag)]
    yield f"  $ {_indented(_short(command.get('command', ''), most))}  ({', '.join(ends)}{took})"
    for name in ("stdout", "stderr"):
        if text := command.get(name):
            yield f"    {'' if name == 'stdout' else 'stderr: '}{_indented(_short(text, most))}"


def access_text(command: Document) -> str:
    """How an access to a file ended."""
    if problem := command.get("error") or command.get("problem"):
        return _indented(str(problem))
    if command.get("found") is False:
        return "not found"
    if command.get("exit_code"):
        return f"exit {command['exit_code']}"
    if "text" in command:
        return f"{len(str(command['text'])):,} characters"
    return f"{command['bytes']:,} bytes" if "bytes" in command else "done"


def command_seconds(command: Document) -> float | None:
    began, ended = moment(command.get("started_at")), moment(command.get("ended_at"))
    return (ended - began).total_seconds() if began and ended else None


def moment(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None


def _indented(text: str) -> str:
    return text.replace("\n", "\n    ")


def _short(value: object, most: int | None) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text.rstrip("\n")
    if most is None or len(text) <= most:
        return text
    left = len(text) - most
    return f"{text[: most // 2]} [... {left:,} characters, see --full ...] {text[-(most - most // 2) :]}"
