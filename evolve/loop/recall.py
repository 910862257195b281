"""A run's memory at work: facts from the database, lessons from the model, the page for people, ideas tried before."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from evolve.analysis import Hits, RoundFacts, TaskChanges, ideas, memory, task_changes, task_labels
from evolve.budget.run_budget import lesson_key
from evolve.core.clock import now
from evolve.core.errors import RequestRefused
from evolve.core.records import Candidate, Lesson, Proposal, Split, StackFate, TrialResult, Usage, Verdict, stable_hash
from evolve.host import disk
from evolve.llm import usage_of
from evolve.loop.campaign import Campaign
from evolve.loop.propose.answer import words
from evolve.loop.propose.brief import prompt, prompt_digest, tools
from evolve.store import RoundRow

FILES = ("lesson_system.md", "lesson_user.md", "lesson_problem.md", "lesson_tool.json")
PAGE = "memory.md"
PATCH_CHARS = 6_000
MAX_TOKENS = 2_048
TRIES = 2
# An idea may come again once so many patches have been taken since.
TAKEN_SINCE = 6
# Of all patches one in so many at most is such an idea.
AGAIN_ONE_IN = 20
TAKEN = (Verdict.KEEP, Verdict.STACK)


def round_results(campaign: Campaign) -> list[RoundFacts]:
    """Of all rounds that are over, in order; round 0 left out."""
    trials: dict[str, list[TrialResult]] = defaultdict(list)
    for trial in campaign.store.trials(campaign.run):
        if trial.split is Split.TRAIN:
            trials[trial.candidate].append(trial)
    rows = [row for row in campaign.store.rounds(campaign.run) if row.number]
    return [found for row in rows if (found := _facts(campaign, row, trials))]


def _facts(campaign: Campaign, row: RoundRow, trials: Mapping[str, list[TrialResult]]) -> RoundFacts | None:
    if row.proposal is None or row.decision is None:
        return None
    if row.candidate is None or row.parent is None:
        return RoundFacts(row.number, row.proposal, row.decision)
    moved = task_changes(*(trials[candidate.commit] for candidate in (row.parent, row.candidate)))
    return RoundFacts(row.number, row.proposal, row.decision, _hits(row.proposal, moved), labelled(campaign, moved))


def _hits(proposal: Proposal, moved: TaskChanges) -> Hits:
    fixes, breaks = proposal.fixes, proposal.breaks
    return Hits(len(fixes), len({*fixes} & {*moved.fixed}), len(breaks), len({*breaks} & {*moved.broken}))


def train_labels(campaign: Campaign) -> dict[str, str]:
    """What the proposer calls the train tasks, by name."""
    return task_labels(task.name for task in campaign.suite.split(Split.TRAIN))


def labelled(campaign: Campaign, change: TaskChanges) -> TaskChanges:
    """With labels for names."""
    known = train_labels(campaign)
    return TaskChanges(
        *(tuple(known[name] for name in names) for names in (change.fixed, change.broken, change.unstable))
    )


def learn(campaign: Campaign) -> list[RoundFacts]:
    """A lesson for each measured round that lacks one and is due one, and the page made anew. -> all rounds' facts

    Raises InfraError where the endpoint fails.
    """
    found = round_results(campaign)
    known = {lesson.round for lesson in campaign.store.lessons(campaign.run)}
    missing = [one for one in _due(found) if one.round not in known and one.decision.verdict is not Verdict.REFUSED]
    for one in missing if not campaign.budget.reached() else ():
        lesson = _lesson(campaign, one)
        campaign.store.add_lesson(campaign.run, lesson, prompt_digest(FILES), campaign.config.proposer_spec.name, now())
        campaign.budget.book(lesson_key(lesson.round), lesson.usage)
    page = memory.format_document(campaign.run, found, campaign.store.lessons(campaign.run))
    disk.write_atomically(campaign.folder / PAGE, page.encode("utf-8"))
    return found


def _due(found: Sequence[RoundFacts]) -> list[RoundFacts]:
    """The rounds from the first on whose conversation was kept.

    Those before it were played by a version without lessons: dozens of requests at once would delay the next proposal.
    """
    kept = [one.round for one in found if one.proposal.transcript]
    return [one for one in found if kept and one.round >= kept[0]]


def _lesson(campaign: Campaign, one: RoundFacts) -> Lesson:
    """In the model's words if the facts bear them out, by the second try at most; else the facts alone."""
    spec, problem = campaign.config.proposer_spec, ""
    spent: list[Usage] = []
    model = campaign.asked(lesson_key(one.round))
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": prompt("lesson_system.md")},
        {"role": "user", "content": _told(campaign, one)},
    ]
    for attempt in range(TRIES):
        seed = stable_hash(campaign.config.seed, "lesson", one.round, attempt) & 0x7FFFFFFF
        request = {**dict(spec.sampling), "model": spec.name, "messages": messages, "tools": tools("lesson_tool.json")}
        try:
            completion = model.complete({**request, "seed": seed, "max_tokens": MAX_TOKENS}, spent.append)
        except RequestRefused as error:
            return Lesson(one.round, memory.bare_lesson(one), words(f"the model refused: {error}"), sum(spent, Usage()))
        spent.append(usage_of(completion, spec, request))
        text, effect = _said(completion["choices"][0]["message"])
        problem = memory.lesson_problem(text, effect, one) or ""
        if not problem:
            return Lesson(one.round, text, "", sum(spent, Usage()))
        messages = [*messages[:2], {"role": "user", "content": prompt("lesson_problem.md", problem=problem).strip()}]
    return Lesson(one.round, memory.bare_lesson(one), problem, sum(spent, Usage()))


