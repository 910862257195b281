import unittest

from trie import Trie


class RemoveTest(unittest.TestCase):
    def test_longer_by_several_letters(self):
        trie = Trie(["in", "interval"])
        trie.remove("interval")
        self.assertEqual(list(trie.complete()), ["in"])
        self.assertIn("in", trie)

    def test_stops_at_the_nearest_word(self):
        trie = Trie(["a", "ab", "abc", "abcd"])
        trie.remove("abcd")
        self.assertEqual(list(trie.complete()), ["a", "ab", "abc"])
        trie.remove("abc")
        self.assertEqual(list(trie.complete()), ["a", "ab"])

    def test_count_agrees_with_words(self):
        trie = Trie(["car", "cart", "carton", "dog"])
        trie.remove("carton")
        self.assertEqual(len(trie), 3)
        self.assertEqual(list(trie.complete()), ["car", "cart", "dog"])

    def test_nodes_are_pruned_up_to_word(self):
        trie = Trie(["car", "carton"])
        trie.remove("carton")
        self.assertEqual(trie.node_count(), 3)

    def test_nodes_are_pruned_up_to_fork(self):
        trie = Trie(["carton", "carbon"])
        trie.remove("carbon")
        self.assertEqual(trie.node_count(), 6)
        self.assertEqual(list(trie.complete()), ["carton"])

    def test_removing_inner_word_keeps_nodes(self):
        trie = Trie(["car", "carton"])
        trie.remove("car")
        self.assertEqual(trie.node_count(), 6)
        self.assertNotIn("car", trie)
        self.assertIn("carton", trie)

    def test_remove_all(self):
        words = ["a", "ab", "b", "abc", "bcd"]
        trie = Trie(words)
        for word in reversed(words):
            trie.remove(word)
        self.assertEqual((len(trie), trie.node_count(), list(trie.complete())), (0, 0, []))

    def test_remove_from_longest(self):
        trie = Trie(["", "x"])
        trie.remove("x")
        self.assertEqual(list(trie.complete()), [""])
        trie.remove("")
        self.assertEqual(list(trie.complete()), [])

    def test_remove_and_add_again(self):
        trie = Trie(["car", "cart"])
        trie.remove("cart")
        self.assertTrue(trie.add("cart"))
        self.assertFalse(trie.add("car"))
        self.assertEqual(len(trie), 2)

    def test_missing_words_raise(self):
        trie = Trie(["car"])
        for word in ("ca", "cars", "x", ""):
            with self.assertRaises(KeyError):
                trie.remove(word)
        self.assertEqual(list(trie.complete()), ["car"])

    def test_remove_twice(self):
        trie = Trie(["car", "cart"])
        trie.remove("cart")
        with self.assertRaises(KeyError):
            trie.remove("cart")


class LookupTest(unittest.TestCase):
    def test_empty(self):
        trie = Trie()
        self.assertNotIn("", trie)
        self.assertEqual(list(trie.complete()), [])

    def test_completion_is_sorted(self):
        trie = Trie(["to", "tea", "ten", "t", "inn"])
        self.assertEqual(list(trie.complete("t")), ["t", "tea", "ten", "to"])
        self.assertEqual(list(trie.complete()), ["inn", "t", "tea", "ten", "to"])

    def test_completion_without_match(self):
        self.assertEqual(list(Trie(["tea"]).complete("teas")), [])

    def test_add_reports_novelty(self):
        trie = Trie()
        self.assertTrue(trie.add("tea"))
        self.assertTrue(trie.add("te"))
        self.assertFalse(trie.add("tea"))
        self.assertEqual((len(trie), trie.node_count()), (2, 3))
