"""Polynomials in one variable with exact coefficients."""

from fractions import Fraction
from itertools import zip_longest


class Polynomial:
    """An immutable polynomial; coefficients from the lowest power on."""

    __slots__ = ("coefficients",)

    def __init__(self, *coefficients):
        values = [Fraction(c) for c in coefficients]
        while values and not values[-1]:
            values.pop()
        self.coefficients = tuple(values)

    @property
    def degree(self):
        """The highest power; -1 for the zero polynomial."""
        return len(self.coefficients) - 1

    def __bool__(self):
        return bool(self.coefficients)

    def __eq__(self, other):
        if not isinstance(other, Polynomial):
            return NotImplemented
        return self.coefficients == other.coefficients

    def __hash__(self):
        return hash(self.coefficients)

    def __repr__(self):
        return f"Polynomial({', '.join(map(str, self.coefficients))})"

    def __str__(self):
        text = ""
        for power in range(self.degree, -1, -1):
            c = self.coefficients[power]
            if not c:
                continue
            sign = "-" if c < 0 else "+"
            text += f" {sign} " if text else sign.replace("+", "")
            if abs(c) != 1 or power == 0:
                text += str(abs(c))
            if power:
                text += "x" if power == 1 else f"x^{power}"
        return text or "0"

    def __call__(self, x):
        result = Fraction(0)
        for c in reversed(self.coefficients):
            result = result * x + c
        return result

    def __neg__(self):
        return Polynomial(*(-c for c in self.coefficients))

    def __add__(self, other):
        pairs = zip_longest(self.coefficients, other.coefficients, fillvalue=0)
        return Polynomial(*(a + b for a, b in pairs))

    def __sub__(self, other):
        return self + -other

    def __mul__(self, other):
        result = [Fraction(0)] * (self.degree + other.degree + 1)
        for i, a in enumerate(self.coefficients):
            for j, b in enumerate(other.coefficients):
                result[i + j] += a * b
        return Polynomial(*result)

    def __divmod__(self, other):
        """Return quotient and remainder of the long division."""
        if not other:
            raise ZeroDivisionError("division by the zero polynomial")
        quotient = []
        rest = self
        while rest.degree >= other.degree:
            shift = rest.degree - other.degree
            factor = rest.coefficients[-1] / other.coefficients[-1]
            quotient.insert(0, factor)
            rest = rest - Polynomial(*[0] * shift, factor) * other
        return Polynomial(*quotient), rest

    def __floordiv__(self, other):
        return divmod(self, other)[0]

    def __mod__(self, other):
        return divmod(self, other)[1]

    def derivative(self):
        """Return the first derivative."""
        return Polynomial(*(i * c for i, c in enumerate(self.coefficients) if i))

    def monic(self):
        """Return the polynomial divided by its leading coefficient."""
        return Polynomial(*(c / self.coefficients[-1] for c in self.coefficients))


def gcd(a, b):
    """Return the monic greatest common divisor of two polynomials."""
    while b:
        a, b = b, a % b
    return a.monic()


def square_free(polynomial):
    """Return the polynomial with all its roots made simple."""
    return polynomial // gcd(polynomial, polynomial.derivative())
