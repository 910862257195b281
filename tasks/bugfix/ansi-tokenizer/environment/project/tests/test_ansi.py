import unittest

from ansi import Control, Text, Title, Tokenizer, strip, visible_length


class TokenizerTest(unittest.TestCase):
    def test_colours(self):
        self.assertEqual(Tokenizer().feed("a\x1b[1;31mb"), [Text("a"), Control("m", (1, 31)), Text("b")])

    def test_title(self):
        self.assertEqual(Tokenizer().feed("\x1b]0;x\x07a"), [Title("0;x"), Text("a")])

    def test_chunks(self):
        machine = Tokenizer()
        self.assertEqual(machine.feed("a\x1b[3"), [Text("a")])
        self.assertEqual(machine.feed("1mb"), [Control("m", (31,)), Text("b")])

    def test_unfinished_at_the_end(self):
        self.assertEqual(strip("ab\x1b[3"), "ab")

    def test_interrupted_control(self):
        self.assertEqual(strip("a\x1b[3\x1b[0mb"), "ab")

    def test_interrupted_title(self):
        self.assertEqual(strip("\x1b]0;title\x1b[1mbold"), "bold")

    def test_visible_length(self):
        self.assertEqual(visible_length("\x1b[1mbold\x1b[0m"), 4)
