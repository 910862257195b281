"""Exact rational numbers."""

from functools import total_ordering
from math import gcd


@total_ordering
class Rational:
    """A fraction in lowest terms with a positive denominator."""

    __slots__ = ("num", "den")

    def __init__(self, num, den=1):
        if den == 0:
            raise ZeroDivisionError(f"{num}/0")
        if den < 0:
            num, den = -num, -den
        common = gcd(num, den)
        self.num = num // common
        self.den = den // common

    @classmethod
    def parse(cls, text):
        """Read '3', '-3/4' or '1.25'."""
        if "/" in text:
            num, den = text.split("/")
            return cls(int(num), int(den))
        whole, _, decimals = text.partition(".")
        return cls(int(whole + decimals), 10 ** len(decimals))

    @staticmethod
    def _of(value):
        return Rational(value) if isinstance(value, int) else value

    def __repr__(self):
        return f"Rational({self.num}, {self.den})"

    def __str__(self):
        return str(self.num) if self.den == 1 else f"{self.num}/{self.den}"

    def __eq__(self, other):
        other = self._of(other)
        if not isinstance(other, Rational):
            return NotImplemented
        return (self.num, self.den) == (other.num, other.den)

    def __hash__(self):
        return hash(self.num) if self.den == 1 else hash((self.num, self.den))

    def __lt__(self, other):
        other = self._of(other)
        return self.num * other.den < other.num * other.den

    def __neg__(self):
        return Rational(-self.num, self.den)

    def __add__(self, other):
        other = self._of(other)
        return Rational(self.num * other.den + other.num * self.den, self.den * other.den)

    __radd__ = __add__

    def __sub__(self, other):
        return self + -other

    def __rsub__(self, other):
        return -self + other

    def __mul__(self, other):
        other = self._of(other)
        return Rational(self.num * other.num, self.den * other.den)

    __rmul__ = __mul__

    def __truediv__(self, other):
        other = self._of(other)
        return Rational(self.num * other.den, self.den * other.num)

    def __rtruediv__(self, other):
        return self._of(other) / self
