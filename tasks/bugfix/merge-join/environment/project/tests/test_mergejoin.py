import unittest

from mergejoin import UnsortedError, join, unmatched

PEOPLE = [(1, "ann"), (2, "bob"), (4, "cyd")]
PETS = [(1, "cat"), (1, "dog"), (3, "emu"), (4, "fox")]


class JoinTest(unittest.TestCase):
    def test_inner(self):
        self.assertEqual(list(join(PEOPLE, PETS)), [(1, "ann", "cat"), (1, "ann", "dog"), (4, "cyd", "fox")])

    def test_left(self):
        self.assertEqual(list(join(PEOPLE, PETS, "left")),
                         [(1, "ann", "cat"), (1, "ann", "dog"), (2, "bob", None), (4, "cyd", "fox")])

    def test_outer(self):
        self.assertEqual(list(join(PEOPLE, PETS, "outer"))[2:],
                         [(2, "bob", None), (3, None, "emu"), (4, "cyd", "fox")])

    def test_left_rows_at_the_end(self):
        found = join([(1, "a"), (3, "b"), (4, "c")], [(1, "x"), (2, "y")], "left")
        self.assertEqual(list(found), [(1, "a", "x"), (3, "b", None), (4, "c", None)])

    def test_unmatched(self):
        self.assertEqual(unmatched(PEOPLE, PETS), ([2], [3]))

    def test_unknown_kind(self):
        with self.assertRaises(ValueError):
            list(join([], [], "cross"))

    def test_unsorted(self):
        with self.assertRaises(UnsortedError):
            list(join([(2, "a"), (1, "b")], []))
