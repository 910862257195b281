import itertools
import unittest

from windows import pairs, windows


class WindowsTest(unittest.TestCase):
    def test_disjoint(self):
        self.assertEqual(list(windows(range(6), 2, step=2)), [(0, 1), (2, 3), (4, 5)])

    def test_disjoint_with_rest(self):
        self.assertEqual(list(windows(range(8), 3, step=3)), [(0, 1, 2), (3, 4, 5)])

    def test_overlapping(self):
        self.assertEqual(list(windows(range(7), 3, 2)), [(0, 1, 2), (2, 3, 4), (4, 5, 6)])
        self.assertEqual(list(windows(range(7), 4, 2)), [(0, 1, 2, 3), (2, 3, 4, 5)])

    def test_step_larger_than_size(self):
        self.assertEqual(list(windows(range(10), 2, step=4)), [(0, 1), (4, 5), (8, 9)])

    def test_size_one(self):
        self.assertEqual(list(windows("abcde", 1, step=2)), [("a",), ("c",), ("e",)])

    def test_single_window_whatever_the_step(self):
        for step in range(1, 8):
            self.assertEqual(list(windows("abc", 3, step)), [("a", "b", "c")], step)

    def test_agrees_with_slices(self):
        data = list(range(13))
        for size in range(1, 15):
            for step in range(1, 15):
                expected = [tuple(data[i:i + size]) for i in range(0, len(data) - size + 1, step)]
                self.assertEqual(list(windows(data, size, step)), expected, (size, step))

    def test_step_one(self):
        self.assertEqual(list(windows(iter("abc"), 2)), [("a", "b"), ("b", "c")])

    def test_too_short_and_empty(self):
        self.assertEqual(list(windows("ab", 3)), [])
        self.assertEqual(list(windows("", 1)), [])

    def test_lazy(self):
        found = windows(itertools.count(), 4, step=3)
        self.assertEqual(list(itertools.islice(found, 3)), [(0, 1, 2, 3), (3, 4, 5, 6), (6, 7, 8, 9)])

    def test_bad_arguments(self):
        for size, step in ((0, 1), (1, 0), (-1, 2)):
            with self.assertRaises(ValueError):
                next(windows("abc", size, step))


class PairsTest(unittest.TestCase):
    def test_plain(self):
        self.assertEqual(list(pairs(iter([1, 2, 4]))), [(1, 2), (2, 4)])

    def test_short(self):
        self.assertEqual(list(pairs([])), [])
        self.assertEqual(list(pairs([], cyclic=True)), [])
        self.assertEqual(list(pairs("a")), [])

    def test_cyclic(self):
        self.assertEqual(list(pairs("a", cyclic=True)), [("a", "a")])
        self.assertEqual(list(pairs("ab", cyclic=True)), [("a", "b"), ("b", "a")])
