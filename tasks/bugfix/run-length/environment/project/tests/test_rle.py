import unittest

from rle import decode, encode


class RunLengthTest(unittest.TestCase):
    def test_encode(self):
        self.assertEqual(encode("aaabcc"), "3ab2c")

    def test_encode_long_run(self):
        self.assertEqual(encode("-" * 40), "40-")

    def test_decode(self):
        self.assertEqual(decode("3ab2c"), "aaabcc")

    def test_round_trip(self):
        line = "#" + " " * 23 + "#"
        self.assertEqual(decode(encode(line)), line)

    def test_digits_are_refused(self):
        with self.assertRaises(ValueError):
            encode("a1")
