import unittest

import ansi
from ansi import Tokenizer, strip, visible_length


def Text(text):
    return ("text", text)


def Title(text):
    return ("title", text)


def Control(final, params=()):
    return ("control", final, params)


RESET = Control("m", (0,))


def plain(token):
    if isinstance(token, ansi.Control):
        return Control(token.final, token.params)
    return Title(token.text) if isinstance(token, ansi.Title) else Text(token.text)


def finished(machine, data):
    return [plain(token) for token in machine.feed(data) + machine.close()]


def tokens(data):
    return finished(Tokenizer(), data)


class InterruptedTest(unittest.TestCase):
    def test_control_by_control(self):
        self.assertEqual(tokens("a\x1b[3\x1b[0mb"), [Text("a"), RESET, Text("b")])

    def test_control_without_params(self):
        self.assertEqual(tokens("\x1b[\x1b[2J"), [Control("J", (2,))])

    def test_params_of_the_old_one_are_dropped(self):
        self.assertEqual(tokens("\x1b[1;3\x1b[m"), [Control("m")])

    def test_control_by_title(self):
        self.assertEqual(tokens("\x1b[31\x1b]2;t\x07x"), [Title("2;t"), Text("x")])

    def test_control_by_simple_escape(self):
        self.assertEqual(tokens("\x1b[31\x1b7x"), [Control("7"), Text("x")])

    def test_title_by_control(self):
        self.assertEqual(tokens("\x1b]0;title\x1b[0mx"), [RESET, Text("x")])
        self.assertEqual(tokens("\x1b]5\x1b[1;2H"), [Control("H", (1, 2))])

    def test_title_by_title(self):
        self.assertEqual(tokens("\x1b]old\x1b]new\x07x"), [Title("new"), Text("x")])
        self.assertEqual(tokens("\x1b]old\x1b]new\x1b\\x"), [Title("new"), Text("x")])

    def test_title_by_simple_escape(self):
        self.assertEqual(tokens("\x1b]old\x1bcx"), [Control("c"), Text("x")])

    def test_several_escapes_in_a_row(self):
        self.assertEqual(tokens("\x1b\x1b\x1b[0mx"), [RESET, Text("x")])
        self.assertEqual(tokens("\x1b[1\x1b\x1b[0mx"), [RESET, Text("x")])
        self.assertEqual(tokens("\x1b]t\x1b\x1b[0mx"), [RESET, Text("x")])

    def test_one_character_at_a_time(self):
        data = "a\x1b[3\x1b[0mb\x1b]t\x1b[1;2Hc\x1b]u\x1b\\d"
        machine = Tokenizer()
        found = [token for char in data for token in machine.feed(char)] + machine.close()
        self.assertEqual([plain(token) for token in found], [Text("a"), RESET, Text("b"), Control("H", (1, 2)), Text("c"), Title("u"), Text("d")])


class RegularTest(unittest.TestCase):
    def test_plain_text(self):
        self.assertEqual(tokens("a[0m]b\\"), [Text("a[0m]b\\")])
        self.assertEqual(tokens(""), [])

    def test_params(self):
        self.assertEqual(tokens("\x1b[m\x1b[;5H\x1b[10A"), [Control("m"), Control("H", (0, 5)), Control("A", (10,))])

    def test_titles(self):
        self.assertEqual(tokens("\x1b]a[b]\x07\x1b]c\x1b\\"), [Title("a[b]"), Title("c")])

    def test_unfinished_is_dropped_by_close(self):
        for data in ("x\x1b", "x\x1b[1;", "x\x1b]title", "x\x1b]title\x1b"):
            machine = Tokenizer()
            self.assertEqual(finished(machine, data), [Text("x")], data)
            self.assertEqual([plain(token) for token in machine.feed("1my")], [Text("1my")], data)

    def test_strip(self):
        self.assertEqual(strip("\x1b[1mbold\x1b[0m and \x1b]0;t\x07plain"), "bold and plain")
        self.assertEqual(visible_length("\x1b[31\x1b[0mred"), 3)
