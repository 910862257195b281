import unittest

from smoothing import MovingAverage, smooth


def push_all(average, values):
    return [average.push(value) for value in values]


class PushTest(unittest.TestCase):
    def test_window_of_one(self):
        self.assertEqual(push_all(MovingAverage(1), [5, 7, -2]), [5, 7, -2])

    def test_fewer_than_size(self):
        self.assertEqual(push_all(MovingAverage(10), [1, 2, 3]), [1, 1.5, 2])

    def test_old_values_leave(self):
        self.assertEqual(push_all(MovingAverage(3), [100, 1, 1, 1, 4]), [100, 50.5, 34, 1, 2])

    def test_negative(self):
        self.assertEqual(push_all(MovingAverage(2), [-1, -3, 3]), [-1, -2, 0])

    def test_bad_size(self):
        for size in (0, -2):
            with self.assertRaises(ValueError):
                MovingAverage(size)


class ResetTest(unittest.TestCase):
    def test_reset_before_any_value(self):
        average = MovingAverage(2)
        average.reset()
        self.assertEqual(average.push(4), 4)

    def test_reset_of_part_window(self):
        average = MovingAverage(4)
        push_all(average, [8, 8])
        average.reset()
        self.assertEqual(push_all(average, [2, 4]), [2, 3])

    def test_reset_of_full_window(self):
        average = MovingAverage(2)
        push_all(average, [5, 6, 7])
        average.reset()
        self.assertEqual(push_all(average, [1, 1, 3]), [1, 1, 2])

    def test_reset_twice(self):
        average = MovingAverage(2)
        average.push(9)
        average.reset()
        average.push(8)
        average.reset()
        self.assertEqual(average.push(7), 7)

    def test_size_stays(self):
        average = MovingAverage(2)
        average.reset()
        self.assertEqual(average.size, 2)


class SmoothTest(unittest.TestCase):
    def test_no_gap(self):
        self.assertEqual(smooth([1, 3, 5, 7], 2), [1, 2, 4, 6])

    def test_gap_at_start_and_end(self):
        self.assertEqual(smooth([None, 2, 4, None], 2), [None, 2, 3, None])

    def test_several_gaps(self):
        self.assertEqual(smooth([6, None, None, 2, 4, None, 10], 3), [6, None, None, 2, 3, None, 10])

    def test_zero_is_no_gap(self):
        self.assertEqual(smooth([4, 0, 0], 2), [4, 2, 0])

    def test_series_kept_and_iterator_taken(self):
        self.assertEqual(smooth(iter([2, None, 4]), 2), [2, None, 4])
