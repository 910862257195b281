"""Small 0/1 knapsack solver: items are (weight, value) pairs."""


def _check(items):
    for weight, value in items:
        if weight <= 0 or value < 0:
            raise ValueError(f"bad item ({weight}, {value})")


def value_table(items, capacity):
    """Return a list: the best value for every capacity from 0 on.

    Every item can be taken once at most.
    """
    if capacity < 0:
        raise ValueError("negative capacity")
    _check(items)
    best = [0] * (capacity + 1)
    for weight, value in items:
        for room in range(capacity, weight - 1, -1):
            best[room] = max(best[room], best[room - weight] + value)
    return best


def best_value(items, capacity):
    """Return the greatest total value that fits into the capacity."""
    return value_table(items, capacity)[capacity]


def needed_capacity(items, value):
    """Return the smallest capacity that reaches the value, or None."""
    limit = sum(weight for weight, _ in items)
    for room, reached in enumerate(value_table(items, limit)):
        if reached >= value:
            return reached
    return None
