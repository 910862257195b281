import unittest

from flatten import deep_map, flatten, nesting


class FlattenTest(unittest.TestCase):
    def test_flat_and_empty(self):
        self.assertEqual(list(flatten([1, 2])), [1, 2])
        self.assertEqual(list(flatten([])), [])
        self.assertEqual(list(flatten([[], [[]]])), [])

    def test_mixed_iterables(self):
        self.assertEqual(list(flatten([range(2), (2, iter([3])), {4: "x"}])), [0, 1, 2, 3, 4])

    def test_text(self):
        self.assertEqual(list(flatten(["ab", ["", [b"cd"]]])), ["ab", "", b"cd"])

    def test_lazy(self):
        def endless():
            while True:
                yield [1]

        self.assertEqual(next(flatten(endless())), 1)


class DepthTest(unittest.TestCase):
    DATA = [1, [2, [3, [4]]]]

    def test_zero(self):
        self.assertEqual(list(flatten(self.DATA, depth=0)), self.DATA)

    def test_one_and_two(self):
        self.assertEqual(list(flatten(self.DATA, depth=1)), [1, 2, [3, [4]]])
        self.assertEqual(list(flatten(self.DATA, depth=2)), [1, 2, 3, [4]])

    def test_more_than_there_is(self):
        self.assertEqual(list(flatten(self.DATA, depth=9)), [1, 2, 3, 4])


class AtomsTest(unittest.TestCase):
    def test_at_the_top(self):
        self.assertEqual(list(flatten([(1, 2), [3]], atoms=tuple)), [(1, 2), 3])

    def test_one_level_down(self):
        self.assertEqual(list(flatten([[(1, 2)], 3], atoms=(tuple,))), [(1, 2), 3])

    def test_three_levels_down(self):
        self.assertEqual(list(flatten([[[[{"a": 1}]]]], atoms=(str, dict))), [{"a": 1}])

    def test_with_depth(self):
        self.assertEqual(list(flatten([[(1,), [(2,), [3]]]], depth=2, atoms=tuple)), [(1,), (2,), [3]])

    def test_fewer_atoms_open_bytes(self):
        self.assertEqual(list(flatten([b"ab", [b"c", ["de"]]], atoms=str)), [97, 98, 99, "de"])


class OtherTest(unittest.TestCase):
    def test_nesting(self):
        self.assertEqual([nesting([]), nesting(["abc"]), nesting([[], [[]]])], [1, 1, 3])

    def test_nesting_with_atoms(self):
        self.assertEqual(nesting([[(1, (2,))]], atoms=tuple), 2)

    def test_deep_map(self):
        self.assertEqual(deep_map(str, [1, [(2,), []]]), ["1", ["(2,)", []]])
