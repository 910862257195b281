import unittest

from blocks import dedent, indent, margin, reindent


class BlocksTest(unittest.TestCase):
    def test_margin(self):
        self.assertEqual(margin("    a\n      b\n"), "    ")

    def test_dedent(self):
        self.assertEqual(dedent("    a\n      b\n"), "a\n  b\n")

    def test_dedent_with_blank_line(self):
        self.assertEqual(dedent("    a\n\n    b\n"), "a\n\nb\n")

    def test_nothing_in_common(self):
        self.assertEqual(dedent("a\n  b\n"), "a\n  b\n")

    def test_indent(self):
        self.assertEqual(indent("a\n\nb", "> "), "> a\n\n> b")

    def test_reindent(self):
        self.assertEqual(reindent("  a\n   b", "\t"), "\ta\n\t b")
