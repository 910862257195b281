import statistics
import unittest

from median import RunningMedian, SlidingMedian


def medians(values):
    running, result = RunningMedian(), []
    for value in values:
        running.add(value)
        result.append(running.median())
    return result


def expected(values):
    return [statistics.median(values[: i + 1]) for i in range(len(values))]


class RunningTest(unittest.TestCase):
    def test_rising(self):
        self.assertEqual(medians([1, 2, 3, 4, 5, 6, 7]), [1, 1.5, 2, 2.5, 3, 3.5, 4])

    def test_falling(self):
        self.assertEqual(medians([5, 4, 3, 2, 1]), [5, 4.5, 4, 3.5, 3])

    def test_zigzag(self):
        values = [5, 15, 1, 3, 20, 2, 8, 8, 30, 0]
        self.assertEqual(medians(values), expected(values))

    def test_pseudo_random(self):
        values = [(i * 7919 + 13) % 101 for i in range(200)]
        self.assertEqual(medians(values), expected(values))

    def test_equal_values(self):
        self.assertEqual(medians([4, 4, 4, 4]), [4, 4, 4, 4])

    def test_negative(self):
        values = [-3, -1, -2, 5, 0]
        self.assertEqual(medians(values), expected(values))

    def test_late_high_values(self):
        self.assertEqual(RunningMedian([1, 10, 11]).median(), 10)

    def test_floats(self):
        self.assertEqual(RunningMedian([0.5, 1.5, 2.5, 3.5]).median(), 2.0)

    def test_len(self):
        self.assertEqual(len(RunningMedian([3, 1, 2])), 3)
        self.assertEqual(len(RunningMedian()), 0)

    def test_empty(self):
        with self.assertRaises(ValueError):
            RunningMedian().median()


class SlidingTest(unittest.TestCase):
    def test_every_step(self):
        values = [5, 1, 9, 10, 10, 2, 0]
        sliding, result = SlidingMedian(4), []
        for value in values:
            sliding.add(value)
            result.append(sliding.median())
        want = [statistics.median(values[max(0, i - 3): i + 1]) for i in range(len(values))]
        self.assertEqual(result, want)

    def test_size_one(self):
        sliding = SlidingMedian(1)
        for value in (3, 8):
            sliding.add(value)
        self.assertEqual(sliding.median(), 8)

    def test_equal_values_leave_one_by_one(self):
        sliding = SlidingMedian(2)
        for value in (6, 6, 6, 2):
            sliding.add(value)
        self.assertEqual(sliding.median(), 4)

    def test_errors(self):
        with self.assertRaises(ValueError):
            SlidingMedian(0)
        with self.assertRaises(ValueError):
            SlidingMedian(2).median()
