import unittest
from itertools import combinations

from combos import can_reach, combinations_to, shortest_to


def brute(numbers, target):
    numbers = sorted(numbers)
    found = {c for n in range(len(numbers) + 1) for c in combinations(numbers, n) if sum(c) == target}
    return sorted(map(list, found))


class CombinationsTest(unittest.TestCase):
    def test_different_numbers(self):
        self.assertEqual(combinations_to([7, 3, 2, 5], 10), [[2, 3, 5], [3, 7]])

    def test_target_zero(self):
        self.assertEqual(combinations_to([1, 2], 0), [[]])

    def test_no_numbers(self):
        self.assertEqual(combinations_to([], 3), [])
        self.assertEqual(combinations_to([], 0), [[]])

    def test_no_number_more_often_than_given(self):
        self.assertEqual(combinations_to([2], 4), [])
        self.assertEqual(combinations_to([2, 2], 6), [])

    def test_pair(self):
        self.assertEqual(combinations_to([2, 2], 4), [[2, 2]])

    def test_all_equal(self):
        self.assertEqual(combinations_to([3, 3, 3, 3], 9), [[3, 3, 3]])

    def test_pair_after_smaller_number(self):
        self.assertEqual(combinations_to([1, 4, 4], 9), [[1, 4, 4]])

    def test_no_repeats_in_the_answer(self):
        self.assertEqual(combinations_to([10, 1, 2, 7, 6, 1, 5], 8), [[1, 1, 6], [1, 2, 5], [1, 7], [2, 6]])

    def test_against_brute_force(self):
        numbers = [1, 1, 2, 2, 2, 3, 5, 5]
        for target in range(23):
            self.assertEqual(combinations_to(numbers, target), brute(numbers, target), target)

    def test_input_kept(self):
        numbers = [3, 1, 2]
        combinations_to(numbers, 3)
        self.assertEqual(numbers, [3, 1, 2])

    def test_answers_are_separate_lists(self):
        first, second = combinations_to([1, 2, 3], 3)
        first.append(9)
        self.assertEqual(second, [3])

    def test_not_positive(self):
        for numbers in ([0, 1], [2, -1]):
            with self.assertRaises(ValueError):
                combinations_to(numbers, 1)


class OtherTest(unittest.TestCase):
    def test_can_reach_with_repeated_number(self):
        self.assertTrue(can_reach([5, 5], 10))
        self.assertFalse(can_reach([5, 5], 15))

    def test_shortest(self):
        self.assertEqual(shortest_to([1, 1, 1, 3, 3, 2], 6), [3, 3])
        self.assertEqual(shortest_to([1, 2, 3, 4], 5), [1, 4])

    def test_shortest_none(self):
        self.assertIsNone(shortest_to([4], 3))
