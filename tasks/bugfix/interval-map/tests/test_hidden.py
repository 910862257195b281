import unittest

from rangemap import RangeMap, Span


def build(*assignments):
    m = RangeMap()
    for start, stop, value in assignments:
        m.assign(start, stop, value)
    return m


class InsideTest(unittest.TestCase):
    def test_values_on_both_sides(self):
        m = build((0, 10, "a"), (4, 6, "b"))
        self.assertEqual([m.get(p) for p in range(11)], list("aaaabbaaaa") + [None])

    def test_single_point(self):
        m = build((0, 10, "a"), (5, 6, "b"))
        self.assertEqual(m.items(), [(0, 5, "a"), (5, 6, "b"), (6, 10, "a")])

    def test_nested_three_deep(self):
        m = build((0, 12, "a"), (2, 10, "b"), (4, 8, "c"))
        self.assertEqual(m.items(), [(0, 2, "a"), (2, 4, "b"), (4, 8, "c"), (8, 10, "b"), (10, 12, "a")])

    def test_same_value_inside_changes_nothing(self):
        m = build((0, 10, "a"), (3, 5, "a"))
        self.assertEqual(m.items(), [(0, 10, "a")])

    def test_other_spans_around(self):
        m = build((0, 3, "x"), (5, 15, "a"), (20, 22, "y"), (8, 9, "b"))
        self.assertEqual(m.items(), [(0, 3, "x"), (5, 8, "a"), (8, 9, "b"), (9, 15, "a"), (20, 22, "y")])

    def test_clear_inside(self):
        m = build((0, 10, "a"))
        m.clear(3, 5)
        self.assertEqual(m.items(), [(0, 3, "a"), (5, 10, "a")])
        self.assertEqual(m.gaps(0, 10), [(3, 5)])

    def test_two_holes(self):
        m = build((0, 10, "a"))
        m.clear(2, 3)
        m.clear(6, 7)
        self.assertEqual(m.items(), [(0, 2, "a"), (3, 6, "a"), (7, 10, "a")])


class OverlapTest(unittest.TestCase):
    def test_agrees_with_plain_dict(self):
        m, ref = RangeMap(), {}
        for step in range(120):
            start = (step * 17) % 40
            stop = start + 1 + (step * 7) % 13
            if step % 5 == 4:
                m.clear(start, stop)
                for p in range(start, stop):
                    ref.pop(p, None)
            else:
                m.assign(start, stop, step % 3)
                ref.update((p, step % 3) for p in range(start, stop))
            self.assertEqual([m.get(p) for p in range(60)], [ref.get(p) for p in range(60)], step)
            items = m.items()
            self.assertTrue(all(a[1] <= b[0] for a, b in zip(items, items[1:])), items)

    def test_covering_several(self):
        m = build((0, 3, "a"), (4, 6, "b"), (8, 12, "c"), (2, 10, "d"))
        self.assertEqual(m.items(), [(0, 2, "a"), (2, 10, "d"), (10, 12, "c")])

    def test_same_range_again(self):
        self.assertEqual(build((1, 4, "a"), (1, 4, "b")).items(), [(1, 4, "b")])

    def test_common_start_and_common_end(self):
        self.assertEqual(build((0, 10, "a"), (0, 4, "b")).items(), [(0, 4, "b"), (4, 10, "a")])
        self.assertEqual(build((0, 10, "a"), (6, 10, "b")).items(), [(0, 6, "a"), (6, 10, "b")])

    def test_joining(self):
        m = build((0, 2, "a"), (2, 4, "b"), (4, 6, "a"))
        self.assertEqual(len(m), 3)
        m.assign(2, 4, "a")
        self.assertEqual(m.items(), [(0, 6, "a")])

    def test_clear_ends_and_all(self):
        m = build((0, 10, "a"))
        m.clear(8, 20)
        m.clear(-3, 2)
        self.assertEqual(m.items(), [(2, 8, "a")])
        m.clear(5, 5)
        self.assertEqual(m.items(), [(2, 8, "a")])
        m.clear(0, 10)
        self.assertEqual((m.items(), m.get(5, "none")), ([], "none"))

    def test_gaps(self):
        m = build((2, 4, "a"), (6, 8, "b"))
        self.assertEqual(m.gaps(0, 10), [(0, 2), (4, 6), (8, 10)])
        self.assertEqual(m.gaps(3, 7), [(4, 6)])
        self.assertEqual(m.gaps(2, 4), [])

    def test_empty_range_is_an_error(self):
        m = build((0, 3, "a"))
        for start, stop in ((2, 2), (3, 1)):
            with self.assertRaises(ValueError):
                m.assign(start, stop, "b")
        self.assertEqual(m.items(), [(0, 3, "a")])
        self.assertTrue(Span(1, 3, "a").overlaps(2, 9))
