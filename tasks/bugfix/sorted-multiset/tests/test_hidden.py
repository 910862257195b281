import unittest

from multiset import Multiset


class TopTest(unittest.TestCase):
    def test_zero(self):
        self.assertEqual(Multiset("banana").top(0), [])

    def test_zero_by_keyword(self):
        self.assertEqual(Multiset([3, 1, 3]).top(limit=0), [])

    def test_zero_on_single_value(self):
        self.assertEqual(Multiset("aaa").top(0), [])

    def test_growing_limits(self):
        bag = Multiset("mississippi")
        sizes = [len(bag.top(n)) for n in range(7)]
        self.assertEqual(sizes, [0, 1, 2, 3, 4, 4, 4])

    def test_none_gives_all(self):
        full = [("i", 4), ("s", 4), ("p", 2), ("m", 1)]
        self.assertEqual(Multiset("mississippi").top(), full)
        self.assertEqual(Multiset("mississippi").top(None), full)

    def test_ties_in_value_order(self):
        self.assertEqual(Multiset("cabcab").top(2), [("a", 2), ("b", 2)])

    def test_empty(self):
        self.assertEqual(Multiset().top(), [])
        self.assertEqual(Multiset().top(0), [])
        self.assertEqual(Multiset().top(3), [])

    def test_returns_a_list(self):
        self.assertIsInstance(Multiset("ab").top(0), list)
        self.assertIsInstance(Multiset("ab").top(), list)


class BagTest(unittest.TestCase):
    def test_add_times(self):
        bag = Multiset()
        bag.add(5, 3)
        bag.add(2)
        self.assertEqual(list(bag), [2, 5, 5, 5])
        self.assertEqual(len(bag), 4)

    def test_add_zero_times(self):
        bag = Multiset()
        bag.add("x", 0)
        self.assertEqual((len(bag), bag.top()), (0, []))

    def test_add_negative(self):
        with self.assertRaises(ValueError):
            Multiset().add("x", -1)

    def test_discard_some(self):
        bag = Multiset("aaa")
        self.assertEqual(bag.discard("a", 2), 2)
        self.assertEqual(bag.top(), [("a", 1)])

    def test_discard_last_removes_value(self):
        bag = Multiset("ab")
        self.assertEqual(bag.discard("a"), 1)
        self.assertEqual(bag.top(), [("b", 1)])

    def test_discard_missing(self):
        bag = Multiset("ab")
        self.assertEqual(bag.discard("z", 2), 0)
        self.assertEqual(len(bag), 2)
