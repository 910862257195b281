"""Runs that wait for an endpoint, stop before their last round, or do without a lesson."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evolve.core.config import ModelFacts, TrialLimits
from evolve.core.errors import (
    AccountError,
    BadInput,
    BudgetExhausted,
    EndpointError,
    EvolveError,
    HostRefused,
    InfraError,
    ProposalsRefused,
    RequestRefused,
)
from evolve.core.records import Decision, FileEdit, Outcome, Proposal, Split, TrialResult, Usage, Verdict
from evolve.host.circuit_breaker import Policy
from evolve.host.signals import Stop, listen_for_signals
from evolve.loop.propose.answer import refused_by_endpoint
from evolve.loop.stops import MAX_REFUSED, SeedStart, check_refusals, refused_in_a_row, seed_notice, seed_start
from evolve.loop.watcher import SilentWatcher
from evolve.store import RoundRow
from tests.fakes import ProposingModel, ScoringEvaluator, completion, result, tool_call
from tests.test_loop import RUN, Run, by_level, opened, proposing, told, verdicts, write_repository

FAST = Policy(failures_to_open=2, first_pause=0.01, longest_pause=0.02, patience=60.0)
IMPATIENT = Policy(failures_to_open=2, first_pause=0.01, longest_pause=0.02, patience=0.1)
AWAY = EndpointError("model endpoint: connection refused")
REFUSED = RequestRefused(400, "unsupported_parameter", "use `max_completion_tokens`")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture
def made(repository: Path, tmp_path: Path) -> Iterator[Callable[..., Run]]:
    with opened(repository, tmp_path) as make:
        yield make


class Notices(SilentWatcher):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def say(self, text: str) -> None:
        self.texts.append(text)


class Interrupted:
    """A model that raises these errors first, at requests that offer `tool`; it keeps all requests that it answers."""

    def __init__(self, model: ProposingModel, tool: str, *errors: BaseException) -> None:
        self.model, self.tool, self.errors = model, tool, list(errors)
        self.requests: list[dict[str, Any]] = []

    def complete(self, body: Any, on_lost: Any = None) -> dict[str, Any]:
        if self.errors and any(tool["function"]["name"] == self.tool for tool in body["tools"]):
            raise self.errors.pop(0)
        self.requests.append(json.loads(json.dumps(body)))
        return self.model.complete(body, on_lost)


def comparable(run: Run) -> list[Any]:
    lessons = [(lesson.round, lesson.text, lesson.problem) for lesson in run.store.lessons(RUN)]
    files = [dict(run.lineage.files(row.candidate.commit)) for row in run.store.rounds(RUN) if row.candidate]
    return [verdicts(run), files, lessons]


@pytest.fixture(scope="module")
def undisturbed(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What a run of two rounds comes to, and its requests."""
    with opened(repository, tmp_path_factory.mktemp("undisturbed")) as make:
        model = Interrupted(proposing(4, 0), "propose")
        run = make(model, ScoringEvaluator(by_level))
        run.play(2)
        return [comparable(run), model.requests]


@pytest.mark.parametrize("tool", ["propose", "lesson"])
def test_an_outage_is_waited_out_and_changes_nothing(
    made: Callable[..., Run], tool: str, undisturbed: list[Any]
) -> None:
    model, notices = Interrupted(proposing(4, 0), tool, AWAY, AWAY, AWAY), Notices()
    run = made(model, ScoringEvaluator(by_level), policy=FAST, watcher=notices)
    run.play(2)
    assert [comparable(run), model.requests] == undisturbed
    waits = [text for text in notices.texts if "the model's API" in text]
    assert waits[0].startswith("the model's API fails (model endpoint: connection refused): no new calls for ")
    assert waits[-1] == "the model's API answers again: resuming" and len(waits) == 3
    usages = [row.proposal.usage for row in run.store.rounds(RUN) if row.proposal]
    usages += [lesson.usage for lesson in run.store.lessons(RUN)]
    assert sum(usage.retries for usage in usages) == 3


