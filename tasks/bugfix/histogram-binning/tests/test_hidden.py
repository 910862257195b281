import unittest

from histogram import Histogram


def make(*values, low=0, high=10, bins=5):
    histogram = Histogram(low, high, bins)
    histogram.extend(values)
    return histogram


class InsideTest(unittest.TestCase):
    def test_edges_count_in_the_upper_bin(self):
        self.assertEqual(make(0, 2, 4, 6, 8).counts, [1, 1, 1, 1, 1])

    def test_just_below_edges(self):
        self.assertEqual(make(1.99, 3.99, 9.99).counts, [1, 1, 0, 0, 1])

    def test_high(self):
        histogram = make(10, 10)
        self.assertEqual((histogram.counts, histogram.above), ([0, 0, 0, 0, 2], 0))

    def test_negative_range(self):
        self.assertEqual(make(-10, -7.5, -5, -0.1, low=-10, high=0, bins=4).counts, [1, 1, 1, 1])

    def test_range_around_zero(self):
        self.assertEqual(make(-1, -0.5, 0, 0.5, 1, low=-1, high=1, bins=2).counts, [2, 3])

    def test_times(self):
        histogram = make()
        histogram.add(3, 4)
        histogram.add(-1, 2)
        histogram.add(12, 3)
        self.assertEqual((histogram.counts, histogram.below, histogram.above), ([0, 4, 0, 0, 0], 2, 3))


class OutsideTest(unittest.TestCase):
    def test_far_outside(self):
        histogram = make(-100, 100)
        self.assertEqual((histogram.below, histogram.above, histogram.total()), (1, 1, 0))

    def test_a_little_below(self):
        histogram = make(-0.001, -1, -1.999)
        self.assertEqual((histogram.below, histogram.counts), (3, [0] * 5))

    def test_exactly_one_width_below(self):
        self.assertEqual(make(-2).below, 1)

    def test_a_little_below_another_low(self):
        histogram = make(19, 20, 21, low=20, high=40, bins=2)
        self.assertEqual((histogram.below, histogram.counts), (1, [2, 0]))

    def test_a_little_above(self):
        histogram = make(10.001, 11)
        self.assertEqual((histogram.above, histogram.total()), (2, 0))

    def test_density_leaves_outside_values_out(self):
        self.assertEqual(make(-1, 1, 11).density(), [0.5, 0, 0, 0, 0])


class OtherTest(unittest.TestCase):
    def test_edges(self):
        self.assertEqual(make(low=1, high=2, bins=4).edges(), [1, 1.25, 1.5, 1.75, 2])

    def test_sum(self):
        both = make(-1, 1, 9) + make(-5, 9, 12)
        self.assertEqual((both.below, both.counts, both.above), (2, [1, 0, 0, 0, 2], 1))

    def test_sum_outside(self):
        both = make(-1, 11, 12) + make(3, 20, 30, 40)
        self.assertEqual((both.below, both.counts, both.above), (1, [0, 1, 0, 0, 0], 5))
        both = make(3) + make(-1, -2)
        self.assertEqual((both.below, both.counts, both.above), (2, [0, 1, 0, 0, 0], 0))

    def test_errors(self):
        with self.assertRaises(ValueError):
            Histogram(1, 1, 2)
        with self.assertRaises(ValueError):
            Histogram(0, 1, 0)
        with self.assertRaises(ValueError):
            make().density()
        with self.assertRaises(ValueError):
            make() + make(bins=6)
