"""A run whose rows have figures that can't be true is resumed as if these had not been reported."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from evolve.core.errors import BadInput
from evolve.store import Store
from tests.faults import victim
from tests.faults.killer import RUN, Victim
from tests.test_poisoned import Poison

IMPOSSIBLE = (
    Poison("trial", "prompt_tokens", "4611686018427387904"),
    Poison("trial", "completion_tokens", "-1"),
    Poison("trial", "cost_usd", "9e999"),
    Poison("proposal", "cached_tokens", "4611686018427387904"),
    Poison("trial", "detail", "CAST(x'61eda080' AS TEXT)"),
)


@pytest.fixture
def without_containers() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        victim.without_containers(patch)
        yield


@pytest.mark.usefixtures("without_containers")
def test_a_run_with_impossible_figures_is_resumed(tmp_path: Path) -> None:
    begun = Victim(tmp_path / "run")
    victim.play_run(begun.home, RUN, 1)
    database = next(begun.home.rglob("evolve.db"))
    for poison in IMPOSSIBLE:
        poison.apply(database)
    victim.play_run(begun.home, RUN, 2)
    with Store.open(database) as store:
        assert len(store.rounds(RUN)) == 3 and store.spent(RUN).tokens < 10**9


@pytest.mark.usefixtures("without_containers")
def test_a_row_that_cant_be_read_is_one_line(tmp_path: Path) -> None:
    begun = Victim(tmp_path / "run")
    victim.play_run(begun.home, RUN, 1)
    Poison("trial", "outcome", "'unheard of'", "max").apply(next(begun.home.rglob("evolve.db")))
    with pytest.raises(BadInput, match="unheard of"):
        victim.play_run(begun.home, RUN, 2)
