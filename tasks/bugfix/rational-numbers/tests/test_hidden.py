import unittest

from rational import Rational as R


def values(*rationals):
    return [(r.num, r.den) for r in rationals]


class CreateTest(unittest.TestCase):
    def test_lowest_terms(self):
        self.assertEqual(values(R(6, 8), R(0, -5), R(-4, -2)), [(3, 4), (0, 1), (2, 1)])

    def test_zero_denominator(self):
        with self.assertRaises(ZeroDivisionError):
            R(1, 0)

    def test_parse(self):
        self.assertEqual([str(R.parse(t)) for t in ("3", "-6/8", "0.125", "-2.50")], ["3", "-3/4", "1/8", "-5/2"])

    def test_texts(self):
        self.assertEqual((repr(R(2, 4)), str(R(4, 2))), ("Rational(1, 2)", "2"))


class SubtractTest(unittest.TestCase):
    def test_two_rationals(self):
        self.assertEqual(values(R(3, 4) - R(1, 4)), [(1, 2)])
        self.assertEqual(values(R(1, 4) - R(3, 4)), [(-1, 2)])

    def test_whole_number_on_the_right(self):
        self.assertEqual(values(R(3, 4) - 2), [(-5, 4)])

    def test_whole_number_on_the_left(self):
        self.assertEqual(values(2 - R(3, 4)), [(5, 4)])
        self.assertEqual(values(0 - R(3, 4)), [(-3, 4)])

    def test_negative_on_the_left(self):
        self.assertEqual(values(-1 - R(1, 2)), [(-3, 2)])
        self.assertEqual(values(1 - R(-1, 2)), [(3, 2)])

    def test_alternating_series(self):
        value = R(1)
        for n in range(2, 6):
            value = 1 - value / n
        self.assertEqual(values(value), [(101, 120)])


class ArithmeticTest(unittest.TestCase):
    def test_add(self):
        self.assertEqual(values(sum([R(1, 2), R(1, 3), R(1, 6)])), [(1, 1)])

    def test_multiply(self):
        self.assertEqual(values(3 * R(1, 6), R(1, 6) * -3), [(1, 2), (-1, 2)])

    def test_divide(self):
        self.assertEqual(values(R(1, 2) / 4, 4 / R(1, 2), R(1, 2) / R(-1, 4)), [(1, 8), (8, 1), (-2, 1)])

    def test_divide_by_zero(self):
        with self.assertRaises(ZeroDivisionError):
            R(1, 2) / 0


class CompareTest(unittest.TestCase):
    def test_order(self):
        self.assertEqual([str(r) for r in sorted([R(1, 2), R(-1, 3), R(2), R(1, 3)])], ["-1/3", "1/3", "1/2", "2"])
        self.assertTrue(R(1, 2) <= 1 and R(3, 2) > 1)

    def test_equality_and_hash(self):
        self.assertEqual(len({R(1, 2), R(2, 4), R(4, 2), 2}), 2)
        self.assertTrue(R(1, 2) == R(2, 4) and R(4, 2) == 2)
        self.assertFalse(R(1, 2) == R(1, 3) or R(1, 2) == "1/2")
