import unittest

from depgraph import CycleError, DependencyGraph


def sample():
    graph = DependencyGraph()
    graph.add("app", "lib", "config")
    graph.add("lib", "zlib")
    return graph


class GraphTest(unittest.TestCase):
    def test_order(self):
        self.assertEqual(sample().order(), ["config", "zlib", "lib", "app"])

    def test_order_again(self):
        graph = sample()
        first = graph.order()
        self.assertEqual(graph.order(), first)

    def test_levels(self):
        self.assertEqual(sample().levels(), [["config", "zlib"], ["lib"], ["app"]])

    def test_same_need_twice(self):
        graph = sample()
        graph.add("app", "lib")
        self.assertEqual(graph.order()[-1], "app")

    def test_cycle(self):
        graph = DependencyGraph()
        graph.add("a", "b")
        graph.add("b", "a")
        with self.assertRaises(CycleError) as caught:
            graph.order()
        self.assertEqual(caught.exception.targets, ["a", "b"])
