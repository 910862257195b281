import unittest
from datetime import date

from bizdays import BusinessCalendar, observed


class BusinessCalendarTest(unittest.TestCase):
    def setUp(self):
        self.cal = BusinessCalendar([(1, 1), (7, 4), (12, 25)], extra=[date(2021, 5, 14)])

    def test_weekend(self):
        self.assertFalse(self.cal.is_business_day(date(2021, 5, 8)))
        self.assertTrue(self.cal.is_business_day(date(2021, 5, 7)))

    def test_extra(self):
        self.assertFalse(self.cal.is_business_day(date(2021, 5, 14)))

    def test_observed(self):
        self.assertEqual(observed(date(2020, 7, 4)), date(2020, 7, 3))
        self.assertTrue(self.cal.is_holiday(date(2020, 7, 3)))
        self.assertTrue(self.cal.is_holiday(date(2021, 7, 5)))

    def test_new_year_observed_in_december(self):
        self.assertTrue(self.cal.is_holiday(date(2021, 12, 31)))

    def test_add(self):
        self.assertEqual(self.cal.add(date(2021, 5, 13), 1), date(2021, 5, 17))
        self.assertEqual(self.cal.add(date(2021, 5, 17), -1), date(2021, 5, 13))

    def test_add_over_new_year(self):
        self.assertEqual(self.cal.add(date(2021, 12, 30), 1), date(2022, 1, 3))

    def test_count(self):
        self.assertEqual(self.cal.count(date(2021, 5, 10), date(2021, 5, 17)), 4)
