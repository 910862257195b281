import unittest

from primes import factorize, primes_up_to, twin_primes


class PrimesTest(unittest.TestCase):
    def test_small(self):
        self.assertEqual(primes_up_to(20), [2, 3, 5, 7, 11, 13, 17, 19])

    def test_none(self):
        self.assertEqual(primes_up_to(1), [])

    def test_up_to_30(self):
        self.assertEqual(primes_up_to(30), [2, 3, 5, 7, 11, 13, 17, 19, 23, 29])

    def test_factorize(self):
        self.assertEqual(factorize(360), [2, 2, 2, 3, 3, 5])

    def test_factorize_zero(self):
        with self.assertRaises(ValueError):
            factorize(0)

    def test_twins(self):
        self.assertEqual(twin_primes(20), [(3, 5), (5, 7), (11, 13), (17, 19)])
