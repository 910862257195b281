import unittest

from logrecords import parse, select, summary

LOG = """\
2024-03-01 12:00:00,123 [INFO] app: started
2024-03-01 12:00:05,000 [WARNING] app.db: slow query
2024-03-01 12:01:00,500 [ERROR] app.db: query failed
Traceback (most recent call last):
  ValueError: bad
2024-03-01 12:02:00,000 [CRITICAL] worker: out of memory
"""


class LogRecordsTest(unittest.TestCase):
    def setUp(self):
        self.records = parse(LOG)

    def test_parse(self):
        self.assertEqual([r.logger for r in self.records], ["app", "app.db", "app.db", "worker"])

    def test_continuation(self):
        self.assertEqual(
            self.records[2].text,
            "query failed\nTraceback (most recent call last):\n  ValueError: bad",
        )

    def test_min_level(self):
        chosen = select(self.records, min_level="WARNING")
        self.assertEqual([r.level for r in chosen], ["WARNING", "ERROR", "CRITICAL"])

    def test_logger(self):
        chosen = select(self.records, logger="app.db", min_level="ERROR")
        self.assertEqual([r.message for r in chosen], ["query failed"])

    def test_logger_with_children(self):
        chosen = select(self.records, logger="app")
        self.assertEqual([r.logger for r in chosen], ["app", "app.db", "app.db"])

    def test_summary(self):
        self.assertEqual(list(summary(self.records)), ["CRITICAL", "ERROR", "WARNING", "INFO"])

    def test_unknown_level(self):
        with self.assertRaises(ValueError):
            select(self.records, min_level="LOUD")
