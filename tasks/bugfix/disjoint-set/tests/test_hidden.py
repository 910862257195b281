import unittest

from disjoint import DisjointSet


def joined(items, pairs):
    sets = DisjointSet(items)
    for a, b in pairs:
        sets.union(a, b)
    return sets


class UnionTest(unittest.TestCase):
    def test_pairs_by_non_representatives(self):
        sets = joined("abcd", ["ab", "cd", "bd"])
        self.assertEqual(sets.groups(), [["a", "b", "c", "d"]])

    def test_pairs_by_representatives(self):
        sets = joined("abcd", ["ab", "cd", "ac"])
        self.assertEqual(sets.groups(), [["a", "b", "c", "d"]])

    def test_pairs_mixed(self):
        for last in ("ac", "ad", "bc", "bd", "ca", "da", "cb", "db"):
            sets = joined("abcd", ["ab", "cd", last])
            self.assertEqual(sets.groups(), [["a", "b", "c", "d"]], last)

    def test_small_set_into_large_by_member(self):
        sets = joined(range(7), [(0, 1), (1, 2), (2, 3), (4, 5), (5, 6), (6, 3)])
        self.assertEqual(sets.groups(), [[0, 1, 2, 3, 4, 5, 6]])
        self.assertEqual(sets.set_count, 1)

    def test_large_set_given_second(self):
        sets = joined(range(5), [(0, 1), (2, 3), (3, 4), (1, 4)])
        self.assertEqual(sets.groups(), [[0, 1, 2, 3, 4]])

    def test_chain(self):
        sets = joined(range(50), [(i, i + 1) for i in range(49)])
        self.assertEqual(sets.set_count, 1)
        self.assertTrue(sets.connected(0, 49))

    def test_tournament_of_sixteen(self):
        sets = DisjointSet(range(16))
        step = 1
        while step < 16:
            for i in range(0, 16, 2 * step):
                self.assertTrue(sets.union(i + step - 1, i + 2 * step - 1))
            step *= 2
        self.assertEqual(sets.groups(), [list(range(16))])

    def test_count_agrees_with_groups(self):
        sets = joined(range(12), [(0, 1), (2, 3), (3, 1), (4, 5), (6, 5), (7, 8), (8, 6), (1, 0)])
        self.assertEqual(sets.groups(), [[0, 1, 2, 3], [4, 5, 6, 7, 8], [9], [10], [11]])
        self.assertEqual(sets.set_count, 5)

    def test_second_union_reports_false(self):
        sets = joined("abcd", ["ab", "cd", "bd"])
        for pair in ("ac", "ad", "bc", "bd"):
            self.assertFalse(sets.union(*pair))
        self.assertEqual(sets.set_count, 1)

    def test_union_with_itself(self):
        sets = DisjointSet("ab")
        self.assertFalse(sets.union("a", "a"))
        self.assertEqual(sets.set_count, 2)


class BasicsTest(unittest.TestCase):
    def test_empty(self):
        sets = DisjointSet()
        self.assertEqual((sets.groups(), sets.set_count), ([], 0))

    def test_add_is_idempotent(self):
        sets = joined("ab", ["ab"])
        sets.add("b")
        sets.add("c")
        self.assertEqual(sets.groups(), [["a", "b"], ["c"]])
        self.assertEqual(sets.set_count, 2)

    def test_unconnected(self):
        sets = joined("abcde", ["ab", "cd"])
        self.assertFalse(sets.connected("a", "c"))
        self.assertFalse(sets.connected("b", "e"))
        self.assertTrue(sets.connected("e", "e"))

    def test_unknown_items(self):
        sets = DisjointSet("a")
        with self.assertRaises(KeyError):
            sets.union("a", "z")
        with self.assertRaises(KeyError):
            sets.connected("z", "a")
