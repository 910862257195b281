import unittest
from datetime import date

from isoweeks import parse_week, shift_week, week_name, week_range, weeks_in_year


class IsoWeeksTest(unittest.TestCase):
    def test_week_name(self):
        self.assertEqual(week_name(date(2023, 2, 1)), "2023-W05")
        self.assertEqual(week_name(date(2023, 1, 1)), "2022-W52")

    def test_weeks_in_year(self):
        self.assertEqual(weeks_in_year(2020), 53)
        self.assertEqual(weeks_in_year(2023), 52)

    def test_weeks_in_2024(self):
        self.assertEqual(weeks_in_year(2024), 52)

    def test_parse_week(self):
        self.assertEqual(parse_week("2023-W05"), date(2023, 1, 30))

    def test_no_such_week(self):
        for name in ("2023-W53", "2023-W00", "2023W01"):
            with self.assertRaises(ValueError):
                parse_week(name)

    def test_shift_and_range(self):
        self.assertEqual(shift_week("2022-W52", 1), "2023-W01")
        self.assertEqual(week_range("2022-W51", "2023-W01"), ["2022-W51", "2022-W52", "2023-W01"])
