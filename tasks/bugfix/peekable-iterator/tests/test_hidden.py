import itertools
import unittest

from peekable import Peekable


class PrependTest(unittest.TestCase):
    def test_three(self):
        items = Peekable([4])
        items.prepend(1, 2, 3)
        self.assertEqual(list(items), [1, 2, 3, 4])

    def test_peek_after_prepend(self):
        items = Peekable("c")
        items.prepend("a", "b")
        self.assertEqual(items.peek(), "a")
        self.assertEqual(items.look_ahead(3), ["a", "b", "c"])

    def test_before_peeked_element(self):
        items = Peekable("cd")
        items.peek()
        items.prepend("a", "b")
        self.assertEqual("".join(items), "abcd")

    def test_twice(self):
        items = Peekable("e")
        items.prepend("c", "d")
        items.prepend("a", "b")
        self.assertEqual("".join(items), "abcde")

    def test_put_back_what_was_taken(self):
        items = Peekable(range(6))
        taken = [next(items) for _ in range(4)]
        items.prepend(*taken)
        self.assertEqual(list(items), [0, 1, 2, 3, 4, 5])

    def test_nothing(self):
        items = Peekable("ab")
        items.prepend()
        self.assertEqual("".join(items), "ab")

    def test_after_the_end(self):
        items = Peekable("")
        self.assertFalse(items)
        items.prepend("x", "y")
        self.assertTrue(items)
        self.assertEqual("".join(items), "xy")

    def test_take_while_over_prepended(self):
        items = Peekable([3, 10])
        items.prepend(1, 2)
        self.assertEqual(list(items.take_while(lambda n: n < 5)), [1, 2, 3])
        self.assertEqual(list(items), [10])


class LookTest(unittest.TestCase):
    def test_falsy_elements(self):
        items = Peekable([None, 0, ""])
        self.assertTrue(items)
        self.assertIsNone(items.peek("default"))
        self.assertEqual(items.look_ahead(5), [None, 0, ""])
        self.assertEqual(list(items), [None, 0, ""])
        self.assertFalse(items)

    def test_look_ahead_bounds(self):
        items = Peekable("abc")
        items.look_ahead(3)
        self.assertEqual(items.look_ahead(1), ["a"])
        self.assertEqual(items.look_ahead(0), [])
        self.assertEqual(items.look_ahead(9), ["a", "b", "c"])

    def test_end(self):
        items = Peekable("a")
        next(items)
        self.assertEqual(items.peek(None), None)
        with self.assertRaises(StopIteration):
            items.peek()
        with self.assertRaises(StopIteration):
            next(items)

    def test_reads_only_what_is_needed(self):
        source = itertools.count()
        items = Peekable(source)
        items.look_ahead(2)
        self.assertEqual(next(source), 2)
        self.assertEqual([next(items), next(items), next(items)], [0, 1, 3])

    def test_take_while_keeps_the_other(self):
        items = Peekable("aab")
        self.assertEqual(list(items.take_while("a".__eq__)), ["a", "a"])
        self.assertEqual(list(items.take_while("a".__eq__)), [])
        self.assertEqual(items.peek(), "b")

    def test_take_while_to_the_end(self):
        self.assertEqual(list(Peekable("aa").take_while("a".__eq__)), ["a", "a"])

    def test_is_its_own_iterator(self):
        items = Peekable("ab")
        self.assertIs(iter(items), items)
