import unittest
from datetime import datetime

from cron import Schedule
from cron.fields import MINUTE, WEEKDAY


class CronTest(unittest.TestCase):
    def test_fields(self):
        self.assertEqual(MINUTE.expand("*/20"), {0, 20, 40})
        self.assertEqual(WEEKDAY.expand("MON-WED,6"), {1, 2, 3, 6})

    def test_bad_fields(self):
        for text in ("60", "5-1", "*/0", "x"):
            with self.assertRaises(ValueError):
                MINUTE.expand(text)

    def test_every_quarter(self):
        self.assertEqual(
            Schedule("*/15 9 * * *").runs(datetime(2024, 6, 1, 9, 20), 3),
            [datetime(2024, 6, 1, 9, 30), datetime(2024, 6, 1, 9, 45), datetime(2024, 6, 2, 9, 0)],
        )

    def test_weekday_only(self):
        self.assertEqual(Schedule("0 6 * * MON").next_run(datetime(2024, 6, 1)), datetime(2024, 6, 3, 6, 0))

    def test_day_only(self):
        self.assertEqual(Schedule("0 6 15 * *").next_run(datetime(2024, 6, 1)), datetime(2024, 6, 15, 6, 0))

    def test_day_or_weekday(self):
        self.assertEqual(
            [run.day for run in Schedule("0 6 1,15 * MON").runs(datetime(2024, 6, 2), 5)],
            [3, 10, 15, 17, 24],
        )

    def test_never(self):
        self.assertIsNone(Schedule("0 0 30 2 *").next_run(datetime(2024, 1, 1)))
