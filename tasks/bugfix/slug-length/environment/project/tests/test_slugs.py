import unittest

from slugs import slugify, unique_slug


class SlugTest(unittest.TestCase):
    def test_simple(self):
        self.assertEqual(slugify("Hello, World!"), "hello-world")

    def test_accents(self):
        self.assertEqual(slugify("Caf\u00e9 cr\u00e8me"), "cafe-creme")

    def test_apostrophe(self):
        self.assertEqual(slugify("Don't panic"), "dont-panic")

    def test_max_length(self):
        self.assertEqual(slugify("Hello brave new world", max_length=9), "hello-bra")

    def test_max_length_at_a_gap(self):
        self.assertEqual(slugify("Hello brave new world", max_length=12), "hello-brave")

    def test_unique(self):
        self.assertEqual(unique_slug("My post", ["my-post", "my-post-2"]), "my-post-3")
