"""Taking elements in turn from several sources."""


def roundrobin(*iterables):
    """Yield one element of each source in turn until all have ended."""
    sources = [iter(iterable) for iterable in iterables]
    while sources:
        for source in sources:
            try:
                yield next(source)
            except StopIteration:
                sources.remove(source)


def weighted(shares):
    """Take several elements per turn from each of the sources.

    ``shares`` are pairs (iterable, number of elements per turn). Sources
    that have ended are left out of the further turns.
    """
    sources = [(iter(iterable), number) for iterable, number in shares]
    if any(number < 1 for _, number in sources):
        raise ValueError("shares must be positive")
    while sources:
        alive = []
        for source, number in sources:
            taken = 0
            for item in source:
                yield item
                taken += 1
                if taken == number:
                    alive.append((source, number))
                    break
        sources = alive
