import unittest

from sizes import build, report, sizes

FILES = [("readme", 10), ("src/main.py", 200), ("src/lib/util.py", 50), ("doc/index", 40)]


class SizesTest(unittest.TestCase):
    def test_build(self):
        self.assertEqual(build([("a/b", 1), ("a/c/d", 2)]), {"a": {"b": 1, "c": {"d": 2}}})

    def test_total(self):
        self.assertEqual(sizes(build(FILES))["."], 300)

    def test_flat(self):
        self.assertEqual(sizes({"a": 1, "b": 2}), {".": 3})

    def test_every_directory(self):
        self.assertEqual(sizes(build(FILES)), {".": 300, "./src": 250, "./src/lib": 50, "./doc": 40})

    def test_report_of_flat_tree(self):
        self.assertEqual(report({"a": 1, "b": 2}), ["       3 ."])
