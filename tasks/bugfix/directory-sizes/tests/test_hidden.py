import unittest

from sizes import build, report, sizes


class BuildTest(unittest.TestCase):
    def test_empty(self):
        self.assertEqual(build([]), {})

    def test_nested(self):
        self.assertEqual(build([("x", 1), ("a/b/c", 2), ("a/d", 3)]), {"x": 1, "a": {"b": {"c": 2}, "d": 3}})


class SizesTest(unittest.TestCase):
    def test_empty(self):
        self.assertEqual(sizes({}), {".": 0})

    def test_flat(self):
        self.assertEqual(sizes({"a": 4, "b": 0}), {".": 4})

    def test_one_directory(self):
        self.assertEqual(sizes({"a": {"x": 5}}), {".": 5, "./a": 5})

    def test_chain(self):
        self.assertEqual(sizes({"a": {"b": {"c": {"x": 7}}}}), {".": 7, "./a": 7, "./a/b": 7, "./a/b/c": 7})

    def test_siblings(self):
        tree = {"a": {"x": 1}, "b": {"y": 2}, "c": {"z": 3}}
        self.assertEqual(sizes(tree), {".": 6, "./a": 1, "./b": 2, "./c": 3})

    def test_files_before_directories(self):
        self.assertEqual(sizes({"f": 1, "a": {"g": 2, "b": {"h": 4}}}), {".": 7, "./a": 6, "./a/b": 4})

    def test_empty_directories(self):
        self.assertEqual(sizes({"a": {}, "b": {"c": {}}}), {".": 0, "./a": 0, "./b": 0, "./b/c": 0})

    def test_other_root(self):
        self.assertEqual(sizes({"a": {"x": 1}}, "/home"), {"/home": 1, "/home/a": 1})

    def test_calls_are_independent(self):
        sizes({"old": {"x": 1}})
        self.assertEqual(sizes({"new": {"x": 2}}), {".": 2, "./new": 2})

    def test_given_empty_result_is_filled(self):
        result = {}
        self.assertIs(sizes({"a": {"x": 1}}, "one", result), result)
        self.assertEqual(result, {"one": 1, "one/a": 1})

    def test_collect_two_trees(self):
        result = {}
        sizes({"x": 1}, "one", result)
        sizes({"a": {"x": 2}}, "two", result)
        self.assertEqual(result, {"one": 1, "two": 2, "two/a": 2})

    def test_tree_not_changed(self):
        tree = {"a": {"x": 1}}
        sizes(tree)
        self.assertEqual(tree, {"a": {"x": 1}})


class ReportTest(unittest.TestCase):
    def test_order(self):
        tree = {"a": {"x": 5}, "b": {"y": 5, "c": {"z": 90}}}
        self.assertEqual(report(tree), ["     100 .", "      95 ./b", "      90 ./b/c", "       5 ./a"])
