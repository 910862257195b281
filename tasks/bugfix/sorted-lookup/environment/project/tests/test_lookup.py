import unittest

from lookup import ceiling, count_between, floor, lower_bound, upper_bound

DATA = [10, 20, 20, 30]


class LookupTest(unittest.TestCase):
    def test_bounds(self):
        self.assertEqual(lower_bound(DATA, 20), 1)
        self.assertEqual(upper_bound(DATA, 20), 3)

    def test_floor(self):
        self.assertEqual(floor(DATA, 25), 20)
        self.assertEqual(floor(DATA, 30), 30)

    def test_floor_of_empty(self):
        self.assertIsNone(floor([], 1))

    def test_floor_outside(self):
        self.assertEqual(floor(DATA, 99), 30)
        self.assertIsNone(floor(DATA, 5))

    def test_ceiling(self):
        self.assertEqual(ceiling(DATA, 11), 20)
        self.assertIsNone(ceiling(DATA, 31))

    def test_count_between(self):
        self.assertEqual(count_between(DATA, 15, 30), 3)
