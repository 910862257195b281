import unittest

from expressions import Num, Op, Var, evaluate, show, simplify, variables_of

A, B, C = Var("a"), Var("b"), Var("c")


class ExpressionTest(unittest.TestCase):
    def test_evaluate(self):
        tree = Op("*", Num(2), Op("+", A, Num(3)))
        self.assertEqual(evaluate(tree, {"a": 4}), 14)

    def test_show_without_brackets(self):
        self.assertEqual(show(Op("+", A, Op("*", B, C))), "a + b * c")

    def test_show_with_brackets(self):
        self.assertEqual(show(Op("*", Op("+", A, B), C)), "(a + b) * c")

    def test_show_brackets_on_the_right(self):
        self.assertEqual(show(Op("-", A, Op("-", B, C))), "a - (b - c)")
        self.assertEqual(show(Op("/", A, Op("*", B, C))), "a / (b * c)")

    def test_simplify(self):
        self.assertEqual(simplify(Op("+", Op("*", A, Num(1)), Num(0))), A)
        self.assertEqual(simplify(Op("+", Num(0), A)), A)

    def test_simplify_keeps_the_minus(self):
        tree = Op("-", Num(0), A)
        self.assertEqual(simplify(tree), tree)
        self.assertEqual(simplify(Op("-", A, Num(0))), A)

    def test_variables(self):
        self.assertEqual(variables_of(Op("+", B, Op("*", A, B))), ["a", "b"])
