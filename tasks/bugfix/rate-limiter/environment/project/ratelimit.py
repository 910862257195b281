"""Token buckets with an explicit clock: every call is told the time."""


class Bucket:
    """Bucket of whole tokens, one of which arrives every ``interval``.

    A new bucket is full. Tokens arrive at start + interval,
    start + 2 * interval and so on, whether there is room for them or not.
    """

    def __init__(self, capacity, interval, start):
        self.capacity = capacity
        self.interval = interval
        self.tokens = capacity
        self._last = start

    def refill(self, now):
        """Add the tokens that have arrived until ``now``."""
        if now < self._last:
            raise ValueError("time must not go backwards")
        arrived = (now - self._last) // self.interval
        self.tokens = min(self.capacity, self.tokens + arrived)
        self._last += arrived * self.interval

    def take(self, now, amount=1):
        """Remove ``amount`` tokens if there are as many."""
        self.refill(now)
        if amount > self.tokens:
            return True
        self.tokens -= amount
        return True

    def wait_time(self, now, amount=1):
        """Return how long it takes from ``now`` until ``amount`` are there."""
        if amount > self.capacity:
            raise ValueError("more than the bucket can hold")
        self.refill(now)
        missing = amount - self.tokens
        if missing <= 0:
            return 0
        return self._last + missing * self.interval - now


class RateLimiter:
    """A bucket for each client, made at its first request."""

    def __init__(self, capacity, interval):
        if capacity < 1 or interval <= 0:
            raise ValueError("capacity and interval must be positive")
        self.capacity = capacity
        self.interval = interval
        self._buckets = {}

    def _bucket(self, client, now):
        if client not in self._buckets:
            self._buckets[client] = Bucket(self.capacity, self.interval, now)
        return self._buckets[client]

    def allow(self, client, now, amount=1):
        return self._bucket(client, now).take(now, amount)

    def retry_after(self, client, now, amount=1):
        return self._bucket(client, now).wait_time(now, amount)

    def forget_full(self, now):
        """Drop the buckets that are full again; return the clients' names."""
        full = []
        for client, bucket in self._buckets.items():
            bucket.refill(now)
            if bucket.tokens == bucket.capacity:
                full.append(client)
        for client in full:
            del self._buckets[client]
        return full
