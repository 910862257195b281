import unittest

from bases import convert, from_base, to_base


class BasesTest(unittest.TestCase):
    def test_to_base(self):
        self.assertEqual(to_base(255, 16), "ff")
        self.assertEqual(to_base(-5, 2), "-101")

    def test_from_base(self):
        self.assertEqual(from_base("FF", 16), 255)
        self.assertEqual(from_base("-101", 2), -5)

    def test_digit_not_in_base(self):
        for text, base in (("12", 2), ("9z", 16), ("78", 8)):
            with self.assertRaises(ValueError):
                from_base(text, base)

    def test_no_digits(self):
        with self.assertRaises(ValueError):
            from_base("-", 10)

    def test_convert(self):
        self.assertEqual(convert("777", 8, 2), "111111111")
