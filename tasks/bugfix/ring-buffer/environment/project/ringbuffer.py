"""Fixed-size FIFO buffer which overwrites its oldest element when full."""


class RingBuffer:
    """A sequence of at most ``capacity`` elements, the oldest one first."""

    def __init__(self, capacity, items=()):
        if capacity < 1:
            raise ValueError("capacity must be at least 1")
        self._slots = [None] * capacity
        self._head = 0
        self._count = 0
        for item in items:
            self.append(item)

    @property
    def capacity(self):
        return len(self._slots)

    def __len__(self):
        return self._count

    def __getitem__(self, index):
        if index < 0:
            index += self._count
        if not 0 <= index < self._count:
            raise IndexError("ring buffer index out of range")
        return self._slots[(self._head + index) % self.capacity]

    def append(self, item):
        """Add an element at the end; a full buffer loses its oldest one."""
        self._slots[(self._head + self._count) % self.capacity] = item
        if self._count == self.capacity:
            self._head = (self._head + 1) % self.capacity
        else:
            self._count += 1

    def popleft(self):
        """Remove the oldest element and return it."""
        item = self[0]
        self._slots[self._head] = None
        self._head = (self._head) % self.capacity
        self._count -= 1
        return item
