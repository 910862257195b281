"""Edit distance and edit scripts between two texts.

The distance counts insertions, deletions, replacements, and swaps of two
neighbouring characters (the "optimal string alignment" distance). An edit
script is a list of ``Edit`` tuples that turns the source into the target.
"""

from typing import NamedTuple

KEEP = "keep"
REPLACE = "replace"
INSERT = "insert"
DELETE = "delete"
SWAP = "swap"


class Edit(NamedTuple):
    """One step: ``old`` is taken from the source, ``new`` is written."""

    kind: str
    old: str
    new: str

    @property
    def cost(self):
        return 0 if self.kind == KEEP else 1


def _swapped(source, target, i, j):
    """Tell whether the last two of the first i and j characters are swapped."""
    return (
        i > 1
        and j > 1
        and source[i - 1] == target[j - 2]
        and source[i - 2] == target[j - 1]
    )


def _table(source, target):
    """Return the distances of all prefixes of both texts."""
    table = [[0] * (len(target) + 1) for _ in range(len(source) + 1)]
    for i in range(len(source) + 1):
        table[i][0] = i
    for j in range(len(target) + 1):
        table[0][j] = j
    for i in range(1, len(source) + 1):
        for j in range(1, len(target) + 1):
            same = source[i - 1] == target[j - 1]
            best = min(
                table[i - 1][j - 1] + (0 if same else 1),
                table[i - 1][j] + 1,
                table[i][j - 1] + 1,
            )
            if _swapped(source, target, i, j):
                best = min(best, table[i - 2][j - 2] + 1)
            table[i][j] = best
    return table


def distance(source, target):
    """Return the least number of edits between the texts."""
    return _table(source, target)[-1][-1]


def edit_script(source, target):
    """Return a shortest list of edits from source to target."""
    table = _table(source, target)
    i, j = len(source), len(target)
    script = []
    while i or j:
        here = table[i][j]
        if i and j and source[i - 1] == target[j - 1] and here == table[i - 1][j - 1]:
            script.append(Edit(KEEP, source[i - 1], target[j - 1]))
            i, j = i - 1, j - 1
        elif i and j and here == table[i - 1][j - 1] + 1:
            script.append(Edit(REPLACE, source[i - 1], target[j - 1]))
            i, j = i - 1, j - 1
        elif j and here == table[i][j - 1] + 1:
            script.append(Edit(INSERT, "", target[j - 1]))
            j -= 1
        else:
            script.append(Edit(DELETE, source[i - 1], ""))
            i -= 1
    script.reverse()
    return script


def apply(source, script):
    """Return the text that the script makes of the source."""
    position, parts = 0, []
    for edit in script:
        found = source[position : position + len(edit.old)]
        if found != edit.old:
            raise ValueError(f"expected {edit.old!r} at {position}, found {found!r}")
        position += len(edit.old)
        parts.append(edit.new)
    if position != len(source):
        raise ValueError(f"script ends at {position} of {len(source)}")
    return "".join(parts)


def describe(script):
    """Return the changes as short texts, such as 'replace a by b'."""
    words = {
        REPLACE: "replace {0.old} by {0.new}",
        INSERT: "insert {0.new}",
        DELETE: "delete {0.old}",
        SWAP: "swap {0.old}",
    }
    return [words[edit.kind].format(edit) for edit in script if edit.kind != KEEP]
