import unittest

from combos import can_reach, combinations_to, shortest_to


class CombosTest(unittest.TestCase):
    def test_different_numbers(self):
        self.assertEqual(combinations_to([5, 2, 3], 5), [[2, 3], [5]])

    def test_no_combination_twice(self):
        self.assertEqual(combinations_to([1, 2, 2], 3), [[1, 2]])

    def test_number_used_twice(self):
        self.assertEqual(combinations_to([2, 1, 1], 4), [[1, 1, 2]])

    def test_nothing_found(self):
        self.assertEqual(combinations_to([4, 6], 5), [])

    def test_shortest(self):
        self.assertEqual(shortest_to([1, 2, 3, 6], 6), [6])

    def test_can_reach(self):
        self.assertTrue(can_reach([3, 4], 7))
        self.assertFalse(can_reach([3, 4], 8))
