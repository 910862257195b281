"""Which rounds' candidates are a run's champion and tip, by its decisions."""

from __future__ import annotations

from dataclasses import dataclass

from evolve.core.records import Decision, StackFate


@dataclass(frozen=True)
class Ends:
    """The rounds of the champion and of the tip; round 0 is the seed scaffold."""

    champion: int = 0
    tip: int = 0

    def after(self, number: int, decision: Decision) -> Ends:
        """The ends after the round with this number. Rounds that change neither may be left out."""
        tip = number if decision.accepts else self.tip
        if decision.back_to is not None:
            tip = decision.back_to
        elif decision.fate is StackFate.GIVEN_UP:
            tip = self.champion
        return Ends(tip if decision.crowns else self.champion, tip)
