"""The answers that the parent's trial got on the same attempt: the same request gets the same answer.

They are found by the request alone. A scaffold can't ask for them in another way, and each is given once.
"""

from __future__ import annotations

import gzip
import json
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from evolve.core.errors import RequestRefused
from evolve.core.records import TrialSpec, stable_hash
from evolve.llm.reported import read_usage
from evolve.trial.gateway.seeding import MASK
from evolve.trial.recording import ASKED_TOKENS, ENDED_AT, STARTED_AT, WAITED, Event
from evolve.trial.request_digest import question_digest
from evolve.trial.trajectory import is_intact

# An answer's `created` is a time if it is so close to the time at which it was recorded; some endpoints send 0.
CLOCK_SECONDS = 86_400
# What a call asks: the digest of what the model reads, and the most tokens that the scaffold wants of the answer; None:
# as many as the run allows.
Asked = tuple[str, int | None]


@dataclass(frozen=True)
class ParentAnswer:
    """One recorded answer. `began`: when its request arrived; `seconds`: how long the answer took, without waits.

    `most`: the tokens that it could have. `line`: its response or its refusal, as JSON.
    """

    began: datetime
    seconds: float
    seed: int
    most: int
    is_whole: bool
    tokens: int
    line: bytes

    def fits(self, most: int) -> bool:
        """Whether a call that may have so many tokens can have got this answer."""
        return most == self.most or (self.is_whole and 0 < self.tokens <= most)

    def response(self, began: datetime) -> dict[str, Any]:
        """The completion, as an endpoint gives it that is asked at this time. Raises RequestRefused for a refusal."""
        content = json.loads(self.line)
        if error := content.get("error"):
            raise RequestRefused(error["status"], error["code"], error["message"])
        response: dict[str, Any] = content["response"]
        return _moved(response, self.began, began - self.began)


def _moved(response: dict[str, Any], recorded: datetime, later: timedelta) -> dict[str, Any]:
    """The response with its time moved, where it has one, also in its id."""
    created = response.get("created")
    if not isinstance(created, int) or abs(created - recorded.timestamp()) > CLOCK_SECONDS:
        return response
    moved = created + round(later.total_seconds())
    same_id = {"id": response["id"].replace(str(created), str(moved))} if isinstance(response.get("id"), str) else {}
    return {**response, **same_id, "created": moved}


class ParentAnswers:
    """All answers of one recorded trial, for one other trial. From any thread; `events` are read once."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        """Raises KeyError, TypeError or ValueError if these are no events of a gateway."""
        calls = [_known(event) for event in events if event["kind"] == "chat" and event.get("asked", True)]
        self._answers: dict[Asked, list[ParentAnswer]] = defaultdict(list)
        # In the order of arrival: which of two equal requests that overlapped comes first makes no difference.
        for asked, answer in sorted(calls, key=lambda call: call[1].began):
            self._answers[asked].append(answer)
        self._seeds: dict[str, Counter[int]] = defaultdict(Counter)
        for (question, _), answer in calls:
            self._seeds[question][answer.seed] += 1
        self._given: Counter[Asked] = Counter()
        self._lock = threading.Lock()

    def next(self, request: Mapping[str, Any], asked: int | None) -> tuple[ParentAnswer | None, int]:
        """Count one more call of its kind.

        Args:
            request: As it would be sent, with its seed.
            asked: The most tokens that the scaffold wants, see `Asked`; the trial's budget may have fewer.

        Returns:
            The parent's answer to the call of its kind with the same number; None if there is none that it could get.
            And the seed with which this was, or is to be, answered.
        """
        seed = int(request["seed"])
        if not self._answers:
            return None, seed
        key = question_digest(request), asked
        with self._lock:
            number = self._given[key]
            self._given[key] += 1
        known = self._answers.get(key, ())
        own = known[number] if number < len(known) else None
        if own is not None and own.fits(request["max_tokens"]):
            return own, own.seed
        return None, self._unused_seed(key[0], seed, own)

    def _unused_seed(self, question: str, seed: int, own: ParentAnswer | None) -> int:
        """A seed that answers no other call of this question: a model that heeds seeds would give one answer twice."""
        used = self._seeds.get(question, Counter[int]())
        taken = {one for one, count in used.items() if count > (own is not None and own.seed == one)}
        while seed in taken:
            seed = stable_hash(seed, "another answer") & MASK
        return seed


def _known(event: Event) -> tuple[Asked, ParentAnswer]:
    """What an event says: what was asked, and the answer."""
    request, response = event["request"], event.get("response")
    content = {"error": event["error"]} if response is None else {"response": response}
    began, ended = (datetime.fromisoformat(event[name]) for name in (STARTED_AT, ENDED_AT))
    asked: Asked = (question_digest(request), event.get(ASKED_TOKENS))
    return asked, ParentAnswer(
        began,
        max((ended - began).total_seconds() - event.get(WAITED, 0.0), 0.0),
        int(request["seed"]),
        request["max_tokens"],
        response is not None and all(_ended_itself(choice) for choice in response["choices"]),
        0 if response is None else read_usage(response.get("usage")).completion,
        json.dumps(content).encode(),
    )


def _ended_itself(choice: Mapping[str, Any]) -> bool:
    """Whether the model ended its answer, not the most tokens that it could have."""
    return choice.get("finish_reason") not in (None, "length")


def load_parent_answers(spec: TrialSpec) -> ParentAnswers | None:
    """The answers that a trial takes over; None if it has none, or if their recording is not what it was."""
    if spec.reuse_of is None or spec.replay_of is not None:
        return None
    root = spec.folder.parent
    try:
        return ParentAnswers(_events(root / spec.reuse_of.path)) if is_intact(spec.reuse_of, root) else None
    except (OSError, EOFError, KeyError, TypeError, ValueError, RecursionError, gzip.zlib.error):  # type: ignore[attr-defined]
        return None


def _events(path: Path) -> Iterator[Event]:
    """The events of a recording, one at a time: decoded, all of them may take a lot of memory."""
    with gzip.open(path) as lines:
        for line in lines:
            yield json.loads(line.decode("utf-8", "surrogatepass"))
