import unittest

from floodfill import count_regions, fill, region


class FloodFillTest(unittest.TestCase):
    def test_region(self):
        grid = ["aab", "abb", "aab"]
        self.assertEqual(region(grid, 0, 2), {(0, 2), (1, 2), (1, 1), (2, 2)})

    def test_fill_square(self):
        self.assertEqual(fill([[0, 1], [0, 1]], 0, 0, 7), [[7, 1], [7, 1]])

    def test_fill_wide(self):
        self.assertEqual(fill([[0, 0, 0, 0]], 0, 0, 5), [[5, 5, 5, 5]])

    def test_original_kept(self):
        grid = [[0, 0], [0, 0]]
        fill(grid, 0, 0, 1)
        self.assertEqual(grid, [[0, 0], [0, 0]])

    def test_count_regions(self):
        self.assertEqual(count_regions(["ab", "ba"]), 4)

    def test_outside(self):
        with self.assertRaises(IndexError):
            region([[0]], 0, 1)
