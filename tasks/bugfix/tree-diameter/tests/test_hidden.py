import unittest
from itertools import permutations

from treepath import Tree


class DiameterTest(unittest.TestCase):
    def test_empty(self):
        self.assertEqual(Tree().longest_path(), (0, []))
        self.assertEqual(Tree().diameter(), 0)

    def test_one_edge(self):
        self.assertEqual(Tree([("a", "b", 4)]).diameter(), 4)

    def test_line_rooted_in_the_middle(self):
        self.assertEqual(Tree([("m", "a"), ("m", "b"), ("b", "c"), ("c", "d")]).diameter(), 4)

    def test_star_in_every_order(self):
        for weights in permutations((1, 2, 4, 7)):
            tree = Tree([("r", i, w) for i, w in enumerate(weights)])
            self.assertEqual(tree.diameter(), 11, weights)

    def test_equal_branches(self):
        self.assertEqual(Tree([("r", "a", 2), ("r", "b", 2), ("r", "c", 2)]).diameter(), 4)

    def test_path_below_the_root(self):
        tree = Tree([("r", "a", 1), ("a", "b", 10), ("a", "c", 20), ("r", "d", 1)])
        self.assertEqual(tree.diameter(), 30)

    def test_rising_then_deeper(self):
        tree = Tree([("r", "a"), ("r", "b"), ("b", "c"), ("r", "d"), ("d", "e"), ("e", "f")])
        self.assertEqual(tree.diameter(), 5)

    def test_unit_weight_is_default(self):
        self.assertEqual(Tree([(1, 2), (2, 3, 5)]).diameter(), 6)


class PathTest(unittest.TestCase):
    def test_long_branch_first(self):
        tree = Tree([("r", "a", 5), ("r", "b", 3), ("r", "c", 1)])
        self.assertEqual(tree.longest_path(), (8, ["a", "r", "b"]))

    def test_long_branch_last(self):
        tree = Tree([("r", "a", 1), ("r", "b", 3), ("r", "c", 5)])
        self.assertEqual(tree.longest_path(), (8, ["c", "r", "b"]))

    def test_long_branches(self):
        tree = Tree([("r", "a", 2), ("a", "b", 2), ("r", "c", 3), ("c", "d", 3)])
        self.assertEqual(tree.longest_path(), (10, ["d", "c", "r", "a", "b"]))

    def test_single_branch(self):
        self.assertEqual(Tree([("r", "a", 2), ("a", "b", 2)]).longest_path(), (4, ["b", "a", "r"]))


class OtherTest(unittest.TestCase):
    def test_height_of_every_root(self):
        tree = Tree([("r", "a", 1), ("r", "b", 3), ("b", "c", 5)])
        self.assertEqual([tree.height(n) for n in "rabc"], [8, 9, 5, 9])

    def test_len(self):
        self.assertEqual((len(Tree()), len(Tree([(1, 2), (2, 3)]))), (0, 3))

    def test_errors(self):
        for edges in ([(1, 2, -1)], [(1, 1)], [(1, 2), (3, 4)], [(1, 2), (2, 3), (1, 3)]):
            with self.assertRaises(ValueError):
                Tree(edges)
