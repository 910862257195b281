import unittest
from datetime import datetime

from logrecords import Record, parse, select, summary

ALL = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


def record(level, logger="app", minute=0):
    return Record(datetime(2024, 3, 1, 12, minute), level, logger, f"{level} in {logger}")


def plain(record):
    return (record.time, record.level, record.logger, record.message, record.extra)


def levels(records, **options):
    return [r.level for r in select(records, **options)]


class SelectTest(unittest.TestCase):
    def setUp(self):
        self.records = [record(level, minute=i) for i, level in enumerate(ALL)]

    def test_debug_is_everything(self):
        self.assertEqual(levels(self.records, min_level="DEBUG"), ALL)
        self.assertEqual(levels(self.records), ALL)

    def test_info(self):
        self.assertEqual(levels(self.records, min_level="INFO"), ALL[1:])

    def test_warning(self):
        self.assertEqual(levels(self.records, min_level="WARNING"), ALL[2:])

    def test_error(self):
        self.assertEqual(levels(self.records, min_level="ERROR"), ALL[3:])

    def test_critical(self):
        self.assertEqual(levels(self.records, min_level="CRITICAL"), ALL[4:])

    def test_unknown_level(self):
        with self.assertRaisesRegex(ValueError, "unknown level: TRACE"):
            select([], min_level="TRACE")

    def test_order_is_kept(self):
        self.assertEqual(levels(self.records[::-1], min_level="INFO"), ALL[:0:-1])

    def test_logger_and_children(self):
        records = [record("ERROR", name) for name in ("app", "app.db", "apple", "app.db.pool", "x.app")]
        self.assertEqual([r.logger for r in select(records, logger="app")], ["app", "app.db", "app.db.pool"])
        self.assertEqual([r.logger for r in select(records, logger="app.db")], ["app.db", "app.db.pool"])

    def test_times(self):
        since, until = datetime(2024, 3, 1, 12, 1), datetime(2024, 3, 1, 12, 3)
        self.assertEqual(levels(self.records, since=since), ALL[1:])
        self.assertEqual(levels(self.records, until=until), ALL[:3])
        self.assertEqual(levels(self.records, since=since, until=until), ["INFO", "WARNING"])

    def test_everything_together(self):
        records = [record("CRITICAL", "app.db", 5), record("INFO", "app.db", 5),
                   record("ERROR", "web", 5), record("ERROR", "app", 1), record("ERROR", "app", 9)]
        chosen = select(records, min_level="WARNING", logger="app", since=datetime(2024, 3, 1, 12, 2))
        self.assertEqual(
            [plain(r) for r in chosen],
            [(datetime(2024, 3, 1, 12, 5), "CRITICAL", "app.db", "CRITICAL in app.db", []),
             (datetime(2024, 3, 1, 12, 9), "ERROR", "app", "ERROR in app", [])],
        )


class ParseTest(unittest.TestCase):
    def test_fields(self):
        (found,) = parse("2024-03-01 12:00:00,250 [DEBUG] a.b: x: [y] z \n")
        self.assertEqual(plain(found), (datetime(2024, 3, 1, 12, 0, 0, 250000), "DEBUG", "a.b", "x: [y] z", []))

    def test_continuation_lines(self):
        first, second = parse(
            "lost\n2024-03-01 12:00:00,000 [INFO] a: one\n  two  \n\n[x] three\n"
            "2024-03-01 12:00:01,000 [ERROR] a: four\n"
        )
        self.assertEqual(first.extra, ["  two", "[x] three"])
        self.assertEqual(first.text, "one\n  two\n[x] three")
        self.assertEqual(second.extra, [])

    def test_unknown_level_continues_the_record(self):
        text = "2024-03-01 12:00:00,000 [INFO] a: one\n2024-03-01 12:00:00,000 [LOUD] a: two\n"
        self.assertEqual([len(r.extra) for r in parse(text)], [1])

    def test_empty(self):
        self.assertEqual(parse(""), [])


class SummaryTest(unittest.TestCase):
    def test_counts(self):
        records = [record(level) for level in ("INFO", "ERROR", "INFO", "CRITICAL")]
        self.assertEqual(list(summary(records).items()), [("CRITICAL", 1), ("ERROR", 1), ("INFO", 2)])
        self.assertEqual(summary([]), {})
