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
# Its rounds, and those of each page of earlier ones in the folder ARCHIVE.
PAGE_ROUNDS, ARCHIVE_ROUNDS = 200, 100
ARCHIVE = "memory"
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

    def of(self, rounds: Sequence[RoundFacts]) -> list[Lesson]:
        """The lessons of these rounds, as far as there are any."""
        return self.history.store.lessons(self.history.run, rounds[0].round - 1) if rounds else []

    def learn(self) -> None:
        """Ask for the lesson of each measured round that has none, and write the page anew.

        Raises:
            InfraError, BudgetExhausted: The lesson can be had when the run is resumed.
        """
        outlines = self.history.outlines()
        for facts in self._missing(outlines) if not self.budget.reached() else ():
            lesson = self.ask(facts)
            run, digest = self.history.run, prompt_digest(FILES)
            self.history.store.add_lesson(run, lesson, digest, self.spec.name, now())
            self.budget.book(lesson_key(lesson.round), lesson.usage)
        self._write_pages(outlines)

    def _missing(self, outlines: Sequence[RoundFacts]) -> list[RoundFacts]:
        """The measured rounds without a lesson; lessons are asked for in order, so those before the newest have one."""
        newest = self.history.store.newest_lesson(self.history.run)
        due = [facts for facts in _due(outlines) if facts.round > newest]
        return self.history.results(facts for facts in due if facts.decision.verdict is not Verdict.REFUSED)

    def _write_pages(self, outlines: Sequence[RoundFacts]) -> None:
        """Write the page of the newest rounds, and once for all one of each hundred that it no longer holds."""
        self._write(PAGE, outlines[-PAGE_ROUNDS:])
        full = max(len(outlines) - PAGE_ROUNDS, 0) // ARCHIVE_ROUNDS * ARCHIVE_ROUNDS
        archived = outlines[max(full - ARCHIVE_ROUNDS, 0) : full]
        if archived:
            name = f"{ARCHIVE}/rounds-{archived[0].round:05}-{archived[-1].round:05}.md"
            if not (self.folder / name).exists():
                self._write(name, archived)

    def _write(self, name: str, outlines: Sequence[RoundFacts]) -> None:
        lessons = [lesson for lesson in self.of(outlines) if lesson.round <= outlines[-1].round]
        page = memory.format_document(self.history.run, self.history.results(outlines), lessons)
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        disk.write_atomically(self.folder / name, page.encode("utf-8"))

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


def _due(outlines: Sequence[RoundFacts]) -> Sequence[RoundFacts]:
    """The rounds from the first on whose conversation was kept.

    Those before it were played by a version without lessons: dozens of requests at once would delay the next proposal.
    """
    first = next((place for place, facts in enumerate(outlines) if facts.proposal.transcript), len(outlines))
    return outlines[first:]


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
