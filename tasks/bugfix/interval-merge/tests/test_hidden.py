import unittest

from intervals import contains, covered, gaps, merge


class MergeTest(unittest.TestCase):
    def test_empty(self):
        self.assertEqual(merge([]), [])

    def test_single(self):
        self.assertEqual(merge([(2, 9)]), [(2, 9)])

    def test_disjoint_sorted(self):
        self.assertEqual(merge([(20, 25), (1, 2), (7, 9)]), [(1, 2), (7, 9), (20, 25)])

    def test_overlap_chain(self):
        self.assertEqual(merge([(1, 4), (3, 7), (6, 12)]), [(1, 12)])

    def test_touching_are_joined(self):
        self.assertEqual(merge([(1, 3), (3, 5)]), [(1, 5)])

    def test_neighbours_not_joined(self):
        self.assertEqual(merge([(1, 3), (4, 5)]), [(1, 3), (4, 5)])

    def test_nested_in_the_middle(self):
        self.assertEqual(merge([(0, 100), (40, 50)]), [(0, 100)])

    def test_several_nested_then_disjoint(self):
        self.assertEqual(merge([(0, 9), (1, 2), (3, 4), (8, 8), (11, 12)]), [(0, 9), (11, 12)])

    def test_nested_then_overlap(self):
        self.assertEqual(merge([(0, 9), (1, 2), (8, 15)]), [(0, 15)])

    def test_same_end(self):
        self.assertEqual(merge([(0, 9), (5, 9)]), [(0, 9)])

    def test_negative_nested(self):
        self.assertEqual(merge([(-5, -4), (-10, -1)]), [(-10, -1)])

    def test_input_not_changed(self):
        data = [(5, 6), (1, 10)]
        merge(data)
        self.assertEqual(data, [(5, 6), (1, 10)])

    def test_bad_interval(self):
        with self.assertRaises(ValueError):
            merge([(3, 1)])


class OtherTest(unittest.TestCase):
    def test_covered_and_gaps_with_nested(self):
        data = [(0, 10), (2, 3), (14, 16)]
        self.assertEqual(covered(data), 12)
        self.assertEqual(gaps(data), [(10, 14)])

    def test_contains_end_points(self):
        self.assertTrue(contains([(1, 3)], 1))
        self.assertTrue(contains([(1, 3)], 3))
        self.assertFalse(contains([], 1))
