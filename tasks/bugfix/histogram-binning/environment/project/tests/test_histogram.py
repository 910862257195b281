import unittest

from histogram import Histogram


def make(*values):
    histogram = Histogram(0, 10, 5)
    histogram.extend(values)
    return histogram


class HistogramTest(unittest.TestCase):
    def test_counts(self):
        self.assertEqual(make(0, 1, 2, 5, 9).counts, [2, 1, 1, 0, 1])

    def test_high_is_in_the_last_bin(self):
        self.assertEqual(make(10).counts, [0, 0, 0, 0, 1])

    def test_outside(self):
        histogram = make(-30, -1, 11)
        self.assertEqual((histogram.below, histogram.above), (2, 1))
        self.assertEqual(histogram.total(), 0)

    def test_edges(self):
        self.assertEqual(make().edges(), [0, 2, 4, 6, 8, 10])

    def test_density(self):
        self.assertEqual(make(1, 1, 3, 9).density(), [0.25, 0.125, 0, 0, 0.125])

    def test_add_histograms(self):
        self.assertEqual((make(1) + make(1, 9)).counts, [2, 0, 0, 0, 1])

    def test_add_histograms_with_values_outside(self):
        both = make(-1, 1, 12) + make(-3, -2, 9, 11, 15, 20)
        self.assertEqual((both.below, both.counts, both.above), (3, [1, 0, 0, 0, 1], 4))
