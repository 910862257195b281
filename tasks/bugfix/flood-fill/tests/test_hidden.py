import unittest

from floodfill import count_regions, fill, region


class RegionTest(unittest.TestCase):
    def test_single_cell(self):
        self.assertEqual(region([[3]], 0, 0), {(0, 0)})

    def test_diagonal_is_not_joined(self):
        self.assertEqual(region(["ab", "ba"], 0, 0), {(0, 0)})

    def test_row(self):
        self.assertEqual(region(["aaaaab"], 0, 2), {(0, c) for c in range(5)})

    def test_column(self):
        self.assertEqual(region(["a", "a", "b", "a"], 0, 0), {(0, 0), (1, 0)})

    def test_no_wrap_around(self):
        self.assertEqual(region(["aba", "bbb", "aba"], 0, 0), {(0, 0)})

    def test_outside(self):
        for row, column in ((-1, 0), (0, -1), (2, 0), (0, 3)):
            with self.assertRaises(IndexError):
                region(["aaa", "aaa"], row, column)


class FillTest(unittest.TestCase):
    def test_wide(self):
        grid = [[0, 0, 1, 0, 0], [1, 0, 0, 0, 1]]
        self.assertEqual(fill(grid, 0, 4, 9), [[9, 9, 1, 9, 9], [1, 9, 9, 9, 1]])

    def test_tall(self):
        grid = [[0, 0], [0, 1], [0, 0], [1, 0], [0, 0]]
        self.assertEqual(fill(grid, 0, 0, 2), [[2, 2], [2, 1], [2, 2], [1, 2], [2, 2]])

    def test_same_colour(self):
        self.assertEqual(fill([[1, 1], [0, 1]], 0, 0, 1), [[1, 1], [0, 1]])

    def test_only_one_region(self):
        self.assertEqual(fill([[0, 1, 0]], 0, 0, 4), [[4, 1, 0]])

    def test_text_rows(self):
        self.assertEqual(fill(["..#"], 0, 0, "o"), [["o", "o", "#"]])

    def test_original_kept(self):
        grid = [[0, 0, 0]]
        fill(grid, 0, 0, 1)
        self.assertEqual(grid, [[0, 0, 0]])


class CountTest(unittest.TestCase):
    def test_square(self):
        self.assertEqual(count_regions(["aab", "abb", "aab"]), 2)

    def test_wide_and_tall(self):
        self.assertEqual(count_regions(["aaaa"]), 1)
        self.assertEqual(count_regions(["a", "a", "b", "b"]), 2)

    def test_empty(self):
        self.assertEqual(count_regions([]), 0)
