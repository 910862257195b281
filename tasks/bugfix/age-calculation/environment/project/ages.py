"""Ages and birthdays.

People born on 29 February have their birthday on 1 March in other years.
"""

from calendar import isleap
from datetime import date


def birthday_in(birth, year):
    """Return the date of the birthday in a year."""
    if (birth.month, birth.day) == (2, 29) and not isleap(year):
        return date(year, 3, 1)
    return birth.replace(year=year)


def age(birth, today):
    """Return the age in whole years."""
    if today < birth:
        raise ValueError("not born yet")
    years = today.year - birth.year
    if (today.month, today.day) < (birth.month, birth.day):
        years -= 1
    return years


def next_birthday(birth, today):
    """Return the date of the next birthday; today counts."""
    birthday = birthday_in(birth, today.year)
    if birthday < today:
        birthday = birthday_in(birth, birth.year + 1)
    return birthday


def group(birth, today, limits=(6, 18, 65)):
    """Return the number of the age group, counting from 0.

    Each limit is the lowest age of the next group.
    """
    years = age(birth, today)
    return sum(years >= limit for limit in limits)
