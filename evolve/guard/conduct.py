"""What a scaffold's Python must not do: replace frozen functions, bypass evolve_door, forge results, hide code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from evolve.guard.change import PythonFile, called_name, printable, string_value
from evolve.guard.scope import DOOR

# Replacing a function of these modules would falsify the scaffold's clock, counts or results.
UNTOUCHED = (DOOR, "time", "unittest", "builtins", "json", "subprocess")
NETWORK = (
    "socket", "socketserver", "ssl", "ctypes", "ftplib", "smtplib", "imaplib", "poplib", "telnetlib", "urllib.request",
    "http.client", "http.server", "xmlrpc.client", "xmlrpc.server", "asyncio.streams",
)  # fmt: skip
UNREADABLE = ("marshal",)
DECODERS = (
    "b64decode", "b32decode", "b16decode", "a85decode", "b85decode", "urlsafe_b64decode", "fromhex", "unhexlify",
    "decompress",
)  # fmt: skip
FORGED_PARTS = re.compile(r"^\W*(FAIL|FAILED|ERROR|Traceback|failures?|errors?)\b")
BLESSED_PARTS = re.compile(r"^\W*(OK|PASS|PASSED|passed|success)?\W*$")
FORGED_LOG = re.compile(r"\bRan \d+ tests? in \d|\b\d+ passed in \d|^\W*OK\W*$")
LONG_CODE = re.compile(r"(?:[A-Za-z0-9+/_-]{120,}={0,2}|(?:\\x[0-9a-fA-F]{2}){30,})")
# Other files may be called tests: for example a script that reproduces a fault.
TEST_FILES = re.compile(
    r"(?:^|/)(?:tests?/|conftest\.py$|pytest\.ini$|sitecustomize\.py$|usercustomize\.py$|unittest(?:/|\.py$))|\.pth$"
)
MIN_NUMBERS = 12
# `door.replace` has three arguments; that of a text has two, or a number more.
DOOR_REPLACE = 3
MIN_ENCODED = 16


def findings(module: PythonFile) -> Iterator[str]:
    """Yield every violation in a module, in one line that does not depend on its position."""
    doors = module.aliases(DOOR)
    owners = {alias: name for name in UNTOUCHED for alias in module.aliases(name)}
    for node in module.nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from _import_findings(node)
        elif isinstance(node, ast.Call):
            yield from _call_findings(node, doors)
        elif isinstance(node, ast.Attribute):
            yield from _attribute_findings(node, owners)
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Delete):
            yield from _assignment_findings(node)
        elif isinstance(node, ast.Return) and node.value is not None:
            yield from _forged_log(node.value)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and LONG_CODE.search(node.value):
            yield "hidden code: a long encoded text; write readable code instead"


def _import_findings(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
    for name in names:
        if any(name == other or name.startswith(f"{other}.") for other in NETWORK):
            yield f"outside the door: `{printable(name)}`: scaffolds have no network; use evolve_door instead"
            return
        if name in UNREADABLE:
            yield f"hidden code: `{name}` loads unreadable code"


def _call_findings(node: ast.Call, doors: set[str]) -> Iterator[str]:
    name = called_name(node)
    problem = _hidden_call(name, node) or _lasting_call(name, node) or _forging_call(name, node)
    if problem:
        yield problem
    elif name == "setattr" and node.args and isinstance(node.args[0], ast.Name) and node.args[0].id in doors:
        yield "frozen: functions of evolve_door must not be replaced"


def _hidden_call(name: str, node: ast.Call) -> str | None:
    """Detect code or text that can't be read in the source."""
    if isinstance(node.func, ast.Name) and name in ("exec", "eval", "__import__"):
        return f"hidden code: `{name}(...)`; use json.loads or ast.literal_eval for data, and write code as code"
    if name == "import_module" and node.args and not (string_value(node.args[0]) or "{").partition("{")[0]:
        return "hidden code: a module is imported by a computed name"
    if name in DECODERS and node.args and len(string_value(node.args[0]) or "") >= MIN_ENCODED:
        return f"hidden code: `{name}` decodes a text in the code; write the text itself"
    if name == "getattr" and len(node.args) > 1 and _is_assembled(node.args[1]):
        return "hidden code: an attribute name is assembled from pieces"
    if name in ("chr", "bytes", "bytearray", "map") and _decodes_numbers(node):
        return "hidden code: a text is written as numbers"
    return None


