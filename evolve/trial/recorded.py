"""The model of an offline replay: it answers from a recording."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from evolve.core.errors import RequestRefused
from evolve.llm import OnLost
from evolve.trial.request_digest import digest

Event = Mapping[str, Any]


class RecordedModel:
    """Answer each request as the recording does, whatever the order of calls that overlap.

    Equal requests get their answers in the order in which they arrived. A request that the recording does not have gets
    the first answer that was not given yet: what follows still runs, and the comparison shows where the two differ.

    Args:
        strict: Refuse such a request instead: what it asks was never answered.
    """

    def __init__(self, events: Sequence[Event], strict: bool = False) -> None:
        self._strict = strict
        # Requests that the gateway itself refused are refused again, so they need no answer.
        asked = [event for event in events if event["kind"] == "chat" and event.get("asked", True)]
        self._unused = dict(enumerate(asked))
        self._lock = threading.Lock()
        self._equal: dict[str, list[int]] = {}
        for position in sorted(self._unused, key=lambda position: asked[position].get("arrival", 0)):
            self._equal.setdefault(digest(asked[position]["request"]), []).append(position)

    def complete(self, body: Mapping[str, Any], on_lost: OnLost | None = None) -> dict[str, Any]:
        with self._lock:
            event = self._take(body)
        if event is None:
            # As for a spent budget: clients that try again after most other refusals give up.
            raise RequestRefused(403, "replay_ended", "the recording holds no further answer")
        if "response" not in event:
            error = event["error"]
            raise RequestRefused(error["status"], error["code"], error["message"])
        response: dict[str, Any] = event["response"]
        return response

    def _take(self, body: Mapping[str, Any]) -> Event | None:
        """Take the event of such a request out of the unused ones; of several, one with the same ids comes first."""
        equal = [position for position in self._equal.get(digest(body), ()) if position in self._unused]
        same = [
            position for position in equal if _without_seed(self._unused[position]["request"]) == _without_seed(body)
        ]
        position = next(iter(same or equal or (() if self._strict else self._unused)), None)
        return None if position is None else self._unused.pop(position)


def _without_seed(request: Mapping[str, Any]) -> dict[str, Any]:
    """Seeds of overlapping calls depend on which calls overlap, and in a replay few do."""
    return {key: value for key, value in request.items() if key != "seed"}
