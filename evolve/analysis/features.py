"""Extract from one trajectory what helps to understand how it ended."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TESTS = re.compile(r"\b(unittest|pytest|tox|nox|(make|npm|cargo|go|mvn|gradle) (run )?test)\b")
WRITES = re.compile(
    r"\bsed\s+(-\w+\s+)*-i|\btee\s|\bpatch\s|\bgit apply\b|\bcat\s*>|(?<![\d&>])>{1,2}\s*(?!/dev/|&)[\w./]"
)
TRACED = re.compile(r'\bFile "([^"\n]+\.py)", line \d+')
LIBRARY = re.compile(r"/(lib|site-packages|dist-packages)/|^<")
# Of the arguments of tools that run a command.
COMMAND_KEYS = ("command", "cmd", "commands", "script")
EXIT_STATUS = re.compile(r"\b(?:return ?code|exit[ _]?(?:code|status))\W{1,12}(-?\d{1,4})\b", re.IGNORECASE)
# Calls that may be repeated for good reason.
MAY_REPEAT = ("run_tests", "submit")
TOKENS = ("prompt_tokens", "completion_tokens")
Document = Mapping[str, Any]
Step = Mapping[str, Any]


@dataclass(frozen=True)
class Features:
    """Counts of steps or commands, and signs of how a trial went.

    Attributes:
        tests_passed_at_end: The result of the last test run; None if the tests were never run.
        off_traceback: Tracebacks name files of the project, but no edited file is among them.
    """

    model_calls: int
    commands: int
    test_runs: int
    tool_calls: int
    repeated_calls: int
    malformed_calls: int
    not_found: int
    cut_outputs: int
    error_codes: tuple[str, ...]
    tests_passed_at_end: bool | None
    ended_after_edit: bool
    edits: int
    edited_tests: bool
    off_traceback: bool
    plain_answers: int
    tokens: int
    crash: str


def features(document: Document) -> Features:
    """Extract the features of one ATIF document."""
    steps: Sequence[Step] = document["steps"]
    calls = [call for step in steps for call in step.get("tool_calls", [])]
    extras = [step.get("extra") or {} for step in steps]
    # The changes of the working directory are recorded for an agent that runs its commands itself.
    is_own = any("changes" in extra for extra in extras)
    commands = _called_commands(steps) if is_own else [c for extra in extras for c in extra.get("commands", [])]
    runs = [c for c in commands if c["kind"] == "run" and TESTS.search(c["command"])]
    outputs = [r["content"] for step in steps for r in (step.get("observation") or {}).get("results", [])]
    writes = [index for index, c in enumerate(commands) if _is_write(c)]
    edited = {str(commands[index].get("path") or "") for index in writes} - {""}
    last_test = max((index for index, c in enumerate(commands) if c in runs), default=-1)
    return Features(
        model_calls=sum(step.get("llm_call_count", 0) for step in steps),
        commands=len(commands),
        test_runs=len(runs),
        tool_calls=len(calls),
        repeated_calls=_count_repeated(calls),
        malformed_calls=sum("malformed" in call["arguments"] for call in calls),
        not_found=sum("not found" in text.lower() for text in outputs),
        cut_outputs=sum(_looks_cut(text) for text in outputs),
        error_codes=tuple(_error_codes(steps)),
        tests_passed_at_end=runs[-1]["exit_code"] == 0 if runs else None,
        ended_after_edit=bool(writes) and writes[-1] > last_test,
        edits=len(writes),
        edited_tests=any(_is_test(path) for path in edited),
        off_traceback=_is_off_traceback(edited, runs),
        plain_answers=sum(_is_plain_answer(step) for step in steps),
        tokens=sum((step.get("metrics") or {}).get(name, 0) for step in steps for name in TOKENS),
        crash=_crash(str((document.get("extra") or {}).get("log", ""))),
    )


def _called_commands(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """The commands of an agent that runs them itself, as its calls of tools and their results tell."""
    commands = []
    for step in steps:
        results = {r["source_call_id"]: r["content"] for r in (step.get("observation") or {}).get("results", [])}
        for call in step.get("tool_calls", []):
            text = next((call["arguments"][key] for key in COMMAND_KEYS if key in call["arguments"]), None)
            if isinstance(text, str | list):
                command = text if isinstance(text, str) else " ".join(map(str, text))
                output = str(results.get(call["tool_call_id"], ""))
                status = _exit_status(output)
                commands.append({"kind": "run", "command": command, "stdout": output, "exit_code": status})
    return commands


def _exit_status(output: str) -> int:
    """The exit status that a tool's result names, as most agents write it; 0 if it names none."""
    found = EXIT_STATUS.search(output)
    return int(found[1]) if found else 0


def _is_write(command: Mapping[str, Any]) -> bool:
    is_run = command["kind"] == "run" and not TESTS.search(command["command"])
    edits = command["kind"] == "write" or (command["kind"] == "replace" and command["exit_code"] == 0)
    return edits or bool(is_run and WRITES.search(command["command"]))


def _count_repeated(calls: Iterable[Mapping[str, Any]]) -> int:
    """Count the calls that were made before with the same arguments."""
    relevant = [call for call in calls if call["function_name"] not in MAY_REPEAT]
    counts = Counter((call["function_name"], repr(sorted(call["arguments"].items()))) for call in relevant)
    return sum(count - 1 for count in counts.values())


def _looks_cut(text: str) -> bool:
    tail = text.rstrip()[-20:].lower()
    return tail.endswith(("...", "…")) or "cut" in tail or "truncated" in tail


def _error_codes(steps: Iterable[Step]) -> list[str]:
    errors = ((step.get("extra") or {}).get("error") for step in steps)
    return [str(error["code"]) for error in errors if error]


def _is_test(path: str) -> bool:
    name = path.rsplit("/", 1)[-1]
    return name.startswith("test_") or name.endswith(("_test.py", "_tests.py")) or name == "conftest.py"


def _is_off_traceback(edited: Iterable[str], runs: Iterable[Mapping[str, Any]]) -> bool:
    outputs = [f"{run.get('stdout', '')}\n{run.get('stderr', '')}" for run in runs]
    traced = {path for output in outputs for path in TRACED.findall(output) if not LIBRARY.search(path)}
    named_files = {path.rsplit("/", 1)[-1] for path in traced if not _is_test(path)}
    edited_files = {path.rsplit("/", 1)[-1] for path in edited}
    return bool(named_files and edited_files) and not named_files & edited_files


def _is_plain_answer(step: Step) -> bool:
    return step["source"] == "agent" and not step.get("tool_calls") and bool(step.get("llm_call_count"))


def _crash(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return lines[-1] if "Traceback" in log and lines else ""
