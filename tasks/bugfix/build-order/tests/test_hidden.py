import unittest

from depgraph import CycleError, DependencyGraph


def make(**needs):
    graph = DependencyGraph()
    for target, names in needs.items():
        graph.add(target, *names.split())
    return graph


class OrderTest(unittest.TestCase):
    def test_empty(self):
        self.assertEqual(DependencyGraph().order(), [])

    def test_alphabetical_when_free(self):
        self.assertEqual(make(c="", a="", b="").order(), ["a", "b", "c"])

    def test_chain(self):
        self.assertEqual(make(a="b", b="c", c="d").order(), ["d", "c", "b", "a"])

    def test_diamond(self):
        self.assertEqual(make(a="b c", b="z", c="z").order(), ["z", "b", "c", "a"])

    def test_repeated_need(self):
        graph = make(a="z z", b="a")
        graph.add("a", "z")
        self.assertEqual(graph.order(), ["z", "a", "b"])

    def test_order_three_times(self):
        graph = make(a="b", b="c", c="d")
        self.assertEqual([graph.order() for _ in range(3)], [["d", "c", "b", "a"]] * 3)

    def test_order_then_levels(self):
        graph = make(a="z", b="y")
        self.assertEqual(graph.order(), ["y", "b", "z", "a"])
        self.assertEqual(graph.levels(), [["y", "z"], ["a", "b"]])

    def test_levels_then_order(self):
        graph = make(a="z")
        self.assertEqual(graph.levels(), [["z"], ["a"]])
        self.assertEqual(graph.order(), ["z", "a"])

    def test_add_after_order(self):
        graph = make(a="z")
        graph.order()
        graph.add("a", "zz")
        graph.add("z", "zz")
        self.assertEqual(graph.order(), ["zz", "z", "a"])

    def test_len_counts_needs(self):
        self.assertEqual(len(make(a="b c")), 3)


class CycleTest(unittest.TestCase):
    def test_self_cycle(self):
        with self.assertRaises(CycleError):
            make(a="a").order()

    def test_targets_behind_the_cycle_are_named(self):
        with self.assertRaises(CycleError) as caught:
            make(a="b", b="a", c="a", d="").order()
        self.assertEqual(caught.exception.targets, ["a", "b", "c"])
        self.assertEqual(str(caught.exception), "cycle among: a, b, c")

    def test_cycle_is_reported_every_time(self):
        graph = make(a="b m", b="a m", m="")
        for _ in range(3):
            with self.assertRaises(CycleError) as caught:
                graph.order()
            self.assertEqual(caught.exception.targets, ["a", "b"])


class LevelTest(unittest.TestCase):
    def test_levels(self):
        graph = make(a="b c", b="d", c="", d="")
        self.assertEqual(graph.levels(), [["c", "d"], ["b"], ["a"]])

    def test_empty(self):
        self.assertEqual(DependencyGraph().levels(), [])
