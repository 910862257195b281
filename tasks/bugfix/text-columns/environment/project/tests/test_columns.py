import unittest

from columns import columnize, definitions, layout


class ColumnsTest(unittest.TestCase):
    def test_one_row(self):
        self.assertEqual(columnize(["a", "b", "c"], 20), ["a  b  c"])

    def test_top_to_bottom(self):
        self.assertEqual(columnize(list("abcde"), 9), ["a  c  e", "b  d"])

    def test_exact_width(self):
        self.assertEqual(columnize(["aaa", "bbb", "ccc", "ddd"], 8), ["aaa  ccc", "bbb  ddd"])

    def test_too_narrow(self):
        self.assertEqual(layout(["long name", "b"], 5), [["long name", "b"]])

    def test_empty(self):
        self.assertEqual(columnize([], 10), [])

    def test_definitions(self):
        self.assertEqual(
            definitions([("-v", "verbose"), ("--help", "show help")]),
            ["-v      verbose", "--help  show help"],
        )
