"""Writing and reading whole numbers in bases from 2 to 36."""

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def _check(base):
    if not 2 <= base <= len(DIGITS):
        raise ValueError(f"base {base} is not between 2 and {len(DIGITS)}")


def to_base(number, base):
    """Return the number as text in the base."""
    _check(base)
    if number == 0:
        return "0"
    digits = []
    rest = abs(number)
    while rest:
        rest, digit = divmod(rest, base)
        digits.append(DIGITS[digit])
    if number < 0:
        digits.append("-")
    return "".join(reversed(digits))


def from_base(text, base):
    """Return the number written in the base; capitals are allowed."""
    _check(base)
    digits = text.removeprefix("-").lower()
    if not digits:
        raise ValueError("no digits")
    number = 0
    for char in digits:
        value = DIGITS.find(char)
        if value < 0 or value >= base:
            raise ValueError(f"{char!r} is not a digit in base {base}")
        number = number * base + value
    return -number if text.startswith("-") else number


def convert(text, base, new_base):
    """Rewrite a number from one base to another."""
    return to_base(from_base(text, base), new_base)
