import unittest

from disjoint import DisjointSet


class DisjointSetTest(unittest.TestCase):
    def test_starts_as_singletons(self):
        self.assertEqual(DisjointSet("abc").groups(), [["a"], ["b"], ["c"]])

    def test_union_of_singletons(self):
        sets = DisjointSet("abc")
        self.assertTrue(sets.union("a", "c"))
        self.assertEqual(sets.groups(), [["a", "c"], ["b"]])

    def test_union_within_a_set(self):
        sets = DisjointSet("ab")
        sets.union("a", "b")
        self.assertFalse(sets.union("b", "a"))

    def test_union_of_pairs(self):
        sets = DisjointSet("abcd")
        sets.union("a", "b")
        sets.union("c", "d")
        sets.union("a", "d")
        self.assertTrue(sets.connected("b", "c"))

    def test_set_count(self):
        sets = DisjointSet(range(5))
        sets.union(0, 1)
        sets.union(1, 2)
        self.assertEqual(sets.set_count, 3)

    def test_unknown_item(self):
        with self.assertRaises(KeyError):
            DisjointSet("ab").find("z")
