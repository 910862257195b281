import unittest

from wrap import fill, quote, wrap


class WrapTest(unittest.TestCase):
    def test_one_line(self):
        self.assertEqual(wrap("just a line", 20), ["just a line"])

    def test_exact_fit(self):
        self.assertEqual(wrap("aaa bbb ccc", 7), ["aaa bbb", "ccc"])

    def test_one_too_long(self):
        self.assertEqual(wrap("aaa bbb ccc", 6), ["aaa", "bbb", "ccc"])

    def test_indents(self):
        self.assertEqual(wrap("one two three", 9, "* ", "  "), ["* one two", "  three"])

    def test_hanging_indent(self):
        self.assertEqual(wrap("one two three four", 9, "", "   "), ["one two", "   three", "   four"])
        self.assertEqual(wrap("one two three four", 13, "", "   "), ["one two three", "   four"])
        self.assertEqual(wrap("a b c d e", 5, "  ", ""), ["  a b", "c d e"])

    def test_long_word(self):
        self.assertEqual(wrap("abcdefgh", 3), ["abc", "def", "gh"])

    def test_fill(self):
        self.assertEqual(fill("a b\nc\n\n\nd", 10), "a b c\n\nd")

    def test_quote(self):
        self.assertEqual(quote("hello\n\nworld", 20), "> hello\n>\n> world")