def _told(campaign: Campaign, one: RoundFacts) -> str:
    row = campaign.store.rounds(campaign.run)[one.round]
    assert row.candidate and row.candidate.parent
    patch = campaign.lineage.diff(row.candidate.parent, row.candidate.commit)[:PATCH_CHARS]
    return prompt("lesson_user.md", facts="\n".join(memory.fact_lines(one)), patch=patch)


def _said(message: Mapping[str, Any]) -> tuple[str, str]:
    """The lesson and the effect that it claims; text without a call is a lesson that claims nothing."""
    try:
        given = json.loads(message["tool_calls"][0]["function"]["arguments"])
        return words(given["lesson"]), str(given["effect"])
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return words(message.get("content") or "").strip(), "unclear"


def repeat(campaign: Campaign, tip: Candidate, proposal: Proposal) -> str | None:
    """Which earlier round had the same idea, in one line; None if it is new, or may come again by now."""
    idea = ideas.idea(proposal.hypothesis, proposal.edits, campaign.text_files(tip.commit))
    rows = campaign.store.rounds(campaign.run)
    tried = [row for row in rows if row.proposal and row.candidate and row.decision]
    known = [idea_of(row, campaign.text_files) for row in tried]
    twins = [row for row, other in zip(tried, known, strict=True) if ideas.same_idea(idea, other)]
    asked = [other for row, other in zip(tried, known, strict=True) if row.proposal and not row.proposal.by_loop]
    spare = bool(twins) and ideas.count_repeated(asked) < max(1, len(asked) // AGAIN_ONE_IN)
    for row in reversed(twins):
        if row.decision and not (spare and _moved_on(rows, row)):
            return f"it repeats the idea of round {row.number} ({row.decision.verdict}: {row.decision.reason})"
    return None


def idea_of(row: RoundRow, files: Callable[[str], Mapping[str, str]]) -> ideas.Idea:
    """The idea of a round's patch. `files`: a commit's texts by path."""
    assert row.parent and row.proposal
    return ideas.idea(row.proposal.hypothesis, row.proposal.edits, files(row.parent.commit))


def mark_duplicates(campaign: Campaign, tip: Candidate, proposals: Sequence[Proposal]) -> list[Proposal]:
    """Those of one race; one that has the idea of another before it can't be used."""
    files, seen, found = campaign.text_files(tip.commit), list[ideas.Idea](), list[Proposal]()
    for proposal in proposals:
        idea = ideas.idea(proposal.hypothesis, proposal.edits, files)
        twin = not proposal.note and any(ideas.same_idea(idea, other) for other in seen)
        seen += [] if proposal.note else [idea]
        found.append(replace(proposal, note="another patch of this race has the same idea") if twin else proposal)
    return found


def _moved_on(rows: list[RoundRow], row: RoundRow) -> bool:
    """Whether the scaffold is another one since that round."""
    since = [r.decision for r in rows[row.number + 1 :] if r.decision]
    given_up = any(decision.fate is StackFate.GIVEN_UP for decision in since)
    return given_up or sum(decision.verdict in TAKEN for decision in since) >= TAKEN_SINCE
