import unittest

from editscript import apply, describe, distance, edit_script


class EditScriptTest(unittest.TestCase):
    def test_distance(self):
        self.assertEqual(distance("kitten", "sitting"), 3)

    def test_distance_with_swap(self):
        self.assertEqual(distance("teh", "the"), 1)

    def test_describe(self):
        self.assertEqual(describe(edit_script("cat", "cots")), ["replace a by o", "insert s"])

    def test_apply(self):
        script = edit_script("kitten", "sitting")
        self.assertEqual(apply("kitten", script), "sitting")

    def test_cost_is_distance(self):
        for source, target in (("abc", "abc"), ("", "xy"), ("form", "from")):
            script = edit_script(source, target)
            self.assertEqual(sum(edit.cost for edit in script), distance(source, target))

    def test_apply_to_another_text(self):
        with self.assertRaises(ValueError):
            apply("dog", edit_script("cat", "cut"))
