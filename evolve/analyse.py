"""From failed trajectories to a digest that the proposer reads. Pure, over ATIF documents of `train` trials alone.

Nothing of the verifier gets in here: neither the tests' output nor which of them failed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evolve.records import Outcome, TrialResult

EXAMPLE_STEPS = 8
EXAMPLE_CHARS = 400
DIGEST_CHARS = 12_000
Document = Mapping[str, Any]
Step = Mapping[str, Any]


@dataclass(frozen=True)
class Features:
    """What a reader would note about one trajectory; counts of steps or commands."""

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
    plain_answers: int
    crash: str


def features(document: Document) -> Features:
    """Read one ATIF document."""
    steps: Sequence[Step] = document["steps"]
    calls = [call for step in steps for call in step.get("tool_calls", [])]
    commands = [c for step in steps for c in (step.get("extra") or {}).get("commands", [])]
    runs = [c for c in commands if c["kind"] == "run" and "unittest" in c["command"]]
    outputs = [r["content"] for step in steps for r in (step.get("observation") or {}).get("results", [])]
    signatures = Counter(_signature(call) for call in calls if _signature(call)[0] not in ("run_tests", "submit"))
    writes = [index for index, c in enumerate(commands) if c["kind"] == "write"]
    last_test = max((index for index, c in enumerate(commands) if c in runs), default=-1)
    return Features(
        model_calls=sum(step.get("llm_call_count", 0) for step in steps),
        commands=len(commands),
        test_runs=len(runs),
        tool_calls=len(calls),
        repeated_calls=sum(count - 1 for count in signatures.values()),
        malformed_calls=sum("malformed" in call["arguments"] for call in calls),
        not_found=sum("not found" in text.lower() for text in outputs),
        cut_outputs=sum(_looks_cut(text) for text in outputs),
        error_codes=tuple(_codes(steps)),
        tests_passed_at_end=runs[-1]["exit_code"] == 0 if runs else None,
        ended_after_edit=bool(writes) and writes[-1] > last_test,
        edits=len(writes),
        plain_answers=sum(_is_plain(step) for step in steps),
        crash=_crash(str((document.get("extra") or {}).get("log", ""))),
    )


def _signature(call: Mapping[str, Any]) -> tuple[str, str]:
    return call["function_name"], repr(sorted(call["arguments"].items()))


def _looks_cut(text: str) -> bool:
    tail = text.rstrip()[-20:].lower()
    return tail.endswith(("...", "…")) or "cut" in tail or "truncated" in tail


def _codes(steps: Iterable[Step]) -> list[str]:
    errors = ((step.get("extra") or {}).get("error") for step in steps)
    return [str(error["code"]) for error in errors if error]


def _is_plain(step: Step) -> bool:
    return step["source"] == "agent" and not step.get("tool_calls") and bool(step.get("llm_call_count"))


def _crash(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return lines[-1] if "Traceback" in log and lines else ""


def digest(trials: Sequence[tuple[TrialResult, Document]], call_limit: int) -> str:
    """Sentences with counts over the failed trials, then examples. call_limit: model calls that a trial may make."""
    failed = [(trial, document) for trial, document in trials if trial.outcome is not Outcome.PASSED]
    read = [(trial, document, features(document)) for trial, document in failed]
    lines = [f"{len(trials) - len(failed)} of {len(trials)} trials passed; {len(failed)} failed."]
    lines += _endings([trial for trial, _ in failed])
    lines += _weaknesses([(trial, seen) for trial, _, seen in read], call_limit)
    text = "\n".join(f"- {line}" for line in lines)
    for trial, document, _ in sorted(read, key=lambda item: (item[2].model_calls, item[0].task))[:2]:
        text += f"\n\nEnd of a failed trial ({trial.outcome}):\n{excerpt(document)}"
    return text[:DIGEST_CHARS]


def _endings(failed: Sequence[TrialResult]) -> list[str]:
    counts = Counter(str(trial.outcome) for trial in failed)
    return [f"{count} of the failed trials ended as {name}" for name, count in counts.most_common()]


def _weaknesses(read: Sequence[tuple[TrialResult, Features]], call_limit: int) -> list[str]:
    """One sentence for each pattern that was seen, the commonest first."""
    seen = [found for _, found in read]
    total = len(seen)
    counted = [
        (sum("context_length_exceeded" in f.error_codes for f in seen),
         "ended with context_length_exceeded: the conversation history grew too long for the context"),
        (sum(f.model_calls < call_limit * 0.6 and not f.crash for f in seen),
         f"gave up early with budget left: stopped after few steps of the {call_limit} model calls allowed"),
        (sum(f.model_calls >= call_limit * 0.9 for f in seen), "spent the whole budget of model calls"),
        (sum(f.test_runs == 0 for f in seen), "never ran the tests"),
        (sum(f.tests_passed_at_end is False and not f.ended_after_edit for f in seen),
         "submitted although the tests failed"),
        (sum(f.ended_after_edit for f in seen), "never ran the tests after the last edit"),
        (sum(f.tests_passed_at_end is True for f in seen),
         "ended with the visible tests passing, yet the fix was wrong"),
        (sum(f.repeated_calls > 0 for f in seen),
         f"repeated an edit or action that had been tried before ({sum(f.repeated_calls for f in seen)} times)"),
        (sum(f.edits > 2 and f.tests_passed_at_end is False for f in seen),
         "failed edits piled up: edits that did not help were not reverted"),
        (sum(f.malformed_calls > 0 for f in seen), "met a malformed tool call"),
        (sum(f.not_found > 0 for f in seen), "had an edit whose text was not found in the file"),
        (sum(f.cut_outputs > 0 for f in seen), "had tool output cut, so that the failure's detail was hidden"),
        (sum(f.plain_answers > 0 for f in seen), "had answers without a tool call"),
        (sum(bool(f.crash) for f in seen), f"crashed: {_commonest(f.crash for f in seen)}"),
        (sum(2 * f.test_runs < f.model_calls and f.test_runs > 0 for f in seen),
         "used several model calls for each run of the tests"),
    ]  # fmt: skip
    present = sorted((item for item in counted if item[0]), key=lambda item: -item[0])
    return [f"{count} of {total} failed trials {words}" for count, words in present]


def _commonest(words: Iterable[str]) -> str:
    counts = Counter(word for word in words if word)
    return counts.most_common(1)[0][0][:200] if counts else ""


def excerpt(document: Document) -> str:
    """The last steps of a trajectory, as a reader would want them."""
    lines: list[str] = []
    for step in document["steps"][-EXAMPLE_STEPS:]:
        lines.append(f"[{step['source']}] {_shorten(str(step.get('message', '')))}")
        lines += [f"  -> {c['function_name']} {_shorten(repr(c['arguments']))}" for c in step.get("tool_calls", [])]
        results = (step.get("observation") or {}).get("results", [])
        lines += [f"  <- {_shorten(result['content'])}" for result in results]
    return "\n".join(lines)


def _shorten(text: str) -> str:
    if len(text) <= EXAMPLE_CHARS:
        return text
    return f"{text[: EXAMPLE_CHARS // 2]} [...] {text[-EXAMPLE_CHARS // 2 :]}"
