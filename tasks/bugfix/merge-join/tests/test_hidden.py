import itertools
import unittest

from mergejoin import UnsortedError, groups, join, unmatched


def rows(text):
    return [(char, char.upper() + str(i)) for i, char in enumerate(text)]


class EndTest(unittest.TestCase):
    def test_left_row_at_the_end(self):
        found = list(join([(1, "a"), (5, "b")], [(2, "x")], "left"))
        self.assertEqual(found, [(1, "a", None), (5, "b", None)])

    def test_right_row_at_the_end(self):
        found = list(join([(2, "x")], [(1, "a"), (5, "b"), (6, "c")], "right"))
        self.assertEqual(found, [(1, None, "a"), (5, None, "b"), (6, None, "c")])

    def test_outer_both_ways(self):
        self.assertEqual(list(join([(1, "a")], [(2, "x")], "outer")), [(1, "a", None), (2, None, "x")])
        self.assertEqual(list(join([(2, "a")], [(1, "x")], "outer")), [(1, None, "x"), (2, "a", None)])

    def test_whole_group_at_the_end(self):
        found = list(join([(3, "a"), (3, "b"), (4, "c")], [(1, "x")], "left"))
        self.assertEqual(found, [(3, "a", None), (3, "b", None), (4, "c", None)])

    def test_one_side_empty(self):
        data = [(1, "a"), (1, "b"), (2, "c")]
        self.assertEqual(list(join(data, [], "left")), [(1, "a", None), (1, "b", None), (2, "c", None)])
        self.assertEqual(list(join([], data, "outer")), [(1, None, "a"), (1, None, "b"), (2, None, "c")])
        self.assertEqual(list(join(data, [], "right")), [])

    def test_rest_after_a_common_key(self):
        found = list(join([(1, "a"), (2, "b"), (3, "c")], [(1, "x")], "outer"))
        self.assertEqual(found, [(1, "a", "x"), (2, "b", None), (3, "c", None)])

    def test_unmatched(self):
        self.assertEqual(unmatched(rows("ace"), rows("bd")), (["a", "c", "e"], ["b", "d"]))
        self.assertEqual(unmatched(rows("a"), rows("abcd")), ([], ["b", "c", "d"]))
        self.assertEqual(unmatched(rows("xyz"), rows("abc")), (["x", "y", "z"], ["a", "b", "c"]))

    def test_agrees_with_sets(self):
        subsets = ["".join(c) for n in range(5) for c in itertools.combinations("abcd", n)]
        for one in subsets:
            for two in subsets:
                keys = [key for key, _, _ in join(rows(one), rows(two), "outer")]
                self.assertEqual(keys, sorted(set(one) | set(two)), (one, two))
                keys = [key for key, _, _ in join(rows(one), rows(two), "left")]
                self.assertEqual(keys, list(one), (one, two))
                keys = [key for key, _, _ in join(rows(one), rows(two), "right")]
                self.assertEqual(keys, list(two), (one, two))


class OrdinaryTest(unittest.TestCase):
    def test_inner(self):
        self.assertEqual(list(join(rows("abd"), rows("bcd"))), [("b", "B1", "B0"), ("d", "D2", "D2")])

    def test_all_combinations(self):
        found = list(join([(1, "a"), (1, "b")], [(1, "x"), (1, "y")], "outer"))
        self.assertEqual(found, [(1, "a", "x"), (1, "a", "y"), (1, "b", "x"), (1, "b", "y")])

    def test_nothing(self):
        for how in ("inner", "left", "right", "outer"):
            self.assertEqual(list(join([], [], how)), [])
        self.assertEqual(unmatched([], []), ([], []))

    def test_lazy(self):
        numbers = ((n, n) for n in itertools.count())
        squares = ((n * n, "square") for n in itertools.count())
        found = itertools.islice(join(numbers, squares, "left"), 5)
        self.assertEqual(list(found), [(0, 0, "square"), (1, 1, "square"), (2, 2, None), (3, 3, None), (4, 4, "square")])

    def test_groups(self):
        self.assertEqual(list(groups([(1, "a"), (1, "b"), (3, "c")])), [(1, ["a", "b"]), (3, ["c"])])
        self.assertEqual(list(groups([])), [])

    def test_unsorted(self):
        for how in ("inner", "outer"):
            with self.assertRaises(UnsortedError):
                list(join([(1, "a")], [(1, "x"), (3, "y"), (2, "z")], how))

    def test_unknown_kind(self):
        with self.assertRaises(ValueError):
            list(join([(1, "a")], [], "full"))
