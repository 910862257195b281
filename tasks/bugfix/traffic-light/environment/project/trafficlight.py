"""Simulation of a traffic light with fixed phases."""

STANDARD = (("red", 30), ("red+yellow", 2), ("green", 25), ("yellow", 3))


class TrafficLight:
    """Cycles through ``phases``, pairs of colour and duration in seconds."""

    def __init__(self, phases=STANDARD):
        if not phases or any(seconds <= 0 for _, seconds in phases):
            raise ValueError("phases need positive durations")
        self._phases = tuple(phases)
        self._index = 0
        self._elapsed = 0
        self.cycles = 0

    @property
    def colour(self):
        return self._phases[self._index][0]

    @property
    def remaining(self):
        """Seconds until the next change."""
        return self._phases[self._index][1] - self._elapsed

    def advance(self, seconds):
        """Let time pass; return the colours that came up, in order."""
        if seconds < 0:
            raise ValueError("time does not go backwards")
        shown = []
        self._elapsed += seconds
        while self.remaining < 0:
            self._elapsed = -self.remaining
            self._next_phase()
            shown.append(self.colour)
        return shown

    def _next_phase(self):
        self._index = (self._index + 1) % len(self._phases)
        if self._index == 0:
            self.cycles += 1
