import unittest

from peekable import Peekable


class PeekableTest(unittest.TestCase):
    def test_peek_does_not_take(self):
        items = Peekable("ab")
        self.assertEqual((items.peek(), items.peek()), ("a", "a"))
        self.assertEqual(list(items), ["a", "b"])

    def test_peek_at_the_end(self):
        self.assertEqual(Peekable("").peek("end"), "end")
        with self.assertRaises(StopIteration):
            Peekable("").peek()

    def test_last_element(self):
        items = Peekable("a")
        self.assertTrue(items)
        self.assertEqual(items.peek(), "a")
        self.assertEqual(list(items), ["a"])

    def test_look_ahead(self):
        items = Peekable("abc")
        self.assertEqual(items.look_ahead(2), ["a", "b"])
        self.assertEqual(list(items), ["a", "b", "c"])

    def test_prepend_one(self):
        items = Peekable("bc")
        items.prepend("a")
        self.assertEqual(list(items), ["a", "b", "c"])

    def test_prepend_several(self):
        items = Peekable("cd")
        items.prepend("a", "b")
        self.assertEqual(list(items), ["a", "b", "c", "d"])

    def test_take_while(self):
        items = Peekable([1, 2, 9, 3])
        self.assertEqual(list(items.take_while(lambda n: n < 5)), [1, 2])
        self.assertEqual(next(items), 9)
