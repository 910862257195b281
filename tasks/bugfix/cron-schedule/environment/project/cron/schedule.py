"""Schedules of cron expressions."""

from datetime import datetime, time, timedelta

from . import fields

SEARCH_DAYS = 366 * 9


class Schedule:
    """A cron expression: minute, hour, day of month, month, weekday.

    Sunday is 0 or 7.  As in cron, a day has to match both its day of month
    and its weekday if one of these fields is '*'; if neither is '*', it is
    enough that one of them matches.
    """

    def __init__(self, expression):
        parts = expression.split()
        if len(parts) != 5:
            raise ValueError(f"expected 5 fields: {expression!r}")
        self.expression = expression
        self.minutes = sorted(fields.MINUTE.expand(parts[0]))
        self.hours = sorted(fields.HOUR.expand(parts[1]))
        self.days = fields.DAY.expand(parts[2])
        self.months = fields.MONTH.expand(parts[3])
        self.weekdays = {day % 7 for day in fields.WEEKDAY.expand(parts[4])}

    def __repr__(self):
        return f"Schedule({self.expression!r})"

    def matches_day(self, day):
        """Tell whether there are runs on a day."""
        if day.month not in self.months:
            return False
        return day.day in self.days and day.isoweekday() % 7 in self.weekdays

    def matches(self, moment):
        """Tell whether there is a run in the minute of a moment."""
        return (
            self.matches_day(moment)
            and moment.hour in self.hours
            and moment.minute in self.minutes
        )

    def next_run(self, after):
        """Return the first run later than a moment; None if there is none."""
        day = after.date()
        for _ in range(SEARCH_DAYS):
            if self.matches_day(day):
                for hour in self.hours:
                    for minute in self.minutes:
                        run = datetime.combine(day, time(hour, minute))
                        if run > after:
                            return run
            day += timedelta(days=1)
        return None

    def runs(self, after, count):
        """Return the next runs, at most `count`."""
        result = []
        while len(result) < count:
            after = self.next_run(after)
            if after is None:
                break
            result.append(after)
        return result
