"""Priority queue of named jobs that can be cancelled or rescheduled."""


class JobQueue:
    """Binary min-heap of (priority, name) with an index of positions.

    Jobs with equal priority come out in the order of their names.
    """

    def __init__(self):
        self._heap = []
        self._position = {}

    def __len__(self):
        return len(self._heap)

    def __contains__(self, name):
        return name in self._position

    def push(self, name, priority):
        if name in self._position:
            raise ValueError(f"job {name!r} is queued already")
        self._heap.append((priority, name))
        self._position[name] = len(self._heap) - 1
        self._sift_up(len(self._heap) - 1)

    def peek(self):
        """Return (name, priority) of the next job without removing it."""
        if not self._heap:
            raise IndexError("queue is empty")
        priority, name = self._heap[0]
        return name, priority

    def pop(self):
        """Remove the next job and return (name, priority)."""
        name, priority = self.peek()
        self.cancel(name)
        return name, priority

    def cancel(self, name):
        """Remove the job ``name``, wherever it is in the queue."""
        index = self._position.pop(name)
        last = self._heap.pop()
        if index < len(self._heap):
            self._place(index, last)
            self._sift_down(self._sift_up(index))

    def reschedule(self, name, priority):
        """Give the job ``name`` another priority."""
        index = self._position[name]
        self._place(index, (priority, name))
        self._sift_down(self._sift_up(index))

    def _place(self, index, entry):
        self._heap[index] = entry
        self._position[entry[1]] = index

    def _sift_up(self, index):
        entry = self._heap[index]
        while index and entry < self._heap[(index - 1) // 2]:
            parent = (index - 1) // 2
            self._place(index, self._heap[parent])
            index = parent
        self._place(index, entry)
        return index

    def _sift_down(self, index):
        entry = self._heap[index]
        while 2 * index + 1 < len(self._heap):
            child = 2 * index + 1
            if child + 1 < len(self._heap) and self._heap[child + 1] > self._heap[child]:
                child += 1
            if entry <= self._heap[child]:
                break
            self._place(index, self._heap[child])
            index = child
        self._place(index, entry)
