import unittest

from polynomial import Polynomial, gcd, square_free

P = Polynomial


class PolynomialTest(unittest.TestCase):
    def test_text(self):
        self.assertEqual(str(P(-1, 0, 3, 1)), "x^3 + 3x^2 - 1")

    def test_multiply(self):
        self.assertEqual(P(1, 1) * P(-1, 1), P(-1, 0, 1))

    def test_divide(self):
        self.assertEqual(divmod(P(-1, 0, 0, 1), P(-1, 1)), (P(1, 1, 1), P()))

    def test_divide_with_remainder(self):
        self.assertEqual(divmod(P(5, 3, 2), P(1, 1)), (P(1, 2), P(4)))

    def test_divide_by_quadratic(self):
        self.assertEqual(P(-1, 0, 0, 0, 1) // P(-1, 0, 1), P(1, 0, 1))

    def test_gcd(self):
        self.assertEqual(gcd(P(-1, 0, 1), P(1, 2, 1)), P(1, 1))

    def test_square_free(self):
        self.assertEqual(square_free(P(1, 2, 1)), P(1, 1))
