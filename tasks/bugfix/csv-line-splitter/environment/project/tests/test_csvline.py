import unittest

from csvline import join_line, split_line


class SplitLineTest(unittest.TestCase):
    def test_plain(self):
        self.assertEqual(split_line("a,b,c"), ["a", "b", "c"])

    def test_empty_field_in_the_middle(self):
        self.assertEqual(split_line("a,,c"), ["a", "", "c"])

    def test_empty_last_field(self):
        self.assertEqual(split_line("7,Smith,"), ["7", "Smith", ""])

    def test_quoted_delimiter(self):
        self.assertEqual(split_line('"Smith, J.",9'), ["Smith, J.", "9"])

    def test_unterminated(self):
        with self.assertRaises(ValueError):
            split_line('a,"b')


class JoinLineTest(unittest.TestCase):
    def test_quotes_when_needed(self):
        self.assertEqual(join_line(["a", "b,c", 'd"e']), 'a,"b,c","d""e"')
