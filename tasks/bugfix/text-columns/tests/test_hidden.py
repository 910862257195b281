import unittest

from columns import columnize, definitions, layout


class LayoutTest(unittest.TestCase):
    def test_exact_one_row(self):
        self.assertEqual(layout(["aa", "bb", "cc"], 10), [["aa"], ["bb"], ["cc"]])

    def test_one_less_than_exact(self):
        self.assertEqual(layout(["aa", "bb", "cc"], 9), [["aa", "bb"], ["cc"]])

    def test_exact_with_other_gap(self):
        self.assertEqual(layout(["aa", "bb"], 8, gap=4), [["aa"], ["bb"]])
        self.assertEqual(layout(["aa", "bb"], 7, gap=4), [["aa", "bb"]])

    def test_between_exact_and_one_gap_more(self):
        self.assertEqual(layout(["aa", "bb"], 7), [["aa"], ["bb"]])
        self.assertEqual(layout(["aa", "bb"], 6), [["aa"], ["bb"]])
        self.assertEqual(layout(["aa", "bb"], 5), [["aa", "bb"]])

    def test_no_gap(self):
        self.assertEqual(layout(["aa", "bb"], 4, gap=0), [["aa"], ["bb"]])
        self.assertEqual(layout(["aa", "bb"], 3, gap=0), [["aa", "bb"]])

    def test_different_widths(self):
        items = ["a", "bbbb", "cc", "d", "eee"]
        self.assertEqual(layout(items, 11), [["a", "bbbb", "cc"], ["d", "eee"]])
        self.assertEqual(layout(items, 13), [["a", "bbbb"], ["cc", "d"], ["eee"]])

    def test_single_item(self):
        self.assertEqual(layout(["abc"], 3), [["abc"]])
        self.assertEqual(layout(["abc"], 1), [["abc"]])

    def test_too_wide_item(self):
        self.assertEqual(layout(["a", "much too wide", "b"], 6), [["a", "much too wide", "b"]])

    def test_every_width_is_used(self):
        items = [str(10 ** (n % 4)) for n in range(13)]
        for width in range(4, 60):
            lines = columnize(items, width)
            self.assertLessEqual(max(map(len, lines)), width)
            wider = columnize(items, max(map(len, lines)))
            self.assertLessEqual(len(wider), len(lines))


class ColumnizeTest(unittest.TestCase):
    def test_exact(self):
        self.assertEqual(columnize(["one", "two", "three", "four"], 20), ["one  three", "two  four"])
        self.assertEqual(columnize(["one", "two", "three", "four"], 21), ["one  two  three  four"])

    def test_rows_and_padding(self):
        self.assertEqual(columnize(["a", "bbb", "c", "dd", "e"], 12, gap=3), ["a     c    e", "bbb   dd"])

    def test_not_only_strings(self):
        self.assertEqual(columnize(range(8, 12), 7), ["8  10", "9  11"])

    def test_generator_and_empty(self):
        self.assertEqual(columnize((c for c in "ab"), 4), ["a  b"])
        self.assertEqual(columnize([]), [])


class DefinitionsTest(unittest.TestCase):
    def test_long_term(self):
        self.assertEqual(
            definitions([("a", "one"), ("much-longer", "two"), ("bcd", "")], gap=1, max_term=5),
            ["a   one", "much-longer", "    two", "bcd"],
        )

    def test_term_of_exactly_the_maximum(self):
        self.assertEqual(definitions([("abc", "x"), ("d", "y")], max_term=3), ["abc  x", "d    y"])
        self.assertEqual(definitions([]), [])
