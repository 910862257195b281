import unittest

from knapsack import best_value, needed_capacity, value_table

ITEMS = [(2, 3), (3, 4), (4, 5), (5, 6)]


class KnapsackTest(unittest.TestCase):
    def test_small(self):
        self.assertEqual(best_value(ITEMS, 5), 7)

    def test_everything_fits(self):
        self.assertEqual(best_value(ITEMS, 14), 18)

    def test_nothing_fits(self):
        self.assertEqual(best_value(ITEMS, 1), 0)

    def test_table(self):
        self.assertEqual(value_table([(2, 3)], 3), [0, 0, 3, 3])

    def test_needed_capacity(self):
        self.assertEqual(needed_capacity(ITEMS, 7), 5)

    def test_bad_item(self):
        with self.assertRaises(ValueError):
            best_value([(0, 5)], 3)
