import unittest

from lookup import ceiling, count_between, floor, lower_bound, upper_bound

DATA = [10, 20, 20, 30]


class BoundTest(unittest.TestCase):
    def test_lower_bound_everywhere(self):
        self.assertEqual([lower_bound(DATA, x) for x in (5, 10, 15, 20, 30, 31)], [0, 0, 1, 1, 3, 4])

    def test_upper_bound_everywhere(self):
        self.assertEqual([upper_bound(DATA, x) for x in (5, 10, 15, 20, 30, 31)], [0, 1, 1, 3, 4, 4])

    def test_empty(self):
        self.assertEqual((lower_bound([], 1), upper_bound([], 1)), (0, 0))


class FloorTest(unittest.TestCase):
    def test_exact(self):
        self.assertEqual([floor(DATA, x) for x in (10, 20, 30)], [10, 20, 30])

    def test_between(self):
        self.assertEqual([floor(DATA, x) for x in (11, 19, 29)], [10, 10, 20])

    def test_above_all(self):
        self.assertEqual(floor(DATA, 1000), 30)

    def test_below_all(self):
        self.assertIsNone(floor(DATA, 9))

    def test_below_single(self):
        self.assertIsNone(floor([7], 6))
        self.assertEqual(floor([7], 7), 7)

    def test_zero_is_a_value(self):
        self.assertEqual(floor([0, 5], 3), 0)
        self.assertEqual(floor([-5, 0], 0), 0)

    def test_negative_and_text(self):
        self.assertIsNone(floor([-3, -1], -4))
        self.assertIsNone(floor(["b", "d"], "a"))
        self.assertEqual(floor(["b", "d"], "c"), "b")

    def test_empty(self):
        self.assertIsNone(floor([], 0))
        self.assertIsNone(floor((), 0))


class OtherTest(unittest.TestCase):
    def test_ceiling(self):
        self.assertEqual([ceiling(DATA, x) for x in (5, 10, 11, 30, 31)], [10, 10, 20, 30, None])

    def test_ceiling_empty(self):
        self.assertIsNone(ceiling([], 0))

    def test_count(self):
        self.assertEqual(count_between(DATA, 20, 20), 2)
        self.assertEqual(count_between(DATA, 0, 100), 4)
        self.assertEqual(count_between(DATA, 21, 29), 0)

    def test_count_reversed_range(self):
        self.assertEqual(count_between(DATA, 30, 10), 0)
