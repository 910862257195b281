import unittest

from slugs import slugify, unique_slug


class SlugHiddenTest(unittest.TestCase):
    def test_cut_after_hyphen(self):
        self.assertEqual(slugify("one two three", max_length=4), "one")
        self.assertEqual(slugify("one two three", max_length=8), "one-two")

    def test_cut_before_hyphen(self):
        self.assertEqual(slugify("one two three", max_length=3), "one")
        self.assertEqual(slugify("one two three", max_length=7), "one-two")

    def test_cut_within_word(self):
        self.assertEqual(slugify("one two three", max_length=5), "one-t")

    def test_every_length(self):
        for length in range(1, 20):
            slug = slugify("  A b, c & d -- e!", max_length=length)
            self.assertLessEqual(len(slug), length)
            self.assertEqual(slug, slug.strip("-"))

    def test_cut_after_outer_punctuation(self):
        self.assertEqual(slugify("...one... two", max_length=4), "one")

    def test_exact_and_longer(self):
        self.assertEqual(slugify("one two", max_length=7), "one-two")
        self.assertEqual(slugify("one two", max_length=50), "one-two")

    def test_no_limit(self):
        self.assertEqual(slugify("!one -- two?"), "one-two")
        self.assertEqual(slugify("a_b.c/d"), "a-b-c-d")

    def test_nothing_left(self):
        self.assertEqual(slugify("!?"), "")
        self.assertEqual(slugify("", max_length=5), "")

    def test_apostrophes(self):
        self.assertEqual(slugify("It\u2019s Ann's"), "its-anns")

    def test_unicode(self):
        self.assertEqual(slugify("\u00dcber \ufb01ne 10\u00b2"), "uber-fine-102")

    def test_unique_free(self):
        self.assertEqual(unique_slug("My post", []), "my-post")
        self.assertEqual(unique_slug("My post", ["my-post-2"]), "my-post")

    def test_unique_short(self):
        self.assertEqual(unique_slug("My post", ["my-post"], max_length=7), "my-po-2")

    def test_unique_short_at_gap(self):
        self.assertEqual(unique_slug("My post", ["my-p"], max_length=4), "my-2")
        self.assertEqual(unique_slug("ab cd ef", {"ab-cd"}, max_length=5), "ab-2")

    def test_unique_never_doubles_hyphens(self):
        self.assertEqual(unique_slug("hello brave new", {"hello-brave"}, max_length=12), "hello-brav-2")
        self.assertEqual(unique_slug("hello brave new", {"hello-br"}, max_length=8), "hello-2")
