import unittest

from csvline import join_line, split_line


class SplitHiddenTest(unittest.TestCase):
    def test_one_trailing_empty(self):
        self.assertEqual(split_line("a,"), ["a", ""])

    def test_several_trailing_empty(self):
        self.assertEqual(split_line("a,,,"), ["a", "", "", ""])

    def test_only_delimiter(self):
        self.assertEqual(split_line(","), ["", ""])

    def test_empty_line_has_one_field(self):
        self.assertEqual(split_line(""), [""])

    def test_quoted_empty_last(self):
        self.assertEqual(split_line('a,""'), ["a", ""])

    def test_trailing_empty_after_quoted(self):
        self.assertEqual(split_line('"x,y",'), ["x,y", ""])

    def test_leading_empty(self):
        self.assertEqual(split_line(",b"), ["", "b"])

    def test_last_field_kept_once(self):
        self.assertEqual(split_line("a,b"), ["a", "b"])
        self.assertEqual(split_line('a,"b"'), ["a", "b"])

    def test_doubled_quotes(self):
        self.assertEqual(split_line('"say ""hi""",x'), ['say "hi"', "x"])
        self.assertEqual(split_line('""""'), ['"'])

    def test_quote_inside_bare_field(self):
        self.assertEqual(split_line('5" disk,b'), ['5" disk', "b"])

    def test_other_delimiter(self):
        self.assertEqual(split_line("a;b,c;", delimiter=";"), ["a", "b,c", ""])

    def test_spaces_are_kept(self):
        self.assertEqual(split_line(" a , "), [" a ", " "])

    def test_unterminated(self):
        with self.assertRaisesRegex(ValueError, "unterminated quote"):
            split_line('"')

    def test_round_trip(self):
        for fields in (["a", ""], ["", ""], ["x,y", 'q"', ""], ["one", "two"]):
            self.assertEqual(split_line(join_line(fields)), fields)
