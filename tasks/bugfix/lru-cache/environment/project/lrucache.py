"""A bounded mapping that forgets the least recently used entry."""
from collections import OrderedDict


class LRUCache:
    """Cache of at most ``capacity`` entries.

    Both reading an entry with ``get`` and storing it with ``put`` count as a
    use of it; ``in`` and ``keys`` do not.
    """

    def __init__(self, capacity):
        if capacity < 1:
            raise ValueError("capacity must be at least 1")
        self.capacity = capacity
        self.evictions = 0
        self._data = OrderedDict()

    def __len__(self):
        return len(self._data)

    def __contains__(self, key):
        return key in self._data

    def keys(self):
        """Return the keys, the least recently used first."""
        return list(self._data)

    def get(self, key, default=None):
        """Return the value of ``key`` and mark it as just used."""
        if key not in self._data:
            return default
        self._data.move_to_end(key)
        return self._data[key]

    def put(self, key, value):
        """Store ``value``, making room for a new key if necessary."""
        if key not in self._data and len(self._data) > self.capacity:
            self._data.popitem(last=False)
            self.evictions += 1
        self._data[key] = value
        self._data.move_to_end(key)
