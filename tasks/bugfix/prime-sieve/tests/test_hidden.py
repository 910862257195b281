import unittest

from primes import factorize, primes_up_to, twin_primes


def slow(limit):
    return [n for n in range(2, limit + 1) if all(n % d for d in range(2, n))]


class PrimesTest(unittest.TestCase):
    def test_below_two(self):
        for limit in (-5, 0, 1):
            self.assertEqual(primes_up_to(limit), [])

    def test_two_and_three(self):
        self.assertEqual(primes_up_to(2), [2])
        self.assertEqual(primes_up_to(3), [2, 3])

    def test_limit_is_included(self):
        self.assertEqual(primes_up_to(13)[-1], 13)

    def test_squares_of_primes(self):
        for prime in (2, 3, 5, 7, 11, 13):
            self.assertNotIn(prime * prime, primes_up_to(prime * prime))

    def test_just_above_squares(self):
        self.assertEqual(primes_up_to(10), [2, 3, 5, 7])
        self.assertEqual(primes_up_to(60)[-3:], [47, 53, 59])

    def test_every_limit(self):
        for limit in range(130):
            self.assertEqual(primes_up_to(limit), slow(limit), limit)

    def test_count_below_ten_thousand(self):
        self.assertEqual(len(primes_up_to(10000)), 1229)


class FactorizeTest(unittest.TestCase):
    def test_one(self):
        self.assertEqual(factorize(1), [])

    def test_prime(self):
        self.assertEqual(factorize(97), [97])

    def test_square_of_a_prime(self):
        self.assertEqual(factorize(49), [7, 7])
        self.assertEqual(factorize(25), [5, 5])

    def test_powers(self):
        self.assertEqual(factorize(1024), [2] * 10)
        self.assertEqual(factorize(625), [5] * 4)

    def test_large_last_factor(self):
        self.assertEqual(factorize(2 * 3 * 9973), [2, 3, 9973])

    def test_product(self):
        for number in range(1, 1500):
            product = 1
            for factor in factorize(number):
                product *= factor
            self.assertEqual(product, number)

    def test_not_positive(self):
        with self.assertRaises(ValueError):
            factorize(-6)


class TwinTest(unittest.TestCase):
    def test_twins(self):
        self.assertEqual(twin_primes(4), [])
        self.assertEqual(twin_primes(10), [(3, 5), (5, 7)])
        self.assertEqual(twin_primes(27), [(3, 5), (5, 7), (11, 13), (17, 19)])
