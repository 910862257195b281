"""Control of a single elevator cabin in discrete steps."""

UP, DOWN, STILL = 1, -1, 0


class Elevator:
    """Serves requested floors, keeping its direction while it can.

    A step moves the cabin by one floor or opens the doors. A cabin that
    stands still with requests on both sides goes to the nearer one, and to
    the upper one if both are equally near.
    """

    def __init__(self, floors, floor=0):
        if not 0 <= floor < floors:
            raise ValueError("no such floor")
        self.floors = floors
        self.floor = floor
        self.direction = STILL
        self._requests = set()

    @property
    def pending(self):
        return sorted(self._requests)

    def request(self, floor):
        if not 0 <= floor < self.floors:
            raise ValueError(f"no floor {floor}")
        self._requests.add(floor)

    def next_stop(self):
        """Return the floor at which the cabin will stop next, or None."""
        if self.floor in self._requests:
            return self.floor
        up = min((f for f in self._requests if f > self.floor), default=None)
        down = min((f for f in self._requests if f < self.floor), default=None)
        if up is None or down is None:
            return down if up is None else up
        if self.direction == STILL:
            return up if up - self.floor <= self.floor - down else down
        return up if self.direction == UP else down

    def step(self):
        """Do one step; return the floor if the doors open there."""
        stop = self.next_stop()
        if stop is None:
            self.direction = STILL
            return None
        if stop == self.floor:
            self._requests.remove(stop)
            return stop
        self.direction = UP if stop > self.floor else DOWN
        self.floor += self.direction
        return None

    def run(self):
        """Serve all requests; return the floors in the order of the stops."""
        stops = []
        while self._requests:
            opened = self.step()
            if opened is not None:
                stops.append(opened)
        self.direction = STILL
        return stops
