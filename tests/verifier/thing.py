"""A candidate's module."""

import contextlib, dataclasses, enum


class Odd(ValueError):
    def __init__(self, number):
        super().__init__(f"{number} is odd")
        self.number = number


class Very(Odd):
    pass


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0

    def moved(self, by):
        return Point(self.x + by, self.y)

    def __add__(self, other):
        return Point(self.x + other.x, self.y + other.y)

    def __radd__(self, other):
        return Point(self.x + other, self.y)

    def __lt__(self, other):
        return self.x < other.x


class Bag:
    def __init__(self, items=()):
        self.items = list(items)

    def __len__(self):
        return len(self.items)

    def __iter__(self):
        return iter(self.items)

    def __contains__(self, item):
        return item in self.items

    def __getitem__(self, place):
        return self.items[place]

    def __setitem__(self, place, item):
        self.items[place] = item

    def __enter__(self):
        self.items.append("in")
        return self

    def __exit__(self, kind, error, trace):
        self.items.append(kind and kind.__name__)
        return True

    @property
    def first(self):
        return self.items[0]


class Colour(enum.Enum):
    RED = 1


LIMIT = 3


def halved(number):
    if number % 2:
        raise Odd(number)
    return number // 2


def very(number):
    raise Very(number)


def echo(value):
    return value


def doubled(numbers):
    numbers[:] = [2 * n for n in numbers]
    return numbers


def add_to(table):
    table["a"].append(1)
    table["b"] = {2}


def counted():
    n = 0
    while True:
        yield n
        n += 1


def take(iterator, count):
    return [next(iterator) for _ in range(count)]


def each(function, values, **options):
    return [function(value, **options) for value in values]


def caught(function):
    try:
        function()
    except Odd as error:
        return error.number
    except KeyError as error:
        return error.args


def limit():
    return LIMIT


def same(one, two):
    return one is two
