"""The order in which trials start: the longest first, as far as their tasks have run before."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from evolve.core.records import Fault
from evolve.loop.durations import Durations
from tests.fakes import result

SLOTS = [("a", 0), ("b", 0), ("c", 0), ("new", 0)]


def known(**seconds: float) -> Durations:
    durations = Durations()
    for task, value in seconds.items():
        durations.add(replace(result(task, 1.0, 0), seconds=value))
    return durations


def test_without_trials_the_order_stays() -> None:
    assert known().longest_first(SLOTS) == SLOTS


def test_the_longest_starts_first_and_an_unknown_task_counts_as_average() -> None:
    assert known(a=1.0, b=9.0, c=4.0).longest_first(SLOTS) == [("b", 0), ("new", 0), ("c", 0), ("a", 0)]


def test_newer_trials_weigh_more_and_faults_of_the_machine_tell_nothing() -> None:
    durations = known(a=1.0, b=3.0)
    for _ in range(3):
        durations.add(replace(result("a", 1.0, 0), seconds=5.0))
    durations.add(replace(result("b", None, 0), seconds=900.0, fault=Fault.ENGINE))
    assert durations.longest_first(SLOTS[:2]) == [("a", 0), ("b", 0)]


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 5)), unique=True),
    st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 1e4), max_size=6),
)
def test_every_slot_starts_once(slots: list[tuple[str, int]], seconds: dict[str, float]) -> None:
    assert sorted(known(**seconds).longest_first(slots)) == sorted(slots)
