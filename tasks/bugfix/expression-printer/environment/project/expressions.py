"""Arithmetic expression trees: evaluate, simplify and print them."""

from dataclasses import dataclass

PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2}
OPERATIONS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}


@dataclass(frozen=True)
class Num:
    value: int


@dataclass(frozen=True)
class Var:
    name: str


@dataclass(frozen=True)
class Op:
    sign: str
    left: object
    right: object


def evaluate(node, variables=None):
    """Return the value of the expression."""
    if isinstance(node, Num):
        return node.value
    if isinstance(node, Var):
        return (variables or {})[node.name]
    operation = OPERATIONS[node.sign]
    return operation(evaluate(node.left, variables), evaluate(node.right, variables))


def show(node):
    """Return the expression as text with no more brackets than needed."""
    if isinstance(node, Num):
        return str(node.value)
    if isinstance(node, Var):
        return node.name
    level = PRECEDENCE[node.sign]
    left, right = show(node.left), show(node.right)
    if isinstance(node.left, Op) and PRECEDENCE[node.left.sign] < level:
        left = f"({left})"
    if isinstance(node.right, Op):
        inner = PRECEDENCE[node.right.sign]
        if inner < level or (inner == level and node.sign in "-/"):
            right = f"({right})"
    return f"{left} {node.sign} {right}"


def simplify(node):
    """Return the expression with operations on 0 and 1 worked out."""
    if not isinstance(node, Op):
        return node
    left, right = simplify(node.left), simplify(node.right)
    if node.sign in "+-" or right == Num(0):
        return left
    if node.sign == "+" and left == Num(0):
        return right
    if node.sign == "*" and Num(0) in (left, right):
        return Num(0)
    if node.sign in "*/" and right == Num(1):
        return left
    if node.sign == "*" and left == Num(1):
        return right
    return Op(node.sign, left, right)


def variables_of(node):
    """Return the sorted names of the variables in the expression."""
    if isinstance(node, Var):
        return [node.name]
    if isinstance(node, Op):
        return sorted({*variables_of(node.left), *variables_of(node.right)})
    return []
