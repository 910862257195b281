"""Check the endpoints of a run's models before its first trial, and keep what was learned with the run."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evolve.core.clock import now
from evolve.core.config import AskedModel, LearnedFacts, ModelRole, RunConfig
from evolve.core.errors import AccountError, BadInput
from evolve.core.model_access import asking_phases
from evolve.host.run_names import NEW
from evolve.loop.propose import brief as proposals
from evolve.loop.propose.direct import MAX_TOKENS
from evolve.models.preflight import Preflight, Requests, check_endpoint, describe_learned
from evolve.runs.identity import continued_config, run_to_resume
from evolve.runs.request import RunRequest, stored_row
from evolve.runs.stored_config import stored_config
from evolve.store import PreflightRow, RunRow, Store
from evolve.suite.tasks import Suite

# The fields of the config that hold the models that are not the scaffold's own.
OTHERS: Mapping[ModelRole, str] = {"proposer": "proposed_by", "small": "small", "grader": "graded_by"}
# What decides which model answers; the rest of what a server says may change between the sessions of a run.
FROZEN = ("model_path", "model_ftype", "chat_template", "tokenizer_path", "weight_version")
Say = Callable[[str], None]
Check = Callable[[AskedModel, Requests], Preflight]


@dataclass(frozen=True)
class CheckedModel:
    """One model of a run with what the check of its endpoint found."""

    role: ModelRole
    asked: AskedModel
    preflight: Preflight

    def row(self) -> PreflightRow:
        """The check as it is stored with the run."""
        spec = self.asked.spec
        return PreflightRow(now(), self.role, spec.name, spec.base_url, self.preflight.to_json(), self.preflight.usage)


def check_models(
    request: RunRequest, suite: Suite, say: Say, check: Check = check_endpoint
) -> tuple[RunRequest, list[CheckedModel]]:
    """Check every endpoint that the run will call; the model in this process needs none, nor one that no test asks.

    Returns:
        The request with the learned facts in its config and the rows to store, and what was found.

    Raises:
        BadInput: A model can't be used, its key or account is refused, or a resumed run's model is another one now.
        InfraError: An endpoint failed.
    """
    if not request.checks_models:
        return request, []
    row = resumed_row(request, suite)
    config = request.config if row is None else continued_config(stored_config(row), request.config)
    checked = [
        _check_model(role, asked, config, row, say, check)
        for role, asked in config.all_models_by_role.items()
        if not asked.spec.in_process and (role != "grader" or _is_asked(suite))
    ]
    config = with_learned(request.config, checked) if row is None else request.config
    return replace(request, config=config, preflights=tuple(model.row() for model in checked)), checked


def _is_asked(suite: Suite) -> bool:
    """Whether the tests of a task ask a model."""
    return any(asking_phases(task.format) for task in suite.tasks)


def resumed_row(request: RunRequest, suite: Suite) -> RunRow | None:
    """The run that the request resumes; None if it starts one."""
    if request.run == NEW or not Store.exists(request.database):
        return None
    if request.run is not None:
        return stored_row(request.runs, request.run)
    with Store.open(request.database) as store:
        return run_to_resume(request.config, suite, request.runs, store)


def with_learned(config: RunConfig, checked: Sequence[CheckedModel]) -> RunConfig:
    """A new run's config with what was learned, and with listed prices where none are known."""
    for model in checked:
        values = _learned_values(model)
        if model.role == "scaffold":
            config = config.model_copy(update=values)
        else:
            learned = config.all_models_by_role[model.role].model_copy(update=values)
            config = config.model_copy(update={OTHERS[model.role]: learned})
    return config


def _learned_values(model: CheckedModel) -> Mapping[str, Any]:
    values: dict[str, Any] = {"learned": model.preflight.learned}
    if model.preflight.listed_prices and not model.asked.spec.priced:
        values["prompt_price"], values["completion_price"] = model.preflight.listed_prices
        values["terms"] = model.asked.terms.model_copy(update={"price_source": "listed by the endpoint"})
    return values


def _check_model(
    role: ModelRole, asked: AskedModel, config: RunConfig, row: RunRow | None, say: Say, check: Check
) -> CheckedModel:
    say(f"checking the endpoint of {asked.model}")
    try:
        found = check(asked, requests_of(config, role))
    except AccountError as error:
        fix = f"set {asked.spec.key_variable} to a key that it takes, or see to the account"
        raise BadInput(f"model {asked.model}", str(error), fix) from error
    if row is not None:
        _check_unchanged(row.id, asked.learned, found.learned, say)
    return CheckedModel(role, asked, found)


def requests_of(config: RunConfig, role: ModelRole = "scaffold") -> Requests:
    """The lengths and tools of a run's requests of a model; tests ask for no proposal."""
    if role == "grader":
        return Requests(config.grader.max_tokens, config.grader.max_tokens)
    longest = config.limits.max_tokens
    return Requests(longest, max(MAX_TOKENS, longest), proposals.tools())


def _check_unchanged(run: str, before: LearnedFacts, now_learned: LearnedFacts, say: Say) -> None:
    """Compare what a resumed run's endpoint shows with what it showed at the start.

    Raises:
        BadInput: Another model answers now.
    """
    old, new = dict(before.server), dict(now_learned.server)
    for key in sorted(old.keys() & new.keys()):
        if old[key] == new[key]:
            continue
        if key in FROZEN:
            problem = f"its server has {key} {new[key]}; at the run's start it was {old[key]}"
            raise BadInput(f"run {run}", problem, "serve the model as it was, or start another run with --run new")
        say(f"the model's server now says {key} {new[key]} (at the run's start: {old[key]})")
    facts = functools.partial(LearnedFacts.model_dump, exclude={"server"})
    changed = [key for key, value in facts(now_learned).items() if value != facts(before)[key]]
    if changed:
        say(f"the endpoint now differs in {', '.join(changed)}; the run keeps what it began with")


def summary_line(model: CheckedModel) -> str:
    """What the check found, in one line; notes follow in brackets."""
    found, known = model.preflight, model.asked.spec.context_tokens
    limit = found.learned.context_tokens or known
    unread = f"a window of {limit:,} tokens" if limit else "window unknown"
    parts = [
        "calls tools" if found.tools else "called no tool",
        f"reads prompts of {found.window:,} tokens" if found.window else unread,
        f"{found.tokens_per_second:.0f} tokens/s" if found.tokens_per_second else f"{found.call_seconds:.1f} s a call",
        f"{found.right_answers} of {found.questions} simple questions answered",
    ]
    learned = describe_learned(found.learned)
    adapted = f"; Evolve {', '.join(learned)}" if learned else ""
    notes = "".join(f" ({note})" for note in found.notes)
    return f"model {model.asked.model}: {', '.join(parts)}{adapted}; checked with {found.usage.calls} calls{notes}"
