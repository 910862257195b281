import unittest

from intervals import contains, covered, gaps, merge


class MergeTest(unittest.TestCase):
    def test_disjoint_intervals_are_sorted(self):
        self.assertEqual(merge([(5, 6), (1, 2)]), [(1, 2), (5, 6)])

    def test_overlapping(self):
        self.assertEqual(merge([(1, 4), (3, 7)]), [(1, 7)])

    def test_nested(self):
        self.assertEqual(merge([(1, 10), (2, 3)]), [(1, 10)])

    def test_covered(self):
        self.assertEqual(covered([(0, 5), (3, 8), (10, 11)]), 9)

    def test_gaps(self):
        self.assertEqual(gaps([(0, 2), (4, 5)]), [(2, 4)])

    def test_contains(self):
        self.assertTrue(contains([(0, 2), (4, 5)], 4))
        self.assertFalse(contains([(0, 2), (4, 5)], 3))
