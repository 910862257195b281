"""The rules by name."""

from __future__ import annotations

from collections.abc import Mapping

from evolve.core.gate_config import GateConfig
from gates.archives import dgm, sica
from gates.clades import Huxley
from gates.greedy import Greedy, cmh_winner
from gates.ours import Ours
from gates.pareto import gepa
from gates.world import Rule

RULES: Mapping[str, Rule] = {
    "evolve": Ours(),
    "evolve-pooled": Ours(GateConfig(generalise=False)),
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
