"""What a scaffold's Python may not do: change what is frozen, go past the door, forge results, hide code, stay behind."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping

from evolve.guard.change import Module, folded, shown
from evolve.guard.scope import DOOR
from evolve.records import Limits

# The gateway drops these of a model's call: what relies on them does not do what it seems to.
FROZEN = frozenset(
    "model seed n best_of reasoning reasoning_effort thinking thinking_budget enable_thinking extra_body "
    "service_tier web_search_options".split()
)
FROZEN_SETTINGS = frozenset("model model_name reasoning_effort thinking_budget".split())
LENGTHS = ("max_tokens", "max_completion_tokens")
# Replacing a function of these would deceive the scaffold's own clock, counts or results.
UNTOUCHED = (DOOR, "time", "unittest", "builtins", "json", "subprocess")
NETWORK = (
    "socket", "socketserver", "ssl", "ctypes", "ftplib", "smtplib", "imaplib", "poplib", "telnetlib", "urllib.request",
    "http.client", "http.server", "xmlrpc.client", "xmlrpc.server", "asyncio.streams",
)  # fmt: skip
UNREADABLE = ("marshal",)
DECODERS = frozenset(
    "b64decode b32decode b16decode a85decode b85decode urlsafe_b64decode fromhex unhexlify decompress".split()
)
FORGED_PARTS = re.compile(r"^\W*(FAIL|FAILED|ERROR|Traceback|failures?|errors?)\b")
BLESSED_PARTS = re.compile(r"^\W*(OK|PASS|PASSED|passed|success)?\W*$")
FORGED_LOG = re.compile(r"\bRan \d+ tests? in \d|\b\d+ passed in \d|^\W*OK\W*$")
LONG_CODE = re.compile(r"(?:[A-Za-z0-9+/_-]{120,}={0,2}|(?:\\x[0-9a-fA-F]{2}){30,})")
# A script of one's own that reproduces a fault may be called a test.
TEST_FILES = re.compile(
    r"(?:^|/)(?:tests?/|conftest\.py$|pytest\.ini$|sitecustomize\.py$|usercustomize\.py$|unittest(?:/|\.py$))|\.pth$"
)
MIN_NUMBERS = 12


def settings_findings(text: str, limits: Limits) -> Iterator[str]:
    """Of a TOML file: keys that name what the run has set."""
    waiting: list[object] = [tomllib.loads(text)]
    while waiting:
        table = waiting.pop()
        if not isinstance(table, dict):
            continue
        for key, value in table.items():
            waiting.extend(value if isinstance(value, list) else [value])
            if key in FROZEN_SETTINGS and isinstance(value, str | int):
                yield f"frozen: `{shown(key)}` is the run's; the gateway drops it"
            elif key in LENGTHS and isinstance(value, int) and value > limits.max_tokens:
                yield f"frozen: an answer has at most {limits.max_tokens} tokens; `{key}` is capped there"


def code_findings(module: Module, limits: Limits) -> Iterator[str]:
    """Each thing in a module that may not be there, in one line that does not depend on where it stands."""
    doors, imported = module.aliases(DOOR), _imported_names(module)
    owners = {alias: name for name in UNTOUCHED for alias in module.aliases(name)}
    for node in module.nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from _import_findings(node)
        elif isinstance(node, ast.Call):
            yield from _call_findings(node, module, doors, imported, limits)
        elif isinstance(node, ast.Attribute):
            yield from _attribute_findings(node, owners)
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Delete):
            yield from _assignment_findings(node)
        elif isinstance(node, ast.Return) and node.value is not None:
            yield from _forged_log(node.value)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and LONG_CODE.search(node.value):
            yield "hidden code: a long encoded text; write what it does in plain sight"


def _imported_names(module: Module) -> frozenset[str]:
    """Names taken from the door's module one by one."""
    return frozenset(
        alias.asname or alias.name
        for node in module.nodes
        if isinstance(node, ast.ImportFrom) and node.module == DOOR
        for alias in node.names
    )


