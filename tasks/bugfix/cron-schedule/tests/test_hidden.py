import unittest
from datetime import date, datetime

from cron import Schedule
from cron.fields import DAY, HOUR, MINUTE, MONTH, WEEKDAY


def days(expression, year=2024, month=6):
    """Days of a month with runs (June 2024 starts on a Saturday)."""
    schedule = Schedule(expression)
    return [d for d in range(1, 31) if schedule.matches_day(date(year, month, d))]


class DayTest(unittest.TestCase):
    def test_either(self):
        self.assertEqual(days("0 0 13 * FRI"), [7, 13, 14, 21, 28])

    def test_either_with_lists_and_ranges(self):
        self.assertEqual(days("0 0 1-4 * 3,4"), [1, 2, 3, 4, 5, 6, 12, 13, 19, 20, 26, 27])

    def test_either_with_sunday_as_seven(self):
        self.assertEqual(days("0 0 10 * 7"), [2, 9, 10, 16, 23, 30])
        self.assertEqual(days("0 0 10 * 0"), [2, 9, 10, 16, 23, 30])

    def test_either_needs_the_month(self):
        self.assertEqual(days("0 0 13 6 FRI"), [7, 13, 14, 21, 28])
        self.assertEqual(days("0 0 13 7 FRI"), [])

    def test_only_weekday(self):
        self.assertEqual(days("0 0 * * FRI"), [7, 14, 21, 28])

    def test_only_day(self):
        self.assertEqual(days("0 0 13,20 * *"), [13, 20])

    def test_both_free(self):
        self.assertEqual(days("0 0 * * *"), list(range(1, 31)))
        self.assertEqual(days("0 0 * JUL *"), [])

    def test_impossible_day_with_weekday(self):
        self.assertEqual(
            Schedule("0 0 30 2 MON").runs(datetime(2024, 1, 1), 3),
            [datetime(2024, 2, 5), datetime(2024, 2, 12), datetime(2024, 2, 19)],
        )


class RunTest(unittest.TestCase):
    def test_matches(self):
        schedule = Schedule("30 6 1 * MON")
        self.assertTrue(schedule.matches(datetime(2024, 6, 3, 6, 30, 59)))
        self.assertTrue(schedule.matches(datetime(2024, 6, 1, 6, 30)))
        self.assertFalse(schedule.matches(datetime(2024, 6, 3, 6, 31)))
        self.assertFalse(schedule.matches(datetime(2024, 6, 4, 6, 30)))

    def test_runs_with_both_day_fields(self):
        self.assertEqual(
            Schedule("0 6,18 31 * TUE").runs(datetime(2024, 7, 30, 6, 0), 5),
            [datetime(2024, 7, 30, 18), datetime(2024, 7, 31, 6), datetime(2024, 7, 31, 18),
             datetime(2024, 8, 6, 6), datetime(2024, 8, 6, 18)],
        )

    def test_next_run_is_later(self):
        schedule = Schedule("0 12 * * *")
        self.assertEqual(schedule.next_run(datetime(2024, 6, 1, 11, 59, 59)), datetime(2024, 6, 1, 12))
        self.assertEqual(schedule.next_run(datetime(2024, 6, 1, 12)), datetime(2024, 6, 2, 12))
        self.assertEqual(schedule.next_run(datetime(2024, 12, 31, 12, 0, 1)), datetime(2025, 1, 1, 12))

    def test_leap_day(self):
        self.assertEqual(Schedule("0 0 29 2 *").next_run(datetime(2024, 3, 1)), datetime(2028, 2, 29))
        self.assertEqual(Schedule("0 0 31 6 *").runs(datetime(2024, 1, 1), 2), [])


class FieldTest(unittest.TestCase):
    def test_steps(self):
        self.assertEqual(HOUR.expand("5/8"), {5, 13, 21})
        self.assertEqual(DAY.expand("1-9/4,31"), {1, 5, 9, 31})
        self.assertEqual(MINUTE.expand("0-10/5,3"), {0, 3, 5, 10})

    def test_words(self):
        self.assertEqual(MONTH.expand("Jan,oct-DEC"), {1, 10, 11, 12})
        self.assertEqual(WEEKDAY.expand("sun"), {0})
        self.assertEqual(Schedule("0 0 * * 5-7").weekdays, {5, 6, 0})

    def test_errors(self):
        for expression in ("* * * *", "* * 0 * *", "* 24 * * *", "* * * 13 *", "* * * * 8", "*/x * * * *", "* * * FEB-JAN *", ", * * * *"):
            with self.assertRaises(ValueError):
                Schedule(expression)
