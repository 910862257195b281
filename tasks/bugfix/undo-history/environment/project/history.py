"""Undo history of a document with a mark of the saved state."""


class History:
    """A line of snapshots and a cursor at the current one.

    ``limit`` bounds the number of snapshots; the oldest are forgotten.
    The initial snapshot counts as saved.
    """

    def __init__(self, initial, limit=None):
        if limit is not None and limit < 1:
            raise ValueError("limit must be at least 1")
        self._states = [initial]
        self._cursor = 0
        self._saved = 0
        self._limit = limit

    @property
    def current(self):
        return self._states[self._cursor]

    @property
    def can_undo(self):
        return self._cursor > 0

    @property
    def can_redo(self):
        return self._cursor + 1 < len(self._states)

    @property
    def is_modified(self):
        """Whether the current snapshot is another one than the saved one."""
        return self._cursor != self._saved

    def record(self, state):
        """Add a snapshot after the current one; what could be redone is gone.

        Recording a state equal to the current one does nothing.
        """
        if state == self.current:
            return
        del self._states[self._cursor + 1:]
        if self._saved is not None and self._saved > self._cursor:
            self._saved = None
        self._states.append(state)
        self._cursor += 1
        self._trim()

    def _trim(self):
        """Forget the oldest snapshots beyond the limit."""
        if self._limit is None:
            return
        excess = len(self._states) - self._limit
        if excess <= 0:
            return
        del self._states[excess:]
        self._cursor -= excess
        if self._saved is not None:
            self._saved -= excess
            if self._saved < 0:
                self._saved = None

    def undo(self):
        """Step back and return the snapshot that is current then."""
        if not self.can_undo:
            raise IndexError("nothing to undo")
        self._cursor -= 1
        return self.current

    def redo(self):
        """Step forward again and return the snapshot."""
        if not self.can_redo:
            raise IndexError("nothing to redo")
        self._cursor += 1
        return self.current

    def mark_saved(self):
        """Note that the current snapshot has been written to disk."""
        self._saved = self._cursor
