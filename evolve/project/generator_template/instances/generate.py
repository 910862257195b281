import random
import sys
from pathlib import Path

WORDS = ["Hello", "Welcome", "Good morning", "Good evening", "Greetings", "Cheers", "Farewell", "Goodbye"]
NAMES = ["Ada", "Grace", "Alan Turing", "Edsger", "Barbara", "Donald", "Margaret Hamilton", "Dennis"]
ENDS = ["!", ".", "!!", "?"]

INSTRUCTION = """`greeting.py` makes greetings. `greet("{name}")` should return `{expected}`, but the comma is missing.

Fix the bug. Don't change the tests. The tests run with `python3 -m unittest` in `/app`.
"""
MODULE = '''def greet(name):
    """A greeting for one person."""
    return f"{greeting}{{name}}{end}"
'''
TESTS = """import unittest

from greeting import greet


class {title}(unittest.TestCase):
{cases}"""
CASE = """    def test_{number}(self):
        self.assertEqual(greet("{name}"), "{expected}")
"""


def tests(title, word, end, names):
    cases = [CASE.format(number=n, name=name, expected=f"{word}, {name}{end}") for n, name in enumerate(names)]
    return TESTS.format(title=title, cases="\n".join(cases))


def write(path, text):
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def main(seed):
    dice = random.Random(seed)
    word, end = dice.choice(WORDS), dice.choice(ENDS)
    seen, *hidden = dice.sample(NAMES, 4)

    write("instruction.md", INSTRUCTION.format(name=seen, expected=f"{word}, {seen}{end}"))
    write("workdir/greeting.py", MODULE.format(greeting=f"{word} ", end=end))
    write("workdir/tests/test_greeting.py", tests("GreetingTest", word, end, [seen]))
    write("tests/test_hidden.py", tests("GreetingHiddenTest", word, end, hidden))
    write("solution/greeting.py", MODULE.format(greeting=f"{word}, ", end=end))


if __name__ == "__main__":
    main(int(sys.argv[1]))
