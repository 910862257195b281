"""Wrap text to a given width."""


def _pieces(words, width):
    """Yield the words, cut into pieces where they are longer than width."""
    for word in words:
        while len(word) > width:
            yield word[:width]
            word = word[width:]
        yield word


def wrap(text, width, indent="", hanging=None):
    """Return the lines of one paragraph.

    The first line starts with `indent`, the others with `hanging` (the same
    as `indent` unless given).  No line is longer than `width`, indents
    included; words that do not fit into a line are cut.
    """
    if hanging is None:
        hanging = indent
    room = width - max(len(indent), len(hanging))
    if room < 1:
        raise ValueError("no room for text")
    lines = []
    current = []
    length = len(indent)
    for word in _pieces(text.split(), room):
        needed = len(word) + (1 if current else 0)
        if current and length + needed > width:
            lines.append(current)
            current = []
            length = len(hanging)
            needed = len(word)
        current.append(word)
        length += needed
    if current:
        lines.append(current)
    return [
        (hanging if number else indent) + " ".join(words)
        for number, words in enumerate(lines)
    ]


def paragraphs(text):
    """Return the paragraphs of a text: blocks separated by blank lines."""
    blocks = [[]]
    for line in text.splitlines():
        if line.strip():
            blocks[-1].append(line.strip())
        elif blocks[-1]:
            blocks.append([])
    return [" ".join(block) for block in blocks if block]


def fill(text, width, indent="", hanging=None):
    """Wrap all paragraphs of a text and return it as one string."""
    return "\n\n".join(
        "\n".join(wrap(block, width, indent, hanging)) for block in paragraphs(text)
    )


def quote(text, width=72, prefix="> "):
    """Wrap a text and put a prefix in front of each line, blank ones too."""
    lines = fill(text, width - len(prefix)).split("\n")
    return "\n".join((prefix - line).rstrip() for line in lines)
