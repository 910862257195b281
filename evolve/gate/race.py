"""Several patches of one tip, raced by successive halving; the rule then judges the one that is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evolve.gate.plan import Part
from evolve.gate.prior import Floats
from evolve.gate.ruling import NeedPart, Rule, Ruling
from evolve.gate.stack_rule import StackRule

BEHIND = "behind others of its race"


@dataclass(frozen=True)
class Challenger:
    """What is known of one: as for `Line.judge`."""

    new: Floats
    saving: float = 0.0
    idle: bool = False


@dataclass(frozen=True)
class ChallengerNeeds:
    """Trials that are needed next: a part, by the challengers at these places; or a pass of the tip (`part` None)."""

    places: tuple[int, ...]
    part: Part | None


@dataclass(frozen=True)
class Raced:
    """A ruling for each challenger. `winner`: the place of the one that was judged last; its ruling has the line after.

    `waiting`: places of those that fell behind one that was taken, and would have got more trials by themselves.
    """

    rulings: tuple[Ruling, ...]
    winner: int
    waiting: tuple[int, ...]


def race(line: Rule, field: Sequence[Challenger]) -> ChallengerNeeds | Raced:
    """Half of those that are left fall behind after each stage (Jamieson and Talwalkar 2016, AISTATS, algorithm 1).

    All run the same trials until then. Who falls behind is dropped, with what it tells of the tip. One challenger alone
    is judged as ever, by any rule.
    """
    if len(field) == 1:
        return _last(line, field, 0, {}, [])
    assert isinstance(line, StackRule)
    return _halved(line, field)


def _halved(line: StackRule, field: Sequence[Challenger]) -> ChallengerNeeds | Raced:
    left = tuple(range(len(field)))
    behind: dict[int, Ruling] = {}
    waiting: list[int] = []
    for stage in range(len(line.plan.stages)):
        if asked := _lacking(line, stage, field, left):
            return asked
        ranked = _ranked(line, stage, field, left)
        left = ranked[: 1 if stage == len(line.plan.stages) - 1 else (len(ranked) + 1) // 2]
        fallen = ranked[len(left) :]
        waiting += [place for place in fallen if line.worth_more(stage, field[place].new)]
        for place in fallen:
            behind[place], line = line.passed_over(stage, field[place].new, BEHIND)
        if len(left) == 1:
            break
    return _last(line, field, left[0], behind, waiting)


def _ranked(line: StackRule, stage: int, field: Sequence[Challenger], left: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(left, key=lambda place: -line.effect(stage, field[place].new)))


def _lacking(line: StackRule, stage: int, field: Sequence[Challenger], left: tuple[int, ...]) -> ChallengerNeeds | None:
    asked = [line.lacks(stage, field[place].new) for place in left]
    first = next((one for one in asked if one), None)
    return ChallengerNeeds(left, first.part) if first else None


def _last(
    line: Rule, field: Sequence[Challenger], winner: int, behind: Mapping[int, Ruling], waiting: Sequence[int]
) -> ChallengerNeeds | Raced:
    """The one that is left is judged like any challenger."""
    one = field[winner]
    said = line.judge(one.new, one.saving, one.idle)
    if isinstance(said, NeedPart):
        return ChallengerNeeds((winner,), said.part)
    rulings = tuple({**behind, winner: said}[place] for place in range(len(field)))
    return Raced(rulings, winner, tuple(sorted(waiting)) if said.taken else ())
