"""Convert records to rows and back. No SQL."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from evolve.core.plausible import MOST_SPENT
from evolve.core.records import (
    Candidate,
    Cause,
    Decision,
    Evidence,
    Fault,
    FileEdit,
    Grading,
    Lesson,
    Outcome,
    Proposal,
    Split,
    StackFate,
    StoredFile,
    Task,
    TrialCondition,
    TrialResult,
    Usage,
    Verdict,
    VerifierMode,
)
from evolve.store.reading import Row
from evolve.store.rows import (
    ConditionedTrial,
    DatedFile,
    LossRow,
    PairedReward,
    PreflightRow,
    Regrade,
    RoundOutline,
    RoundScore,
    TaskRow,
    TaskScore,
    TrialScore,
)

Values = dict[str, Any]
EVIDENCE = ("effect", "error", "doubt")
SPENT = ("calls", "prompt_tokens", "completion_tokens", "cost_usd")
TRIED_AGAIN = ("retries", "lost_seconds")
CACHED = ("cached_tokens", "cache_write_tokens")
# Of trials alone: how much of SPENT was taken over.
REUSED = tuple(f"reused_{name}" for name in SPENT)
CONDITION = ("endpoint_models", "fingerprints", "base_image", "task_image", "concurrency")
# What a `TrialScore` is made of.
SCORED = ("task", "split", "attempt", "outcome", "reward", "verifier", "fault", "outage")
REGRADED = ("graded_at", "seconds", "reward", "why", "detail")
GRADING = ("model", *SPENT, *TRIED_AGAIN, *CACHED, "recording_path", "recording_sha256")
# In front of the names of these columns in the rows of trials.
GRADER = "grader_"
CHECKED = ("checked_at", "role", "model", "base_url", "report")
# Between several values of one trial.
COMMA = ", "
KINDS = FIX, BREAK = ("fix", "break")


def task_values(run: str, task: Task, excluded: str | None) -> Values:
    """Return the task's row. excluded: why the run does without the task."""
    return {
        "run_id": run,
        "name": task.name,
        "split": task.split.value,
        "difficulty": task.difficulty,
        "digest": task.digest,
        "set_aside": excluded,
    }


def proposal_values(proposal: Proposal) -> Values:
    edits = [{"path": edit.path, "text": edit.text} for edit in proposal.edits]
    return {
        "hypothesis": proposal.hypothesis,
        "prediction": proposal.prediction,
        "note": proposal.note,
        "edits": json.dumps(edits, ensure_ascii=False),
        **_usage_values(proposal.usage),
        "ablates": proposal.ablates,
        "merges": proposal.merges,
        "null_copy": int(proposal.null_copy),
        **_file_values("transcript", proposal.transcript),
    }


def prediction_values(proposal: Proposal) -> list[Values]:
    """Return one row for each predicted task."""
    predictions = ((FIX, proposal.fixes), (BREAK, proposal.breaks))
    return [{"task": task, "kind": kind} for kind, tasks in predictions for task in dict.fromkeys(tasks)]


def lesson_values(lesson: Lesson) -> Values:
    return {"round": lesson.round, "text": lesson.text, "problem": lesson.problem, **_usage_values(lesson.usage)}


def _usage_values(usage: Usage) -> Values:
    """Return the usage without commands."""
    return {name: min(getattr(usage, name), MOST_SPENT) for name in (*SPENT, *TRIED_AGAIN, *CACHED)}


def loss_values(what: str, usage: Usage) -> Values:
    return {"what": what, **{name: getattr(usage, name) for name in (*SPENT, *CACHED)}}


def preflight_values(row: PreflightRow) -> Values:
    return {**{name: getattr(row, name) for name in CHECKED}, **_usage_values(row.usage)}


def condition_values(condition: TrialCondition) -> Values:
    return {
        "endpoint_models": _joined(condition.endpoint_models),
        "fingerprints": _joined(condition.fingerprints),
        "base_image": condition.base_image,
        "task_image": condition.task_image,
        "concurrency": condition.concurrency,
    }


def _joined(values: Iterable[str]) -> str:
    """Several values of one trial as one text: distinct and sorted."""
    return COMMA.join(sorted({value for value in values if value}))


