"""Read lines of key=value pairs: user=ann msg="all done" note='a "b"'."""


def _split(line):
    """Split at white space outside of quotes; quotes are removed.

    A quoted part ends at the same kind of quote that it started with.  A
    backslash within quotes takes the next character as it is.
    """
    words, word, quote = [], None, None
    chars = iter(line)
    for ch in chars:
        if quote:
            if ch == "\\":
                word += next(chars, "")
            elif ch == quote:
                quote = None
            else:
                word += ch
        elif ch in "'\"":
            word, quote = word or "", ch
        elif not ch.isspace():
            word = (word or "") + ch
        elif word is not None:
            words.append(word)
            word = None
    if quote:
        raise ValueError("missing closing quote")
    return words if word is None else words + [word]


def parse(line):
    """Return a dict of the pairs; a word without '=' gets the value None."""
    pairs = {}
    for word in _split(line):
        key, equals, value = word.rpartition("=")
        if not key:
            raise ValueError(f"missing key: {word!r}")
        pairs[key] = value if equals else None
    return pairs
