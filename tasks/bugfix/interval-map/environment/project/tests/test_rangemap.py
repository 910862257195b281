import unittest

from rangemap import RangeMap, Span


class RangeMapTest(unittest.TestCase):
    def test_get(self):
        m = RangeMap()
        m.assign(2, 5, "a")
        self.assertEqual([m.get(p) for p in (1, 2, 4, 5)], [None, "a", "a", None])

    def test_overlap_at_the_end(self):
        m = RangeMap()
        m.assign(0, 5, "a")
        m.assign(3, 8, "b")
        self.assertEqual(m.items(), [(0, 3, "a"), (3, 8, "b")])

    def test_overlap_at_the_start(self):
        m = RangeMap()
        m.assign(3, 8, "a")
        m.assign(0, 5, "b")
        self.assertEqual(m.items(), [(0, 5, "b"), (5, 8, "a")])

    def test_inside(self):
        m = RangeMap()
        m.assign(0, 24, "day")
        m.assign(10, 12, "lunch")
        self.assertEqual(m.items(), [(0, 10, "day"), (10, 12, "lunch"), (12, 24, "day")])

    def test_touching_equal_values_are_joined(self):
        m = RangeMap()
        m.assign(0, 2, "a")
        m.assign(4, 6, "a")
        m.assign(2, 4, "a")
        self.assertEqual(m.items(), [(0, 6, "a")])

    def test_gaps(self):
        m = RangeMap()
        m.assign(2, 4, "a")
        self.assertEqual(m.gaps(0, 6), [(0, 2), (4, 6)])

    def test_empty_span(self):
        with self.assertRaises(ValueError):
            Span(3, 3, "a")
