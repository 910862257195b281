import unittest

from routes import NoRoute, RoadMap


def make(*roads, one_way=False):
    result = RoadMap()
    for start, end, length in roads:
        result.add_road(start, end, length, one_way)
    return result


GRID = [("A", "B", 10), ("A", "C", 3), ("C", "B", 4), ("B", "D", 2), ("C", "D", 8), ("D", "E", 7), ("B", "E", 20)]


class DistanceTest(unittest.TestCase):
    def test_distances(self):
        roads = make(*GRID)
        self.assertEqual([roads.distance("A", p) for p in "ABCDE"], [0, 7, 3, 9, 16])

    def test_one_way(self):
        roads = make(("A", "B", 1), one_way=True)
        self.assertEqual(roads.distance("A", "B"), 1)
        with self.assertRaises(NoRoute):
            roads.distance("B", "A")

    def test_shorter_parallel_road_counts(self):
        self.assertEqual(make(("A", "B", 5), ("A", "B", 2), ("A", "B", 9)).distance("B", "A"), 2)

    def test_bad_length(self):
        with self.assertRaises(ValueError):
            make(("A", "B", 0))

    def test_unknown_start(self):
        with self.assertRaises(KeyError):
            make(("A", "B", 1)).route("Q", "A")

    def test_unknown_end(self):
        with self.assertRaises(NoRoute):
            make(("A", "B", 1)).distance("A", "Q")


class RouteTest(unittest.TestCase):
    def test_detour_is_shorter(self):
        self.assertEqual(make(*GRID).route("A", "B"), ["A", "C", "B"])

    def test_improved_twice(self):
        roads = make(("S", "T", 100), ("S", "A", 1), ("A", "T", 50), ("A", "B", 1), ("B", "T", 1))
        self.assertEqual(roads.route("S", "T"), ["S", "A", "B", "T"])
        self.assertEqual(roads.distance("S", "T"), 3)

    def test_route_length_is_distance(self):
        roads = make(*GRID)
        lengths = {frozenset((a, b)): n for a, b, n in GRID}
        for start in "ABCDE":
            for end in "ABCDE":
                route = roads.route(start, end)
                total = sum(lengths[frozenset(pair)] for pair in zip(route, route[1:]))
                self.assertEqual(total, roads.distance(start, end), (start, end))

    def test_backwards(self):
        self.assertEqual(make(*GRID).route("E", "A"), ["E", "D", "B", "C", "A"])

    def test_simple_chain(self):
        self.assertEqual(make(("A", "B", 1), ("B", "C", 1)).route("A", "C"), ["A", "B", "C"])

    def test_same_place(self):
        self.assertEqual(make(*GRID).route("D", "D"), ["D"])

    def test_equal_routes_first_found_kept(self):
        roads = make(("A", "B", 1), ("A", "C", 1), ("B", "D", 1), ("C", "D", 1))
        self.assertEqual(roads.route("A", "D"), ["A", "B", "D"])

    def test_no_route(self):
        with self.assertRaises(NoRoute):
            make(("A", "B", 1), ("C", "D", 1)).route("A", "D")


class WithinTest(unittest.TestCase):
    def test_within(self):
        roads = make(*GRID)
        self.assertEqual(roads.within("A", 0), ["A"])
        self.assertEqual(roads.within("A", 9), ["A", "B", "C", "D"])
