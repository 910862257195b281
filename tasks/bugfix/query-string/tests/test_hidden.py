import unittest

from querystring import build, first, parse


class QueryHiddenTest(unittest.TestCase):
    def test_encoded_ampersand_in_value(self):
        self.assertEqual(parse("firm=A%26B"), {"firm": ["A&B"]})

    def test_encoded_ampersand_and_equals(self):
        self.assertEqual(parse("next=%2Fgo%3Fa%3D1%26b%3D2"), {"next": ["/go?a=1&b=2"]})

    def test_encoded_equals_in_name(self):
        self.assertEqual(parse("a%3Db=c"), {"a=b": ["c"]})

    def test_encoded_ampersand_in_name(self):
        self.assertEqual(parse("x%26y=1"), {"x&y": ["1"]})

    def test_encoded_question_mark_in_name(self):
        self.assertEqual(parse("%3Fa=1"), {"?a": ["1"]})

    def test_decoded_once(self):
        self.assertEqual(parse("a=100%2525"), {"a": ["100%25"]})
        self.assertEqual(parse("a=%2526"), {"a": ["%26"]})

    def test_encoded_plus(self):
        self.assertEqual(parse("a=1%2B1+is"), {"a": ["1+1 is"]})

    def test_equals_in_value(self):
        self.assertEqual(parse("a=b=c"), {"a": ["b=c"]})

    def test_empty_pieces_and_values(self):
        self.assertEqual(parse("?&a&b=&&"), {"a": [""], "b": [""]})
        self.assertEqual(parse(""), {})

    def test_encoded_names_are_grouped(self):
        self.assertEqual(parse("na%6De=1&name=2"), {"name": ["1", "2"]})

    def test_utf8(self):
        self.assertEqual(parse("c=K%C3%B6ln"), {"c": ["K\u00f6ln"]})

    def test_first(self):
        self.assertEqual(first("q=a%26b&q=c", "q"), "a&b")
        self.assertIsNone(first("a=1", "q"))

    def test_build(self):
        self.assertEqual(build({"q": "R&D", "e": ""}), "q=R%26D&e=")

    def test_round_trip(self):
        params = {"a&b": ["1=2", "3&4", "50%"], "c d": ["+", ""], "?": ["?"]}
        self.assertEqual(parse(build(params)), params)
