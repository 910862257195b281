import unittest

from greeting import greet


class GreetingHiddenTest(unittest.TestCase):
    def test_greet(self):
        self.assertEqual(greet("Grace"), "Hello, Grace!")

    def test_two_words(self):
        self.assertEqual(greet("Alan Turing"), "Hello, Alan Turing!")
