import unittest

from kvline import parse


class KeyValueHiddenTest(unittest.TestCase):
    def test_single_quote_in_double_quotes(self):
        self.assertEqual(parse("""a="don't" b=2"""), {"a": "don't", "b": "2"})

    def test_double_quote_in_single_quotes(self):
        self.assertEqual(parse("""a='5" disk' b=2"""), {"a": '5" disk', "b": "2"})

    def test_pair_of_other_quotes(self):
        self.assertEqual(parse("""a='say "hi there" now'"""), {"a": 'say "hi there" now'})
        self.assertEqual(parse("a=\"say 'hi there' now\""), {"a": "say 'hi there' now"})

    def test_only_the_other_quote(self):
        self.assertEqual(parse("a=\"'\" b='\"'"), {"a": "'", "b": '"'})

    def test_closed_by_the_wrong_quote(self):
        with self.assertRaisesRegex(ValueError, "missing closing quote"):
            parse("a=\"x'")
        with self.assertRaisesRegex(ValueError, "missing closing quote"):
            parse("a='x\"")

    def test_unclosed(self):
        for line in ('a="', "a='b c", r'a="b\"'):
            with self.assertRaisesRegex(ValueError, "missing closing quote"):
                parse(line)

    def test_escapes(self):
        self.assertEqual(parse(r"""a='it\'s' b="\\" c="\n" """), {"a": "it's", "b": "\\", "c": "n"})

    def test_backslash_outside_quotes(self):
        self.assertEqual(parse(r"dir=c:\tmp x=1"), {"dir": r"c:\tmp", "x": "1"})

    def test_empty_values(self):
        self.assertEqual(parse("a= b=\"\" c=''"), {"a": "", "b": "", "c": ""})

    def test_adjacent_parts(self):
        self.assertEqual(parse("a=x\"y z\"'w'"), {"a": "xy zw"})

    def test_quoted_key(self):
        self.assertEqual(parse('"full name=Ann Lee" x'), {"full name": "Ann Lee", "x": None})

    def test_equals_in_value(self):
        self.assertEqual(parse("q=a=b=c"), {"q": "a=b=c"})

    def test_space_and_repeats(self):
        self.assertEqual(parse("  a=1\t a=2  "), {"a": "2"})
        self.assertEqual(parse("   "), {})

    def test_missing_key(self):
        for line in ("=x", "a=1 ''"):
            with self.assertRaisesRegex(ValueError, "missing key"):
                parse(line)
