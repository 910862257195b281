import unittest

from bases import DIGITS, convert, from_base, to_base


class ToBaseTest(unittest.TestCase):
    def test_zero(self):
        self.assertEqual([to_base(0, base) for base in (2, 10, 36)], ["0", "0", "0"])

    def test_positive(self):
        self.assertEqual([to_base(35, 36), to_base(36, 36), to_base(8, 2)], ["z", "10", "1000"])

    def test_negative(self):
        self.assertEqual(to_base(-255, 16), "-ff")

    def test_bad_base(self):
        for base in (-1, 0, 1, 37):
            with self.assertRaises(ValueError):
                to_base(5, base)


class FromBaseTest(unittest.TestCase):
    def test_highest_digit_of_every_base(self):
        for base in range(2, 37):
            self.assertEqual(from_base(DIGITS[base - 1], base), base - 1)

    def test_first_digit_beyond_every_base(self):
        for base in range(2, 36):
            with self.assertRaises(ValueError, msg=f"base {base}"):
                from_base(DIGITS[base], base)

    def test_digit_beyond_inside_a_number(self):
        for text, base in (("1021", 2), ("-129", 9), ("0g", 16), ("1A", 10)):
            with self.assertRaises(ValueError, msg=text):
                from_base(text, base)

    def test_message(self):
        with self.assertRaises(ValueError) as caught:
            from_base("108", 8)
        self.assertEqual(str(caught.exception), "'8' is not a digit in base 8")

    def test_other_characters(self):
        for text in ("1 0", "1.0", "+1", "--1", "1-"):
            with self.assertRaises(ValueError, msg=text):
                from_base(text, 10)

    def test_empty(self):
        for text in ("", "-"):
            with self.assertRaises(ValueError):
                from_base(text, 10)

    def test_capitals_and_leading_zeros(self):
        self.assertEqual(from_base("00Ff", 16), 255)

    def test_bad_base(self):
        with self.assertRaises(ValueError):
            from_base("1", 1)

    def test_round_trip(self):
        for base in range(2, 37):
            for number in (-1000, -1, 0, 1, base, base * base - 1, 123456):
                self.assertEqual(from_base(to_base(number, base), base), number)


class ConvertTest(unittest.TestCase):
    def test_convert(self):
        self.assertEqual(convert("-z", 36, 10), "-35")

    def test_convert_checks_digits(self):
        with self.assertRaises(ValueError):
            convert("102", 2, 10)
