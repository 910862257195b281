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
# Characters in which its newest round begins.
PAGE_START = 1_000
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
        """The lessons from the first of these rounds on."""
        return self.history.store.lessons(self.history.run, rounds[0].round - 1) if rounds else []

    def learn(self) -> None:
        """Ask for the lesson of each measured round that has none, and write the page anew.

        Raises:
            InfraError, BudgetExhausted: The lesson can be had when the run is resumed.
        """
        missing = [] if self.budget.reached() else self._missing()
        for facts in missing:
            lesson = self.ask(facts)
            run, digest = self.history.run, prompt_digest(FILES)
            self.history.store.add_lesson(run, lesson, digest, self.spec.name, now())
            self.budget.book(lesson_key(lesson.round), lesson.usage)
        if missing or not self._is_current():
            self._write_pages([outline.round for outline in self.history.outlines()])

    def _is_current(self) -> bool:
        """Whether the page begins with the newest round: what is known of a decided round does not change."""
        newest = self.history.store.newest_outline(self.history.run)
        try:
            with (self.folder / PAGE).open(encoding="utf-8") as page:
                return bool(newest) and f"\n## Round {newest}: " in page.read(PAGE_START)
        except (OSError, ValueError):
            return False

    def _missing(self) -> list[RoundFacts]:
        """The measured rounds without a lesson; lessons are asked for in order, so those before the newest have one.

        Rounds before the first whose conversation was kept were played by a version without lessons: dozens of
        requests at once would delay the next proposal.
        """
        store, run = self.history.store, self.history.run
        newest = store.newest_lesson(run)
        first = newest + 1 if newest else store.first_conversation(run)
        due = store.round_outlines(run, max(first, newest + 1)) if first is not None else []
        return self.history.results([one.round for one in due if one.verdict is not Verdict.REFUSED])

    def _write_pages(self, numbers: Sequence[int]) -> None:
        """Write the page of the newest rounds, and once for all one of each hundred that it no longer holds."""
        self._write(PAGE, numbers[-PAGE_ROUNDS:])
        full = max(len(numbers) - PAGE_ROUNDS, 0) // ARCHIVE_ROUNDS * ARCHIVE_ROUNDS
        archived = numbers[max(full - ARCHIVE_ROUNDS, 0) : full]
        if archived:
            name = f"{ARCHIVE}/rounds-{archived[0]:05}-{archived[-1]:05}.md"
            if not (self.folder / name).exists():
                self._write(name, archived)

    def _write(self, name: str, numbers: Sequence[int]) -> None:
        rounds = self.history.results(numbers)
        lessons = [lesson for lesson in self.of(rounds) if lesson.round <= numbers[-1]]
        page = memory.format_document(self.history.run, rounds, lessons)
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
        row = self.history.store.one_round(self.history.run, facts.round)
        assert row and row.candidate and row.candidate.parent
        # A character for each token of the window: a quarter of it.
        most = min(PATCH_CHARS, self.spec.context_tokens or PATCH_CHARS)
        patch = self.lineage.diff(row.candidate.parent, row.candidate.commit)[:most]
        return prompt("lesson_user.md", facts="\n".join(memory.fact_lines(facts)), patch=patch)


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
