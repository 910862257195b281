"""Sizes of directory trees, given as nested dicts.

A directory is a dict from names to entries, a file is its size in bytes.
"""


def build(files):
    """Return the tree for pairs of a path like 'a/b.txt' and a size."""
    tree = {}
    for path, size in files:
        *parents, name = path.split("/")
        directory = tree
        for parent in parents:
            directory = directory.setdefault(parent, {})
        directory[name] = size
    return tree


def sizes(tree, path=".", result=None):
    """Return a dict with the total size of every directory by its path.

    A given ``result`` is filled and returned, to collect several trees.
    """
    if result is None:
        result = {}
    total = 0
    for name, entry in tree.items():
        if isinstance(entry, dict):
            child = f"{path}/{name}"
            total += sizes(entry, child, result)[child]
        else:
            total += entry
    result[path] = total
    return result


def report(tree):
    """Return lines of size and path, the largest directory first."""
    ranked = sorted(sizes(tree).items(), key=lambda item: (-item[2], item[0]))
    return [f"{size:>8} {path}" for path, size in ranked]
