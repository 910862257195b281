import unittest
from datetime import date

from months import add_months, due_dates, months_between


class DueDatesTest(unittest.TestCase):
    def days(self, *args, **kwargs):
        return [d.day for d in due_dates(*args, **kwargs)]

    def test_whole_year_from_31st(self):
        self.assertEqual(
            self.days(date(2023, 1, 31), 12),
            [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31],
        )

    def test_leap_year(self):
        self.assertEqual(self.days(date(2023, 12, 30), 4), [30, 30, 29, 30])

    def test_every_third_month(self):
        self.assertEqual(
            due_dates(date(2022, 8, 31), 4, every=3),
            [date(2022, 8, 31), date(2022, 11, 30), date(2023, 2, 28), date(2023, 5, 31)],
        )

    def test_yearly_from_leap_day(self):
        self.assertEqual(
            due_dates(date(2020, 2, 29), 5, every=12),
            [date(2020, 2, 29), date(2021, 2, 28), date(2022, 2, 28), date(2023, 2, 28), date(2024, 2, 29)],
        )

    def test_start_on_30th(self):
        self.assertEqual(self.days(date(2023, 1, 30), 3), [30, 28, 30])

    def test_start_on_last_of_short_month(self):
        self.assertEqual(self.days(date(2023, 2, 28), 3), [28, 28, 28])
        self.assertEqual(self.days(date(2023, 4, 30), 3), [30, 30, 30])

    def test_ordinary_day(self):
        self.assertEqual(
            due_dates(date(2023, 10, 7), 3, every=2),
            [date(2023, 10, 7), date(2023, 12, 7), date(2024, 2, 7)],
        )

    def test_few(self):
        self.assertEqual(due_dates(date(2023, 1, 31), 1), [date(2023, 1, 31)])
        self.assertEqual(due_dates(date(2023, 1, 31), 0), [])

    def test_bad_step(self):
        with self.assertRaises(ValueError):
            due_dates(date(2023, 1, 31), 3, every=0)


class MonthsTest(unittest.TestCase):
    def test_add(self):
        self.assertEqual(add_months(date(2023, 12, 31), 0), date(2023, 12, 31))
        self.assertEqual(add_months(date(2023, 12, 31), 2), date(2024, 2, 29))
        self.assertEqual(add_months(date(2023, 11, 30), 1), date(2023, 12, 30))
        self.assertEqual(add_months(date(2023, 5, 31), 25), date(2025, 6, 30))

    def test_subtract(self):
        self.assertEqual(add_months(date(2024, 3, 31), -1), date(2024, 2, 29))
        self.assertEqual(add_months(date(2024, 1, 1), -12), date(2023, 1, 1))
        self.assertEqual(add_months(date(2024, 1, 1), -13), date(2022, 12, 1))

    def test_between(self):
        self.assertEqual(months_between(date(2023, 1, 15), date(2023, 1, 15)), 0)
        self.assertEqual(months_between(date(2023, 1, 15), date(2024, 1, 15)), 12)
        self.assertEqual(months_between(date(2023, 12, 31), date(2024, 2, 28)), 1)
        self.assertEqual(months_between(date(2023, 12, 31), date(2024, 2, 29)), 2)

    def test_between_wrong_order(self):
        with self.assertRaises(ValueError):
            months_between(date(2023, 1, 2), date(2023, 1, 1))
