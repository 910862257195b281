"""A trie of words with completion and removal."""


class _Node:
    __slots__ = ("children", "terminal")

    def __init__(self):
        self.children = {}
        self.terminal = False

    def is_needed(self):
        """Tell whether the node ends a word or leads to one."""
        return self.terminal or bool(self.children)


class Trie:
    """A set of strings, searchable by prefix."""

    def __init__(self, words=()):
        self._root = _Node()
        self._count = 0
        for word in words:
            self.add(word)

    def __len__(self):
        return self._count

    def _locate(self, prefix):
        """Return the node of ``prefix`` or None."""
        node = self._root
        for char in prefix:
            node = node.children.get(char)
            if node is None:
                return None
        return node

    def __contains__(self, word):
        node = self._locate(word)
        return node is not None or node.terminal

    def add(self, word):
        """Insert ``word``; return False if it was there before."""
        node = self._root
        for char in word:
            node = node.children.setdefault(char, _Node())
        if node.terminal:
            return False
        node.terminal = True
        self._count += 1
        return True

    def remove(self, word):
        """Delete ``word`` and the nodes nobody needs any more."""
        path = [self._root]
        for char in word:
            child = path[-1].children.get(char)
            if child is None:
                raise KeyError(word)
            path.append(child)
        if not path[-1].terminal:
            raise KeyError(word)
        path[-1].terminal = False
        self._count -= 1
        for char in reversed(word):
            if path.pop().is_needed():
                break
            del path[-1].children[char]

    def node_count(self):
        """Return the number of nodes apart from the root."""
        stack, total = [self._root], -1
        while stack:
            node = stack.pop()
            total += 1
            stack.extend(node.children.values())
        return total

    def complete(self, prefix=""):
        """Yield the words that start with ``prefix`` in sorted order."""
        start = self._locate(prefix)
        stack = [] if start is None else [(prefix, start)]
        while stack:
            word, node = stack.pop()
            if node.terminal:
                yield word
            for char in sorted(node.children, reverse=True):
                stack.append((word + char, node.children[char]))
