import unittest
from itertools import product

from editscript import DELETE, INSERT, KEEP, REPLACE, SWAP, Edit, apply, describe, distance, edit_script


def kinds(source, target):
    return [edit.kind for edit in edit_script(source, target)]


def steps(script):
    return [(edit.kind, edit.old, edit.new) for edit in script]


class DistanceTest(unittest.TestCase):
    def test_equal_and_empty(self):
        self.assertEqual([distance("", ""), distance("abc", "abc"), distance("", "abc"), distance("ab", "")], [0, 0, 3, 2])

    def test_classics(self):
        self.assertEqual(distance("kitten", "sitting"), 3)
        self.assertEqual(distance("sunday", "saturday"), 3)

    def test_swaps(self):
        self.assertEqual(distance("ab", "ba"), 1)
        self.assertEqual(distance("abcd", "badc"), 2)

    def test_no_edit_inside_a_swap(self):
        self.assertEqual(distance("ca", "abc"), 3)


class ScriptTest(unittest.TestCase):
    def test_kinds_differ(self):
        self.assertEqual(len({KEEP, REPLACE, INSERT, DELETE, SWAP}), 5)

    def test_simple_kinds(self):
        self.assertEqual(kinds("cat", "cut"), [KEEP, REPLACE, KEEP])
        self.assertEqual(kinds("ct", "cat"), [KEEP, INSERT, KEEP])
        self.assertEqual(kinds("cat", "ct"), [KEEP, DELETE, KEEP])

    def test_all_inserted_or_deleted(self):
        self.assertEqual(kinds("", "ab"), [INSERT, INSERT])
        self.assertEqual(kinds("ab", ""), [DELETE, DELETE])
        self.assertEqual(edit_script("", ""), [])

    def test_swap_only(self):
        self.assertEqual(steps(edit_script("ab", "ba")), [(SWAP, "ab", "ba")])

    def test_swap_at_the_end(self):
        self.assertEqual(steps(edit_script("teh", "the")), [(KEEP, "t", "t"), (SWAP, "eh", "he")])

    def test_swap_at_the_start(self):
        self.assertEqual(kinds("ehat", "heat"), [SWAP, KEEP, KEEP])

    def test_two_swaps(self):
        self.assertEqual(kinds("abcd", "badc"), [SWAP, SWAP])

    def test_swap_and_others(self):
        script = edit_script("recieves", "receive")
        self.assertEqual(describe(script), ["swap ie", "delete s"])

    def test_apply_and_cost_for_all_short_texts(self):
        texts = ["".join(t) for n in range(5) for t in product("ab", repeat=n)] + ["abca", "cab", "bcab", "acb"]
        for source in texts:
            for target in texts:
                script = edit_script(source, target)
                self.assertEqual(apply(source, script), target)
                self.assertEqual(sum(e.cost for e in script), distance(source, target), (source, target))


class ApplyTest(unittest.TestCase):
    def test_apply_swap(self):
        self.assertEqual(apply("form", [Edit(KEEP, "f", "f"), Edit(SWAP, "or", "ro"), Edit(KEEP, "m", "m")]), "from")

    def test_wrong_source(self):
        with self.assertRaises(ValueError):
            apply("cot", edit_script("cat", "cut"))

    def test_source_too_long(self):
        with self.assertRaises(ValueError):
            apply("cats", edit_script("cat", "cut"))
