"""The rules by name."""

from __future__ import annotations

from collections.abc import Mapping

from gates.archives import dgm, sica
from gates.clades import Huxley
from gates.greedy import Greedy, cmh_winner
from gates.pareto import gepa
from gates.stacked import Stacked
from gates.world import Rule

RULES: Mapping[str, Rule] = {
    "stacked": Stacked(),
    "greedy-k1": Greedy(1),
    "greedy-k2": Greedy(2),
    "greedy-k5": Greedy(5),
    "gepa": gepa,
    "dgm": dgm,
    "hgm": Huxley(),
    "hgm-repeats": Huxley(repeats=True),
    "sica": sica,
    "cmh-winner": cmh_winner,
}
