import unittest
from disjoint import DisjointSet


def joined(items, pairs):
    sets = DisjointSet(items)
    for a, b in pairs:
        sets.union(a, b)
    return sets


class MoreTest(unittest.TestCase):
    def test_empty(self):
        sets = DisjointSet()
        self.assertEqual((sets.groups(), sets.set_count), ([], 0))

    def test_add_is_idempotent(self):
        sets = joined("ab", ["ab"])
        sets.add("b")
        sets.add("c")
        self.assertEqual(sets.groups(), [["a", "b"], ["c"]])
        self.assertEqual(sets.set_count, 2)
