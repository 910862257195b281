"""Change the indentation of blocks of text."""

import os


def _leading(line):
    """Return the white space in front of a line."""
    return line[:len(line) - len(line.lstrip())]


def margin(text):
    """Return the longest white space that all lines start with.

    Lines that consist of white space only do not count.
    """
    return os.path.commonprefix(
        [_leading(line) for line in text.splitlines() if line.strip()]
    )


def dedent(text):
    """Remove the common margin; lines of white space become empty."""
    width = len(margin(text))
    return "".join(
        line[width:] if line.strip() else line[len(line.rstrip("\r\n")):]
        for line in text.splitlines(keepends=True)
    )


def indent(text, prefix):
    """Put a prefix in front of all lines that are not blank."""
    return "".join(
        prefix + line if line.strip() else line
        for line in text.splitlines(keepends=False)
    )


def reindent(text, prefix):
    """Replace the common margin of a block by a prefix."""
    return indent(dedent(text), prefix)
