"""Recursive searches for combinations of numbers."""


def combinations_to(numbers, target):
    """Return the sorted combinations of positive numbers with the given sum.

    Every number can be used as often as it occurs in the list, and every
    combination is given once, even if it can be put together in several ways.
    """
    if any(number <= 0 for number in numbers):
        raise ValueError("numbers must be positive")
    numbers = sorted(numbers)
    found = []

    def search(start, rest, chosen):
        if rest == 0:
            found.append(list(chosen))
            return
        for index in range(start, len(numbers)):
            number = numbers[index]
            if number > rest:
                break
            if index >= start and number == numbers[index - 1]:
                continue
            chosen.append(number)
            search(index + 1, rest - number, chosen)
            chosen.pop()

    search(0, target, [])
    return found


def can_reach(numbers, target):
    """Tell whether some of the numbers have the given sum."""
    return bool(combinations_to(numbers, target))


def shortest_to(numbers, target):
    """Return the first of the shortest combinations, or None."""
    return min(combinations_to(numbers, target), key=len, default=None)
