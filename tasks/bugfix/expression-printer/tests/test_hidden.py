import unittest
from fractions import Fraction
from itertools import product

from expressions import Num, Op, Var, evaluate, show, simplify, variables_of

A, B, C, D = (Var(name) for name in "abcd")


class EvaluateTest(unittest.TestCase):
    def test_operations(self):
        self.assertEqual([evaluate(Op(s, Num(6), Num(3))) for s in "+-*/"], [9, 3, 18, 2])

    def test_unknown_variable(self):
        with self.assertRaises(KeyError):
            evaluate(Op("+", A, Num(1)))


class ShowTest(unittest.TestCase):
    def test_leaves(self):
        self.assertEqual((show(Num(7)), show(A)), ("7", "a"))

    def test_left_chain_needs_none(self):
        self.assertEqual(show(Op("-", Op("-", A, B), C)), "a - b - c")
        self.assertEqual(show(Op("/", Op("/", A, B), C)), "a / b / c")
        self.assertEqual(show(Op("*", Op("/", A, B), C)), "a / b * c")

    def test_minus_on_the_right(self):
        self.assertEqual(show(Op("-", A, Op("+", B, C))), "a - (b + c)")
        self.assertEqual(show(Op("-", A, Op("-", B, C))), "a - (b - c)")

    def test_division_by_a_product(self):
        self.assertEqual(show(Op("/", A, Op("*", B, C))), "a / (b * c)")

    def test_division_by_a_quotient(self):
        self.assertEqual(show(Op("/", A, Op("/", B, C))), "a / (b / c)")

    def test_no_needless_brackets(self):
        self.assertEqual(show(Op("+", A, Op("+", B, C))), "a + b + c")
        self.assertEqual(show(Op("+", A, Op("-", B, C))), "a + b - c")
        self.assertEqual(show(Op("*", A, Op("*", B, C))), "a * b * c")
        self.assertEqual(show(Op("-", A, Op("*", B, C))), "a - b * c")

    def test_lower_inside_higher(self):
        self.assertEqual(show(Op("*", A, Op("-", B, C))), "a * (b - c)")
        self.assertEqual(show(Op("/", Op("+", A, B), Op("-", C, D))), "(a + b) / (c - d)")

    def test_deep(self):
        tree = Op("/", A, Op("/", B, Op("/", C, D)))
        self.assertEqual(show(tree), "a / (b / (c / d))")

    def test_text_has_the_same_value(self):
        values = {"a": Fraction(7), "b": Fraction(3), "c": Fraction(2), "d": Fraction(11)}
        for x, y, z in product("+-*/", repeat=3):
            for tree in (
                Op(x, A, Op(y, B, Op(z, C, D))),
                Op(x, Op(y, A, B), Op(z, C, D)),
                Op(x, Op(y, A, Op(z, B, C)), D),
            ):
                self.assertEqual(eval(show(tree), {}, dict(values)), evaluate(tree, values), show(tree))


class SimplifyTest(unittest.TestCase):
    def test_zero(self):
        self.assertEqual(simplify(Op("*", Op("-", A, Num(0)), Num(0))), Num(0))
        self.assertEqual(simplify(Op("+", Num(0), A)), A)

    def test_one(self):
        self.assertEqual(simplify(Op("/", Op("*", Num(1), A), Num(1))), A)

    def test_kept(self):
        for tree in (Op("-", Num(0), A), Op("/", Num(1), A), Op("+", A, B)):
            self.assertEqual(simplify(tree), tree)


class VariablesTest(unittest.TestCase):
    def test_variables(self):
        self.assertEqual(variables_of(Op("+", Op("*", C, A), Op("-", A, Num(1)))), ["a", "c"])
        self.assertEqual(variables_of(Num(3)), [])
