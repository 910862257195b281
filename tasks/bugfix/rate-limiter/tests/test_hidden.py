import unittest

from ratelimit import Bucket, RateLimiter


class PollingTest(unittest.TestCase):
    def test_every_time_unit(self):
        limiter = RateLimiter(1, 10)
        passed = [t for t in range(45) if limiter.allow("a", t)]
        self.assertEqual(passed, [0, 10, 20, 30, 40])

    def test_just_below_interval(self):
        limiter = RateLimiter(1, 10)
        passed = [t for t in range(0, 100, 9) if limiter.allow("a", t)]
        self.assertEqual(passed, [0, 18, 27, 36, 45, 54, 63, 72, 81, 90])

    def test_above_interval_keeps_the_rest(self):
        limiter = RateLimiter(2, 10)
        self.assertTrue(limiter.allow("a", 0, 2))
        self.assertFalse(limiter.allow("a", 15, 2))
        self.assertTrue(limiter.allow("a", 20, 2))

    def test_retry_after_counts_waited_time(self):
        limiter = RateLimiter(1, 10)
        limiter.allow("a", 0)
        self.assertEqual([limiter.retry_after("a", t) for t in (1, 4, 9)], [9, 6, 1])

    def test_retry_after_for_several(self):
        limiter = RateLimiter(3, 10)
        limiter.allow("a", 0, 3)
        self.assertEqual(limiter.retry_after("a", 5, 1), 5)
        self.assertEqual(limiter.retry_after("a", 12, 3), 18)

    def test_retry_after_is_exact(self):
        limiter = RateLimiter(2, 7)
        limiter.allow("a", 3, 2)
        limiter.allow("a", 8)
        wait = limiter.retry_after("a", 9)
        self.assertFalse(limiter.allow("a", 9 + wait - 1))
        self.assertTrue(limiter.allow("a", 9 + wait))

    def test_forget_full_does_not_delay(self):
        limiter = RateLimiter(1, 10)
        limiter.allow("a", 0)
        self.assertEqual(limiter.forget_full(6), [])
        self.assertEqual(limiter.forget_full(10), ["a"])

    def test_overflowing_tokens_are_lost(self):
        bucket = Bucket(2, 10, 0)
        self.assertTrue(bucket.take(95, 2))
        self.assertFalse(bucket.take(99))
        self.assertTrue(bucket.take(100))


class BasicsTest(unittest.TestCase):
    def test_burst(self):
        bucket = Bucket(3, 10, 100)
        self.assertEqual([bucket.take(100) for _ in range(4)], [True] * 3 + [False])
        self.assertEqual(bucket.tokens, 0)

    def test_refused_request_takes_nothing(self):
        bucket = Bucket(3, 10, 0)
        self.assertFalse(bucket.take(0, 4))
        self.assertTrue(bucket.take(0, 3))

    def test_never_above_capacity(self):
        bucket = Bucket(3, 10, 0)
        bucket.take(0)
        bucket.refill(1000)
        self.assertEqual(bucket.tokens, 3)

    def test_no_wait_when_there(self):
        limiter = RateLimiter(2, 10)
        self.assertEqual(limiter.retry_after("a", 5, 2), 0)

    def test_impossible_amount(self):
        with self.assertRaises(ValueError):
            RateLimiter(2, 10).retry_after("a", 0, 3)

    def test_bad_arguments_and_time(self):
        for capacity, interval in ((0, 1), (1, 0), (1, -2)):
            with self.assertRaises(ValueError):
                RateLimiter(capacity, interval)
        with self.assertRaises(ValueError):
            Bucket(1, 10, 50).take(49)

    def test_forget_full_only_the_full(self):
        limiter = RateLimiter(2, 10)
        limiter.allow("a", 0)
        limiter.allow("b", 0, 2)
        limiter.allow("c", 5)
        self.assertEqual(limiter.forget_full(10), ["a"])
        self.assertEqual(limiter.forget_full(20), ["b", "c"])
