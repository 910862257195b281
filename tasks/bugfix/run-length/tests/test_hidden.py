import unittest

from rle import decode, encode, runs


class RunsTest(unittest.TestCase):
    def test_runs(self):
        self.assertEqual(list(runs("aabaa")), [("a", 2), ("b", 1), ("a", 2)])

    def test_no_runs(self):
        self.assertEqual(list(runs("")), [])


class EncodeTest(unittest.TestCase):
    def test_empty(self):
        self.assertEqual(encode(""), "")

    def test_singles(self):
        self.assertEqual(encode("abc"), "abc")

    def test_long(self):
        self.assertEqual(encode("x" * 10 + "y"), "10xy")

    def test_digit(self):
        with self.assertRaises(ValueError):
            encode("77")


class DecodeTest(unittest.TestCase):
    def test_empty(self):
        self.assertEqual(decode(""), "")

    def test_short_runs(self):
        self.assertEqual(decode("2ab9c"), "aab" + "c" * 9)

    def test_ten(self):
        self.assertEqual(decode("10a"), "a" * 10)

    def test_two_digits(self):
        self.assertEqual(decode("12a34b"), "a" * 12 + "b" * 34)

    def test_three_digits(self):
        self.assertEqual(decode("a205 b"), "a" + " " * 205 + "b")

    def test_number_does_not_leak(self):
        self.assertEqual(decode("11ab"), "a" * 11 + "b")

    def test_trailing_number(self):
        with self.assertRaises(ValueError):
            decode("a12")

    def test_round_trips(self):
        for length in (1, 9, 10, 11, 99, 100, 101, 1000):
            text = "." * length + "|" + "." * length
            self.assertEqual(decode(encode(text)), text)
