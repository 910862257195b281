"""Read log files in the format

    2024-03-01 12:00:00,123 [WARNING] app.db: slow query

Lines that do not look like this continue the record above them.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime

LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}

_LINE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) "
    r"\[(?P<level>[A-Z]+)\] (?P<logger>[\w.]+): (?P<message>.*)"
)


@dataclass
class Record:
    """One entry of the log, with the lines that follow it."""

    time: datetime
    level: str
    logger: str
    message: str
    extra: list = field(default_factory=list)

    @property
    def text(self):
        return "\n".join([self.message, *self.extra])


def parse(text):
    """Return the records of a log text; lines before the first are dropped."""
    records = []
    for line in text.splitlines():
        found = _LINE.fullmatch(line.rstrip())
        if found and found["level"] in LEVELS:
            time = datetime.strptime(found["time"], "%Y-%m-%d %H:%M:%S,%f")
            records.append(Record(time, found["level"], found["logger"], found["message"]))
        elif records and line.strip():
            records[-1].extra.append(line.rstrip())
    return records


def _within(logger, parent):
    """Tell whether a logger is the parent or below it ('app' has 'app.db')."""
    return logger == parent or logger.startswith(parent + ".")


def select(records, min_level="DEBUG", logger=None, since=None, until=None):
    """Return the records that are at least as severe as min_level.

    They can be limited to a logger with its children, and to the times from
    `since` (inclusive) to `until` (exclusive).
    """
    if min_level not in LEVELS:
        raise ValueError(f"unknown level: {min_level}")
    selected = []
    for record in records:
        if LEVELS[record.level] < LEVELS[min_level]:
            continue
        if logger is not None and not _within(logger, record.logger):
            continue
        if since is not None and record.time < since:
            continue
        if until is not None and record.time >= until:
            continue
        selected.append(record)
    return selected


def summary(records):
    """Return the number of records for each level that occurs, worst first."""
    counts = {}
    for level in sorted(LEVELS, key=LEVELS.get, reverse=True):
        count = sum(record.level == level for record in records)
        if count:
            counts[level] = count
    return counts
