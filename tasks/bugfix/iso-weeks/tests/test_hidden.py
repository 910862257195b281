import unittest
from datetime import date

from isoweeks import parse_week, shift_week, week_name, week_range, weeks_in_year


class IsoWeeksHiddenTest(unittest.TestCase):
    def test_years_whose_end_is_in_the_next_iso_year(self):
        self.assertEqual([weeks_in_year(y) for y in (2013, 2014, 2018, 2019, 2024, 2025)], [52] * 6)

    def test_long_years(self):
        self.assertEqual(
            [y for y in range(2000, 2033) if weeks_in_year(y) == 53],
            [2004, 2009, 2015, 2020, 2026, 2032],
        )

    def test_other_years(self):
        self.assertEqual([weeks_in_year(y) for y in (2010, 2011, 2012, 2016, 2017, 2021, 2022, 2023)], [52] * 8)

    def test_parse_in_2024(self):
        self.assertEqual(parse_week("2024-W10"), date(2024, 3, 4))

    def test_parse_last_week(self):
        self.assertEqual(parse_week("2024-W52"), date(2024, 12, 23))
        self.assertEqual(parse_week("2020-W53"), date(2020, 12, 28))
        self.assertEqual(parse_week("2019-W52"), date(2019, 12, 23))

    def test_parse_first_week(self):
        self.assertEqual(parse_week("2025-W01"), date(2024, 12, 30))
        self.assertEqual(parse_week("2021-W01"), date(2021, 1, 4))

    def test_refused(self):
        for name in ("2024-W53", "2019-W53", "2024-W00", "2021-W53"):
            with self.assertRaisesRegex(ValueError, f"no such week: {name}"):
                parse_week(name)

    def test_malformed(self):
        for name in ("2024-W1", "2024-10", "24-W10", "2024-W10x", ""):
            with self.assertRaisesRegex(ValueError, "not a week"):
                parse_week(name)

    def test_names_around_new_year(self):
        self.assertEqual(week_name(date(2024, 12, 29)), "2024-W52")
        self.assertEqual(week_name(date(2024, 12, 30)), "2025-W01")
        self.assertEqual(week_name(date(2021, 1, 3)), "2020-W53")

    def test_shift(self):
        self.assertEqual(shift_week("2024-W52", 1), "2025-W01")
        self.assertEqual(shift_week("2021-W01", -1), "2020-W53")
        self.assertEqual(shift_week("2025-W30", 0), "2025-W30")
        self.assertEqual(shift_week("2024-W01", 52), "2025-W01")

    def test_range_over_new_year(self):
        self.assertEqual(week_range("2024-W51", "2025-W02"), ["2024-W51", "2024-W52", "2025-W01", "2025-W02"])

    def test_range_edges(self):
        self.assertEqual(week_range("2025-W07", "2025-W07"), ["2025-W07"])
        self.assertEqual(week_range("2025-W07", "2025-W06"), [])

    def test_range_of_whole_years(self):
        for year in range(2013, 2027):
            names = week_range(f"{year}-W01", f"{year}-W{weeks_in_year(year)}")
            self.assertEqual(len(names), weeks_in_year(year))
            self.assertEqual(names, [f"{year}-W{week:02}" for week in range(1, len(names) + 1)])
