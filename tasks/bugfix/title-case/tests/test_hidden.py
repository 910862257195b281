import unittest

from titlecase import capitalize, titlecase


class TitleCaseHiddenTest(unittest.TestCase):
    def test_acronym(self):
        self.assertEqual(titlecase("using SQL and the REST API"), "Using SQL and the REST API")

    def test_mixed_case(self):
        self.assertEqual(titlecase("the iPhone and eBay"), "The IPhone and EBay")
        self.assertEqual(titlecase("fans of MacGyver unite"), "Fans of MacGyver Unite")

    def test_acronym_in_hyphens(self):
        self.assertEqual(titlecase("an HTTP-to-FTP gateway"), "An HTTP-to-FTP Gateway")
        self.assertEqual(titlecase("pre-NATO times"), "Pre-NATO Times")

    def test_acronym_in_quotes(self):
        self.assertEqual(titlecase('the "USB" (like "PCI") bus'), 'The "USB" (Like "PCI") Bus')

    def test_capitalize_keeps_the_rest(self):
        self.assertEqual(capitalize("mcDonald"), "McDonald")
        self.assertEqual(capitalize("'xML"), "'XML")
        self.assertEqual(capitalize("((aBC"), "((ABC")

    def test_capitalize_edge_cases(self):
        self.assertEqual(capitalize(""), "")
        self.assertEqual(capitalize('"'), '"')
        self.assertEqual(capitalize("3d"), "3d")
        self.assertEqual(capitalize("\u00e9tude"), "\u00c9tude")

    def test_already_title_case(self):
        for text in ("The Lord of the Rings", "A USB Guide to XML", "State-of-the-Art McDonald"):
            self.assertEqual(titlecase(text), text)

    def test_apostrophes(self):
        self.assertEqual(titlecase("don't stop o'Neill's car"), "Don't Stop O'Neill's Car")

    def test_small_words_are_lowered(self):
        self.assertEqual(titlecase("War AND Peace In Brief"), "War and Peace in Brief")

    def test_first_and_last_small(self):
        self.assertEqual(titlecase("of mice"), "Of Mice")
        self.assertEqual(titlecase("logged in"), "Logged In")
        self.assertEqual(titlecase("the"), "The")

    def test_colon(self):
        self.assertEqual(titlecase("rust: the good of it: an end"), "Rust: The Good of It: An End")

    def test_small_with_punctuation(self):
        self.assertEqual(titlecase("black or, maybe, white"), "Black or, Maybe, White")

    def test_hyphens(self):
        self.assertEqual(titlecase("end-to-end tests"), "End-to-End Tests")
        self.assertEqual(titlecase("the on-call list"), "The On-Call List")

    def test_white_space(self):
        self.assertEqual(titlecase("  two \t words\n"), "Two Words")
        self.assertEqual(titlecase(""), "")
