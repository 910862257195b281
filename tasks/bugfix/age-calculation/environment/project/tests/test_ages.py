import unittest
from datetime import date

from ages import age, group, next_birthday


class AgesTest(unittest.TestCase):
    def test_before_birthday(self):
        self.assertEqual(age(date(1990, 8, 5), date(2024, 6, 10)), 33)

    def test_on_birthday(self):
        self.assertEqual(age(date(1990, 6, 10), date(2024, 6, 10)), 34)
        self.assertEqual(age(date(1990, 6, 11), date(2024, 6, 10)), 33)

    def test_after_birthday(self):
        self.assertEqual(age(date(1990, 3, 25), date(2024, 6, 10)), 34)

    def test_not_born(self):
        with self.assertRaises(ValueError):
            age(date(2024, 6, 11), date(2024, 6, 10))

    def test_next_birthday(self):
        self.assertEqual(next_birthday(date(1990, 3, 25), date(2024, 6, 10)), date(2025, 3, 25))
        self.assertEqual(next_birthday(date(1990, 6, 10), date(2024, 6, 10)), date(2024, 6, 10))

    def test_group(self):
        self.assertEqual(group(date(2006, 6, 10), date(2024, 6, 10)), 2)