def test_an_outage_during_a_race_is_waited_out(made: Callable[..., Run]) -> None:
    model = Interrupted(proposing(4, 3, 2), "propose", *[AWAY] * 7)
    run = made(model, ScoringEvaluator(by_level), policy=FAST, race=3)
    run.play(3)
    assert len(verdicts(run)) == 4 and Verdict.REFUSED not in verdicts(run) and model.errors == []


@pytest.mark.parametrize("tool", ["propose", "lesson"])
def test_an_outage_without_end_ends_the_run_which_can_be_resumed(
    made: Callable[..., Run], tool: str, undisturbed: list[Any]
) -> None:
    model = Interrupted(proposing(4, 0), tool, *[AWAY] * 1000)
    with pytest.raises(EndpointError, match=r"the model's API failed for .*; run the same command again to resume"):
        made(model, ScoringEvaluator(by_level), policy=IMPATIENT).play(2)
    model.errors.clear()
    run = made(model, ScoringEvaluator(by_level), policy=FAST)
    run.play(2)
    assert [comparable(run), model.requests] == undisturbed


def test_a_user_who_asks_to_stop_waits_for_no_endpoint(made: Callable[..., Run]) -> None:
    stop = Stop()
    model = Interrupted(proposing(4, 3), "propose", *[AWAY] * 1000)
    timer = threading.Timer(0.5, lambda: setattr(stop, "requested", True))
    run = made(model, ScoringEvaluator(by_level), policy=Policy(1, 60.0), stop=stop, race=2)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run.play(2)


@pytest.mark.parametrize(
    ("error", "stops"),
    [
        (REFUSED, False),
        (HostRefused("tools", "the endpoint refuses `tools`"), False),
        (BadInput("model", "unknown to the endpoint", "correct --model"), False),
        (AccountError("key or quota refused"), True),
        (BudgetExhausted("the budget is spent"), True),
        (InfraError("the machine failed"), True),
    ],
)
def test_only_what_can_be_fixed_makes_a_lesson_stop_a_run(
    made: Callable[..., Run], error: EvolveError, stops: bool
) -> None:
    model = Interrupted(proposing(4), "lesson", error)
    run = made(model, ScoringEvaluator(by_level))
    if stops:
        with pytest.raises(type(error)):
            run.play(1)
        assert run.store.lessons(RUN) == []
        run.play(1)
    else:
        run.play(1)
    (lesson,) = run.store.lessons(RUN)
    assert lesson.text == ("It was tried." if stops else "Effect better.")
    assert lesson.problem == ("" if stops else f"the model refused: {error}")


def lessons_of(made: Callable[..., Run], answer: dict[str, Any], **limits: Any) -> tuple[Run, list[dict[str, Any]]]:
    """A run of one round whose lessons are always this answer, and the requests for them."""
    requests: list[dict[str, Any]] = []
    model = proposing(4)
    proposes = model.complete

    def complete(body: Any, on_lost: Any = None) -> dict[str, Any]:
        if body["tools"][0]["function"]["name"] != "lesson":
            return proposes(body, on_lost)
        requests.append(body)
        return answer

    model.complete = complete  # type: ignore[method-assign]
    run = made(model, ScoringEvaluator(by_level), settings=limits)
    run.play(1)
    return run, requests


LESSON = completion(None, tool_call("lesson", {"effect": "unclear", "lesson": "It was tried."}))


