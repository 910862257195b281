import unittest

from windows import pairs, windows


def joined(*args, **kwargs):
    return ["".join(w) for w in windows(*args, **kwargs)]


class WindowsTest(unittest.TestCase):
    def test_step_one(self):
        self.assertEqual(joined("abcde", 3), ["abc", "bcd", "cde"])

    def test_step_two(self):
        self.assertEqual(joined("abcdefg", 4, step=2), ["abcd", "cdef"])

    def test_odd_size_with_step_two(self):
        self.assertEqual(joined("abcdefg", 3, step=2), ["abc", "cde", "efg"])

    def test_too_short(self):
        self.assertEqual(joined("ab", 3), [])

    def test_bad_step(self):
        with self.assertRaises(ValueError):
            joined("abc", 2, step=0)


class PairsTest(unittest.TestCase):
    def test_pairs(self):
        self.assertEqual(list(pairs("abc")), [("a", "b"), ("b", "c")])

    def test_cyclic(self):
        self.assertEqual(list(pairs("abc", cyclic=True)), [("a", "b"), ("b", "c"), ("c", "a")])
