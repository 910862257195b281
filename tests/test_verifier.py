"""The bundled verifier: what tests may do with a candidate's code, and what its process can't do to them."""

from __future__ import annotations

import importlib.util
import re
import sys
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .judged import VERIFIER, Verdict, decoy_verdict, verdict

pytestmark = pytest.mark.slow
HEAD = """import collections, datetime, decimal, fractions, itertools, unittest
import thing
{imports}

class ThingTest(unittest.TestCase):
"""


def codec() -> Any:
    """The module of the verifier that turns values into messages."""
    spec = importlib.util.spec_from_file_location("judge_codec", VERIFIER / "judge_codec.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.pop("judge_codec", None)
    spec.loader.exec_module(module)
    return module


CODEC = codec()


def judged(folder: Path, thing: str, *tests: str, **changes: str) -> Verdict:
    """Judge `thing.py` by one test for each text."""
    methods = []
    for number, text in enumerate(tests):
        lines = "".join(f"        {line}\n" for line in text.strip("\n").splitlines())
        methods.append(f"    def test_{number}(self):\n{lines}")
    names = re.findall(r"^(?:class|def) (\w+)", thing, re.MULTILINE)
    imports = f"from thing import {', '.join(names)}" if names else ""
    return verdict(folder, {"thing.py": thing}, HEAD.format(imports=imports) + "\n".join(methods), **changes)


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary() | st.fractions()
    | st.decimals(allow_nan=False) | st.dates() | st.datetimes() | st.times() | st.timedeltas() | st.complex_numbers(allow_nan=False)
)  # fmt: skip
HASHABLE = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4)
    | st.lists(inner, max_size=4).map(tuple)
    | st.dictionaries(HASHABLE, inner, max_size=4)
    | st.sets(HASHABLE, max_size=4)
    | st.frozensets(HASHABLE, max_size=4)
    | st.lists(st.integers(0, 255), max_size=4).map(bytearray),
    max_leaves=12,
)


def no_other(*_: Any) -> Any:
    raise TypeError


def exact(value: Any) -> str:
    """A text that tells apart what `==` does not, such as 1 and True."""
    if isinstance(value, list | tuple):
        return f"{type(value)}{[exact(item) for item in value]}"
    if isinstance(value, set | frozenset | dict):
        items = value.items() if isinstance(value, dict) else value
        return f"{type(value)}{sorted(exact(item) for item in items)}"
    return repr(value)


@given(VALUES)
def test_every_value_comes_out_as_it_was(value: Any) -> None:
    form = CODEC.json.loads(CODEC.json.dumps(CODEC.Packer(no_other).pack(value)))
    result = CODEC.Unpacker(no_other).unpack(form)
    assert exact(result) == exact(value)


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_nonsense_is_refused_or_a_plain_value(form: Any) -> None:
    try:
        result = CODEC.Unpacker(no_other).unpack(form)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, CODEC.Malformed):
        return
    assert type(result).__module__ in ("builtins", "datetime", "decimal", "fractions", "collections")


def test_one_object_stays_one_object() -> None:
    inner: list[Any] = [1]
    outer = [inner, inner]
    outer.append(outer)
    result = CODEC.Unpacker(no_other).unpack(CODEC.Packer(no_other).pack(outer))
    assert result[0] is result[1] and result[2] is result


