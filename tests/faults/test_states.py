"""The states of a run, walked by hypothesis: whatever happens between and within its rounds, it comes to the same."""

from __future__ import annotations

import contextlib
import os
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from evolve.core.caps import Caps
from evolve.core.errors import Locked
from evolve.host.signals import Stop
from evolve.loop.watcher import SilentWatcher
from evolve.runs import opening
from evolve.store import Store
from tests.faults import points, victim
from tests.faults.killer import RUN, Victim, differences

ROUNDS = 3
POINTS = points.names()
EXAMPLES = int(os.environ.get("EVOLVE_EXAMPLES", "2"))


@contextmanager
def patched() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        victim.without_containers(patch)
        yield patch


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the run comes to if nothing happens."""
    undisturbed = Victim(tmp_path_factory.mktemp("undisturbed") / "run")
    with patched():
        victim.play_run(undisturbed.home, RUN, ROUNDS)
    return undisturbed.facts()


class Asking(SilentWatcher):
    """Asks for the end after so many trials."""

    def __init__(self, stop: Stop, trials: int) -> None:
        self.stop, self.left = stop, trials

    def trial_done(self, result: Any) -> None:
        self.left -= 1
        self.stop.requested = self.stop.requested or self.left <= 0


def machine(wanted: dict[str, Any]) -> type[RuleBasedStateMachine]:
    class Run(RuleBasedStateMachine):
        """A run that dies at a point, is interrupted, meets a cap, or is begun twice; in any order."""

        @initialize()
        def begin(self) -> None:
            self.folder = tempfile.TemporaryDirectory()
            self.victim = Victim(Path(self.folder.name) / "run")
            self.trials = 0

        def teardown(self) -> None:
            if not hasattr(self, "victim"):
                return
            with patched():
                self.play()
            assert list(differences(self.victim.facts(), {**wanted, "ends": self.victim.facts()["ends"]})) == []
            self.folder.cleanup()

        @rule(point=st.sampled_from(POINTS), times=st.integers(1, 30))
        def die(self, point: str, times: int) -> None:
            with patched() as patch, contextlib.suppress(points.Died):
                points.install(patch, point, times, points.die_here)
                self.play()

        @rule(cap=st.integers(1, 60))
        def meet_a_cap(self, cap: int) -> None:
            before = self.trials
            with patched():
                self.play(Caps(trials=before + cap))
            assert self.count() <= before + cap

        @rule(trials=st.integers(1, 20))
        def be_interrupted(self, trials: int) -> None:
            watcher = Asking(Stop(), trials)
            order, tasks = victim.order(self.victim.home, RUN), victim.suite(self.victim.home)
            with (
                patched(),
                contextlib.suppress(KeyboardInterrupt),
                opening.open_run(order, tasks, watcher) as search,
            ):
                watcher.stop = search.measurer.stop
                search.run_rounds(ROUNDS)

        @rule()
        def be_begun_twice(self) -> None:
            """The second one leaves the first one alone."""
            order, tasks = victim.order(self.victim.home, RUN), victim.suite(self.victim.home)
            with patched(), opening.open_run(order, tasks, SilentWatcher()), pytest.raises(Locked, match="process"):
                victim.play_run(self.victim.home, RUN, 1)

        def play(self, caps: Caps | None = None) -> None:
            order = replace(victim.order(self.victim.home, RUN), caps=caps or Caps())
            with opening.open_run(order, victim.suite(self.victim.home), SilentWatcher()) as search:
                search.run_rounds(ROUNDS)

        def count(self) -> int:
            with Store.open(self.victim.home / "runs" / "evolve.db") as store:
                return store.trial_count(RUN)

        @invariant()
        def no_trial_is_lost_or_counted_twice(self) -> None:
            if not (self.victim.home / "runs" / "evolve.db").exists():
                return
            with Store.open(self.victim.home / "runs" / "evolve.db") as store:
                trials = store.trials(RUN)
            assert len(trials) >= self.trials
            assert len({trial.key for trial in trials}) == len(trials)
            self.trials = len(trials)

    return Run


@pytest.mark.slow
def test_whatever_happens_the_run_comes_to_the_same(wanted: dict[str, Any]) -> None:
    run_state_machine_as_test(
        machine(wanted), settings=settings(max_examples=EXAMPLES, stateful_step_count=5, deadline=None)
    )