@pytest.mark.parametrize("message", [{}, {"content": ["odd"]}, {"tool_calls": [3]}, {"tool_calls": "x"}])
def test_a_malformed_lesson_is_replaced_by_the_facts(made: Callable[..., Run], message: dict[str, Any]) -> None:
    odd = {**LESSON, "choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}]}
    run, requests = lessons_of(made, odd)
    (lesson,) = run.store.lessons(RUN)
    assert len(requests) == 2 or lesson.text == "['odd']"
    assert lesson.text in ("Effect better.", "['odd']")


def test_a_lesson_that_is_cut_off_is_asked_for_again_and_told_so(made: Callable[..., Run]) -> None:
    thinking = completion("", tokens=900)
    thinking["choices"][0]["finish_reason"] = "length"
    run, requests = lessons_of(made, thinking)
    (lesson,) = run.store.lessons(RUN)
    assert lesson.problem == "the answer was cut off after 900 tokens, the most that it can have"
    assert lesson.problem in requests[1]["messages"][-1]["content"] and len(requests) == 2


@pytest.mark.parametrize(
    ("answer_tokens", "max_tokens", "asked"), [(None, 12_000, 12_000), (8_000, 12_000, 8_000), (8_000, 256, 256)]
)
def test_a_lesson_may_be_as_long_as_run_and_endpoint_allow(
    made: Callable[..., Run], answer_tokens: int | None, max_tokens: int, asked: int
) -> None:
    facts, limits = ModelFacts(answer_tokens=answer_tokens), TrialLimits(max_tokens=max_tokens)
    _, requests = lessons_of(made, LESSON, facts=facts, limits=limits)
    assert [request["max_tokens"] for request in requests] == [asked]


def refusing(*refused: int) -> Callable[..., Any]:
    """Proposals of a higher level each round, but the endpoint refuses the requests of these rounds."""
    model, counter = proposing(4, 5, 6, 7, 8, 9, 10), iter(range(1, 1000))
    proposes = model.complete

    def complete(body: Any, on_lost: Any = None) -> dict[str, Any]:
        if "propose" in json.dumps(body["tools"]) and len(body["messages"]) == 2 and next(counter) in refused:
            raise REFUSED
        return proposes(body, on_lost)

    model.complete = complete  # type: ignore[method-assign]
    return model  # type: ignore[return-value]


def test_three_refused_rounds_in_a_row_stop_the_run_which_can_be_resumed(made: Callable[..., Run]) -> None:
    model = refusing(1, 2, 3)
    with pytest.raises(ProposalsRefused) as stopped:
        made(model, ScoringEvaluator(by_level)).play(6)
    assert stopped.value.exit_status == 4 and "\n" not in str(stopped.value)
    assert str(stopped.value).startswith(
        "no proposal in 3 rounds in a row; in round 3 the model refused: use `max_completion_tokens`; "
    )
    again = made(model, ScoringEvaluator(by_level))
    assert verdicts(again) == ["baseline", *["refused"] * 3]
    again.play(6)
    assert verdicts(again)[4] is Verdict.KEEP and len(verdicts(again)) == 7


def test_refused_rounds_count_across_sessions_and_others_begin_anew(made: Callable[..., Run]) -> None:
    model = refusing(1, 2, 4, 5, 6, 7)
    made(model, ScoringEvaluator(by_level)).play(2)
    made(model, ScoringEvaluator(by_level)).play(4)
    with pytest.raises(ProposalsRefused, match="in 3 rounds in a row"):
        made(model, ScoringEvaluator(by_level)).play(6)
    with pytest.raises(ProposalsRefused, match="with more than 6 rounds to resume"):
        made(model, ScoringEvaluator(by_level)).play(6)
    with pytest.raises(ProposalsRefused, match="in 4 rounds in a row"):
        made(model, ScoringEvaluator(by_level)).play(9)


def test_a_race_of_which_all_are_refused_stops_the_run(made: Callable[..., Run]) -> None:
    with pytest.raises(ProposalsRefused):
        made(refusing(1, 2, 3), ScoringEvaluator(by_level), race=3).play(6)


def row(number: int, proposal: Proposal, verdict: Verdict | None = Verdict.REFUSED) -> RoundRow:
    decision = Decision(verdict, "for a reason") if verdict else None
    return RoundRow(number, None, "2026-11-23T21:44:00+00:00", None, proposal, decision, number)


NOTHING = Proposal("", "", ())
BY_ENDPOINT = refused_by_endpoint(NOTHING, REFUSED)
BY_GUARD = Proposal("h", "p", (FileEdit("the model refused: x.py", "x"),), note="the model refused: x.py: no module")
SILENT = replace(NOTHING, note="the model proposed nothing")
ABLATION = replace(NOTHING, ablates=1)


@pytest.mark.parametrize(
    ("proposals", "expected"),
    [
        ([], 0),
        ([BY_ENDPOINT], 1),
        ([BY_ENDPOINT, BY_ENDPOINT, BY_ENDPOINT], 3),
        ([BY_ENDPOINT, SILENT, BY_ENDPOINT], 1),
        ([BY_ENDPOINT, BY_GUARD, BY_ENDPOINT], 1),
        ([BY_ENDPOINT, BY_ENDPOINT, ABLATION, BY_ENDPOINT], 3),
        ([BY_ENDPOINT] * 5 + [NOTHING], 0),
    ],
)
def test_refused_rounds_in_a_row_are_counted_from_the_rows(proposals: list[Proposal], expected: int) -> None:
    rows = [row(number, proposal) for number, proposal in enumerate(proposals, start=1)]
    assert len(refused_in_a_row([*rows, row(99, NOTHING, None)])) == expected
    if expected < MAX_REFUSED:
        check_refusals(rows, 100)
    else:
        with pytest.raises(ProposalsRefused):
            check_refusals(rows, 100)


def trial(outcome: Outcome, calls: int = 1, commands: int = 0, split: Split = Split.TRAIN, **more: Any) -> TrialResult:
    reward = None if outcome is Outcome.INFRA_ERROR else float(outcome is Outcome.PASSED)
    usage = Usage(calls=calls, commands=commands)
    return result(reward=reward, outcome=outcome, usage=usage, split=split, recording=STORED, **more)


STORED: Any = object()
PASSED, FAILED = trial(Outcome.PASSED), trial(Outcome.FAILED)
CRASHED = trial(Outcome.SCAFFOLD_ERROR, calls=0, detail="exit status 1: Traceback\nModuleNotFoundError: No module `x`")
LOST = trial(Outcome.INFRA_ERROR, calls=0)
HELD_OUT = trial(Outcome.FAILED, split=Split.HOLDOUT)
VALIDATION = trial(Outcome.FAILED, split=Split.VALIDATION)


@pytest.mark.parametrize(
    ("trials", "expected"),
    [
        ([], SeedStart.PASSES_NONE),
        ([PASSED, PASSED], SeedStart.PASSES_ALL),
        ([PASSED, LOST, HELD_OUT], SeedStart.PASSES_ALL),
        ([PASSED, VALIDATION], SeedStart.PASSES_SOME),
        ([PASSED, CRASHED], SeedStart.PASSES_SOME),
        ([FAILED, FAILED], SeedStart.PASSES_NONE),
        ([FAILED, trial(Outcome.FAILED, calls=0)], SeedStart.PASSES_NONE),
        ([trial(Outcome.TIMEOUT, calls=0, commands=1), CRASHED], SeedStart.PASSES_NONE),
        ([trial(Outcome.BUDGET), CRASHED], SeedStart.PASSES_NONE),
        ([CRASHED, CRASHED], SeedStart.NO_WORK),
        ([CRASHED, trial(Outcome.TIMEOUT, calls=0), LOST], SeedStart.NO_WORK),
        ([trial(Outcome.FAILED, calls=0)], SeedStart.NO_WORK),
        ([replace(trial(Outcome.FAILED, calls=0), recording=None)], SeedStart.PASSES_NONE),
        ([trial(Outcome.PASSED, calls=0)], SeedStart.PASSES_ALL),
        ([CRASHED, HELD_OUT], SeedStart.NO_WORK),
        ([replace(FAILED, reward=0.4)], SeedStart.PASSES_NONE),
    ],
)
def test_what_the_trials_of_a_seed_scaffold_say(trials: list[TrialResult], expected: SeedStart) -> None:
    assert seed_start(trials) is expected


def test_each_start_has_one_line() -> None:
    assert seed_notice([PASSED, FAILED]) == ""
    assert seed_notice([FAILED] * 4) == "the seed scaffold passes none of 4 trials; the search starts from there"
    assert seed_notice([PASSED] * 4).startswith("the seed scaffold passes all 4 trials, ")
    with pytest.raises(BadInput) as stopped:
        seed_notice([CRASHED, CRASHED, trial(Outcome.TIMEOUT, calls=0)])
    assert "; 2 of 3 ended with scaffold_error: ModuleNotFoundError: No module `x`; " in str(stopped.value)
    assert "\n" not in str(stopped.value)


def test_a_seed_that_passes_everything_is_scored_and_nothing_else(made: Callable[..., Run]) -> None:
    model, notices = proposing(4), Notices()
    run = made(model, ScoringEvaluator(lambda text, spec: 1.0), watcher=notices)
    run.play(3)
    assert verdicts(run) == ["baseline"] and model.requests == []
    assert [text for text in notices.texts if "passes all" in text] == [
        "the seed scaffold passes all 60 trials, so no patch can be shown to be better: stopped after round 0; "
        "give the suite harder tasks"
    ]
    looks = [look.why for look in run.store.holdout_looks(RUN)]
    assert looks == ["seed scaffold at the start", "champion at the end"]
    assert (run.folder / "memory.md").is_file()


def test_a_seed_that_passes_nothing_is_a_normal_start(made: Callable[..., Run]) -> None:
    notices = Notices()
    run = made(
        proposing(4, 3), ScoringEvaluator(lambda text, spec: by_level(text, spec) * ("1\n" not in text)),
        watcher=notices,
    )  # fmt: skip
    run.play(1)
    assert verdicts(run) == ["baseline", "keep"]
    run.play(2)
    assert [text for text in notices.texts if "passes none" in text] == [
        "the seed scaffold passes none of 60 trials; the search starts from there"
    ]


class Crashing(ScoringEvaluator):
    """No trial does any work."""

    def _result(self, spec: Any, reward: float | None) -> TrialResult:
        done = super()._result(spec, reward)
        return replace(done, outcome=Outcome.SCAFFOLD_ERROR, reward=0.0, usage=Usage(), detail="NameError: nothing")


def test_a_seed_that_does_no_work_stops_the_run_before_the_holdout(made: Callable[..., Run]) -> None:
    run = made(proposing(4), Crashing(by_level))
    for _ in range(2):
        with pytest.raises(BadInput, match=r"60 of 60 ended with scaffold_error: NameError: nothing") as stopped:
            run.play(3)
    assert stopped.value.exit_status == 2
    assert len(run.store.trials(RUN)) == 60 and run.store.holdout_looks(RUN) == []


def test_the_proposer_is_told_which_parameters_have_no_effect(made: Callable[..., Run]) -> None:
    model = proposing(4)
    parameters = (("max_tokens", "max_completion_tokens"), ("seed", ""), ("temperature", ""), ("top_p", ""))
    run = made(model, ScoringEvaluator(by_level), settings={"facts": ModelFacts(parameters=parameters)})
    run.play(1)
    assert "\nThis endpoint ignores: temperature, top_p. Changing them has no effect.\n" in str(
        model.requests[0]["messages"][1]["content"]
    )


def test_refusals_of_an_endpoint_are_told_in_the_round(made: Callable[..., Run]) -> None:
    run = made(refusing(1), ScoringEvaluator(by_level))
    run.play(1)
    assert told(run)[1] == (Verdict.REFUSED, "the model refused: use `max_completion_tokens`")


@pytest.mark.usefixtures("interruptible")
def test_a_terminated_run_leaves_no_thread_waiting(made: Callable[..., Run]) -> None:

    model = Interrupted(proposing(4, 3), "propose", *[AWAY] * 1000)
    with listen_for_signals() as stop:
        run = made(model, ScoringEvaluator(by_level), policy=Policy(1, 60.0), stop=stop, race=2)
        threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
        with pytest.raises(KeyboardInterrupt):
            run.play(2)
