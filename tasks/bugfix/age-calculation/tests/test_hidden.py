import unittest
from datetime import date, timedelta

from ages import age, birthday_in, group, next_birthday


class AgeTest(unittest.TestCase):
    def test_later_month_smaller_day(self):
        self.assertEqual(age(date(1990, 3, 25), date(2024, 4, 1)), 34)
        self.assertEqual(age(date(1990, 1, 31), date(2024, 12, 1)), 34)

    def test_earlier_month_larger_day(self):
        self.assertEqual(age(date(1990, 6, 1), date(2024, 5, 31)), 33)

    def test_same_month(self):
        birth = date(1990, 6, 15)
        self.assertEqual([age(birth, date(2024, 6, d)) for d in (14, 15, 16)], [33, 34, 34])

    def test_each_day_of_a_year(self):
        birth = date(2000, 7, 20)
        day = date(2023, 1, 1)
        while day.year == 2023:
            self.assertEqual(age(birth, day), 22 if day < date(2023, 7, 20) else 23)
            day += timedelta(days=1)

    def test_new_year(self):
        self.assertEqual(age(date(2000, 12, 31), date(2001, 1, 1)), 0)
        self.assertEqual(age(date(2000, 1, 1), date(2000, 12, 31)), 0)
        self.assertEqual(age(date(2000, 1, 1), date(2001, 1, 1)), 1)

    def test_day_of_birth(self):
        self.assertEqual(age(date(2024, 2, 3), date(2024, 2, 3)), 0)
        with self.assertRaises(ValueError):
            age(date(2024, 2, 3), date(2024, 2, 2))

    def test_leap_day(self):
        birth = date(2004, 2, 29)
        self.assertEqual(age(birth, date(2023, 2, 28)), 18)
        self.assertEqual(age(birth, date(2023, 3, 1)), 19)
        self.assertEqual(age(birth, date(2024, 2, 28)), 19)
        self.assertEqual(age(birth, date(2024, 2, 29)), 20)

    def test_age_agrees_with_birthdays(self):
        today = date(2024, 5, 17)
        for month in range(1, 13):
            for day in (1, 16, 17, 18, 28):
                birth = date(1980, month, day)
                self.assertEqual(age(birth, today), 44 - (birthday_in(birth, 2024) > today))


class BirthdayTest(unittest.TestCase):
    def test_birthday_in(self):
        self.assertEqual(birthday_in(date(2004, 2, 29), 2023), date(2023, 3, 1))
        self.assertEqual(birthday_in(date(2004, 2, 29), 2024), date(2024, 2, 29))
        self.assertEqual(birthday_in(date(2004, 2, 28), 2023), date(2023, 2, 28))

    def test_next_birthday(self):
        birth = date(1990, 6, 15)
        self.assertEqual(next_birthday(birth, date(2024, 6, 14)), date(2024, 6, 15))
        self.assertEqual(next_birthday(birth, date(2024, 6, 15)), date(2024, 6, 15))
        self.assertEqual(next_birthday(birth, date(2024, 6, 16)), date(2025, 6, 15))

    def test_next_leap_birthday(self):
        birth = date(2004, 2, 29)
        self.assertEqual(next_birthday(birth, date(2023, 2, 28)), date(2023, 3, 1))
        self.assertEqual(next_birthday(birth, date(2023, 3, 2)), date(2024, 2, 29))


class GroupTest(unittest.TestCase):
    def test_limits(self):
        today = date(2024, 6, 5)
        births = [date(2018, 6, 6), date(2018, 5, 30), date(2006, 6, 6), date(2006, 2, 28),
                  date(1959, 6, 6), date(1959, 6, 5)]
        self.assertEqual([group(b, today) for b in births], [0, 1, 1, 2, 2, 3])

    def test_own_limits(self):
        self.assertEqual(group(date(2000, 1, 20), date(2024, 3, 4), limits=(24,)), 1)
        self.assertEqual(group(date(2000, 1, 20), date(2024, 3, 4), limits=()), 0)