def _lasting_call(name: str, node: ast.Call) -> str | None:
    """Detect processes that would outlive the scaffold."""
    if name in ("fork", "setsid", "daemon", "forkpty") and isinstance(node.func, ast.Attribute):
        return f"left behind: `{name}`: no process may outlive the scaffold"
    if any(key.arg == "start_new_session" and _is_true(key.value) for key in node.keywords):
        return "left behind: a process in its own session"
    return None


def _forging_call(name: str, node: ast.Call) -> str | None:
    """Detect changes of tests or of their results."""
    writes = name == "write" or (name == "replace" and len(node.args) == DOOR_REPLACE)
    if writes and node.args and TEST_FILES.search(string_value(node.args[0]) or ""):
        return "tests: writes a test file, or a file that runs before the tests"
    if name == "Result" and _is_forged_result(node):
        return "tests: a Result with exit code 0 that no command returned"
    if name in ("replace", "sub") and _hides_failures(node):
        return "tests: replaces failures in the output of the tests"
    return None


def _is_assembled(name: ast.expr) -> bool:
    """Whether a text is made of pieces or reversed, although it could be written as one string."""
    if isinstance(name, ast.Subscript):
        return string_value(name.value) is not None
    return isinstance(name, ast.BinOp) and string_value(name) is not None


def _is_true(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _decodes_numbers(node: ast.Call) -> bool:
    """Whether a call turns a long list of numbers in the code into text."""
    function = node.args[0] if node.args else None
    if called_name(node) == "map" and not (isinstance(function, ast.Name) and function.id == "chr"):
        return False
    lists = (part.elts for part in ast.walk(node) if isinstance(part, ast.List | ast.Tuple))
    return any(
        len(items) >= MIN_NUMBERS and all(isinstance(i, ast.Constant) and isinstance(i.value, int) for i in items)
        for items in lists
    )


def _is_forged_result(node: ast.Call) -> bool:
    codes = [*node.args[:1], *(key.value for key in node.keywords if key.arg == "exit_code")]
    return any(isinstance(code, ast.Constant) and code.value == 0 for code in codes)


def _hides_failures(node: ast.Call) -> bool:
    if len(node.args) < 2:
        return False
    old, new = string_value(node.args[0]), string_value(node.args[1])
    return old is not None and new is not None and bool(FORGED_PARTS.search(old) and BLESSED_PARTS.search(new))


def _forged_log(value: ast.expr) -> Iterator[str]:
    text = string_value(value)
    if text is not None and FORGED_LOG.search(text):
        yield "tests: a test result is written in the code; run the tests instead"


def _attribute_findings(node: ast.Attribute, owners: Mapping[str, str]) -> Iterator[str]:
    """owners: the modules that must not be changed, by their names in this file."""
    owner = owners.get(node.value.id) if isinstance(node.value, ast.Name) else None
    if owner and not isinstance(node.ctx, ast.Load):
        yield f"frozen: `{owner}.{printable(node.attr)}` must not be replaced"
    elif owner == DOOR and node.attr.startswith("_") and not node.attr.startswith("__"):
        yield f"outside the door: `{printable(node.attr)}` is not a public function of evolve_door"


def _assignment_findings(node: ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Delete) -> Iterator[str]:
    targets = node.targets if isinstance(node, ast.Assign | ast.Delete) else [node.target]
    value = None if isinstance(node, ast.Delete) else node.value
    for target in targets:
        if isinstance(target, ast.Subscript) and ast.dump(target.value) == _SYS_MODULES:
            yield "frozen: modules must not be replaced"
        if isinstance(target, ast.Attribute) and target.attr == "exit_code" and isinstance(value, ast.Constant):
            yield "tests: an exit code is written in the code"


_SYS_MODULES = "Attribute(value=Name(id='sys', ctx=Load()), attr='modules', ctx=Load())"
