import unittest

from ratelimit import RateLimiter


class RateLimiterTest(unittest.TestCase):
    def test_burst_up_to_capacity(self):
        limiter = RateLimiter(3, 10)
        self.assertEqual([limiter.allow("a", 0) for _ in range(4)], [True, True, True, False])

    def test_token_after_interval(self):
        limiter = RateLimiter(1, 10)
        limiter.allow("a", 0)
        self.assertTrue(limiter.allow("a", 10))

    def test_frequent_requests(self):
        limiter = RateLimiter(1, 10)
        passed = [t for t in (0, 7, 14, 21, 28, 35) if limiter.allow("a", t)]
        self.assertEqual(passed, [0, 14, 21, 35])

    def test_clients_are_independent(self):
        limiter = RateLimiter(1, 10)
        limiter.allow("a", 0)
        self.assertTrue(limiter.allow("b", 0))

    def test_retry_after(self):
        limiter = RateLimiter(1, 10)
        limiter.allow("a", 0)
        self.assertEqual(limiter.retry_after("a", 0), 10)

    def test_bad_interval(self):
        with self.assertRaises(ValueError):
            RateLimiter(1, 0)