def _import_findings(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
    for name in names:
        if any(name == other or name.startswith(f"{other}.") for other in NETWORK):
            yield f"outside the door: `{shown(name)}`: a scaffold has no network, and evolve_door is its only way out"
            return
        if name in UNREADABLE:
            yield f"hidden code: `{name}` loads code that nobody can read"


def _call_findings(
    node: ast.Call, module: Module, doors: set[str], imported: frozenset[str], limits: Limits
) -> Iterator[str]:
    name = _called(node)
    if _asks_model(node, doors, imported):
        yield from _sampling_findings(node, module, limits)
    if isinstance(node.func, ast.Name) and name in ("exec", "eval", "__import__"):
        yield f"hidden code: `{name}(...)`; use json.loads or ast.literal_eval for data, and plain code for code"
    elif name == "import_module" and node.args and not (folded(node.args[0]) or "{").partition("{")[0]:
        yield "hidden code: a module imported by a computed name"
    elif name in DECODERS and node.args and len(folded(node.args[0]) or "") >= 16:
        yield f"hidden code: `{name}` of a text in the code; write it in plain sight"
    elif name == "getattr" and len(node.args) > 1 and isinstance(node.args[1], ast.BinOp | ast.Subscript):
        if folded(node.args[1]) is not None or isinstance(node.args[1], ast.Subscript) and folded(node.args[1].value):
            yield "hidden code: an attribute whose name is put together"
    elif name in ("chr", "bytes", "bytearray", "map") and _numbers(node):
        yield "hidden code: a text made of numbers"
    elif name == "setattr" and node.args and isinstance(node.args[0], ast.Name) and node.args[0].id in doors:
        yield "frozen: the door's functions may not be replaced"
    elif name in ("fork", "setsid", "daemon", "forkpty") and isinstance(node.func, ast.Attribute):
        yield f"left behind: `{name}`: nothing may go on when the scaffold has ended"
    elif any(key.arg == "start_new_session" and _true(key.value) for key in node.keywords):
        yield "left behind: a process in a session of its own"
    elif name == "write" and node.args and TEST_FILES.search(folded(node.args[0]) or ""):
        yield "tests: a file of the tests, or one that runs before them, is written"
    elif name == "Result" and _forged_result(node):
        yield "tests: a Result of no command, with exit code 0"
    elif name in ("replace", "sub") and _paints_over(node):
        yield "tests: failures are replaced in what the tests print"


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _true(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _asks_model(node: ast.Call, doors: set[str], imported: frozenset[str]) -> bool:
    if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
        return node.func.value.id in doors and node.func.attr in ("chat", "complete")
    return isinstance(node.func, ast.Name) and node.func.id in imported & {"chat", "complete"}


def _sampling_findings(node: ast.Call, module: Module, limits: Limits) -> Iterator[str]:
    for key, value in _sampling(node, module):
        if key in FROZEN:
            yield f"frozen: `{key}` of a model's call is the run's; the gateway drops it"
        most = value.value if isinstance(value, ast.Constant) else None
        if key in LENGTHS and isinstance(most, int) and most > limits.max_tokens:
            yield f"frozen: an answer has at most {limits.max_tokens} tokens; `{key}` is capped there"


def _sampling(node: ast.Call, module: Module) -> Iterator[tuple[str, ast.expr]]:
    """The parameters of a model's call, those in a dictionary of the same module too."""
    for keyword in node.keywords:
        if keyword.arg is not None:
            yield keyword.arg, keyword.value
        elif isinstance(keyword.value, ast.Dict):
            yield from _items(keyword.value)
        elif isinstance(keyword.value, ast.Name):
            for other in module.nodes:
                if isinstance(other, ast.Assign) and isinstance(other.value, ast.Dict):
                    if any(isinstance(t, ast.Name) and t.id == keyword.value.id for t in other.targets):
                        yield from _items(other.value)


def _items(node: ast.Dict) -> Iterator[tuple[str, ast.expr]]:
    for key, value in zip(node.keys, node.values, strict=True):
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield key.value, value


def _numbers(node: ast.Call) -> bool:
    """Whether a call turns a long list of small numbers in the code into text."""
    if _called(node) == "map" and not (isinstance(node.args[0] if node.args else None, ast.Name)):
        return False
    if _called(node) == "map" and getattr(node.args[0], "id", "") != "chr":
        return False
    lists = (part.elts for part in ast.walk(node) if isinstance(part, ast.List | ast.Tuple))
    return any(
        len(items) >= MIN_NUMBERS and all(isinstance(i, ast.Constant) and isinstance(i.value, int) for i in items)
        for items in lists
    )


def _forged_result(node: ast.Call) -> bool:
    codes = [*node.args[:1], *(key.value for key in node.keywords if key.arg == "exit_code")]
    return any(isinstance(code, ast.Constant) and code.value == 0 for code in codes)


def _paints_over(node: ast.Call) -> bool:
    if len(node.args) < 2:
        return False
    old, new = folded(node.args[0]), folded(node.args[1])
    return old is not None and new is not None and bool(FORGED_PARTS.search(old) and BLESSED_PARTS.search(new))


def _forged_log(value: ast.expr) -> Iterator[str]:
    text = folded(value)
    if text is not None and FORGED_LOG.search(text):
        yield "tests: a result of tests that stands in the code; run them instead"


def _attribute_findings(node: ast.Attribute, owners: Mapping[str, str]) -> Iterator[str]:
    """owners: the modules that stay as they are, by the names that they have here."""
    owner = owners.get(node.value.id) if isinstance(node.value, ast.Name) else None
    if owner and not isinstance(node.ctx, ast.Load):
        yield f"frozen: `{owner}.{shown(node.attr)}` may not be replaced"
    elif owner == DOOR and node.attr.startswith("_") and not node.attr.startswith("__"):
        yield f"outside the door: `{shown(node.attr)}` is not one of the door's functions"


def _assignment_findings(node: ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Delete) -> Iterator[str]:
    targets = node.targets if isinstance(node, ast.Assign | ast.Delete) else [node.target]
    value = None if isinstance(node, ast.Delete) else node.value
    for target in targets:
        if isinstance(target, ast.Subscript) and ast.dump(target.value) == _SYS_MODULES:
            yield "frozen: modules may not be replaced"
        if isinstance(target, ast.Attribute) and target.attr == "exit_code" and isinstance(value, ast.Constant):
            yield "tests: an exit code that stands in the code"


_SYS_MODULES = "Attribute(value=Name(id='sys', ctx=Load()), attr='modules', ctx=Load())"


def occurring(found: Mapping[str, int], before: Mapping[str, int]) -> list[str]:
    """What occurs oftener than before, the first found first."""
    return [reason for reason, count in found.items() if count > before.get(reason, 0)]
