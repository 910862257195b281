import unittest

from blocks import dedent, indent, margin, reindent


class BlocksHiddenTest(unittest.TestCase):
    def test_empty_line_in_the_middle(self):
        self.assertEqual(margin("  a\n\n  b"), "  ")

    def test_empty_lines_at_the_ends(self):
        self.assertEqual(dedent("\n    a\n    b\n\n"), "\na\nb\n\n")

    def test_short_white_line(self):
        self.assertEqual(margin("    a\n  \n    b"), "    ")
        self.assertEqual(dedent("    a\n  \n    b"), "a\n\nb")

    def test_white_line_of_other_kind(self):
        self.assertEqual(dedent("    a\n\t\n    b"), "a\n\nb")

    def test_long_white_line(self):
        self.assertEqual(dedent("  a\n        \n  b\n"), "a\n\nb\n")

    def test_only_blank_lines(self):
        self.assertEqual(margin("\n   \n"), "")
        self.assertEqual(dedent("\n   \n"), "\n\n")

    def test_only_white_space_has_no_margin(self):
        self.assertEqual(margin("    "), "")
        self.assertEqual(margin(""), "")
        self.assertEqual(dedent("   "), "")

    def test_docstring_like(self):
        text = "\n        First.\n\n            code\n\n        Last.\n        "
        self.assertEqual(dedent(text), "\nFirst.\n\n    code\n\nLast.\n")

    def test_smallest_margin_wins(self):
        self.assertEqual(dedent("      a\n   b\n    c"), "   a\nb\n c")

    def test_tabs_and_spaces_differ(self):
        self.assertEqual(margin("\ta\n    b"), "")
        self.assertEqual(margin("\t  a\n\t b"), "\t ")
        self.assertEqual(dedent("\t  a\n\t b"), " a\nb")

    def test_line_ends_are_kept(self):
        self.assertEqual(dedent("  a\r\n\r\n  b"), "a\r\n\r\nb")

    def test_trailing_space_is_kept(self):
        self.assertEqual(dedent("  a  \n  b "), "a  \nb ")

    def test_indent(self):
        self.assertEqual(indent("a\n \n b\n", "  "), "  a\n \n   b\n")
        self.assertEqual(indent("", "  "), "")

    def test_reindent_with_blank_line(self):
        self.assertEqual(reindent("      a\n\n        b\n", "  "), "  a\n\n    b\n")
