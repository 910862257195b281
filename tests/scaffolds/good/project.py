"""The project under repair: its files, its tests, and edits that are taken back when they don't help."""

import ast

import evolve_door as door
from settings import HERE, SETTINGS

TEST = "python3 -m unittest 2>&1"
LIST = "find . -name '*.py' -not -path '*/tests/*' -not -name '__init__.py' | sort | cut -c3-"
RANKER = "/tmp/evolve_ranker.py"


def sources():
    """The text of each source file by its path."""
    return {path: door.read(path) for path in door.run(LIST).stdout.split()}


def run_tests():
    """Whether all tests pass, and the end of what they print."""
    result = door.run(TEST, timeout=SETTINGS["tools"]["test_seconds"])
    return result.exit_code == 0, result.stdout[-SETTINGS["tools"]["tail_chars"] :]


def suspicious():
    """Lines ranked by how much more failing tests run them than passing ones."""
    door.write(RANKER, (HERE / "ranker.py").read_text())
    result = door.run(f"timeout 10 python3 {RANKER} 2>/dev/null", timeout=15)
    return [line for line in result.stdout.splitlines() if line.startswith("suspicious: ")]


def lines_of(path, ranked):
    """The numbers of the file's suspicious lines."""
    places = (line.split()[1].rsplit(":", 1) for line in ranked)
    return {int(number) for name, number in places if name == path}


def unsuspected(text, suspects):
    """The lines of functions that have no suspect line; none where what is left would not parse."""
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    starts = [min([node.lineno, *(one.lineno for one in node.decorator_list)]) for node in functions]
    spans = [range(start, node.end_lineno + 1) for start, node in zip(starts, functions, strict=True)]
    hidden = {line for span in spans if not suspects.intersection(span) for line in span}
    ast.parse("\n".join(line for number, line in enumerate(text.splitlines(), 1) if number not in hidden))
    return hidden


def numbered(text, suspects):
    """The text with a number before each line, without the functions that have no suspect line."""
    try:
        hidden = unsuspected(text, suspects) if suspects else set()
    except SyntaxError:
        hidden = set()
    lines = enumerate(text.splitlines(), 1)
    return "\n".join(f"{number:4}| {line}" for number, line in lines if number not in hidden)


def place(text, old, line):
    """Where `old` starts: at the line given if it stands there, else where it first occurs; -1 if nowhere."""
    if isinstance(line, int) and line > 0:
        start = sum(len(one) for one in text.splitlines(keepends=True)[: line - 1])
        if text.startswith(old, start):
            return start
    return text.find(old)


def attempt(path, old, new, line=None):
    """Try one edit; take it back if the tests fail. Returns (passed, output, the `tried:` line or None)."""
    text = door.read(path)
    start = place(text, old, line)
    if not old or start < 0:
        return False, f"error: the old text is not in {path}", None
    door.write(path, text[:start] + new + text[start + len(old) :])
    passed, output = run_tests()
    if not passed:
        door.write(path, text)
    number = text.count("\n", 0, start) + 1
    return passed, output, f"tried: {path}:{number} | {old.strip()} | {new.strip()}"
