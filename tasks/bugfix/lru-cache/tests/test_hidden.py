import unittest

from lrucache import LRUCache


def filled(capacity, keys):
    cache = LRUCache(capacity)
    for key in keys:
        cache.put(key, key * 2)
    return cache


class PutTest(unittest.TestCase):
    def test_update_newest_of_full_cache(self):
        cache = filled(3, "abc")
        cache.put("c", "new")
        self.assertEqual(cache.keys(), ["a", "b", "c"])
        self.assertEqual(cache.get("c"), "new")

    def test_update_middle_of_full_cache(self):
        cache = filled(3, "abc")
        cache.put("b", "new")
        self.assertEqual(cache.keys(), ["a", "c", "b"])

    def test_update_oldest_of_full_cache(self):
        cache = filled(3, "abc")
        cache.put("a", "new")
        self.assertEqual(cache.keys(), ["b", "c", "a"])
        self.assertEqual(cache.evictions, 0)

    def test_update_does_not_count_as_eviction(self):
        cache = filled(2, "ab")
        for value in range(5):
            cache.put("b", value)
        self.assertEqual(cache.evictions, 0)
        self.assertEqual(len(cache), 2)

    def test_update_below_capacity(self):
        cache = filled(3, "ab")
        cache.put("a", "new")
        self.assertEqual(cache.keys(), ["b", "a"])

    def test_new_key_still_evicts_one(self):
        cache = filled(2, "ab")
        cache.put("c", 1)
        self.assertEqual(cache.keys(), ["b", "c"])
        self.assertEqual(cache.evictions, 1)

    def test_never_exceeds_capacity(self):
        cache = LRUCache(3)
        for i in range(20):
            cache.put(i, i)
            self.assertLessEqual(len(cache), 3)
        self.assertEqual(cache.keys(), [17, 18, 19])
        self.assertEqual(cache.evictions, 17)

    def test_updated_key_survives_next_eviction(self):
        cache = filled(2, "ab")
        cache.put("a", "new")
        cache.put("c", 1)
        self.assertEqual(cache.keys(), ["a", "c"])

    def test_capacity_one(self):
        cache = LRUCache(1)
        cache.put("a", 1)
        cache.put("a", 2)
        self.assertEqual((cache.get("a"), cache.evictions), (2, 0))
        cache.put("b", 3)
        self.assertEqual((cache.keys(), cache.evictions), (["b"], 1))


class ReadTest(unittest.TestCase):
    def test_get_marks_as_used(self):
        cache = filled(3, "abc")
        self.assertEqual(cache.get("a"), "aa")
        self.assertEqual(cache.keys(), ["b", "c", "a"])

    def test_contains_does_not_mark(self):
        cache = filled(3, "abc")
        self.assertIn("a", cache)
        self.assertNotIn("z", cache)
        self.assertEqual(cache.keys(), ["a", "b", "c"])

    def test_get_missing_has_no_effect(self):
        cache = filled(2, "ab")
        self.assertIsNone(cache.get("z"))
        self.assertEqual(cache.get("z", 5), 5)
        self.assertEqual(cache.keys(), ["a", "b"])

    def test_none_value_is_stored(self):
        cache = LRUCache(2)
        cache.put("a", None)
        self.assertIsNone(cache.get("a", "default"))

    def test_bad_capacity(self):
        with self.assertRaises(ValueError):
            LRUCache(0)
