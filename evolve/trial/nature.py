"""What differs between two runs of one program by nature: the present time, process ids, inodes and durations. Pure.

Only what must differ is taken out. A time is, if it is one at which the trial was running: any other time, such as that
of a file of the image or one that a program computes, stays and is compared. Process ids are, in the columns of a table
that `ps` or `top` prints; numbers elsewhere stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

# Containers start after the trial has, and the clock's seconds are cut off.
SLACK = timedelta(seconds=5)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH, _DAY = f"(?:{'|'.join(MONTHS)})", r"(?:0?[1-9]|[12]\d|3[01])"
_WEEKDAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),?\s+"
_CLOCK = r"(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d{1,9})?)?(?:\s?[AP]M)?"
_ZONE = r"(?:\s?(?:Z|UTC|GMT|[+-]00:?00)\b)?"
_TIMES = re.compile(
    rf"(?<![\w.:/-])(?:"
    rf"(?:{_WEEKDAY})?(?P<month1>{_MONTH})\s+(?P<day1>{_DAY})\s+(?P<clock1>{_CLOCK}){_ZONE}(?:\s+(?P<year1>\d{{4}})\b)?"
    rf"|(?:{_WEEKDAY})?(?P<day2>{_DAY})\s+(?P<month2>{_MONTH})\s+(?P<year2>\d{{4}})\s+(?P<clock2>{_CLOCK}){_ZONE}"
    rf"|(?P<year3>\d{{4}})[-/](?P<month3>\d\d)[-/](?P<day3>\d\d)(?:[T ](?P<clock3>{_CLOCK}){_ZONE})?"
    rf"|(?P<clock4>{_CLOCK})"
    rf"|(?P<epoch>1\d{{9}}(?:\d{{3}}){{0,3}}(?:\.\d{{1,9}})?)"
    rf")(?![\w:/-]|\.\d)"
)
# Durations without a point, of which `comparison.NOISE` knows none: those of the shell's `time`, and in small units.
_DURATIONS = re.compile(r"(?<![\w.])(?:\d+m\d+[.,]\d+s|\d+(?:\.\d+)?(?: ?(?:ms|µs|ns)|us))\b")
_PLACES = (
    # `stat`, also with a width; the number of the device is that of the volume.
    (re.compile(r"\bDevice: [0-9a-f]+[hd,/][0-9a-f,/hd]*"), "Device: <device>"),
    (re.compile(r"\bInode: \d+"), "Inode: <inode>"),
    (re.compile(r"\b(Uid|Gid): \( *\d+/"), r"\1: (<id>/"),
    # `ls -i`: before the mode.
    (re.compile(r"(?<![\w.:/-])\d+(?= [-bcdlps][-rwxsStT]{9})"), "<inode>"),
    # Owner and group in a long listing, also within a line; users of trials have five digits.
    (re.compile(r"([-bcdlps][-rwxsStT]{9}[.+@]? +\d+) [2-5]\d{4} +[2-5]\d{4} "), r"\1 <id> <id> "),
    # The trial's own shell, in a list of processes.
    (re.compile(r"/tmp/\.[0-9a-f]{16}/sh\b"), "/tmp/<shell>/sh"),
    # A job that the shell started.
    (re.compile(r"(?<![\w.])\[(\d+)\] \d+(?![\w.])"), r"[\1] <pid>"),
)
# A line break, and other white space, also as JSON writes them.
_LINE_END = re.compile(r"(\n|\\n)")
_BREAK = re.compile(r"(\n|\\[nrt])")
_NUMBER, _TIME = re.compile(r"\d+"), re.compile(r"\d[\d:.-]*|-")
_KINDS = (
    (("PID", "PPID", "PGID", "PGRP", "SID", "SESS", "TID", "LWP", "TPGID"), _NUMBER),
    (("TIME", "TIME+", "STIME", "START", "STARTED", "ELAPSED"), _TIME),
    (("%CPU", "%MEM", "C", "CPU"), re.compile(r"\d+(?:\.\d+)?")),
    (("VSZ", "RSS", "SZ", "VIRT", "RES", "SHR"), re.compile(r"\d+(?:\.\d+)?[kmg]?", re.IGNORECASE)),
    # Running or waiting; whether it has ended or is stopped is compared.
    (("STAT", "S"), re.compile(r"[RSDI][sl+<NL]*")),
    # The trial's own user, which has no name.
    (("USER", "UID"), re.compile(r"[2-5]\d{4}")),
)
_COLUMNS = {name: pattern for names, pattern in _KINDS for name in names}
_HEAD = re.compile(r"[A-Z%][A-Z%+]*(?::\w+)?")


@dataclass(frozen=True)
class Window:
    """When a trial ran, in UTC."""

    began: datetime
    ended: datetime

    @classmethod
    def of(cls, started_at: str, seconds: float) -> Window:
        """From a trial's row: an ISO time, whose seconds are whole, and how long it took."""
        began = datetime.fromisoformat(started_at)
        began = began.replace(tzinfo=UTC) if began.tzinfo is None else began.astimezone(UTC)
        return cls(began - SLACK, began + timedelta(seconds=seconds) + SLACK)

    @property
    def days(self) -> Iterator[datetime]:
        """The beginnings of the days that it touches."""
        day = self.began.replace(hour=0, minute=0, second=0, microsecond=0)
        while day <= self.ended:
            yield day
            day += timedelta(days=1)

    def meets(self, moment: datetime, length: timedelta) -> bool:
        """Whether a time span touches it."""
        return moment <= self.ended and moment + length > self.began