CLASSES = """
import contextlib, dataclasses, enum

class Odd(ValueError):
    def __init__(self, number):
        super().__init__(f"{number} is odd")
        self.number = number

class Very(Odd):
    pass

@dataclasses.dataclass
class Point:
    x: int
    y: int = 0
    def moved(self, by): return Point(self.x + by, self.y)
    def __add__(self, other): return Point(self.x + other.x, self.y + other.y)
    def __radd__(self, other): return Point(self.x + other, self.y)
    def __lt__(self, other): return self.x < other.x

class Bag:
    def __init__(self, items=()): self.items = list(items)
    def __len__(self): return len(self.items)
    def __iter__(self): return iter(self.items)
    def __contains__(self, item): return item in self.items
    def __getitem__(self, place): return self.items[place]
    def __setitem__(self, place, item): self.items[place] = item
    def __enter__(self): self.items.append("in"); return self
    def __exit__(self, kind, error, trace): self.items.append(kind and kind.__name__); return True
    @property
    def first(self): return self.items[0]

class Colour(enum.Enum):
    RED = 1

LIMIT = 3
def halved(number):
    if number % 2: raise Odd(number)
    return number // 2
def very(number): raise Very(number)
def echo(value): return value
def doubled(numbers): numbers[:] = [2 * n for n in numbers]; return numbers
def add_to(table): table["a"].append(1); table["b"] = {2}
def counted():
    n = 0
    while True:
        yield n
        n += 1
def take(iterator, count): return [next(iterator) for _ in range(count)]
def each(function, values, **options): return [function(value, **options) for value in values]
def caught(function):
    try: function()
    except Odd as error: return error.number
    except KeyError as error: return error.args
def limit(): return LIMIT
def same(one, two): return one is two
"""
USES = {
    "values": "self.assertEqual(echo([1, (2.5, None), {'a': {3}}, b'x', 10**30, range(3), 1j]),\n"
    "    [1, (2.5, None), {'a': {3}}, b'x', 10**30, range(3), 1j])\nself.assertIsInstance(echo(True), bool)",
    "stdlib containers": "self.assertEqual(echo(collections.Counter('aab')), {'a': 2, 'b': 1})\n"
    "self.assertEqual(echo(collections.deque([1, 2])), collections.deque([1, 2]))",
    "changed arguments": "numbers = [1, 2]\nself.assertIs(doubled(numbers), numbers)\nself.assertEqual(numbers, [2, 4])\n"
    "table = {'a': []}\ninner = table['a']\nadd_to(table)\nself.assertEqual(table, {'a': [1], 'b': {2}})\n"
    "self.assertIs(table['a'], inner)",
    "identity": "point = Point(1)\nself.assertIs(echo(point), point)\nself.assertTrue(same(point, point))",
    "attributes": "point = Point(1, y=2)\npoint.x += 4\nself.assertEqual((point.x, point.moved(1).x, point.y), (5, 6, 2))\n"
    "self.assertEqual(str(point), 'Point(x=5, y=2)')\nself.assertFalse(hasattr(point, 'z'))",
    "operators": "point = Point(1) + Point(2, 3)\nself.assertEqual((point.x, (4 + point).x), (3, 7))\n"
    "self.assertTrue(point == Point(3, 3))\nself.assertFalse(point == Point(3, 4))\n"
    "self.assertEqual([p.x for p in sorted([Point(2), Point(1)])], [1, 2])\n"
    "self.assertEqual(sum([Point(1), Point(2)]).x, 3)",
    "containers": "bag = Bag('ab')\nbag[0] = 'c'\nself.assertEqual((len(bag), list(bag), bag[-1], bag[0:1], bag.first),\n"
    "    (2, ['c', 'b'], 'b', ['c'], 'c'))\nself.assertIn('b', bag)\nself.assertNotIn('a', bag)\nself.assertFalse(Bag())\n"
    "self.assertRaises(IndexError, lambda: bag[7])",
    "a with block": "bag = Bag()\nwith bag as inside:\n    self.assertIs(inside, bag)\n    raise KeyError(1)\n"
    "self.assertEqual(bag.items, ['in', 'KeyError'])",
    "classes": "self.assertIsInstance(Point(1), Point)\nself.assertNotIsInstance(Bag(), Point)\n"
    "self.assertEqual([p.x for p in map(Point, [1, 2])], [1, 2])",
    "exceptions": "with self.assertRaises(Odd) as caught_error:\n    halved(3)\n"
    "self.assertEqual((str(caught_error.exception), caught_error.exception.number), ('3 is odd', 3))\n"
    "self.assertEqual(caught_error.exception.args, ('3 is odd',))\nself.assertRaises(Odd, very, 1)\n"
    "self.assertRaisesRegex(ValueError, '^5 is', halved, 5)\nself.assertRaises(KeyError, echo({}).__getitem__, 1)\n"
    "try:\n    halved(1)\nexcept Very:\n    self.fail()\nexcept Odd:\n    pass",
    "iterators": "numbers = counted()\nself.assertEqual([next(numbers), next(numbers)], [0, 1])\n"
    "self.assertEqual(list(itertools.islice(numbers, 2)), [2, 3])\nsource = itertools.count()\n"
    "self.assertEqual(take(source, 2), [0, 1])\nself.assertEqual(next(source), 2)\n"
    "self.assertRaises(StopIteration, take, iter([]), 1)\nself.assertEqual(take((n for n in 'ab'), 2), ['a', 'b'])",
    "functions": "self.assertEqual(each(lambda n, by=1: n * by, [1, 2], by=3), [3, 6])\nself.assertEqual(each(str, [1]), ['1'])\n"
    "self.assertEqual(each(Point(1).moved, [1])[0].x, 2)\nself.assertEqual(each(lambda p: p.moved(1).x, [Point(1)]), [2])",
    "exceptions of functions": "def odd(): raise Odd(7)\ndef missing(): raise KeyError('k')\n"
    "self.assertEqual((caught(odd), caught(missing)), (7, ('k',)))\n"
    "def other(): raise TypeError('no')\nself.assertRaisesRegex(TypeError, 'no', caught, other)",
    "modules": "self.assertEqual(thing.LIMIT, 3)\nthing.LIMIT = 4\nself.assertEqual((limit(), thing.LIMIT), (4, 4))",
    "members": "self.assertEqual(Colour.RED, 'Colour.RED')\nself.assertIs(Colour.RED, Colour.RED)",
}


