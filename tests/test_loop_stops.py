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
    RequestRefused,
    RequestsRefused,
)
from evolve.core.records import (
    Decision,
    FileEdit,
    Lesson,
    ModelSpec,
    Outcome,
    Proposal,
    Split,
    TrialResult,
    Usage,
    Verdict,
)
from evolve.host.circuit_breaker import Policy
from evolve.host.signals import listen_for_signals
from evolve.llm import ChatModel
from evolve.loop.propose.answer import refused_by_endpoint
from evolve.loop.search import smallest_gain_notice
from evolve.loop.stops import MAX_REFUSED, SeedStart, check_refusals, refused_in_a_row, seed_notice, seed_start
from evolve.loop.watcher import SilentWatcher
from evolve.store import RoundRow
from tests.fakes import ScoringEvaluator, ScriptedModel, completion, result, tool_call
from tests.test_loop import RUN, Run, by_level, opened, proposing, slowly, told, verdicts, write_repository

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

    def __init__(self, model: ChatModel, tool: str, *errors: BaseException) -> None:
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


def test_outages_are_waited_out_and_change_nothing(made: Callable[..., Run], undisturbed: list[Any]) -> None:
    lesson_fails, notices = Interrupted(proposing(4, 0), "lesson", AWAY, AWAY, AWAY), Notices()
    model = Interrupted(lesson_fails, "propose", AWAY, AWAY, AWAY)
    run = made(model, ScoringEvaluator(by_level), policy=FAST, watcher=notices)
    run.play(2)
    assert [comparable(run), lesson_fails.requests] == undisturbed
    waits = [text for text in notices.texts if "the model's API" in text]
    assert waits[0].startswith("the model's API fails (model endpoint: connection refused): no new calls for ")
    assert [text.split(" (")[0] for text in waits] == 2 * [
        "the model's API fails",
        "the model's API still fails",
        "the model's API answers again: resuming",
    ]
    usages = [row.proposal.usage for row in run.store.rounds(RUN) if row.proposal]
    usages += [lesson.usage for lesson in run.store.lessons(RUN)]
    assert sum(usage.retries for usage in usages) == 6


@pytest.mark.parametrize("tool", ["propose", *slowly("lesson")])
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


@pytest.mark.slow
def test_an_outage_during_a_race_is_waited_out(made: Callable[..., Run]) -> None:
    model = Interrupted(proposing(4, 3, 2), "propose", *[AWAY] * 7)
    run = made(model, ScoringEvaluator(by_level), policy=FAST, race=3)
    run.play(3)
    assert len(verdicts(run)) == 4 and Verdict.REFUSED not in verdicts(run) and model.errors == []


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGTERM, *slowly(signal.SIGINT)])
def test_a_run_that_is_stopped_leaves_no_thread_waiting(made: Callable[..., Run], number: int) -> None:
    model = Interrupted(proposing(4, 3), "propose", *[AWAY] * 1000)
    with listen_for_signals() as stop:
        run = made(model, ScoringEvaluator(by_level), policy=Policy(1, 60.0), stop=stop, race=2)
        threading.Timer(0.8, lambda: os.kill(os.getpid(), number)).start()
        with pytest.raises(KeyboardInterrupt):
            run.play(2)


