import unittest

from treepath import Tree


class TreeTest(unittest.TestCase):
    def test_line(self):
        self.assertEqual(Tree([("a", "b"), ("b", "c"), ("c", "d")]).diameter(), 3)

    def test_long_branch_first(self):
        tree = Tree([("r", "a", 5), ("r", "b", 3), ("r", "c", 1)])
        self.assertEqual(tree.diameter(), 8)

    def test_long_branch_last(self):
        tree = Tree([("r", "a", 1), ("r", "b", 3), ("r", "c", 5)])
        self.assertEqual(tree.diameter(), 8)

    def test_path(self):
        tree = Tree([("r", "a", 5), ("r", "b", 3)])
        self.assertEqual(tree.longest_path(), (8, ["a", "r", "b"]))

    def test_height(self):
        self.assertEqual(Tree([("r", "a", 1), ("a", "b", 2), ("r", "c", 2)]).height("r"), 3)

    def test_no_circles(self):
        with self.assertRaises(ValueError):
            Tree([("a", "b"), ("b", "c"), ("c", "a")])
