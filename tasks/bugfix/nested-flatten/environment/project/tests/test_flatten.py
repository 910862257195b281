import unittest

from flatten import deep_map, flatten, nesting


class FlattenTest(unittest.TestCase):
    def test_all_levels(self):
        self.assertEqual(list(flatten([1, [2, [3, (4,)]], []])), [1, 2, 3, 4])

    def test_text_is_kept(self):
        self.assertEqual(list(flatten(["ab", ["cd", [b"ef"]]])), ["ab", "cd", b"ef"])

    def test_depth(self):
        self.assertEqual(list(flatten([1, [2, [3]]], depth=1)), [1, 2, [3]])

    def test_atoms(self):
        self.assertEqual(list(flatten([(1, 2), [(3, 4)]], atoms=tuple)), [(1, 2), (3, 4)])

    def test_nesting(self):
        self.assertEqual(nesting([1, [2, [3]]]), 3)

    def test_deep_map(self):
        self.assertEqual(deep_map(abs, [-1, [-2, [3]]]), [1, [2, [3]]])
