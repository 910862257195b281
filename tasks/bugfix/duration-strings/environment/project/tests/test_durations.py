import unittest

from durations import parse, render


class ParseTest(unittest.TestCase):
    def test_single_units(self):
        self.assertEqual(parse("45s"), 45)
        self.assertEqual(parse("2d"), 172800)

    def test_combined(self):
        self.assertEqual(parse("1h30m"), 5400)

    def test_spaces_and_case(self):
        self.assertEqual(parse(" 2D 4h "), 187200)

    def test_not_a_duration(self):
        with self.assertRaises(ValueError):
            parse("abc")

    def test_missing_last_unit(self):
        with self.assertRaises(ValueError):
            parse("1h30")


class RenderTest(unittest.TestCase):
    def test_render(self):
        self.assertEqual(render(5400), "1h30m")
        self.assertEqual(render(0), "0s")
