"""What a run has learned: a lesson of the model's for each round, and the page for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evolve.analysis import RoundFacts, memory
from evolve.budget.run_budget import Budget, lesson_key
from evolve.core.clock import now
from evolve.core.errors import BudgetExhausted, EvolveError, HostRefused, InfraError
from evolve.core.fences import one_line
from evolve.core.records import Lesson, ModelSpec, Usage, Verdict, stable_hash
from evolve.host import disk
from evolve.llm import ChatModel, usage_of
from evolve.loop.history import History
from evolve.loop.propose.answer import clean_text, refusal_note
from evolve.loop.propose.brief import prompt, prompt_digest, tools
from evolve.loop.propose.fitting import answer_limit
from evolve.repo import Lineage

FILES = ("lesson_system.md", "lesson_user.md", "lesson_problem.md", "lesson_tool.json")
PAGE = "memory.md"
PATCH_CHARS = 6_000
TRIES = 2
# Waiting, a new key or a larger cap fixes these: the run stops, and asks for the lesson when it is resumed.
FIXABLE = (InfraError, BudgetExhausted)


@dataclass(frozen=True)
class Lessons:
    """Keep a run's lessons.

    model_for: the model that proposes, for work of this name; spec: of that model; seed: the run's; max_tokens: the
    run's limit of an answer.
    """

    history: History
    lineage: Lineage
    model_for: Callable[[str], ChatModel]
    spec: ModelSpec
    seed: int
    budget: Budget
    folder: Path
    max_tokens: int

    def known(self) -> list[Lesson]:
        """All lessons so far."""
        return self.history.store.lessons(self.history.run)

    def learn(self) -> list[RoundFacts]:
        """Ask for the lesson of each measured round that has none, and write the page anew.

        Returns:
            The results of all rounds.

        Raises:
            InfraError, BudgetExhausted: The lesson can be had when the run is resumed.
        """
        results = self.history.results()
        for facts in self._missing(results) if not self.budget.reached() else ():
            lesson = self.ask(facts)
            run, digest = self.history.run, prompt_digest(FILES)
            self.history.store.add_lesson(run, lesson, digest, self.spec.name, now())
            self.budget.book(lesson_key(lesson.round), lesson.usage)
        page = memory.format_document(self.history.run, results, self.known())
        disk.write_atomically(self.folder / PAGE, page.encode("utf-8"))
        return results

    def _missing(self, results: Sequence[RoundFacts]) -> list[RoundFacts]:
        known = {lesson.round for lesson in self.known()}
        measured = [facts for facts in _due(results) if facts.decision.verdict is not Verdict.REFUSED]
        return [facts for facts in measured if facts.round not in known]

    def ask(self, facts: RoundFacts) -> Lesson:
        """Ask for a round's lesson, twice at most; the facts alone if the model writes none that agrees with them.

        Raises:
            InfraError, BudgetExhausted: The lesson can be had later.
        """
        spent: list[Usage] = []
        model = self.model_for(lesson_key(facts.round))
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": prompt("lesson_system.md")},
            {"role": "user", "content": self._question(facts)},
        ]
        problem = ""
        for attempt in range(TRIES):
            request = self._request(messages, facts.round, attempt)
            try:
                completion = model.complete(request, spent.append)
            except EvolveError as error:
                if isinstance(error, FIXABLE) and not isinstance(error, HostRefused):
                    raise
                problem = refusal_note(error)
                break
            spent.append(usage_of(completion, self.spec, request))
            text, effect = _claim(completion)
            problem = memory.lesson_problem(text, effect, facts) or ""
            if problem and _is_cut_off(completion):
                problem = (
                    f"the answer was cut off after {spent[-1].completion_tokens} tokens, the most that it can have"
                )
            if not problem:
                return Lesson(facts.round, text, "", sum(spent, Usage()))
            retry = prompt("lesson_problem.md", problem=one_line(problem)).strip()
            messages = [*messages[:2], {"role": "user", "content": retry}]
        return Lesson(facts.round, memory.bare_lesson(facts), problem, sum(spent, Usage()))

    def _request(self, messages: Sequence[Mapping[str, Any]], number: int, attempt: int) -> dict[str, Any]:
        seed = stable_hash(self.seed, "lesson", number, attempt) & 0x7FFFFFFF
        offered = tools("lesson_tool.json")
        request = {**dict(self.spec.sampling), "model": self.spec.name, "messages": messages, "tools": offered}
        return {**request, "seed": seed, "max_tokens": answer_limit(self.spec, self.max_tokens)}

    def _question(self, facts: RoundFacts) -> str:
        row = self.history.rounds()[facts.round]
        assert row.candidate and row.candidate.parent
        # A character for each token of the window: a quarter of it.
        most = min(PATCH_CHARS, self.spec.context_tokens or PATCH_CHARS)
        patch = self.lineage.diff(row.candidate.parent, row.candidate.commit)[:most]
        return prompt("lesson_user.md", facts="\n".join(memory.fact_lines(facts)), patch=patch)


def _due(results: Sequence[RoundFacts]) -> list[RoundFacts]:
    """The rounds from the first on whose conversation was kept.

    Those before it were played by a version without lessons: dozens of requests at once would delay the next proposal.
    """
    kept = [facts.round for facts in results if facts.proposal.transcript]
    return [facts for facts in results if kept and facts.round >= kept[0]]


def _is_cut_off(completion: Mapping[str, Any]) -> bool:
    return bool(completion["choices"][0].get("finish_reason") == "length")


def _claim(completion: Mapping[str, Any]) -> tuple[str, str]:
    """The lesson and the effect that it claims; text without a call is a lesson that claims nothing."""
    message = completion["choices"][0]["message"]
    try:
        given = json.loads(message["tool_calls"][0]["function"]["arguments"])
        return clean_text(given["lesson"]), str(given["effect"])
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return clean_text(message.get("content") or "").strip(), "unclear"
