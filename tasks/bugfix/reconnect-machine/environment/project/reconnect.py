"""Decides when a client tries to connect again. No clock, no sockets."""

IDLE, WAITING, CONNECTED, GIVEN_UP = "idle", "waiting", "connected", "given up"


class Reconnector:
    """State of a connection which is told what happened.

    The waiting time starts at ``base`` seconds and doubles with every
    failure in a row, up to ``cap``. After ``max_failures`` failures in a row
    the machine gives up until it is reset.
    """

    def __init__(self, base=1.0, cap=60.0, max_failures=5):
        self._base = base
        self._cap = cap
        self._max_failures = max_failures
        self.reset()

    def reset(self):
        """Start afresh."""
        self.state = IDLE
        self.failures = 1

    def connected(self):
        """Note that the connection is there."""
        if self.state == GIVEN_UP:
            raise RuntimeError("given up; reset first")
        self.state = CONNECTED
        self.failures = 0

    def failed(self):
        """Note a failure; return the seconds to wait, None to give up."""
        if self.state == GIVEN_UP:
            return None
        self.failures += 1
        if self.failures >= self._max_failures:
            self.state = GIVEN_UP
            return None
        self.state = WAITING
        return min(self._cap, self._base * 2 ** (self.failures - 1))
