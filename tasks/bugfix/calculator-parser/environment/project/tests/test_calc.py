import unittest

from calc import CalcError, evaluate


class CalcTest(unittest.TestCase):
    def test_precedence(self):
        self.assertEqual(evaluate("2 + 3 * 4"), 14)
        self.assertEqual(evaluate("(2 + 3) * 4"), 20)

    def test_left_to_right(self):
        self.assertEqual(evaluate("10 - 4 - 3"), 3)
        self.assertEqual(evaluate("8 / 4 / 2"), 1)

    def test_simple_power(self):
        self.assertEqual(evaluate("3 * 2 ** 3"), 24)
        self.assertEqual(evaluate("2 ** -1"), 0.5)

    def test_sign_before_power(self):
        self.assertEqual(evaluate("-2 ** 2"), -4)

    def test_chained_power(self):
        self.assertEqual(evaluate("2 ** 3 ** 2"), 512)

    def test_variables_and_functions(self):
        self.assertEqual(evaluate("max(a, 3) + abs(-b)", {"a": 1, "b": 2}), 5)

    def test_errors(self):
        with self.assertRaises(CalcError):
            evaluate("2 +")
        with self.assertRaises(CalcError):
            evaluate("2 2")
