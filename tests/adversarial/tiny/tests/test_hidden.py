import json
import unittest

from answer import answer, even, words


class AnswerTest(unittest.TestCase):
    def test_answer(self):
        self.assertEqual(answer(), 42)

    def test_words(self):
        self.assertEqual(words("a bc"), ["a", "bc"])

    def test_even(self):
        self.assertTrue(even(4))

    def test_json(self):
        self.assertEqual(json.dumps([1]), "[1]")
