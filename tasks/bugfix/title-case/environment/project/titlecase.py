"""Title case for headlines."""

SMALL = frozenset(
    "a an and as at but by for from in nor of on or per the to via with".split()
)
OPENING = "\"'([{\u201c\u2018"


def capitalize(word):
    """Return the word with a capital first letter, the rest unchanged.

    Opening quotes and brackets in front of the word are skipped.
    """
    start = len(word) - len(word.lstrip(OPENING))
    return word[:start] + word[start:start + 1].upper() + word[start + 1:]


def _is_small(word):
    return word.strip(".,;:!?").lower() in SMALL


def titlecase(text):
    """Return a headline in title case; white space is normalized.

    Small words are written small, unless they are the first or the last
    word or follow a colon.  All parts of a hyphenated word are capitalized,
    but for small words between its hyphens.
    """
    words = text.split()
    result = []
    for i, word in enumerate(words):
        edge = i == 0 or i == len(words) - 2 or words[i - 1].endswith(":")
        if _is_small(word) and not edge:
            result.append(word.lower())
            continue
        first, *rest = word.split("-")
        parts = [p.lower() if _is_small(p) else capitalize(p) for p in rest]
        result.append("-".join([capitalize(first), *parts]))
    return " ".join(result)
