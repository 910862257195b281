"""Binary searches in sorted lists."""


def lower_bound(values, x):
    """Return the first index whose value is not less than x."""
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        if values[middle] < x:
            low = middle + 1
        else:
            high = middle
    return low


def upper_bound(values, x):
    """Return the first index whose value is greater than x."""
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        if x < values[middle]:
            high = middle
        else:
            low = middle + 1
    return low


def floor(values, x):
    """Return the greatest value not above x, or None if there is none."""
    index = upper_bound(values, x)
    return values[index] if index else None


def ceiling(values, x):
    """Return the least value not below x, or None if there is none."""
    index = lower_bound(values, x)
    return values[index] if index < len(values) else None


def count_between(values, first, last):
    """Return how many values lie between first and last, both included."""
    return max(0, upper_bound(values, last) - lower_bound(values, first))
