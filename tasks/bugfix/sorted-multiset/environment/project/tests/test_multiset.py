import unittest

from multiset import Multiset


class MultisetTest(unittest.TestCase):
    def test_iterates_sorted(self):
        self.assertEqual("".join(Multiset("banana")), "aaabnn")

    def test_count(self):
        bag = Multiset("banana")
        self.assertEqual((bag.count("n"), bag.count("x")), (2, 0))

    def test_discard(self):
        bag = Multiset("banana")
        self.assertEqual(bag.discard("a", 5), 3)
        self.assertEqual("".join(bag), "bnn")
        self.assertEqual(bag.discard("n"), 1)
        self.assertEqual("".join(bag), "bn")

    def test_top(self):
        self.assertEqual(Multiset("banana").top(), [("a", 3), ("n", 2), ("b", 1)])

    def test_top_with_limit(self):
        bag = Multiset("banana")
        self.assertEqual(bag.top(1), [("a", 3)])
        self.assertEqual(bag.top(0), [])
