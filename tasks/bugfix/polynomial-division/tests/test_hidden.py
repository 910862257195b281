import unittest
from fractions import Fraction

from polynomial import Polynomial, gcd, square_free

P = Polynomial


def values(*polynomials):
    return [tuple(p.coefficients) for p in polynomials]


class BasicTest(unittest.TestCase):
    def test_equality(self):
        self.assertTrue(P(1, 2, 0, 0) == P(1, 2))
        self.assertFalse(P(1, 2) == P(2, 1))
        self.assertFalse(P(1) == P())

    def test_leading_zeros_dropped(self):
        self.assertEqual(values(P(1, 2, 0, 0)), [(1, 2)])
        self.assertEqual((P(0, 0).degree, bool(P(0))), (-1, False))

    def test_text(self):
        texts = [str(p) for p in (P(), P(3), P(0, 1), P(0, -1, 0, 2), P(-1, Fraction(1, 2)))]
        self.assertEqual(texts, ["0", "3", "x", "2x^3 - x", "1/2x - 1"])

    def test_value(self):
        self.assertEqual((P(1, 2, 3)(2), P()(5)), (17, 0))

    def test_add_subtract_multiply(self):
        self.assertEqual(values(P(1, 2) + P(1, -2)), [(2,)])
        self.assertEqual(values(P(1, 2, 3) - P(0, 0, 3)), [(1, 2)])
        self.assertEqual(values(P(1, 1) * P()), [()])

    def test_derivative(self):
        self.assertEqual(values(P(5, 4, 3).derivative(), P(7).derivative()), [(4, 6), ()])


class DivisionTest(unittest.TestCase):
    def test_exact(self):
        self.assertEqual(values(*divmod(P(2, 3, 1), P(1, 1))), [(2, 1), ()])

    def test_gap_in_the_middle_of_the_quotient(self):
        self.assertEqual(values(*divmod(P(2, 1, 2, 1), P(2, 1))), [(1, 0, 1), ()])

    def test_gap_at_the_end_of_the_quotient(self):
        self.assertEqual(values(*divmod(P(3, 1, 1), P(1, 1))), [(0, 1), (3,)])

    def test_single_power(self):
        self.assertEqual(values(*divmod(P(0, 0, 0, 0, 6), P(0, 2))), [(0, 0, 0, 3), ()])

    def test_small_by_large(self):
        self.assertEqual(values(*divmod(P(1, 2), P(0, 0, 1))), [(), (1, 2)])

    def test_by_constant(self):
        self.assertEqual(values(*divmod(P(2, 0, 4), P(2))), [(1, 0, 2), ()])

    def test_by_zero(self):
        with self.assertRaises(ZeroDivisionError):
            divmod(P(1), P())

    def test_quotient_times_divisor_plus_rest(self):
        examples = [(), (3,), (0, 0, 1), (1, 0, 0, 2), (-1, 0, 1), (4, 0, 0, 0, 0, 1), (2, 5, 0, 1)]
        for a in examples:
            for b in examples[1:]:
                quotient, rest = divmod(P(*a), P(*b))
                self.assertEqual(values(quotient * P(*b) + rest), [a], (a, b))
                self.assertLess(rest.degree, len(b) - 1)


class GcdTest(unittest.TestCase):
    def test_gcd(self):
        self.assertEqual(values(gcd(P(-2, 1) * P(1, 0, 1), P(-2, 1) * P(3, 1))), [(-2, 1)])

    def test_square_free_with_gaps(self):
        self.assertEqual(values(square_free(P(0, 0, 0, 1))), [(0, 1)])
        self.assertEqual(values(square_free(P(-1, 0, 1) * P(-1, 0, 1))), [(-1, 0, 1)])
