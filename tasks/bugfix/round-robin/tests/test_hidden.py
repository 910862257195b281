import itertools
import unittest

from roundrobin import roundrobin, weighted


class RoundRobinTest(unittest.TestCase):
    def test_first_ends(self):
        self.assertEqual("".join(roundrobin("a", "bcd", "ef")), "abecfd")

    def test_middle_ends(self):
        self.assertEqual("".join(roundrobin("abc", "x", "123", "789")), "ax17b28c39")

    def test_empty_source_in_front(self):
        self.assertEqual("".join(roundrobin("", "ab", "xy")), "axby")

    def test_neighbours_end_together(self):
        self.assertEqual("".join(roundrobin("a", "b", "cde", "xyz")), "abcxdyez")

    def test_several_empty_sources(self):
        self.assertEqual("".join(roundrobin("", "", "ab", "", "cd")), "acbd")

    def test_agrees_with_columns(self):
        data = [list(range(n * 10, n * 10 + n)) for n in (3, 1, 4, 1, 5, 2)]
        expected = [row[i] for i in range(5) for row in data if i < len(row)]
        self.assertEqual(list(roundrobin(*data)), expected)

    def test_single_source(self):
        self.assertEqual(list(roundrobin([1, 2, 3])), [1, 2, 3])

    def test_nothing(self):
        self.assertEqual(list(roundrobin()), [])
        self.assertEqual(list(roundrobin([], [])), [])

    def test_falsy_elements(self):
        self.assertEqual(list(roundrobin([0, None], ["", False])), [0, "", None, False])

    def test_infinite_source(self):
        found = roundrobin("ab", itertools.count(), "x")
        self.assertEqual(list(itertools.islice(found, 8)), ["a", 0, "x", "b", 1, 2, 3, 4])


class WeightedTest(unittest.TestCase):
    def test_shares(self):
        self.assertEqual("".join(weighted([("abcde", 3), ("vwxyz", 2)])), "abcvwdexyz")

    def test_ends_in_front(self):
        self.assertEqual("".join(weighted([("a", 2), ("bcd", 1), ("efg", 1)])), "abecfdg")

    def test_equal_shares_are_a_round_robin(self):
        data = ["a", "bcd", "", "ef"]
        self.assertEqual(list(weighted([(d, 1) for d in data])), list("abecfd"))

    def test_nothing_and_bad_share(self):
        self.assertEqual(list(weighted([])), [])
        for share in (0, -2):
            with self.assertRaises(ValueError):
                next(weighted([("abc", 1), ("abc", share)]))
