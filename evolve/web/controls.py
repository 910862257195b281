"""The state of runs and what people do with them, from the pages."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from evolve.core.errors import BadInput
from evolve.host.holders import holders_of
from evolve.host.run_names import POSSIBLE
from evolve.runs import control
from evolve.runs.control import Action, Resumption, Situation
from evolve.runs.stored_config import is_measurement
from evolve.store import RunRow, Store


class Controls:
    """What the runs in one folder do, with the runs that were resumed from here."""

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        self._turn = threading.Lock()

    def situations(self, store: Store, names: Sequence[str]) -> dict[str, Situation]:
        """What these runs do now."""
        locks = {self.runs / name / "lock": name for name in names if POSSIBLE.fullmatch(name)}
        held = {locks[path]: holder for path, holder in holders_of(locks).items()}
        known = frozenset(locks.values())
        sessions, ends = store.latest_sessions(names), store.latest_ends(names)
        return {
            name: Situation(
                held.get(name),
                control.read_request(self.runs / name) if name in known else None,
                sessions.get(name),
                ends.get(name),
                self._is_alive(name),
            )
            for name in names
        }

    def situation(self, store: Store, name: str) -> Situation:
        return self.situations(store, [name])[name]

    def act(self, store: Store, row: RunRow, action: Action, resumption: Resumption) -> None:
        """Pause, stop or resume a run.

        Raises:
            BadInput: The run is in no state for it.
        """
        with self._turn:
            situation = self.situation(store, row.id)
            if action is not Action.RESUME:
                control.interrupt(self._folder(row.id), situation, action)
                return
            if is_measurement(row):
                fix = "resume it with the command that began it, `evolve claim` or `effects`"
                raise BadInput(f"run {row.id}", "measures scaffolds side by side", fix)
            self._started[row.id] = control.resume(self._folder(row.id), resumption, situation)

    def marker(self) -> tuple[object, ...]:
        """A value that differs when a process has taken or left a run, or was asked to leave it."""
        folders = sorted(path for path in self.runs.glob("*/lock") if POSSIBLE.fullmatch(path.parent.name))
        held = tuple(sorted((path.parent.name, holder.pid) for path, holder in holders_of(folders).items()))
        asked = tuple(control.read_request(self.runs / name) for name, _ in held)
        return held, asked, tuple(sorted(name for name in self._started if self._is_alive(name)))

    def log_tail(self, name: str, size: int) -> str:
        """The end of what a run that was resumed from a page has printed; "" without any."""
        try:
            with (self._folder(name) / control.LOG).open("rb") as file:
                length = file.seek(0, 2)
                file.seek(max(length - size, 0))
                return file.read(size).decode("utf-8", "replace")
        except OSError:
            return ""

    def _is_alive(self, name: str) -> bool:
        process = self._started.get(name)
        return process is not None and process.poll() is None

    def _folder(self, name: str) -> Path:
        """The run's folder. Raises BadInput for a name that leads elsewhere."""
        if not POSSIBLE.fullmatch(name):
            raise BadInput("run", "is not a run id", "use one of the list")
        return self.runs / name
