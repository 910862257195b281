import unittest
from itertools import combinations

from knapsack import best_value, needed_capacity, value_table

ITEMS = [(2, 3), (3, 4), (4, 5), (5, 6)]


def brute(items, capacity):
    return max(
        sum(v for _, v in chosen)
        for size in range(len(items) + 1)
        for chosen in combinations(items, size)
        if sum(w for w, _ in chosen) <= capacity
    )


class BestValueTest(unittest.TestCase):
    def test_single_item_once(self):
        self.assertEqual(best_value([(1, 10)], 5), 10)

    def test_more_room_than_items(self):
        self.assertEqual(best_value(ITEMS, 100), 18)

    def test_equal_items_count_each(self):
        self.assertEqual(best_value([(2, 5), (2, 5)], 4), 10)
        self.assertEqual(best_value([(2, 5), (2, 5)], 9), 10)

    def test_against_brute_force(self):
        for capacity in range(16):
            self.assertEqual(best_value(ITEMS, capacity), brute(ITEMS, capacity))

    def test_against_brute_force_mixed(self):
        items = [(7, 13), (1, 1), (6, 10), (3, 8), (3, 2), (2, 4)]
        for capacity in range(24):
            self.assertEqual(best_value(items, capacity), brute(items, capacity))

    def test_order_does_not_matter(self):
        self.assertEqual(best_value(ITEMS[::-1], 9), best_value(ITEMS, 9))

    def test_no_items(self):
        self.assertEqual(best_value([], 5), 0)

    def test_zero_capacity(self):
        self.assertEqual(best_value(ITEMS, 0), 0)

    def test_exact_fit(self):
        self.assertEqual(best_value([(5, 9)], 5), 9)
        self.assertEqual(best_value([(5, 9)], 4), 0)


class OtherTest(unittest.TestCase):
    def test_table(self):
        self.assertEqual(value_table([(1, 2), (3, 5)], 5), [0, 2, 2, 5, 7, 7])

    def test_needed_capacity(self):
        self.assertEqual([needed_capacity(ITEMS, v) for v in (0, 3, 4, 12, 18)], [0, 2, 3, 9, 14])

    def test_unreachable(self):
        self.assertIsNone(needed_capacity(ITEMS, 19))

    def test_errors(self):
        with self.assertRaises(ValueError):
            best_value(ITEMS, -1)
        with self.assertRaises(ValueError):
            best_value([(1, -1)], 3)