@pytest.fixture(scope="module")
def uses(tmp_path_factory: pytest.TempPathFactory) -> Verdict:
    return judged(tmp_path_factory.mktemp("uses"), CLASSES, *USES.values())


@pytest.mark.parametrize("use", USES)
def test_tests_may_use_a_candidates_code_as_usual(uses: Verdict, use: str) -> None:
    failed = f"test_{list(USES).index(use)} did not pass"
    assert failed not in uses.output, uses.output
    assert uses.reward == 1.0 or "did not pass" in uses.output


REFUSED = {
    "an object against a value": ("self.assertEqual(Point(1), 1)", "is no plain value"),
    "an object against an object": ("self.assertEqual(Point(1), Point(1))", "an expected value must be a plain value"),
    "one deep inside": ("self.assertEqual([{'a': Point(1)}], [{'a': Point(1)}])", "an expected value must be a plain value"),
    "names that are not named": ("import importlib\nexec('from thing import *', {})", "must name what it imports"),
    "a derived class": ("class Mine(Point): pass", "can't derive a class"),
    "the test itself": ("echo(self)", "can't be given to the candidate's code"),
    "a wrong result": ("self.assertEqual(halved(4), 3)", "2 is not 3"),
    "no exception": ("with self.assertRaises(Odd): halved(2)", "Odd not raised"),
    "an exception": ("halved(3)", "3 is odd"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_fails_says_why(tmp_path: Path, name: str) -> None:
    test, reason = REFUSED[name]
    result = judged(tmp_path, CLASSES, test)
    assert result.reward == 0.0
    assert "ThingTest.test_0 did not pass" in result.output and reason in result.output, result.output


def test_a_project_without_tests_or_that_cannot_be_imported_earns_nothing(tmp_path: Path) -> None:
    assert verdict(tmp_path / "none", {"thing.py": ""}, "import unittest\n").reward == 0.0
    broken = judged(tmp_path / "broken", "1 / 0", "pass")
    assert broken.reward == 0.0 and "did not pass: they can't be loaded" in broken.output
    skipped = judged(tmp_path / "skipped", "import unittest\ndef skip(): raise unittest.SkipTest", "skip()")
    assert skipped.reward == 0.0


# A stub whose answer is always wrong, unless one of these tricks makes the tests believe otherwise.
TRICKS = {
    "leaves": "import os; os._exit(0)",
    "leaves in a call": "import os\ndef answer(n): os._exit(0)",
    "patches the tests' module": "import unittest\nfor name in dir(unittest.TestCase):\n"
    "    if name.startswith('assert'): setattr(unittest.TestCase, name, lambda *a, **k: None)\ndef answer(n): return 0",
    "patches builtins": "import builtins, operator\nbuiltins.repr = builtins.len = lambda *a: 42\noperator.eq = lambda a, b: True\n"
    "def answer(n): return 0",
    "equal to all": "class All(int):\n    def __eq__(self, other): return True\n    __hash__ = int.__hash__\ndef answer(n): return All()",
    "an object equal to all": "class All:\n    def __eq__(self, other): return True\n    def __ne__(self, other): return False\n"
    "    def __bool__(self): return True\ndef answer(n): return All()",
    "raises all": "class E(AssertionError, KeyError, ValueError): pass\ndef answer(n): raise E",
    "raises a skip": "import unittest\ndef answer(n): raise unittest.SkipTest",
    "raises an exit": "def answer(n): raise SystemExit(0)",
    "raises an interrupt": "def answer(n): raise KeyboardInterrupt",
    "loops": "def answer(n):\n    while True: pass",
    "sleeps": "import time\ndef answer(n): time.sleep(100)",
    "recurses": "def answer(n): return answer(n)",
    "nests": "def answer(n):\n    x = []\n    for _ in range(100000): x = [x]\n    return x",
    "contains itself": "def answer(n):\n    x = []\n    x.append(x)\n    return x",
    "is huge": "def answer(n): return 'x' * 10**8",
    "is a huge number": "def answer(n): return 1 << 10**7",
    "is many": "def answer(n): return [[]] * 10**7",
    "is endless": "import itertools\ndef answer(n): return itertools.count()",
    "answers from a thread": "import os, threading\ndef spam():\n    for fd in range(3, 20):\n        try: os.write(fd, b'\\0\\0\\0\\x11[\"return\",42,[]]   ' * 1000)\n"
    "        except OSError: pass\nthreading.Thread(target=spam).start()\ndef answer(n): return 0",
    "writes nonsense": "import os\ndef answer(n):\n    for fd in range(3, 20):\n        try: os.write(fd, b'\\xff' * 100)\n        except OSError: pass\n    return 0",
    "claims a gigabyte": "import os\ndef answer(n):\n    for fd in range(3, 20):\n        try: os.write(fd, b'\\x3f\\xff\\xff\\xff')\n        except OSError: pass",
    "prints much": "def answer(n):\n    print('x' * 10**6)\n    return 0",
    "shadows the library": "import pathlib\npathlib.Path('unittest.py').write_text('TestCase = object')\n"
    "pathlib.Path('decimal.py').write_text('Decimal = None')\ndef answer(n): return 0",
}  # fmt: skip


@pytest.mark.parametrize("name", TRICKS)
def test_no_trick_passes_a_test(tmp_path: Path, name: str) -> None:
    test = "value = answer(6)\nself.assertEqual(list(value) if 'endless' == NAME else value, 42)".replace(
        "NAME", repr(name.split()[-1])
    )
    result = judged(tmp_path, TRICKS[name], test, "self.assertEqual(2 + 2, 4)", SECONDS="3")
    assert result.reward == 0.0 and "did not pass" in result.output, result.output


def test_without_tricks_the_right_answer_passes(tmp_path: Path) -> None:
    assert judged(tmp_path, "def answer(n): return 7 * n", "self.assertEqual(answer(6), 42)").reward == 1.0


# Messages that no honest process sends, in place of an answer.
FORGED = [
    "42", "{}", "[]", '["return"]', '["return",42]', '["return",42,0]', '["keep",42,[]]', '["raise",42,[]]', '["return",{"a":1},[]]',
    '["return",["list",["object"]],[]]', '["return",["object",0,99],[]]', '["return",["own",0],[]]', '["return",["again",5],[]]',
    '["return",42,[[0,[]]]]', '["raise",["error",0,["object",0,0],"",""],[]]', '["ask",0,[],[]]', '["return",["builtin","eval"],[]]',
    '["return",["class",9,"X",42],[]]', '["return",["bytes","zz"],[]]', '["return",["dict",["list"],1],[]]', '["return",42,[],[]]',
    "[" * 100000 + "]" * 100000, '["return",' + "9" * 5000 + ",[]]",
]  # fmt: skip


@pytest.mark.parametrize("message", FORGED, ids=range(len(FORGED)))
def test_a_forged_message_is_no_answer(tmp_path: Path, message: str) -> None:
    thing = f"""
import os, struct
def answer(n):
    data = {message!r}.encode()
    for fd in range(3, 20):
        try: os.write(fd, struct.pack(">I", len(data)) + data)
        except OSError: pass
    return 42
"""
    result = judged(tmp_path, thing, "self.assertEqual(answer(6), 42)", "self.assertEqual(answer(6), 42)")
    assert result.reward == 0.0, result.output


SPY = """
import re
def seen(_):
    found = set()
    pattern = re.compile(b"sp" + b"y-[a-z]{8}")
    for line in open("/proc/self/maps"):
        span, access = line.split()[:2]
        if access.startswith("rw"):
            first, last = (int(part, 16) for part in span.split("-"))
            with open("/proc/self/mem", "rb", 0) as memory:
                try:
                    memory.seek(first)
                    found |= set(pattern.findall(memory.read(last - first)))
                except (OSError, ValueError):
                    pass
    print("saw", *sorted(word.decode()[::-1] for word in found), flush=True)
    return 0
"""
SPIED = """import unittest
from thing import seen
class SpyTest(unittest.TestCase):
    def test_it(self):
        self.assertEqual(seen("spy-argument"), "spy-expected")
"""


def test_an_expected_value_is_never_in_the_candidates_memory(tmp_path: Path) -> None:
    result = verdict(tmp_path / "new", {"thing.py": SPY}, SPIED)
    assert "tnemugra-yps" in result.output and "detcepxe-yps" not in result.output
    former = decoy_verdict(tmp_path / "new" / "former", tmp_path / "new" / "app", SPIED)
    assert "detcepxe-yps" in former.output


def test_dates_and_numbers_cross(tmp_path: Path) -> None:
    values = [date(2024, 2, 29), datetime(2024, 1, 1, 12, tzinfo=timezone(timedelta(hours=1))), time(1, 2), timedelta(1.5)]
    values += [Decimal("1.50"), Fraction(1, 3)]  # type: ignore[list-item]
    test = "values = " + repr(values).replace("Decimal(", "decimal.Decimal(").replace("Fraction(", "fractions.Fraction(")
    assert judged(tmp_path, CLASSES, test + "\nself.assertEqual(repr(echo(values)), repr(values))").reward == 1.0