def decision_values(decision: Decision) -> Values:
    evidence = {name: decision.evidence and getattr(decision.evidence, name) for name in EVIDENCE}
    facts = {"verdict": decision.verdict.value, "reason": decision.reason, "fate": decision.fate.value}
    would_be = decision.would_be and decision.would_be.value
    return {**facts, **evidence, "would_be": would_be, "back_to": decision.back_to}


def trial_values(result: TrialResult) -> Values:
    return {
        "task": result.task,
        "split": result.split.value,
        "attempt": result.attempt,
        "seed": result.seed,
        "outcome": result.outcome.value,
        "reward": result.reward,
        "rewards": json.dumps(dict(result.rewards)) if result.rewards else None,
        "started_at": result.started_at,
        "seconds": result.seconds,
        **_usage_values(result.usage),
        "commands": result.usage.commands,
        "reuse": int(result.reuse),
        **{name: min(getattr(result.usage, name), MOST_SPENT) for name in REUSED},
        "detail": result.detail,
        **_file_values("trajectory", result.trajectory),
        **_file_values("recording", result.recording),
        "cause": result.cause.value,
        "verifier": result.verifier.value,
        "fault": result.fault.value,
        "outage": int(result.outage),
        "failed_gradings": result.failed_gradings,
        **_file_values("state", result.state),
        "own_seconds": result.own_seconds,
    }


def trial_from(row: Row) -> TrialResult:
    """Read a trial from a row with the trial's columns, those of its conditions, and `commit_sha`."""
    return TrialResult(
        candidate=row["commit_sha"],
        task=row["task"],
        split=Split(row["split"]),
        attempt=row["attempt"],
        seed=row["seed"],
        outcome=Outcome(row["outcome"]),
        reward=row["reward"],
        rewards=rewards_from(row["rewards"]),
        usage=replace(_usage_from(row), commands=row["commands"], **{name: row[name] for name in REUSED}),
        started_at=row["started_at"],
        seconds=row["seconds"],
        detail=row["detail"],
        trajectory=_file_from("trajectory", row),
        recording=_file_from("recording", row),
        cause=Cause(row["cause"]),
        verifier=VerifierMode(row["verifier"]),
        fault=Fault(row["fault"]),
        condition=condition_from(row),
        outage=bool(row["outage"]),
        failed_gradings=row["failed_gradings"],
        state=_file_from("state", row),
        grading=_grading_from(row),
        own_seconds=row["own_seconds"],
        reuse=bool(row["reuse"]),
    )


def trial_score_from(row: Row) -> TrialScore:
    """Read a trial's score from a row with `commit_sha` and the columns of SCORED."""
    return TrialScore(
        row["commit_sha"],
        row["task"],
        Split(row["split"]),
        row["attempt"],
        Outcome(row["outcome"]),
        row["reward"],
        VerifierMode(row["verifier"]),
        Fault(row["fault"]),
        bool(row["outage"]),
    )


def task_score_from(row: Row) -> TaskScore:
    return TaskScore(row["round"], row["commit_sha"], row["trials"], int(row["passes"]), float(row["mean_reward"]))


def round_score_from(row: Row) -> RoundScore:
    return RoundScore(row["round"], Split(row["split"]), int(row["trials"]), float(row["mean_reward"]))


def _grading_from(row: Row) -> Grading | None:
    """What the tests of a trial asked a model, from the columns of its row for that."""
    values = {name: row[f"{GRADER}{name}"] for name in GRADING}
    if values["model"] is None:
        return None
    return Grading(values["model"], _usage_from(values), _file_from("recording", values))


def grading_values(grading: Grading) -> Values:
    return {
        "model": grading.model,
        **_usage_values(grading.usage),
        **_file_values("recording", grading.recording),
    }


def rewards_from(text: object) -> tuple[tuple[str, float], ...]:
    """The numbers of a JSON object by name; of anything else none, since they decide nothing."""
    try:
        numbers = json.loads(text) if isinstance(text, str) else {}
    except (ValueError, RecursionError):
        return ()
    known = numbers.items() if isinstance(numbers, dict) else ()
    return tuple((name, float(value)) for name, value in known if isinstance(value, int | float) and abs(value) < 1e300)


