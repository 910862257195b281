"""Business days with holidays."""

from datetime import date, timedelta

SATURDAY, SUNDAY = 5, 6
ONE_DAY = timedelta(days=1)


def observed(holiday):
    """Return the day on which a holiday is observed.

    It is the Friday before for a Saturday, the Monday after for a Sunday,
    which may be in another year than the holiday itself.
    """
    if holiday.weekday() == SATURDAY:
        return holiday - ONE_DAY
    if holiday.weekday() == SUNDAY:
        return holiday - ONE_DAY
    return holiday


class BusinessCalendar:
    """A calendar with holidays that come each year.

    `yearly` has pairs (month, day), `extra` single dates that are off
    and are not moved.
    """

    def __init__(self, yearly=(), extra=()):
        self.yearly = list(yearly)
        self.extra = set(extra)

    def holidays(self, year):
        """Return the sorted days on which the holidays of a year are observed."""
        days = {observed(date(year, month, day)) for month, day in self.yearly}
        return sorted(days)

    def is_holiday(self, day):
        if day in self.extra:
            return True
        years = (day.year - 1, day.year, day.year + 1)
        return any(day in self.holidays(year) for year in years)

    def is_business_day(self, day):
        return day.weekday() < SATURDAY and not self.is_holiday(day)

    def adjust(self, day, forward=True):
        """Return the day itself if it is a business day, or the nearest one."""
        step = ONE_DAY if forward else -ONE_DAY
        while not self.is_business_day(day):
            day += step
        return day

    def add(self, day, count):
        """Return the date `count` business days later (earlier if negative).

        The start need not be a business day.  With a count of 0 it is
        moved forward to a business day if necessary.
        """
        if count == 0:
            return self.adjust(day)
        step = ONE_DAY if count > 0 else -ONE_DAY
        for _ in range(abs(count)):
            day = self.adjust(day + step, forward=count > 0)
        return day

    def count(self, start, end):
        """Return the number of business days from start up to before end."""
        days = 0
        while start < end:
            days += self.is_business_day(start)
            start += ONE_DAY
        return days
