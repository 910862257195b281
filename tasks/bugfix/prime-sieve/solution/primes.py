"""Prime numbers by the sieve of Eratosthenes."""

from math import isqrt


def primes_up_to(limit):
    """Return the list of all primes not above the limit."""
    if limit < 2:
        return []
    is_prime = bytearray([1]) * (limit + 1)
    is_prime[0] = is_prime[1] = 0
    for number in range(2, isqrt(limit) + 1):
        if is_prime[number]:
            for multiple in range(number * number, limit + 1, number):
                is_prime[multiple] = 0
    return [number for number, flag in enumerate(is_prime) if flag]


def factorize(number):
    """Return the prime factors of a positive number in rising order."""
    if number < 1:
        raise ValueError("only positive numbers have prime factors")
    factors = []
    for prime in primes_up_to(isqrt(number)):
        while number % prime == 0:
            factors.append(prime)
            number //= prime
    if number > 1:
        factors.append(number)
    return factors


def twin_primes(limit):
    """Return the pairs of primes (p, p + 2) with p + 2 not above the limit."""
    primes = primes_up_to(limit)
    return [(a, b) for a, b in zip(primes, primes[1:]) if b - a == 2]
