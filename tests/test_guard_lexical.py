"""Unclosed quotes and brackets are found, and nothing is found in correct texts."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.guard.lexical import check_javascript, check_shell

GOOD_JS = [
    "#!/usr/bin/env node\nimport { a } from './a.js';\n",
    "const re = /['\"`(\\/]/g, half = (a + b) / 2 / c, q = x ? /[/(]/ : 1;",
    "if (/^\\s*\\(/.test(line)) { return /]/ }",
    "const s = `a ${b ? `c ${d}` : '}'} \\` (`;",
    "// it's\n/* don't ( */ f();",
    "export const f = async <T,>(x: T): Promise<T[]> => [x];",
    "type A = { [key in Keys]?: (a: string) => void };",
    "const View = () => <p>don't ({x})</p>;",
    "const s = 'a\\\nb';",
    "a = b\n/hi/g.exec(c)",
    "if (x) /'/.test(y)",
    "label: for (const a of /x/g[Symbol.match]('y')) {}",
]
BAD_JS = [
    ("f(1;\n}", "`}` closes nothing (line 2)"),
    ("f(1\n", "`(` is not closed (line 1)"),
    ("const a = [1, 2", "`[` is not closed"),
    ("const s = 'it's';", "`'` is not closed"),
    ("const s = `a ${b}", "``` is not closed"),
    ("const s = `a ${b + `;", "`"),
    ("x()\n/* comment", "`/*` is not closed (line 2)"),
    ("}", "`}` closes nothing"),
    ('const s = "a\nb";', '`"` is not closed'),
]
GOOD_SHELL = [
    "echo it\\'s # don't",
    "cat <<'EOF'\nit's \"\nEOF\necho 'x'\n",
    "cat <<-EOF\n\tit's\n\tEOF\n",
    'echo "a $(echo "b ${c:-"d"}") e"',
    'echo "${x:-it\'s}"',
    "case $x in a) echo 1;; (b) echo 2;; esac",
    'x=$(case $y in a) echo "1";; esac)',
    "echo $((1 << 2)) $(( (a + b) * 2 ))",
    "[[ $x =~ ^(a|b$ ]]",
    "echo $'it\\'s' `date '+%s'`",
    'cat <<< "it\'s"',
    "echo ${#array[@]} a#b",
    "main\nexit 0\nit's over\n",
    "cat <<A <<B\n'\nA\n\"\nB\n",
]
BAD_SHELL = [
    ("echo 'a\nb\n", "`'` is not closed (line 1)"),
    ('x=1\necho "a', '`"` is not closed (line 2)'),
    ("x=$(date\n", "`$(` is not closed"),
    ("echo `date", "``` is not closed"),
    ("echo ${x\n", "`${` is not closed"),
    ("(cd /tmp; ls\n", "`(` is not closed"),
]


@pytest.mark.parametrize("text", GOOD_JS)
def test_correct_javascript_passes(text: str) -> None:
    check_javascript(text)


@pytest.mark.parametrize(("text", "problem"), BAD_JS)
def test_broken_javascript_is_found(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        check_javascript(text)


@pytest.mark.parametrize("text", GOOD_SHELL)
def test_correct_shell_passes(text: str) -> None:
    check_shell(text)


@pytest.mark.parametrize(("text", "problem"), BAD_SHELL)
def test_broken_shell_is_found(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        check_shell(text)


def test_the_scripts_of_this_repository_pass() -> None:
    scripts = [path for path in Path(__file__).parent.parent.glob("[a-z]*/**/*.sh") if path.is_file()]
    assert scripts
    for script in scripts:
        check_shell(script.read_text())


@given(st.text(alphabet="'\"`$(){}[]/\\<#\n abcase=~", max_size=80))
def test_any_text_is_read_to_its_end(text: str) -> None:
    for check in (check_javascript, check_shell):
        with contextlib.suppress(ValueError):
            check(text)
