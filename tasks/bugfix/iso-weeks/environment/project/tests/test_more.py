import unittest
from datetime import date
from isoweeks import parse_week, shift_week, week_name, week_range, weeks_in_year


class MoreTest(unittest.TestCase):
    def test_parse_in_2024(self):
        self.assertEqual(parse_week("2024-W10"), date(2024, 3, 4))

    def test_refused(self):
        for name in ("2024-W53", "2019-W53", "2024-W00", "2021-W53"):
            with self.assertRaisesRegex(ValueError, f"no such week: {name}"):
                parse_week(name)
