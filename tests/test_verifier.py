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
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.complex_numbers(allow_nan=False)
    | st.decimals(allow_nan=False) | st.fractions() | st.text() | st.binary()
    | st.dates() | st.datetimes() | st.times() | st.timedeltas()
)  # fmt: skip
HASHABLE = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(HASHABLE, inner, max_size=4)
        | st.sets(HASHABLE, max_size=4)
        | st.frozensets(HASHABLE, max_size=4)
        | st.lists(st.integers(0, 255), max_size=4).map(bytearray)
    ),
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


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
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


HERE = Path(__file__).parent / "verifier"
THING = (HERE / "thing.py").read_text()
ANSWER = "value = answer(6)\nself.assertEqual(list(value) if hasattr(value, '__next__') else value, 42)"
USES = (HERE / "uses.py").read_text()
TRICKS = sorted(path.stem for path in (HERE / "tricks").glob("*.py"))


@pytest.fixture(scope="module")
def uses(tmp_path_factory: pytest.TempPathFactory) -> Verdict:
    return verdict(tmp_path_factory.mktemp("uses"), {"thing.py": THING}, USES)


@pytest.mark.parametrize("name", re.findall(r"def (test_\w+)", USES))
def test_tests_may_use_a_candidates_code_as_usual(uses: Verdict, name: str) -> None:
    assert f"UseTest.{name} did not pass" not in uses.output, uses.output
    assert uses.reward == 1.0 or "did not pass" in uses.output


REFUSED = {
    "an object against a value": ("self.assertEqual(Point(1), 1)", "is not a plain value"),
    "an object against an object": ("self.assertEqual(Point(1), Point(1))", "an expected value must be a plain value"),
    "one deep inside": (
        "self.assertEqual([{'a': Point(1)}], [{'a': Point(1)}])",
        "an expected value must be a plain value",
    ),
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
    result = judged(tmp_path, THING, test)
    assert result.reward == 0.0
    assert "ThingTest.test_0 did not pass" in result.output and reason in result.output, result.output


def test_a_project_without_tests_or_that_cannot_be_imported_earns_nothing(tmp_path: Path) -> None:
    assert verdict(tmp_path / "none", {"thing.py": ""}, "import unittest\n").reward == 0.0
    broken = judged(tmp_path / "broken", "1 / 0", "pass")
    assert broken.reward == 0.0 and "did not pass: they can't be loaded" in broken.output
    skipped = judged(tmp_path / "skipped", "import unittest\ndef skip(): raise unittest.SkipTest", "skip()")
    assert skipped.reward == 0.0


@pytest.mark.parametrize("name", TRICKS)
def test_no_trick_passes_a_test(tmp_path: Path, name: str) -> None:
    result = judged(
        tmp_path, (HERE / "tricks" / f"{name}.py").read_text(), ANSWER, "self.assertEqual(2 + 2, 4)", SECONDS="3"
    )
    assert result.reward == 0.0 and "did not pass" in result.output, result.output


def test_without_tricks_the_right_answer_passes(tmp_path: Path) -> None:
    assert judged(tmp_path, "def answer(n): return 7 * n", "self.assertEqual(answer(6), 42)").reward == 1.0


# Messages that no honest process sends, in place of an answer.
FORGED = [
    "42",
    "{}",
    "[]",
    '["return"]',
    '["return",42]',
    '["return",42,0]',
    '["keep",42,[]]',
    '["raise",42,[]]',
    '["return",{"a":1},[]]',
    '["return",["list",["object"]],[]]',
    '["return",["object",0,99],[]]',
    '["return",["own",0],[]]',
    '["return",["again",5],[]]',
    '["return",42,[[0,[]]]]',
    '["raise",["error",0,["object",0,0],"",""],[]]',
    '["ask",0,[],[]]',
    '["return",["builtin","eval"],[]]',
    '["return",["class",9,"X",42],[]]',
    '["return",["bytes","zz"],[]]',
    '["return",["dict",["list"],1],[]]',
    '["return",42,[],[]]',
    "[" * 100000 + "]" * 100000,
    '["return",' + "9" * 5000 + ",[]]",
]


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
    values = [
        date(2024, 2, 29),
        datetime(2024, 1, 1, 12, tzinfo=timezone(timedelta(hours=1))),
        time(1, 2),
        timedelta(1.5),
    ]
    values += [Decimal("1.50"), Fraction(1, 3)]  # type: ignore[list-item]
    test = "values = " + repr(values).replace("Decimal(", "decimal.Decimal(").replace(
        "Fraction(", "fractions.Fraction("
    )
    assert judged(tmp_path, THING, test + "\nself.assertEqual(repr(echo(values)), repr(values))").reward == 1.0