def without_nature(value: Any, window: Window) -> Any:
    """Replace what differs by nature in all texts of a value. `window`: when the trial ran that printed them."""
    if isinstance(value, str):
        return _natural(value, window)
    if isinstance(value, Mapping):
        return {key: without_nature(item, window) for key, item in value.items()}
    return [without_nature(item, window) for item in value] if isinstance(value, list | tuple) else value


def _natural(text: str, window: Window) -> str:
    return "".join(_natural_line(part, window) for part in _BREAK.split(_tables(text)))


def _natural_line(text: str, window: Window) -> str:
    for pattern, placeholder in _PLACES:
        text = pattern.sub(placeholder, text)
    text = _DURATIONS.sub("<duration>", text)
    return _TIMES.sub(lambda match: "<now>" if _is_now(match, window) else match[0], text)


def _is_now(match: re.Match[str], window: Window) -> bool:
    """Whether a time, in whatever precision it is given, may be one at which the trial ran."""
    if (epoch := match["epoch"]) is not None:
        return _is_epoch_now(epoch, window)
    given = {name.rstrip("1234"): text for name, text in match.groupdict().items() if text is not None}
    clock, length = _clock(given.get("clock"))
    return any(_fits(day, given) and window.meets(day + clock, length) for day in window.days)


def _is_epoch_now(text: str, window: Window) -> bool:
    whole, _, fraction = text.partition(".")
    seconds = int(whole) / 10 ** (len(whole) - 10)
    length = timedelta(seconds=0 if fraction or len(whole) > 10 else 1)
    return window.meets(datetime.fromtimestamp(seconds, UTC), length)


def _fits(day: datetime, given: Mapping[str, str]) -> bool:
    """Whether a day has the given year, month and day."""
    month = given.get("month", "")
    number = MONTHS.index(month) + 1 if month in MONTHS else int(month or day.month)
    return (int(given.get("year", day.year)), number, int(given.get("day", day.day))) == (day.year, day.month, day.day)


def _clock(text: str | None) -> tuple[timedelta, timedelta]:
    """The time since midnight, and how long it lasts by its precision; a day for none."""
    if text is None:
        return timedelta(), timedelta(days=1)
    half, figures = text[-2:].upper(), re.split(r"[:.,]", re.sub(r"\s?[AP]M$", "", text))
    hours = int(figures[0]) % 12 + 12 * (half == "PM") if half in ("AM", "PM") else int(figures[0])
    seconds = int(figures[2]) if len(figures) > 2 else 0
    length = timedelta(minutes=1) if len(figures) < 3 else timedelta(seconds=1)
    return timedelta(hours=hours, minutes=int(figures[1]), seconds=seconds), length


def _tables(text: str) -> str:
    """Replace what varies in the columns of tables of processes; their spaces too, which depend on it."""
    if "PID" not in text:
        return text
    head: list[str] = []
    parts = _LINE_END.split(text)
    for number in range(0, len(parts), 2):
        opening, words = _head(parts[number])
        if words:
            head, parts[number] = words, opening + " ".join(words)
        elif head and (row := _row(parts[number], head)):
            parts[number] = row
        else:
            head = []
    return "".join(parts)


def _head(line: str) -> tuple[str, list[str]]:
    """What stands before the head of a table in its line, such as a quotation mark, and its words; none for no head."""
    opening, rest = re.fullmatch(r"(.*[\"'`>])?(.*)", line, re.DOTALL).groups("")  # type: ignore[union-attr]
    words = rest.split()
    return opening, words if "PID" in words and all(map(_HEAD.fullmatch, words)) else []


def _row(line: str, head: list[str]) -> str:
    """A row of a table, without what varies; "" if it is none."""
    words = line.split(None, len(head) - 1)
    place = head.index("PID")
    if len(words) < len(head) or not _NUMBER.fullmatch(words[place]):
        return ""
    return " ".join(_cell(word.rstrip(), name) for word, name in zip(words, head, strict=True))


def _cell(word: str, name: str) -> str:
    pattern = _COLUMNS.get(name)
    return f"<{name.lower()}>" if pattern is not None and pattern.fullmatch(word) else word
