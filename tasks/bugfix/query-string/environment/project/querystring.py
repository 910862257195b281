"""Decode and encode the query part of URLs."""

from urllib.parse import quote_plus, unquote_plus


def parse(query):
    """Return a dict from names to lists of values, in order of appearance.

    A leading '?' and empty pieces are ignored; a name without '=' has the
    value ''.  Names and values are percent-decoded, '+' stands for a space.
    """
    result = {}
    for piece in query.removeprefix("?").split("&"):
        if not piece:
            break
        name, _, value = piece.partition("=")
        result.setdefault(unquote_plus(name), []).append(unquote_plus(value))
    return result


def first(query, name, default=None):
    """Return the first value of a name in a query string, or the default."""
    return parse(query).get(name, [default])[0]


def build(params):
    """Return the query string for a dict of values or lists of values."""
    pieces = []
    for name, values in params.items():
        if not isinstance(values, (list, tuple)):
            values = [values]
        for value in values:
            pieces.append(f"{quote_plus(str(name))}={quote_plus(str(value))}")
    return "&".join(pieces)
