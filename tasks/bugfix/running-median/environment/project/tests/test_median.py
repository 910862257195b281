import unittest

from median import RunningMedian, SlidingMedian


class RunningTest(unittest.TestCase):
    def test_one_value(self):
        self.assertEqual(RunningMedian([4]).median(), 4)

    def test_falling(self):
        self.assertEqual(RunningMedian([9, 7, 5, 3, 1]).median(), 5)

    def test_rising(self):
        self.assertEqual(RunningMedian([1, 3, 5]).median(), 3)

    def test_even_number(self):
        self.assertEqual(RunningMedian([3, 8]).median(), 5.5)

    def test_no_values(self):
        with self.assertRaises(ValueError):
            RunningMedian().median()


class SlidingTest(unittest.TestCase):
    def test_window(self):
        sliding = SlidingMedian(3)
        for value in (5, 1, 9, 10):
            sliding.add(value)
        self.assertEqual(sliding.median(), 9)
