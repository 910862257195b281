import unittest

from querystring import build, first, parse


class QueryStringTest(unittest.TestCase):
    def test_simple(self):
        self.assertEqual(parse("a=1&b=2"), {"a": ["1"], "b": ["2"]})

    def test_repeated(self):
        self.assertEqual(parse("?tag=x&tag=y"), {"tag": ["x", "y"]})

    def test_plus_and_percent(self):
        self.assertEqual(parse("q=two+words%21"), {"q": ["two words!"]})

    def test_encoded_ampersand(self):
        self.assertEqual(parse("q=R%26D&page=1"), {"q": ["R&D"], "page": ["1"]})

    def test_empty_pieces(self):
        self.assertEqual(parse("a=1&&b=2&"), {"a": ["1"], "b": ["2"]})

    def test_first(self):
        self.assertEqual(first("a=1&a=2", "a"), "1")
        self.assertEqual(first("a=1", "b", "none"), "none")

    def test_build(self):
        self.assertEqual(build({"a": 1, "t": ["x", "y z"]}), "a=1&t=x&t=y+z")
