"""Find quotes, comments and brackets that are not closed, in languages without a parser here.

Both checks are careful: where the text may be something that they don't know (JSX, a regular expression after a
bracket), they find nothing. What they miss shows when the scaffold is started.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_CLOSING = {")": "(", "]": "[", "}": "{"}

_JS = re.compile(
    r"""(?P<space>\s+)|(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<open_comment>/\*)"""
    r"""|(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?P<open_string>["'])|(?P<word>[\w$]+)|(?P<sign>=>|.)""",
    re.S,
)
_JS_TEMPLATE = re.compile(r"(?:[^`\\$]|\\.|\$(?!\{))*", re.S)
_JS_REGEX = re.compile(r"/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*")
_JS_TAG = re.compile(r"<(?:[A-Za-z_$]|>)")
# After these words a value follows, so a slash begins a regular expression.
_JS_BEFORE_VALUE = frozenset([
    "return", "typeof", "case", "in", "of", "do", "else", "void", "delete", "throw", "new", "instanceof", "yield",
    "await", "default", "extends",
])  # fmt: skip

_SHELL_WORD_START = " \t\n;&|()`"
_HEREDOC = re.compile(r"<<(-?)[ \t]*(?:'([^'\n]+)'|\"([^\"\n]+)\"|\\?([A-Za-z_][\w.-]*))")


def check_javascript(text: str) -> None:
    """Raise ValueError for a string, comment or bracket of JavaScript or TypeScript that is not closed."""
    start = text.find("\n") if text.startswith("#!") else 0
    _JavaScript(text).check(max(start, 0))


@dataclass
class _JavaScript:
    """One pass. before: the last sign or word; opened: brackets and templates with their positions."""

    text: str
    before: str = ""
    unsure: bool = False
    opened: list[tuple[str, int]] = field(default_factory=list)

    def check(self, at: int) -> None:
        while at < len(self.text):
            found = _JS.match(self.text, at)
            if found is None or (found[0] == "<" and self._expects_value() and _JS_TAG.match(self.text, at)):
                return  # JSX, or a type: what follows may be any text
            at = self._read(str(found.lastgroup), found[0], at)
        if self.opened:
            sign, place = self.opened[-1]
            self._fail(f"`{sign}` is not closed", place)

    def _read(self, kind: str, token: str, at: int) -> int:
        """Take one token; returns where the next one begins."""
        if kind.startswith("open_"):
            self._fail(f"`{token}` is not closed", at)
        if kind in ("space", "comment"):
            return at + len(token)
        if token == "/" and (end := self._after_regex(at)):
            self.before = "word"
            return end
        if token == "`" or (token == "}" and self.opened and self.opened[-1][0] == "${"):
            return self._template(token, at)
        if kind == "sign":
            self._bracket(token, at)
        self.before = token if kind in ("sign", "word") else "word"
        return at + len(token)

    def _template(self, token: str, at: int) -> int:
        """Read a template literal from its beginning, or from where an expression in it ends."""
        if token == "}":
            self.opened.pop()
        else:
            self.opened.append(("`", at))
        end = found.end() if (found := _JS_TEMPLATE.match(self.text, at + 1)) else at + 1
        if self.text.startswith("${", end):
            self.opened.append(("${", end))
            self.before = "{"
            return end + 2
        if end < len(self.text):
            self.opened.pop()
        self.before = "word"
        return end + 1

    def _bracket(self, token: str, at: int) -> None:
        if token in "([{":
            self.opened.append((token, at))
        elif token in _CLOSING:
            if not self.opened or self.opened[-1][0] != _CLOSING[token]:
                self._fail(f"`{token}` closes nothing", at)
            elif self.opened:
                self.opened.pop()

    def _after_regex(self, at: int) -> int | None:
        if self.before in (")", "}"):
            self.unsure = True
        if not self._expects_value():
            return None
        found = _JS_REGEX.match(self.text, at)
        self.unsure = self.unsure or found is None
        return found.end() if found else None

    def _expects_value(self) -> bool:
        if self.before[-1:].isalnum() or self.before[-1:] in ("_", "$"):
            return self.before in _JS_BEFORE_VALUE
        return self.before not in (")", "]", "}")

    def _fail(self, problem: str, at: int) -> None:
        if not self.unsure:
            raise ValueError(_with_line(problem, self.text, at))


def check_shell(text: str) -> None:
    """Raise ValueError for a quote or a bracket of a shell script that is not closed."""
    _Shell(text).check()


@dataclass
class _Shell:
    """One pass. opened: quotes and substitutions with their positions; waiting: here-documents that begin soon."""

    text: str
    unsure: bool = False
    opened: list[tuple[str, int]] = field(default_factory=list)
    waiting: list[tuple[str, bool]] = field(default_factory=list)

    def check(self) -> None:
        at = 0
        while at < len(self.text):
            if not self.opened and self.text.startswith("exit", at) and self.text[at - 1 : at] in ("", "\n"):
                return  # what follows may be no shell script at all
            at = self._in_quotes(at) if self._top() == '"' else self._in_code(at)
        if self.opened and not self.unsure:
            sign, place = self.opened[-1]
            raise ValueError(_with_line(f"`{sign}` is not closed", self.text, place))

    def _top(self) -> str:
        return self.opened[-1][0] if self.opened else ""

    def _in_quotes(self, at: int) -> int:
        if self.text[at] == '"':
            self.opened.pop()
            return at + 1
        return self._substitution(at)

    def _substitution(self, at: int) -> int:
        """What means the same within double quotes and without."""
        if self.text[at] == "\\":
            return at + 2
        for sign in ("$((", "$(", "${"):
            if self.text.startswith(sign, at):
                self.opened.append((sign, at))
                return at + len(sign)
        if self.text[at] == "`":
            self._toggle("`", at)
        return at + 1

    def _toggle(self, sign: str, at: int) -> None:
        if self._top() == sign:
            self.opened.pop()
        else:
            self.opened.append((sign, at))

    def _in_code(self, at: int) -> int:
        char = self.text[at]
        if char == "'" and not self._is_literal_quote():
            return self._after_quote(at)
        if char == '"':
            self.opened.append(('"', at))
        elif char == "#" and self._top() != "${" and (at == 0 or self.text[at - 1] in _SHELL_WORD_START):
            end = self.text.find("\n", at)
            return len(self.text) if end < 0 else end
        elif char == "\n" and self.waiting:
            return self._after_heredocs(at + 1)
        elif char == "<" and "((" not in self._top() and (found := self._heredoc(at)):
            return found
        elif char in "()}":
            return self._bracket(char, at)
        else:
            self._doubt(at)
            return self._substitution(at)
        return at + 1

    def _is_literal_quote(self) -> bool:
        """Within `"${x:-it's}"` a single quote means itself."""
        return self._top() == "${" and any(sign == '"' for sign, _ in self.opened)

    def _after_quote(self, at: int) -> int:
        escapes = self.text[at - 1 : at] == "$"
        found = re.compile(r"'(?:[^'\\]|\\.)*'" if escapes else r"'[^']*'", re.S).match(self.text, at)
        if found is None:
            if not self.unsure:
                raise ValueError(_with_line("`'` is not closed", self.text, at))
            return len(self.text)
        return found.end()

    def _bracket(self, char: str, at: int) -> int:
        if char == "(":
            sign = "((" if self.text.startswith("((", at) else "("
            self.opened.append((sign, at))
            return at + len(sign)
        if self._top().endswith("((") and char == ")":
            if self.text.startswith("))", at):
                self.opened.pop()
                return at + 2
            self.unsure = True
        elif (char == ")" and self._top() in ("(", "$(")) or (char == "}" and self._top() == "${"):
            self.opened.pop()
        return at + 1

    def _heredoc(self, at: int) -> int | None:
        if self.text.startswith("<<<", at):
            return at + 3
        found = _HEREDOC.match(self.text, at)
        if found is None:
            return None
        self.unsure = self.unsure or bool(self.opened)
        self.waiting.append((found[2] or found[3] or found[4], bool(found[1])))
        return found.end()

    def _after_heredocs(self, at: int) -> int:
        for word, tabs in self.waiting:
            pattern = rf"^{chr(9) + '*' if tabs else ''}{re.escape(word)}$"
            found = re.compile(pattern, re.M).search(self.text, at)
            if found is None:
                at, self.unsure = len(self.text), True
                break
            at = found.end()
        self.waiting = []
        return at

    def _doubt(self, at: int) -> None:
        """In `case` within a substitution, and after `=~`, brackets need not be closed."""
        text = self.text
        if text.startswith("=~", at) or (text.startswith("case", at) and any(sign != '"' for sign, _ in self.opened)):
            self.unsure = True


def _with_line(problem: str, text: str, at: int) -> str:
    return f"{problem} (line {text.count(chr(10), 0, at) + 1})"
