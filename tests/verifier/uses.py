"""What tests may do with a candidate's module: these pass."""

import collections
import itertools
import unittest

import thing
from thing import (
    Odd,
    Very,
    Point,
    Bag,
    Colour,
    halved,
    very,
    echo,
    doubled,
    add_to,
    counted,
    take,
    each,
    caught,
    limit,
    same,
)


class UseTest(unittest.TestCase):
    def test_values(self):
        self.assertEqual(
            echo([1, (2.5, None), {"a": {3}}, b"x", 10**30, range(3), 1j]),
            [1, (2.5, None), {"a": {3}}, b"x", 10**30, range(3), 1j],
        )
        self.assertIsInstance(echo(True), bool)

    def test_stdlib_containers(self):
        self.assertEqual(echo(collections.Counter("aab")), {"a": 2, "b": 1})
        self.assertEqual(echo(collections.deque([1, 2])), collections.deque([1, 2]))

    def test_changed_arguments(self):
        numbers = [1, 2]
        self.assertIs(doubled(numbers), numbers)
        self.assertEqual(numbers, [2, 4])
        table = {"a": []}
        inner = table["a"]
        add_to(table)
        self.assertEqual(table, {"a": [1], "b": {2}})
        self.assertIs(table["a"], inner)

    def test_identity(self):
        point = Point(1)
        self.assertIs(echo(point), point)
        self.assertTrue(same(point, point))

    def test_attributes(self):
        point = Point(1, y=2)
        point.x += 4
        self.assertEqual((point.x, point.moved(1).x, point.y), (5, 6, 2))
        self.assertEqual(str(point), "Point(x=5, y=2)")
        self.assertFalse(hasattr(point, "z"))

    def test_operators(self):
        point = Point(1) + Point(2, 3)
        self.assertEqual((point.x, (4 + point).x), (3, 7))
        self.assertTrue(point == Point(3, 3))
        self.assertFalse(point == Point(3, 4))
        self.assertEqual([p.x for p in sorted([Point(2), Point(1)])], [1, 2])
        self.assertEqual(sum([Point(1), Point(2)]).x, 3)

    def test_containers(self):
        bag = Bag("ab")
        bag[0] = "c"
        self.assertEqual((len(bag), list(bag), bag[-1], bag[0:1], bag.first), (2, ["c", "b"], "b", ["c"], "c"))
        self.assertIn("b", bag)
        self.assertNotIn("a", bag)
        self.assertFalse(Bag())
        self.assertRaises(IndexError, lambda: bag[7])

    def test_a_with_block(self):
        bag = Bag()
        with bag as inside:
            self.assertIs(inside, bag)
            raise KeyError(1)
        self.assertEqual(bag.items, ["in", "KeyError"])

    def test_classes(self):
        self.assertIsInstance(Point(1), Point)
        self.assertNotIsInstance(Bag(), Point)
        self.assertEqual([p.x for p in map(Point, [1, 2])], [1, 2])

    def test_exceptions(self):
        with self.assertRaises(Odd) as caught_error:
            halved(3)
        self.assertEqual((str(caught_error.exception), caught_error.exception.number), ("3 is odd", 3))
        self.assertEqual(caught_error.exception.args, ("3 is odd",))
        self.assertRaises(Odd, very, 1)
        self.assertRaisesRegex(ValueError, "^5 is", halved, 5)
        self.assertRaises(KeyError, echo({}).__getitem__, 1)
        try:
            halved(1)
        except Very:
            self.fail()
        except Odd:
            pass

    def test_iterators(self):
        numbers = counted()
        self.assertEqual([next(numbers), next(numbers)], [0, 1])
        self.assertEqual(list(itertools.islice(numbers, 2)), [2, 3])
        source = itertools.count()
        self.assertEqual(take(source, 2), [0, 1])
        self.assertEqual(next(source), 2)
        self.assertRaises(StopIteration, take, iter([]), 1)
        self.assertEqual(take((n for n in "ab"), 2), ["a", "b"])

    def test_functions(self):
        self.assertEqual(each(lambda n, by=1: n * by, [1, 2], by=3), [3, 6])
        self.assertEqual(each(str, [1]), ["1"])
        self.assertEqual(each(Point(1).moved, [1])[0].x, 2)
        self.assertEqual(each(lambda p: p.moved(1).x, [Point(1)]), [2])

    def test_exceptions_of_functions(self):
        def odd():
            raise Odd(7)

        def missing():
            raise KeyError("k")

        self.assertEqual((caught(odd), caught(missing)), (7, ("k",)))

        def other():
            raise TypeError("no")

        self.assertRaisesRegex(TypeError, "no", caught, other)

    def test_modules(self):
        self.assertEqual(thing.LIMIT, 3)
        thing.LIMIT = 4
        self.assertEqual((limit(), thing.LIMIT), (4, 4))

    def test_members(self):
        self.assertEqual(Colour.RED, "Colour.RED")
        self.assertIs(Colour.RED, Colour.RED)
