"""Decide whether a proposal may be measured at all. Pure: returns a reason to refuse it, or None."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from evolve.core.records import Limits, Proposal
from evolve.guard import commands, conduct, excluded, frozen, imports, leaks, scope, shape
from evolve.guard.change import Change, Trees, apply_edits, names_in, printable, strings
from evolve.guard.excluded import HiddenFiles
from evolve.guard.leaks import Vocabulary
from evolve.guard.visible import MAX_TOTAL_CHARS, visible_files

__all__ = ["MAX_TOTAL_CHARS", "HiddenFiles", "Vocabulary", "printable", "refusal", "visible_files"]

DEFAULT_LIMITS = Limits()


def refusal(
    proposal: Proposal,
    files: Mapping[str, str],
    evolvable: Sequence[str],
    vocabulary: Vocabulary | None = None,
    limits: Limits = DEFAULT_LIMITS,
    hidden: HiddenFiles | None = None,
    outside: Sequence[str] = (),
    shown: Sequence[str] | None = None,
) -> str | None:
    """Return why this proposal can't become a candidate, in one line; None if it can.

    Args:
        proposal: The proposal.
        files: The parent's text files by path.
        evolvable: Glob patterns of the files that may be changed.
        vocabulary: Words of single tasks; None skips the search for them.
        limits: Limits of the run's trials.
        hidden: Files of the suite that no scaffold may hold.
        outside: Paths in the scaffold's folder that don't belong to it: those of the suite and the results.
        shown: Glob patterns of what the proposer reads besides, as in `visible_files`.
    """
    if proposal.note:
        return proposal.note
    if all(files.get(edit.path) == edit.text for edit in proposal.edits):
        return "no effect: the patch changes nothing"
    change = apply_edits(files, proposal.edits, frozenset(files.keys() - visible_files(files, evolvable, shown).keys()))
    # Size before syntax: parsing takes hundreds of times the memory of the text.
    if problem := scope.problem(proposal.edits, change, evolvable, outside) or shape.size_problem(change, evolvable):
        return problem
    if problem := excluded.copy_problem(change.after, change.paths, hidden or HiddenFiles()):
        return problem
    for edit in sorted(proposal.edits, key=lambda edit: edit.path):
        if problem := shape.syntax_problem(edit, files.get(edit.path)):
            return problem
    try:
        return _problem(change, evolvable, vocabulary or Vocabulary(), limits)
    except RecursionError:
        return "does not parse: an expression is too deeply nested"


def _problem(change: Change, evolvable: Sequence[str], vocabulary: Vocabulary, limits: Limits) -> str | None:
    if problem := shape.growth_problem(change, evolvable) or shape.effect_problem(change):
        return problem
    before = Counter(_findings(change.paths, change.before, change.old_trees, limits))
    after = Counter(_findings(change.paths, change.after, change.new_trees, limits))
    if new := [reason for reason, count in after.items() if count > before[reason]]:
        return new[0]
    known = "\n".join(change.seen(change.before).values())
    return leaks.problem(change.added(), known, names_in(change.new_trees), vocabulary) or imports.problem(change)


def _findings(paths: Sequence[str], files: Mapping[str, str], trees: Trees, limits: Limits) -> Iterator[str]:
    """Yield every violation in these files, as often as it occurs. What only moves is found on both sides."""
    for path in paths:
        text = files.get(path, "")
        if path in trees:
            yield from frozen.code_findings(trees[path], limits)
            yield from conduct.findings(trees[path])
            for piece in strings(trees[path]):
                yield from commands.findings(piece)
        else:
            yield from commands.findings(text)
            if path.endswith(".toml") and path != "scaffold.toml":
                yield from _settings_findings(text, limits)


def _settings_findings(text: str, limits: Limits) -> Iterator[str]:
    try:
        yield from frozen.settings_findings(text, limits)
    except tomllib.TOMLDecodeError:
        return
