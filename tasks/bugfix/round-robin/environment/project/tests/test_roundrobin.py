import unittest

from roundrobin import roundrobin, weighted


class RoundRobinTest(unittest.TestCase):
    def test_equal_lengths(self):
        self.assertEqual("".join(roundrobin("ace", "bdf")), "abcdef")

    def test_last_source_is_shorter(self):
        self.assertEqual("".join(roundrobin("abc", "x")), "axbc")

    def test_first_source_is_shorter(self):
        self.assertEqual("".join(roundrobin("a", "bcd", "ef")), "abecfd")

    def test_no_sources(self):
        self.assertEqual(list(roundrobin()), [])


class WeightedTest(unittest.TestCase):
    def test_shares(self):
        self.assertEqual("".join(weighted([("abcd", 2), ("xyz", 1)])), "abxcdyz")

    def test_bad_share(self):
        with self.assertRaises(ValueError):
            list(weighted([("abc", 0)]))
