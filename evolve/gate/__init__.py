"""Whether to build upon a patch, drop it, or run more trials: pure functions of the evidence (docs/statistics.md).

`standing`: the gate over tasks, trials and candidates. `stack_rule`: the rule over arrays; `race`: the same for several
challengers; `ruling`: their answers; `voids`: winners that are not built upon. The rule is made of `prior`, `stages`,
`plan`, `seed_history` and `task_difficulty`; `recheck` measures again what looks too good. `attempts`: numbers of
trials. `settling`: tip and champion compared; `epochs`: when levels begin afresh. `greedy`, `population` and `select`:
rules to compare with. `calibrate`: what a suite can show. `claim`: seed against champion on the holdout.
"""

from evolve.gate.standing import (
    Entrant,
    Judgement,
    NeedTrials,
    Standing,
    TaskSlot,
    begin_rule,
    initial_standing,
    judge,
    learn_tip,
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
