"""Whether to build upon a patch, drop it, or run more trials: pure functions of the evidence (docs/statistics.md).

`standing`: a run's state over tasks, trials and candidates; `deciding`: the decisions, `conditions` that a winner must
fulfil (by `aims` and `voids`), and `reasons` in words. `stack_rule`: the rule over arrays; `race`: the same for several
challengers; `ruling`: their answers. The rule is made of `prior`, `levels`, `stages`, `plan`, `seed_history` and
`task_difficulty`; `recheck` measures again what looks too good. `settling`: tip and champion compared; `epochs`: when
levels begin afresh. `greedy`, `population` and `select`: rules to compare with. `calibrate`: what a suite can show.
`claim`: seed against champion on the holdout.
"""

from evolve.gate.deciding import judge, learn_tip
from evolve.gate.standing import (
    Entrant,
    Judgement,
    NeedTrials,
    Standing,
    TaskSlot,
    begin_rule,
    initial_standing,
)
from evolve.gate.voids import Slot

__all__ = [
    "Entrant",
    "Judgement",
    "NeedTrials",
    "Slot",
    "Standing",
    "TaskSlot",
    "begin_rule",
    "initial_standing",
    "judge",
    "learn_tip",
]