def regrade_values(regrade: Regrade) -> Values:
    passed = None if regrade.passed is None else int(regrade.passed)
    return {**{name: getattr(regrade, name) for name in REGRADED}, "passed": passed}


def regrade_from(row: Row) -> Regrade:
    graded_at, seconds, reward, why, detail = (row[name] for name in REGRADED)
    passed = None if row["passed"] is None else bool(row["passed"])
    return Regrade(row["trial_id"], graded_at, seconds, reward, why, detail, passed)


def task_from(row: Row) -> TaskRow:
    return TaskRow(**{**row, "split": Split(row["split"])})


def candidate_from(row: Row) -> Candidate:
    """Read a candidate from a row with the candidate's columns and `parent_commit`."""
    return Candidate(row["commit_sha"], row["round"], row["parent_commit"], row["branch"])


def proposal_from(row: Row) -> Proposal:
    """Read a proposal, without its predicted tasks, which have their own rows."""
    return Proposal(
        hypothesis=row["hypothesis"],
        prediction=row["prediction"],
        edits=edits_from(row),
        usage=_usage_from(row),
        note=row["note"],
        ablates=row["ablates"],
        merges=row["merges"],
        null_copy=bool(row["null_copy"]),
        transcript=_file_from("transcript", row),
    )


def edits_from(row: Row) -> tuple[FileEdit, ...]:
    return tuple(FileEdit(edit["path"], edit["text"]) for edit in json.loads(row["edits"]))


def conditioned_trial_from(row: Row) -> ConditionedTrial:
    return ConditionedTrial(row["commit_sha"], row["task"], condition_from(row))


def dated_file_from(row: Row) -> DatedFile:
    counts = Outcome(row["outcome"]) is not Outcome.INFRA_ERROR
    return DatedFile(row["kind"], StoredFile(row["path"], row["sha256"]), row["started_at"], counts)


def lesson_from(row: Row) -> Lesson:
    return Lesson(row["round"], row["text"], row["problem"], _usage_from(row))


def _usage_from(row: Row) -> Usage:
    return Usage(**{name: row[name] for name in (*SPENT, *TRIED_AGAIN, *CACHED)})


def loss_from(row: Row) -> LossRow:
    usage = Usage(**{name: row[name] for name in (*SPENT, *CACHED)})
    return LossRow(row["session_id"], row["what"], usage, row["noticed_at"])


def preflight_from(row: Row) -> PreflightRow:
    facts = {name: row[name] for name in CHECKED}
    return PreflightRow(**facts, usage=_usage_from(row), session=row["session_id"])


def condition_from(row: Row) -> TrialCondition | None:
    """Read a trial's conditions; None if an older version ran it, or an executor that did not report them."""
    if row["concurrency"] is None:
        return None
    return TrialCondition(
        endpoint_models=split_values(row["endpoint_models"]),
        fingerprints=split_values(row["fingerprints"]),
        base_image=row["base_image"],
        task_image=row["task_image"],
        concurrency=row["concurrency"],
    )


def split_values(text: str) -> tuple[str, ...]:
    """The several values of one trial that a column holds."""
    return tuple(text.split(COMMA)) if text else ()


def decision_from(row: Row) -> Decision:
    evidence = None if row["error"] is None else Evidence(*(row[column] for column in EVIDENCE))
    would_be = row["would_be"] and Verdict(row["would_be"])
    fate = StackFate(row["fate"])
    return Decision(Verdict(row["verdict"]), row["reason"], fate, evidence, would_be, row["back_to"])


def round_outline_from(row: Row) -> RoundOutline:
    return RoundOutline(row["round"], Verdict(row["verdict"]), row["hypothesis"])


def paired_reward_from(row: Row) -> PairedReward:
    return PairedReward(row["task"], row["reward"], row["before"])


def _file_values(kind: str, file: StoredFile | None) -> Values:
    return {f"{kind}_path": file and file.path, f"{kind}_sha256": file and file.sha256}


def _file_from(kind: str, row: Row) -> StoredFile | None:
    path = row[f"{kind}_path"]
    return None if path is None else StoredFile(path, row[f"{kind}_sha256"])
