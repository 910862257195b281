"""Race several patches of one tip by successive halving; the rule then judges the one that is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evolve.gate.plan import Part
from evolve.gate.prior import Floats
from evolve.gate.recheck import confirm
from evolve.gate.ruling import NeedPart, Rule, Ruling
from evolve.gate.stack_rule import StackRule

BEHIND = "behind others of its race"


@dataclass(frozen=True)
class Challenger:
    """The arguments of `StackRule.judge` for one challenger. `fresh`: its rewards on attempts of its own."""

    new: Floats
    saving: float = 0.0
    idle: bool = False
    fresh: Floats | None = None


@dataclass(frozen=True)
class ChallengerNeeds:
    """Trials that are needed next: a part, by the challengers at these places; or a pass of the tip (`part` None).

    of_tip: the part is the tip's.
    """

    places: tuple[int, ...]
    part: Part | None
    of_tip: bool = False


@dataclass(frozen=True)
class RaceResult:
    """A ruling for each challenger. `winner`: the place of the one that was judged last; its ruling has the rule after.

    `waiting`: places of those that fell behind one that was taken, and deserved more trials by themselves.
    """

    rulings: tuple[Ruling, ...]
    winner: int
    waiting: tuple[int, ...]


def race(rule: Rule, field: Sequence[Challenger]) -> ChallengerNeeds | RaceResult:
    """Drop half of the challengers after each rung (Jamieson and Talwalkar 2016, AISTATS, algorithm 1).

    All run the same trials until then. Trials of those that are dropped still tell about the tip. A single challenger
    is judged as usual, by any rule.
    """
    if len(field) == 1:
        return _judge_last(rule, field, 0, {}, [])
    assert isinstance(rule, StackRule)
    return _halve(rule, field)


def _halve(rule: StackRule, field: Sequence[Challenger]) -> ChallengerNeeds | RaceResult:
    left = tuple(range(len(field)))
    behind: dict[int, Ruling] = {}
    waiting: list[int] = []
    for stage in range(len(rule.plan.stages)):
        if needs := _missing_part(rule, stage, field, left):
            return needs
        if stage not in rule.plan.rungs:
            continue
        ranked = _ranked(rule, stage, field, left)
        left = ranked[: 1 if stage == len(rule.plan.stages) - 1 else (len(ranked) + 1) // 2]
        fallen = ranked[len(left) :]
        waiting += [place for place in fallen if rule.deserves_more_trials(stage, field[place].new)]
        for place in fallen:
            behind[place], rule = rule.drop_behind(stage, field[place].new, BEHIND)
        if len(left) == 1:
            break
    return _judge_last(rule, field, left[0], behind, waiting)


def _ranked(rule: StackRule, stage: int, field: Sequence[Challenger], left: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(left, key=lambda place: -rule.effect(stage, field[place].new)))


def _missing_part(
    rule: StackRule, stage: int, field: Sequence[Challenger], left: tuple[int, ...]
) -> ChallengerNeeds | None:
    needs = [rule.missing_part(stage, field[place].new) for place in left]
    first = next((need for need in needs if need), None)
    return ChallengerNeeds(left, first.part, first.of_tip) if first else None


def _judge_last(
    rule: Rule, field: Sequence[Challenger], winner: int, behind: Mapping[int, Ruling], waiting: Sequence[int]
) -> ChallengerNeeds | RaceResult:
    """Judge the one that is left like any challenger."""
    last = field[winner]
    answer = rule.judge(last.new, last.saving, last.idle)
    if isinstance(rule, StackRule) and isinstance(answer, Ruling) and last.fresh is not None:
        answer = confirm(rule, answer, last.new, last.fresh)
    if isinstance(answer, NeedPart):
        return ChallengerNeeds((winner,), answer.part, answer.of_tip)
    rulings = tuple({**behind, winner: answer}[place] for place in range(len(field)))
    return RaceResult(rulings, winner, tuple(sorted(waiting)) if answer.taken else ())
