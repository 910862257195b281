import unittest

from durations import parse, render


class ParseHiddenTest(unittest.TestCase):
    def test_missing_unit(self):
        with self.assertRaises(ValueError):
            parse("2d4")

    def test_unit_spelled_out(self):
        with self.assertRaises(ValueError):
            parse("90seconds")

    def test_wrong_order(self):
        with self.assertRaises(ValueError):
            parse("5m3h")

    def test_repeated_unit(self):
        with self.assertRaises(ValueError):
            parse("1h1h")

    def test_junk_after(self):
        for text in ("10s!", "10s, 5", "1h -5m", "1h\nx"):
            with self.assertRaises(ValueError):
                parse(text)

    def test_junk_before(self):
        for text in ("x1h", "-1h", "about 5m"):
            with self.assertRaises(ValueError):
                parse(text)

    def test_bare_number_and_empty(self):
        for text in ("30", "", "   ", "h"):
            with self.assertRaises(ValueError):
                parse(text)

    def test_message(self):
        with self.assertRaisesRegex(ValueError, "not a duration: '1h30'"):
            parse("1h30")

    def test_all_units(self):
        self.assertEqual(parse("1d2h3m4s"), 93784)
        self.assertEqual(parse("1d 2h 3m 4s"), 93784)

    def test_skipping_units(self):
        self.assertEqual(parse("1d5s"), 86405)
        self.assertEqual(parse("1h  5s"), 3605)

    def test_large_and_zero_counts(self):
        self.assertEqual(parse("90m"), 5400)
        self.assertEqual(parse("0s"), 0)
        self.assertEqual(parse("007s"), 7)

    def test_case_and_outer_space(self):
        self.assertEqual(parse("\t1H30M\n"), 5400)

    def test_render(self):
        self.assertEqual(render(93784), "1d2h3m4s")
        self.assertEqual(render(86405), "1d5s")
        with self.assertRaises(ValueError):
            render(-1)

    def test_round_trip(self):
        for seconds in (0, 1, 59, 60, 3599, 3600, 86399, 86400, 100000):
            self.assertEqual(parse(render(seconds)), seconds)
