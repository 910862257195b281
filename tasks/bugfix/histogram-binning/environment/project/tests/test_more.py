import unittest
from histogram import Histogram


def make(*values, low=0, high=10, bins=5):
    histogram = Histogram(low, high, bins)
    histogram.extend(values)
    return histogram


class MoreTest(unittest.TestCase):
    def test_sum(self):
        both = make(-1, 1, 9) + make(-5, 9, 12)
        self.assertEqual((both.below, both.counts, both.above), (2, [1, 0, 0, 0, 2], 1))

    def test_errors(self):
        with self.assertRaises(ValueError):
            Histogram(1, 1, 2)
        with self.assertRaises(ValueError):
            Histogram(0, 1, 0)
        with self.assertRaises(ValueError):
            make().density()
        with self.assertRaises(ValueError):
            make(1, 1, 9) + make(bins=6)
