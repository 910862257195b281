"""Whether to build upon a patch, drop it, or run more trials: pure functions of the evidence (docs/statistics.md).

`standing` speaks of tasks, trials and candidates; `line` is the rule over arrays, and `race` for several challengers;
`ruling` is what they answer. `belief`, `stages`, `plan`, `reign` and `tally` are what the line is made of; `attempts`
numbers the trials.
`greedy` and `population` (with `select`) are rules to compare with.
"""

from evolve.gate.standing import Entrant, NeedTrials, Ruled, Slot, Standing, TaskSlot, begin, judge, ready

__all__ = ["Entrant", "NeedTrials", "Ruled", "Slot", "Standing", "TaskSlot", "begin", "judge", "ready"]
