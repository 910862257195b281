import unittest

from iniconf import IniError, parse

TEXT = """
# fetch settings
[DEFAULT]
proxy = http://cache:3128
retries = 3

[mirror]
url: https://example.org/pub
retries = 5

[local]
proxy =
"""


class IniConfTest(unittest.TestCase):
    def setUp(self):
        self.config = parse(TEXT)

    def test_sections(self):
        self.assertEqual(self.config.sections(), ["mirror", "local"])

    def test_value(self):
        self.assertEqual(self.config.get("mirror", "url"), "https://example.org/pub")

    def test_default_section(self):
        self.assertEqual(self.config.get("mirror", "proxy"), "http://cache:3128")
        self.assertEqual(self.config.getint("local", "retries"), 3)

    def test_section_overrides_default(self):
        self.assertEqual(self.config.getint("mirror", "retries"), 5)

    def test_empty_value_overrides_default(self):
        self.assertEqual(self.config.get("local", "proxy"), "")

    def test_items(self):
        self.assertEqual(
            self.config.items("mirror"),
            {"proxy": "http://cache:3128", "retries": "5", "url": "https://example.org/pub"},
        )
        self.assertEqual(self.config.items("local"), {"proxy": "", "retries": "3"})

    def test_bad_line(self):
        with self.assertRaises(IniError) as caught:
            parse("[a]\nnonsense\n")
        self.assertEqual(caught.exception.lineno, 2)
