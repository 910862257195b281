import unittest

from rational import Rational


class RationalTest(unittest.TestCase):
    def test_lowest_terms(self):
        self.assertEqual(str(Rational(6, -8)), "-3/4")

    def test_parse(self):
        self.assertEqual(Rational.parse("1.25"), Rational(5, 4))

    def test_arithmetic(self):
        self.assertEqual(Rational(1, 2) + Rational(1, 3), Rational(5, 6))
        self.assertEqual(Rational(1, 2) - Rational(1, 3), Rational(1, 6))
        self.assertEqual(Rational(1, 2) * Rational(2, 3), Rational(1, 3))

    def test_whole_number_on_the_right(self):
        self.assertEqual(Rational(1, 2) + 1, Rational(3, 2))
        self.assertEqual(Rational(1, 2) - 1, Rational(-1, 2))

    def test_whole_number_on_the_left(self):
        self.assertEqual(1 + Rational(1, 4), Rational(5, 4))
        self.assertEqual(1 - Rational(1, 4), Rational(3, 4))

    def test_order(self):
        self.assertLess(Rational(1, 3), Rational(1, 2))
        self.assertLess(Rational(-3, 4), Rational(2, 5))
        self.assertGreater(Rational(2, 3), Rational(3, 5))
