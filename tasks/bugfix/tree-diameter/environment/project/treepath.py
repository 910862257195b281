"""Longest paths in trees with weighted edges."""


class Tree:
    """An undirected tree; nodes are any hashable labels."""

    def __init__(self, edges=()):
        self._next = {}
        for a, b, *weight in edges:
            self.add_edge(a, b, *weight)

    def add_edge(self, a, b, weight=1):
        """Join two nodes; at most one of them may be joined already."""
        if weight < 0:
            raise ValueError("negative weight")
        if self._next and (a in self._next) == (b in self._next):
            raise ValueError(f"edge {a}-{b} does not extend the tree")
        if a == b:
            raise ValueError(f"node {a} joined to itself")
        self._next.setdefault(a, {})[b] = weight
        self._next.setdefault(b, {})[a] = weight

    def __len__(self):
        return len(self._next)

    def height(self, root):
        """Return the length of the longest path down from the root."""
        return self._longest(root, None)[0][0]

    def _longest(self, node, parent):
        """Return two (length, nodes) pairs for the part below the node.

        The first is the longest path that starts at the node, the second
        the longest path anywhere; of equally long ones the first found.
        """
        first = second = (0, [node])
        best = (0, [node])
        for child, weight in self._next[node].items():
            if child == parent:
                continue
            (length, nodes), inner = self._longest(child, node)
            down = (length + weight, [node, *nodes])
            if inner[0] > best[0]:
                best = inner
            if down[0] > first[0]:
                first, second = down, first
            elif down[0] < second[0]:
                second = down
        through = (first[0] + second[0], first[1][::-1] + second[1][1:])
        if through[0] > best[0]:
            best = through
        return first, best

    def diameter(self):
        """Return the length of the longest path in the tree."""
        return self.longest_path()[0]

    def longest_path(self):
        """Return the length and the nodes of the longest path."""
        if not self._next:
            return 0, []
        root = next(iter(self._next))
        return self._longest(root, None)[1]
