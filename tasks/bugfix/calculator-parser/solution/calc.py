"""Evaluate arithmetic expressions.

Operators, from loosest to tightest:

    + -        (left to right)
    * / %      (left to right)
    - +        in front of an operand
    **         (right to left; its right side may have a sign: 2 ** -1)

Further: numbers, variables, parentheses and calls like max(1, x).
"""

import math
import re

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.\d*|\.\d+|\d+)|(?P<name>[A-Za-z_]\w*)|(?P<op>\*\*|[-+*/%(),]))"
)

FUNCTIONS = {"abs": abs, "min": min, "max": max, "sqrt": math.sqrt, "round": round}


class CalcError(ValueError):
    """The expression cannot be evaluated."""


def tokenize(text):
    """Return a list of (kind, text) pairs, ending with ('end', '')."""
    text = text.rstrip()
    tokens = []
    pos = 0
    while pos < len(text):
        found = _TOKEN.match(text, pos)
        if not found:
            raise CalcError(f"unexpected character {text[pos:].lstrip()[0]!r}")
        tokens.append((found.lastgroup, found[found.lastgroup]))
        pos = found.end()
    tokens.append(("end", ""))
    return tokens


class Parser:
    """Parse and evaluate a list of tokens in one go."""

    def __init__(self, tokens, variables):
        self.tokens = tokens
        self.variables = variables
        self.pos = 0

    def peek(self):
        return self.tokens[self.pos][1]

    def take(self, *expected):
        """Consume the next token if it is one of the operators expected."""
        kind, text = self.tokens[self.pos]
        if kind == "op" and text in expected:
            self.pos += 1
            return text
        return None

    def require(self, op):
        if not self.take(op):
            raise CalcError(f"expected {op!r}, found {self.peek() or 'end'!r}")

    def sum(self):
        value = self.product()
        while op := self.take("+", "-"):
            right = self.product()
            value = value + right if op == "+" else value - right
        return value

    def product(self):
        value = self.signed()
        while op := self.take("*", "/", "%"):
            right = self.signed()
            if op == "*":
                value = value * right
            elif right == 0:
                raise CalcError("division by zero")
            else:
                value = value / right if op == "/" else value % right
        return value

    def signed(self):
        """An operand with any number of signs in front."""
        if op := self.take("-", "+"):
            value = self.signed()
            return -value if op == "-" else value
        return self.power()

    def power(self):
        """A chain of powers."""
        base = self.operand()
        if self.take("**"):
            return base ** self.signed()
        return base

    def operand(self):
        kind, text = self.tokens[self.pos]
        if self.take("("):
            value = self.sum()
            self.require(")")
            return value
        if kind == "number":
            self.pos += 1
            return float(text) if "." in text else int(text)
        if kind == "name":
            self.pos += 1
            return self.call(text) if self.take("(") else self.variable(text)
        raise CalcError(f"expected a value, found {text or 'end'!r}")

    def variable(self, name):
        if name not in self.variables:
            raise CalcError(f"unknown variable {name!r}")
        return self.variables[name]

    def call(self, name):
        if name not in FUNCTIONS:
            raise CalcError(f"unknown function {name!r}")
        args = [self.sum()]
        while self.take(","):
            args.append(self.sum())
        self.require(")")
        return FUNCTIONS[name](*args)


def evaluate(text, variables=None):
    """Return the value of an expression."""
    parser = Parser(tokenize(text), variables or {})
    value = parser.sum()
    if parser.tokens[parser.pos][0] != "end":
        raise CalcError(f"unexpected {parser.peek()!r}")
    return value
