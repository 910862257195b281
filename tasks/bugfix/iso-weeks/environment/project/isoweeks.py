"""ISO weeks, written as '2024-W05'."""

import re
from datetime import date, timedelta

_WEEK = re.compile(r"(\d{4})-W(\d\d)")


def weeks_in_year(year):
    """Return the number of ISO weeks of a year, 52 or 53."""
    return date(year, 12, 28).isocalendar().week


def week_name(day):
    """Return the name of the week that a date belongs to."""
    iso = day.isocalendar()
    return f"{iso.year:04}-W{iso.week:02}"


def parse_week(name):
    """Return the Monday of a week given by its name."""
    found = _WEEK.fullmatch(name)
    if not found:
        raise ValueError(f"not a week: {name}")
    year, week = map(int, found.groups())
    if 1 <= week <= weeks_in_year(year):
        raise ValueError(f"no such week: {name}")
    return date.fromisocalendar(year, week, 1)


def shift_week(name, weeks):
    """Return the name of the week some weeks later or earlier."""
    return week_name(parse_week(name) + timedelta(weeks=weeks))


def week_range(first, last):
    """Return the names of all weeks from first to last, both included."""
    monday, end = parse_week(first), parse_week(last)
    names = []
    while monday <= end:
        names.append(week_name(monday))
        monday += timedelta(weeks=1)
    return names
