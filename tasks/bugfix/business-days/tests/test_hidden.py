import unittest
from datetime import date

from bizdays import BusinessCalendar, observed


class BusinessCalendarHiddenTest(unittest.TestCase):
    def setUp(self):
        self.cal = BusinessCalendar([(1, 1), (7, 4), (12, 25)], extra=[date(2021, 5, 14), date(2021, 5, 22)])
        self.late = BusinessCalendar([(12, 31)])

    def test_new_year_on_saturday(self):
        for day in (date(2010, 12, 31), date(2021, 12, 31), date(2027, 12, 31)):
            self.assertTrue(self.cal.is_holiday(day))
            self.assertFalse(self.cal.is_business_day(day))

    def test_last_of_december_in_other_years(self):
        for year in (2019, 2020, 2022, 2024):
            self.assertFalse(self.cal.is_holiday(date(year, 12, 31)))

    def test_last_of_december_on_sunday(self):
        self.assertTrue(self.late.is_holiday(date(2018, 1, 1)))
        self.assertFalse(self.late.is_business_day(date(2024, 1, 1)))
        self.assertFalse(self.late.is_holiday(date(2017, 12, 31)))

    def test_last_of_december_in_its_year(self):
        self.assertTrue(self.late.is_holiday(date(2021, 12, 31)))
        self.assertTrue(self.late.is_holiday(date(2022, 12, 30)))
        self.assertFalse(self.late.is_holiday(date(2023, 1, 2)))

    def test_new_year_on_sunday(self):
        self.assertTrue(self.cal.is_holiday(date(2023, 1, 2)))
        self.assertFalse(self.cal.is_holiday(date(2022, 12, 30)))

    def test_saturday_itself_is_not_observed(self):
        self.assertFalse(self.cal.is_holiday(date(2022, 1, 1)))
        self.assertFalse(self.cal.is_business_day(date(2022, 1, 1)))

    def test_add_over_new_year(self):
        self.assertEqual(self.cal.add(date(2021, 12, 29), 3), date(2022, 1, 4))
        self.assertEqual(self.late.add(date(2017, 12, 29), 1), date(2018, 1, 2))

    def test_subtract_over_new_year(self):
        self.assertEqual(self.cal.add(date(2022, 1, 3), -1), date(2021, 12, 30))
        self.assertEqual(self.late.add(date(2018, 1, 2), -1), date(2017, 12, 29))

    def test_adjust(self):
        self.assertEqual(self.cal.adjust(date(2021, 12, 31)), date(2022, 1, 3))
        self.assertEqual(self.cal.adjust(date(2021, 12, 31), forward=False), date(2021, 12, 30))
        self.assertEqual(self.cal.adjust(date(2021, 12, 30)), date(2021, 12, 30))

    def test_count_over_new_year(self):
        self.assertEqual(self.cal.count(date(2021, 12, 27), date(2022, 1, 4)), 5)
        self.assertEqual(self.late.count(date(2017, 12, 29), date(2018, 1, 3)), 2)

    def test_holidays_of_a_year(self):
        self.assertEqual(self.cal.holidays(2022), [date(2021, 12, 31), date(2022, 7, 4), date(2022, 12, 26)])
        self.assertEqual(BusinessCalendar().holidays(2022), [])

    def test_observed(self):
        self.assertEqual(observed(date(2022, 1, 1)), date(2021, 12, 31))
        self.assertEqual(observed(date(2023, 1, 1)), date(2023, 1, 2))
        self.assertEqual(observed(date(2024, 1, 1)), date(2024, 1, 1))

    def test_extra_is_not_moved(self):
        self.assertTrue(self.cal.is_holiday(date(2021, 5, 14)))
        self.assertTrue(self.cal.is_business_day(date(2021, 5, 21)))

    def test_add_zero_and_from_weekend(self):
        self.assertEqual(self.cal.add(date(2021, 5, 8), 0), date(2021, 5, 10))
        self.assertEqual(self.cal.add(date(2021, 5, 7), 0), date(2021, 5, 7))
        self.assertEqual(self.cal.add(date(2021, 5, 8), 1), date(2021, 5, 10))
        self.assertEqual(self.cal.add(date(2021, 5, 9), -1), date(2021, 5, 7))

    def test_count(self):
        self.assertEqual(self.cal.count(date(2021, 5, 10), date(2021, 5, 10)), 0)
        self.assertEqual(self.cal.count(date(2021, 5, 10), date(2021, 5, 24)), 9)
