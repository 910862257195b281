import unittest

from trie import Trie


class TrieTest(unittest.TestCase):
    def test_contains(self):
        trie = Trie(["car", "cat"])
        self.assertIn("car", trie)
        self.assertNotIn("ca", trie)

    def test_complete(self):
        trie = Trie(["dog", "cat", "cart", "car"])
        self.assertEqual(list(trie.complete("ca")), ["car", "cart", "cat"])

    def test_add_twice(self):
        trie = Trie(["a"])
        self.assertFalse(trie.add("a"))
        self.assertEqual(len(trie), 1)

    def test_remove_short_keeps_long(self):
        trie = Trie(["car", "cart"])
        trie.remove("car")
        self.assertEqual(list(trie.complete()), ["cart"])

    def test_remove_long_keeps_short(self):
        trie = Trie(["car", "cart"])
        trie.remove("cart")
        self.assertEqual(list(trie.complete()), ["car"])

    def test_remove_missing(self):
        with self.assertRaises(KeyError):
            Trie(["car"]).remove("ca")
