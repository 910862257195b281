"""Disjoint sets (union-find) with path halving and union by size."""


class DisjointSet:
    """A partition of hashable items which can only become coarser."""

    def __init__(self, items=()):
        self._parent = {}
        self._size = {}
        self.set_count = 1
        for item in items:
            self.add(item)

    def add(self, item):
        """Add ``item`` as a set of its own unless it is known already."""
        if item not in self._parent:
            self._parent[item] = item
            self._size[item] = 1
            self.set_count += 1

    def find(self, item):
        """Return the representative of the set with ``item``."""
        while self._parent[item] != item:
            self._parent[item] = self._parent[self._parent[item]]
            item = self._parent[item]
        return item

    def union(self, a, b):
        """Join the sets of ``a`` and ``b``; False if they were one already."""
        root_a, root_b = self.find(a), self.find(b)
        if root_a == root_b:
            return False
        if self._size[root_a] < self._size[root_b]:
            a, b, root_a, root_b = b, a, root_b, root_a
        self._parent[root_b] = root_a
        self._size[root_a] += self._size[root_b]
        self.set_count -= 1
        return True

    def connected(self, a, b):
        return self.find(a) == self.find(b)

    def groups(self):
        """Return the sets as lists, everything in order of addition."""
        by_root = {}
        for item in self._parent:
            by_root.setdefault(self.find(item), []).append(item)
        return list(by_root.values())
