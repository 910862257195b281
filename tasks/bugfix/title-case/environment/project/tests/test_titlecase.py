import unittest

from titlecase import capitalize, titlecase


class TitleCaseTest(unittest.TestCase):
    def test_simple(self):
        self.assertEqual(titlecase("the lord of the rings"), "The Lord of the Rings")

    def test_last_word(self):
        self.assertEqual(titlecase("what to look for"), "What to Look For")

    def test_after_colon(self):
        self.assertEqual(titlecase("python: a short tour"), "Python: A Short Tour")

    def test_names(self):
        self.assertEqual(titlecase("how NASA and McDonald talk"), "How NASA and McDonald Talk")

    def test_hyphens(self):
        self.assertEqual(titlecase("a state-of-the-art engine"), "A State-of-the-Art Engine")

    def test_capitalize(self):
        self.assertEqual(capitalize('"word'), '"Word')