@pytest.fixture(scope="module")
def played(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run of one round, whose lesson can be asked for once more."""
    with opened(repository, tmp_path_factory.mktemp("played")) as make:
        run = make(proposing(4), ScoringEvaluator(by_level))
        run.play(1)
        yield run


def lesson_of(run: Run, *answers: Any, **changes: Any) -> tuple[Lesson, list[dict[str, Any]]]:
    """The lesson of round 1 with these answers of the model, and the requests for it."""
    model, lessons = ScriptedModel(*answers), run.search.lessons
    (facts,) = lessons.history.results()
    return replace(lessons, model_for=lambda what: model, **changes).ask(facts), model.requests


@pytest.mark.parametrize(
    "error",
    [REFUSED, HostRefused("tools", "the endpoint refuses `tools`"), BadInput("model", "unknown", "correct --model")],
)
def test_a_lesson_that_is_refused_is_replaced_by_the_facts(played: Run, error: EvolveError) -> None:
    lesson, _ = lesson_of(played, error)
    assert (lesson.text, lesson.problem) == ("Effect better.", f"the model refused: {error}")


@pytest.mark.parametrize("error", [AWAY, AccountError("quota"), BudgetExhausted("spent"), InfraError("broken")])
def test_a_lesson_that_can_be_had_later_is_not_replaced(played: Run, error: EvolveError) -> None:
    with pytest.raises(type(error)):
        lesson_of(played, error)


@pytest.mark.parametrize("message", [{}, {"content": None}, {"tool_calls": [3]}, {"tool_calls": "x"}])
def test_a_malformed_lesson_is_replaced_by_the_facts(played: Run, message: dict[str, Any]) -> None:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    lesson, requests = lesson_of(played, {**completion(), "choices": [choice]})
    assert (lesson.text, lesson.problem) == ("Effect better.", "the lesson is empty") and len(requests) == 2


def test_a_lesson_that_is_cut_off_is_asked_for_again_and_told_so(played: Run) -> None:
    thinking = completion("", tokens=900)
    thinking["choices"][0]["finish_reason"] = "length"
    lesson, requests = lesson_of(played, thinking)
    assert lesson.problem == "the answer was cut off after 900 tokens, the most that it can have"
    assert lesson.problem in requests[1]["messages"][-1]["content"] and len(requests) == 2


@pytest.mark.parametrize(
    ("answer_tokens", "max_tokens", "asked"), [(None, 12_000, 12_000), (8_000, 12_000, 8_000), (8_000, 256, 256)]
)
def test_a_lesson_may_be_as_long_as_run_and_endpoint_allow(
    played: Run, answer_tokens: int | None, max_tokens: int, asked: int
) -> None:
    spec = ModelSpec("m", answer_tokens=answer_tokens)
    said = completion(None, tool_call("lesson", {"effect": "unclear", "lesson": "It was tried."}))
    lesson, (request,) = lesson_of(played, said, spec=spec, max_tokens=max_tokens)
    assert lesson.text == "It was tried." and request["max_tokens"] == asked


def test_limits_and_facts_reach_the_requests_and_a_missing_lesson_ends_no_run(
    made: Callable[..., Run],
) -> None:
    parameters = (("max_tokens", "max_completion_tokens"), ("seed", ""), ("temperature", ""), ("top_p", ""))
    settings = {"limits": TrialLimits(max_tokens=23_456), "facts": ModelFacts(parameters=parameters)}
    model = Interrupted(proposing(4), "lesson", REFUSED)
    run = made(model, ScoringEvaluator(by_level), settings=settings)
    run.play(1)
    (request,) = model.requests
    assert (request["max_tokens"], run.search.lessons.max_tokens) == (23_456, 23_456)
    line = "\nThis endpoint ignores: temperature, top_p. Changing them has no effect.\n"
    assert line in request["messages"][1]["content"]
    assert [lesson.problem for lesson in run.store.lessons(RUN)] == [f"the model refused: {REFUSED}"]


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
    with pytest.raises(RequestsRefused) as stopped:
        made(model, ScoringEvaluator(by_level)).play(6)
    assert stopped.value.exit_status == 4 and "\n" not in str(stopped.value)
    assert str(stopped.value).startswith(
        "no proposal in 3 rounds in a row; in round 3 the model refused: use `max_completion_tokens`; "
    )
    again = made(model, ScoringEvaluator(by_level))
    assert told(again)[1:] == 3 * [(Verdict.REFUSED, "the model refused: use `max_completion_tokens`")]
    again.play(4)
    assert verdicts(again)[4] is Verdict.KEEP


@pytest.mark.slow
def test_refused_rounds_count_across_sessions_and_others_begin_anew(made: Callable[..., Run]) -> None:
    model = refusing(1, 2, 4, 5, 6, 7)
    made(model, ScoringEvaluator(by_level)).play(2)
    made(model, ScoringEvaluator(by_level)).play(4)
    with pytest.raises(RequestsRefused, match="in 3 rounds in a row"):
        made(model, ScoringEvaluator(by_level)).play(6)
    with pytest.raises(RequestsRefused, match="with more than 6 rounds to resume"):
        made(model, ScoringEvaluator(by_level)).play(6)
    with pytest.raises(RequestsRefused, match="in 4 rounds in a row"):
        made(model, ScoringEvaluator(by_level)).play(9)


def test_a_race_of_which_all_are_refused_stops_the_run(made: Callable[..., Run]) -> None:
    with pytest.raises(RequestsRefused):
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
        with pytest.raises(RequestsRefused):
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
        ([replace(PASSED, reward=0.9), PASSED], SeedStart.PASSES_SOME),
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
        "the seed scaffold passes all 40 trials, so no patch can be shown to be better: stopped after round 0; "
        "give the suite harder tasks"
    ]
    assert not run.store.holdout_looks(RUN), "the seed scaffold is still the champion"
    assert (run.folder / "memory.md").is_file()


def test_before_the_first_round_a_run_says_which_gain_it_can_show(made: Callable[..., Run]) -> None:
    notices = Notices()
    for rounds in (1, 2):
        made(proposing(4, 0), ScoringEvaluator(by_level), watcher=notices).play(rounds)
    assert len([text for text in notices.texts if text.startswith("with 20 tasks of train and validation, ")]) == 1
    assert "a patch that gains 8 points is built upon four times in five" in smallest_gain_notice(44, 0.08)
    assert smallest_gain_notice(1, None).startswith(
        "with 1 task of train and validation, patches of any gain are missed"
    )


def test_a_seed_that_passes_nothing_is_a_normal_start(made: Callable[..., Run]) -> None:
    notices = Notices()
    run = made(
        proposing(4), ScoringEvaluator(lambda text, spec: by_level(text, spec) * ("1\n" not in text)),
        watcher=notices,
    )  # fmt: skip
    run.play(1)
    run.play(1)
    assert verdicts(run) == ["baseline", "keep"]
    assert [text for text in notices.texts if "passes none" in text] == [
        "the seed scaffold passes none of 40 trials; the search starts from there"
    ]


class Crashing(ScoringEvaluator):
    """No trial does any work."""

    def _result(self, spec: Any, reward: float | None) -> TrialResult:
        done = super()._result(spec, reward)
        return replace(done, outcome=Outcome.SCAFFOLD_ERROR, reward=0.0, usage=Usage(), detail="NameError: nothing")


def test_a_seed_that_does_no_work_stops_the_run_before_the_holdout(made: Callable[..., Run]) -> None:
    run = made(proposing(4), Crashing(by_level))
    for _ in range(2):
        with pytest.raises(BadInput, match=r"40 of 40 ended with scaffold_error: NameError: nothing") as stopped:
            run.play(3)
    assert stopped.value.exit_status == 2
    assert len(run.store.trials(RUN)) == 40 and run.store.holdout_looks(RUN) == []
