"""The life of an order as a table of states and events."""

TRANSITIONS = {
    "new": {"pay": "paid", "cancel": "cancelled"},
    "paid": {"ship": "shipped", "cancel": "refunded"},
    "shipped": {"deliver": "delivered"},
    "delivered": {},
    "cancelled": {},
    "refunded": {},
}


class InvalidEvent(Exception):
    """The event is not possible in the present state."""


class Order:
    """An order, which starts as "new" and remembers its states."""

    def __init__(self):
        self.state = "new"
        self.history = ["new"]
        self._table = {state: dict(row) for state, row in TRANSITIONS.items()}

    def allow(self, state, event, target):
        """Add a transition for this order only."""
        self._table.setdefault(target, {})
        self._table.setdefault(state, {})[event] = target

    def events(self):
        """Return the events possible now in alphabetical order."""
        return sorted(self._table[self.state])

    @property
    def finished(self):
        return self._table[self.state]

    def handle(self, event):
        """Go to the next state and return it."""
        if event not in self._table[self.state]:
            raise InvalidEvent(f"{event!r} is not possible when {self.state}")
        self.state = self._table[self.state][event]
        self.history.append(self.state)
        return self.state
