import unittest

from wrap import fill, paragraphs, quote, wrap

TEXT = "The quick brown fox jumps over the lazy dog and then it runs away from a very unhappy bear"


class WrapHiddenTest(unittest.TestCase):
    def test_space_counts(self):
        self.assertEqual(wrap("ab cd", 4), ["ab", "cd"])
        self.assertEqual(wrap("ab cd", 5), ["ab cd"])

    def test_space_counts_on_later_lines(self):
        self.assertEqual(wrap("abcd ab cd ef", 4), ["abcd", "ab", "cd", "ef"])

    def test_single_letters(self):
        self.assertEqual(wrap("a b c d e f", 4), ["a b", "c d", "e f"])
        self.assertEqual(wrap("a b c d e f", 5), ["a b c", "d e f"])

    def test_no_line_too_long(self):
        for width in range(3, 40):
            self.assertLessEqual(max(map(len, wrap(TEXT, width))), width)

    def test_no_line_too_short(self):
        for width in range(7, 40):
            lines = wrap(TEXT, width)
            for line, following in zip(lines, lines[1:]):
                self.assertGreater(len(line) + 1 + len(following.split()[0]), width)

    def test_words_are_kept(self):
        for width in (8, 13, 30, 200):
            self.assertEqual(" ".join(wrap(TEXT, width)), TEXT)

    def test_indent_counts(self):
        self.assertEqual(wrap("ab cd ef", 8, "   "), ["   ab cd", "   ef"])
        self.assertEqual(wrap("ab cd ef", 7, "   "), ["   ab", "   cd", "   ef"])

    def test_hanging_indent(self):
        self.assertEqual(wrap("ab cd ef gh", 6, "- ", "  "), ["- ab", "  cd", "  ef", "  gh"])
        self.assertEqual(wrap("ab cd ef gh", 7, "", "  "), ["ab cd", "  ef gh"])
        self.assertEqual(wrap("ab cd ef gh", 6, "", "  "), ["ab cd", "  ef", "  gh"])

    def test_long_words(self):
        self.assertEqual(wrap("a bcdefgh i", 3), ["a", "bcd", "efg", "h i"])
        self.assertEqual(wrap("abcdef", 5, "  "), ["  abc", "  def"])

    def test_white_space_and_empty(self):
        self.assertEqual(wrap("  a \t b\n c ", 10), ["a b c"])
        self.assertEqual(wrap("", 10), [])

    def test_no_room(self):
        with self.assertRaises(ValueError):
            wrap("a", 2, "  ")
        self.assertEqual(wrap("a", 1), ["a"])

    def test_paragraphs(self):
        self.assertEqual(paragraphs("\n\n a\n b\n \n\nc\n\n"), ["a b", "c"])
        self.assertEqual(paragraphs(""), [])

    def test_fill(self):
        self.assertEqual(fill("aa bb cc\n\ndd ee", 4), "aa\nbb\ncc\n\ndd\nee")
        self.assertEqual(fill("aa bb cc\n\ndd ee", 7, "  "), "  aa bb\n  cc\n\n  dd ee")

    def test_quote(self):
        self.assertEqual(quote("aa bb cc\n\ndd", 6), "> aa\n> bb\n> cc\n>\n> dd")
        self.assertEqual(quote("aa bb cc", 7, "| "), "| aa bb\n| cc")
