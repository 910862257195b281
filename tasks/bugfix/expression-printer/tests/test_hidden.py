import ast
import operator
import unittest
from fractions import Fraction
from itertools import product

from expressions import Num, Op, Var, evaluate, show, simplify, variables_of

A, B, C, D = (Var(name) for name in "abcd")
VALUES = {"a": Fraction(7), "b": Fraction(3), "c": Fraction(2), "d": Fraction(11)}
SIGNS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
PARSED = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


def plain(node):
    """An expression as a value: a number, a name, or a sign with two expressions."""
    if isinstance(node, Op):
        return (node.sign, plain(node.left), plain(node.right))
    return node.value if isinstance(node, Num) else node.name


def made(tree):
    """The same the other way round, for signs and names."""
    return Var(tree) if isinstance(tree, str) else Op(tree[0], made(tree[1]), made(tree[2]))


def value(tree):
    return VALUES[tree] if isinstance(tree, str) else SIGNS[tree[0]](value(tree[1]), value(tree[2]))


def parsed(text):
    """What a text of signs, names and brackets says."""
    def tree(node):
        return node.id if isinstance(node, ast.Name) else (PARSED[type(node.op)], tree(node.left), tree(node.right))
    return tree(ast.parse(text, mode="eval").body)


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
        for x, y, z in product("+-*/", repeat=3):
            for tree in (
                (x, "a", (y, "b", (z, "c", "d"))),
                (x, (y, "a", "b"), (z, "c", "d")),
                (x, (y, "a", (z, "b", "c")), "d"),
            ):
                text = show(made(tree))
                self.assertEqual(value(parsed(text)), value(tree), text)
                self.assertEqual(evaluate(made(tree), VALUES), value(tree), text)


class SimplifyTest(unittest.TestCase):
    def test_zero(self):
        self.assertEqual(plain(simplify(Op("*", Op("-", A, Num(0)), Num(0)))), 0)
        self.assertEqual(plain(simplify(Op("+", Num(0), A))), "a")

    def test_one(self):
        self.assertEqual(plain(simplify(Op("/", Op("*", Num(1), A), Num(1)))), "a")

    def test_kept(self):
        self.assertEqual(plain(simplify(Op("-", Num(0), A))), ("-", 0, "a"))
        self.assertEqual(plain(simplify(Op("/", Num(1), A))), ("/", 1, "a"))
        self.assertEqual(plain(simplify(Op("+", A, B))), ("+", "a", "b"))


class VariablesTest(unittest.TestCase):
    def test_variables(self):
        self.assertEqual(variables_of(Op("+", Op("*", C, A), Op("-", A, Num(1)))), ["a", "c"])
        self.assertEqual(variables_of(Num(3)), [])
