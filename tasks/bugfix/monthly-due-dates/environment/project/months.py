"""Arithmetic with months."""

from calendar import monthrange
from datetime import date


def add_months(day, months):
    """Return the date some months later (or earlier, if negative).

    If the month has no such day, the last day of the month is taken.
    """
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))


def months_between(start, end):
    """Return the number of whole months from start to end (start <= end)."""
    if end < start:
        raise ValueError("end before start")
    months = (end.year - start.year) * 12 + end.month - start.month
    if add_months(start, months) >= end:
        months -= 1
    return months


def due_dates(start, count, every=1):
    """Return `count` due dates, each `every` months apart.

    The first one is `start`; all are on its day of the month, or on the last
    day of months that are too short for it.
    """
    if every < 1:
        raise ValueError("every must be positive")
    dates = []
    for i in range(count):
        dates.append(add_months(start, i * every))
    return dates
