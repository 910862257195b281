import unittest

from calc import CalcError, evaluate


class PowerTest(unittest.TestCase):
    def test_sign_is_applied_after_power(self):
        self.assertEqual(evaluate("-3 ** 2"), -9)
        self.assertEqual(evaluate("- - 3 ** 2"), 9)
        self.assertEqual(evaluate("+2 ** 2"), 4)

    def test_sign_in_the_middle(self):
        self.assertEqual(evaluate("1 - -2 ** 2"), 5)
        self.assertEqual(evaluate("2 * -3 ** 2"), -18)
        self.assertEqual(evaluate("10 / -2 ** 1"), -5)

    def test_parenthesised_base(self):
        self.assertEqual(evaluate("(-2) ** 2"), 4)
        self.assertEqual(evaluate("-(2 ** 2)"), -4)
        self.assertEqual(evaluate("(2 ** 3) ** 2"), 64)

    def test_right_to_left(self):
        self.assertEqual(evaluate("2 ** 2 ** 3"), 256)
        self.assertEqual(evaluate("2 ** 3 ** 0 ** 5"), 2)
        self.assertEqual(evaluate("3 ** 1 ** 4"), 3)

    def test_signed_exponent(self):
        self.assertEqual(evaluate("2 ** -2"), 0.25)
        self.assertEqual(evaluate("2 ** +2"), 4)
        self.assertEqual(evaluate("4 ** --1"), 4)

    def test_signed_exponent_in_chain(self):
        self.assertEqual(evaluate("2 ** -1 ** 2"), 0.5)
        self.assertEqual(evaluate("2 ** -2 ** 2"), 0.0625)
        self.assertEqual(evaluate("-2 ** -1"), -0.5)

    def test_power_with_variables_and_calls(self):
        self.assertEqual(evaluate("-x ** 2", {"x": 3}), -9)
        self.assertEqual(evaluate("max(1, -2 ** 2)"), 1)
        self.assertEqual(evaluate("-abs(-2) ** 2"), -4)

    def test_power_beside_product(self):
        self.assertEqual(evaluate("2 ** 3 * 2"), 16)
        self.assertEqual(evaluate("2 * 3 ** 2 * 2"), 36)
        self.assertEqual(evaluate("2 ** -1 * 4"), 2)


class OtherTest(unittest.TestCase):
    def test_sums_and_products(self):
        self.assertEqual(evaluate("1 + 2 - 3 + 4"), 4)
        self.assertEqual(evaluate("100 / 5 / 2"), 10)
        self.assertEqual(evaluate("17 % 5 * 2"), 4)
        self.assertEqual(evaluate("2 - 3 * 4 + 1"), -9)

    def test_signs(self):
        self.assertEqual(evaluate("--3"), 3)
        self.assertEqual(evaluate("-+-3"), 3)
        self.assertEqual(evaluate("2 - -3"), 5)
        self.assertEqual(evaluate("2 * -3"), -6)
        self.assertEqual(evaluate("-7 % 4"), 1)

    def test_numbers(self):
        self.assertEqual(evaluate(" .5 + 1. + 2.25 "), 3.75)
        self.assertIsInstance(evaluate("2*3"), int)

    def test_functions(self):
        self.assertEqual(evaluate("min(3, 1 + 1, 5)"), 2)
        self.assertEqual(evaluate("sqrt(16) + max((1), 2)"), 6)

    def test_syntax_errors(self):
        for text in ("", "2 **", "** 2", "(1", "1)", "2 3", "max()", "1 +* 2", "2 $ 3"):
            with self.assertRaises(CalcError):
                evaluate(text)

    def test_error_messages(self):
        with self.assertRaisesRegex(CalcError, "unknown variable 'y'"):
            evaluate("y + 1", {"x": 1})
        with self.assertRaisesRegex(CalcError, r"unknown function 'f'"):
            evaluate("f(1)")
        with self.assertRaisesRegex(CalcError, r"expected '\)', found 'end'"):
            evaluate("(1 + 2")

    def test_division_by_zero(self):
        for text in ("1 / 0", "1 % 0", "1 / (2 - 2)"):
            with self.assertRaisesRegex(CalcError, "division by zero"):
                evaluate(text)
