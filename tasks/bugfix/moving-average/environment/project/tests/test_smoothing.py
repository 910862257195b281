import unittest

from smoothing import MovingAverage, smooth


class SmoothingTest(unittest.TestCase):
    def test_push(self):
        average = MovingAverage(2)
        self.assertEqual([average.push(v) for v in (2, 4, 8)], [2, 3, 6])

    def test_smooth(self):
        self.assertEqual(smooth([3, 6, 9, 12], 3), [3, 4.5, 6, 9])

    def test_smooth_with_gap(self):
        self.assertEqual(smooth([10, 20, None, 4, 6], 2), [10, 15, None, 4, 5])

    def test_smooth_nothing(self):
        self.assertEqual(smooth([], 3), [])

    def test_bad_size(self):
        with self.assertRaises(ValueError):
            MovingAverage(0)
