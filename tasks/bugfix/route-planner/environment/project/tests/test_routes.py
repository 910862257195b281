import unittest

from routes import NoRoute, RoadMap


def sample():
    roads = RoadMap()
    roads.add_road("A", "B", 10)
    roads.add_road("A", "C", 3)
    roads.add_road("C", "B", 4)
    roads.add_road("B", "D", 2)
    return roads


class RoutesTest(unittest.TestCase):
    def test_distance(self):
        self.assertEqual(sample().distance("A", "D"), 9)

    def test_route(self):
        self.assertEqual(sample().route("A", "D"), ["A", "C", "B", "D"])

    def test_direct_route(self):
        self.assertEqual(sample().route("A", "C"), ["A", "C"])

    def test_way_back(self):
        self.assertEqual(sample().route("D", "A"), ["D", "B", "C", "A"])

    def test_one_way(self):
        roads = sample()
        roads.add_road("A", "D", 1, one_way=True)
        self.assertEqual((roads.distance("A", "D"), roads.distance("D", "A")), (1, 9))

    def test_route_to_itself(self):
        self.assertEqual(sample().route("B", "B"), ["B"])

    def test_no_route(self):
        roads = sample()
        roads.add_road("X", "Y", 1)
        with self.assertRaises(NoRoute):
            roads.route("A", "X")

    def test_within(self):
        self.assertEqual(sample().within("A", 7), ["A", "B", "C"])
