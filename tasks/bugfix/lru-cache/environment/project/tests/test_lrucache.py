import unittest

from lrucache import LRUCache


class LRUCacheTest(unittest.TestCase):
    def test_get_returns_stored_value(self):
        cache = LRUCache(2)
        cache.put("a", 1)
        self.assertEqual(cache.get("a"), 1)

    def test_get_missing_gives_default(self):
        self.assertEqual(LRUCache(2).get("a", "none"), "none")

    def test_oldest_is_evicted(self):
        cache = LRUCache(2)
        for key in "abc":
            cache.put(key, key.upper())
        self.assertEqual(cache.keys(), ["b", "c"])

    def test_get_protects_from_eviction(self):
        cache = LRUCache(2)
        cache.put("a", 1)
        cache.put("b", 2)
        cache.get("a")
        cache.put("c", 3)
        self.assertEqual(cache.keys(), ["a", "c"])

    def test_update_keeps_the_others(self):
        cache = LRUCache(2)
        cache.put("a", 1)
        cache.put("b", 2)
        cache.put("b", 3)
        self.assertEqual(cache.keys(), ["a", "b"])
        self.assertEqual(cache.get("b"), 3)
