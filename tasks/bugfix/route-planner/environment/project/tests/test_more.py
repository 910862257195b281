import unittest
from routes import NoRoute, RoadMap


def make(*roads, one_way=False):
    result = RoadMap()
    for start, end, length in roads:
        result.add_road(start, end, length, one_way)
    return result


GRID = [("A", "B", 10), ("A", "C", 3), ("C", "B", 4), ("B", "D", 2), ("C", "D", 8), ("D", "E", 7), ("B", "E", 20)]


class MoreTest(unittest.TestCase):
    def test_distances(self):
        roads = make(*GRID)
        self.assertEqual([roads.distance("A", p) for p in "ABCDE"], [0, 7, 3, 9, 16])

    def test_unknown_end(self):
        with self.assertRaises(NoRoute):
            make(("A", "B", 1)).distance("A", "Q")
