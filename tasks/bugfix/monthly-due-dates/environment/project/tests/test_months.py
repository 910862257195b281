import unittest
from datetime import date

from months import add_months, due_dates, months_between


class MonthsTest(unittest.TestCase):
    def test_add_months(self):
        self.assertEqual(add_months(date(2023, 11, 15), 3), date(2024, 2, 15))
        self.assertEqual(add_months(date(2023, 1, 31), 1), date(2023, 2, 28))

    def test_subtract_months(self):
        self.assertEqual(add_months(date(2023, 1, 15), -1), date(2022, 12, 15))

    def test_months_between(self):
        self.assertEqual(months_between(date(2023, 1, 15), date(2023, 4, 14)), 2)
        self.assertEqual(months_between(date(2023, 1, 31), date(2023, 2, 28)), 1)

    def test_due_dates(self):
        self.assertEqual(
            due_dates(date(2023, 11, 5), 3),
            [date(2023, 11, 5), date(2023, 12, 5), date(2024, 1, 5)],
        )

    def test_due_dates_at_the_end_of_the_month(self):
        self.assertEqual(
            due_dates(date(2023, 1, 31), 4),
            [date(2023, 1, 31), date(2023, 2, 28), date(2023, 3, 31), date(2023, 4, 30)],
        )
