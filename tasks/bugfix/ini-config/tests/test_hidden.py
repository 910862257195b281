import unittest

from iniconf import IniError, parse


class IniHiddenTest(unittest.TestCase):
    def test_empty_overrides_default(self):
        config = parse("[DEFAULT]\nname = base\n[a]\nname =\n[b]\n")
        self.assertEqual(config.get("a", "name"), "")
        self.assertEqual(config.get("b", "name"), "base")

    def test_empty_overrides_default_with_fallback(self):
        config = parse("[DEFAULT]\nname = base\n[a]\nname:\n")
        self.assertEqual(config.get("a", "name", "other"), "")

    def test_empty_override_before_default_section(self):
        config = parse("[a]\nx =\n[DEFAULT]\nx = 1\n")
        self.assertEqual(config.get("a", "x"), "")

    def test_get_agrees_with_items(self):
        config = parse("[DEFAULT]\nx = 1\ny = 2\nz =\n[a]\nx =\nz = 3\n")
        items = config.items("a")
        self.assertEqual(items, {"x": "", "y": "2", "z": "3"})
        self.assertEqual({key: config.get("a", key) for key in "xyz"}, items)

    def test_empty_without_default(self):
        config = parse("[a]\nx =\n")
        self.assertEqual(config.get("a", "x", "fallback"), "")

    def test_empty_default_beats_fallback(self):
        config = parse("[DEFAULT]\nx =\n[a]\ny = 1\n")
        self.assertEqual(config.get("a", "x", "fallback"), "")

    def test_fallback(self):
        config = parse("[a]\nx = 1\n")
        self.assertEqual(config.get("a", "y", "f"), "f")
        self.assertEqual(config.get("nowhere", "x", "f"), "f")
        self.assertIsNone(config.get("a", "y"))
        self.assertEqual(config.getint("a", "y", 7), 7)
        self.assertIs(config.getbool("a", "y", True), True)

    def test_empty_override_is_no_boolean(self):
        config = parse("[DEFAULT]\nflag = yes\n[a]\nflag =\n")
        with self.assertRaises(ValueError):
            config.getbool("a", "flag")

    def test_booleans(self):
        config = parse("[a]\nx = Yes\ny = off\nz = 0\n")
        self.assertIs(config.getbool("a", "x"), True)
        self.assertIs(config.getbool("a", "y"), False)
        self.assertIs(config.getbool("a", "z"), False)

    def test_zero_overrides_default(self):
        config = parse("[DEFAULT]\nn = 5\n[a]\nn = 0\n")
        self.assertEqual(config.getint("a", "n"), 0)

    def test_keys_ignore_case(self):
        config = parse("[a]\nBase-URL = http://h/?a=b:c\n")
        self.assertEqual(config.get("a", "base-url"), "http://h/?a=b:c")
        self.assertEqual(config.get("a", "BASE-URL"), "http://h/?a=b:c")

    def test_continuation_and_comments(self):
        config = parse("[a]\nhosts = one\n  two\n  # not this\n  three\n; nor this\nnext =\n  v\n")
        self.assertEqual(config.get("a", "hosts"), "one\ntwo\nthree")
        self.assertEqual(config.get("a", "next"), "v")

    def test_repeated_section_is_merged(self):
        config = parse("[a]\nx = 1\n[b]\n[a]\ny = 2\n")
        self.assertEqual(config.sections(), ["a", "b"])
        self.assertEqual(config.items("a"), {"x": "1", "y": "2"})

    def test_errors(self):
        with self.assertRaises(IniError) as caught:
            parse("# hello\nx = 1\n")
        self.assertEqual(caught.exception.lineno, 2)
        self.assertEqual(str(caught.exception), "line 2: option before the first section")
