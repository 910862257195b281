"""Which module may import which, and that importing does nothing: held over `ast`; nothing is imported."""

from __future__ import annotations

import ast
import fnmatch
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "evolve"
EXEMPT = ("evolve.sandbox.files", "evolve.store.migrations", "evolve.project.importers.files")

# Lowest first, one line per layer. Packages of one line do not import each other. A new package needs its place here.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("core",),
    ("gate", "analysis", "guard", "embedded"),
    ("host",),
    ("repo", "sandbox", "llm", "local", "store"),
    ("models", "suite", "budget"),
    ("trial",),
    ("executor",),
    ("loop",),
    ("runs", "project"),
    ("maintenance", "export"),
    ("api", "pack"),
    ("report",),
    ("pages",),
    ("web",),
    ("cli",),
    ("__main__",),
)
TOP_LEVEL = ("__init__.py", "__main__.py")
# The only functions that may import: the commands, so that `--help` is fast, the public names of the package, what
# needs an extra, and what changes a schema.
LAZY_COMMANDS: tuple[str, ...] = (
    "evolve.cli",
    "evolve.cli.commands",
    "evolve.cli.pack_commands",
    "evolve.cli.result_commands",
    "evolve.cli.setup_commands",
)
LAZY_NAMES = {
    "evolve": "__getattr__",
    "evolve.gate.distributions": "_special",
    "evolve.llm.endpoints": "import_messages",
    "evolve.llm.factory": "import_endpoints",
    "evolve.models.preflight": "check_endpoint",
    "evolve.store.database": "_upgrade",
}
PURE = ("analysis", "guard", "gate")
PURE_LIBRARY = {
    "__future__",
    "ast",
    "collections",
    "dataclasses",
    "difflib",
    "enum",
    "fnmatch",
    "functools",
    "itertools",
    "math",
    "numpy",
    "re",
    "scipy",
    "statistics",
    "string",
    "sys",  # for the names of the standard library's modules
    "tomllib",
    "typing",
    "json",
    "yaml",  # for its parser: no objects are made
}
IMPURE_CALLS = {"open", "print", "input", "exec", "eval", "__import__"}
SERVED = {"starlette", "uvicorn"}
# One outside thing each: who alone may use these packages.
OWNERS = {
    "anthropic": ("llm",),
    "docker": ("sandbox",),
    "git": ("repo",),
    "openai": ("llm",),
    "xllamacpp": ("local",),
    "yaml": ("guard", "project", "suite"),
    "sqlalchemy": ("store",),
    "sqlite3": ("budget", "store"),
    "alembic": ("store",),
    "typer": ("cli", "__main__"),
    "pydantic_settings": ("runs",),
}
BROAD = {"Exception", "BaseException"}
MAY_CATCH_ALL = ("trial", "cli", "__main__")

# What may be called while a module is imported: things that make a constant or a class.
CONSTANT_CALLS = {
    "re.compile", "math.log", "struct.Struct", "TypeVar", "ParamSpec", "NewType", "namedtuple",
    "dataclass", "dataclasses.dataclass", "field", "dataclasses.field", "ConfigDict", "SettingsConfigDict", "Field",
    "frozenset", "tuple", "dict", "set", "list", "range", "sorted", "len", "max", "min", "MappingProxyType",
    "lru_cache", "functools.lru_cache", "model_validator", "field_validator", "Path", "PurePosixPath", "timedelta",
    "BeforeValidator",
}  # fmt: skip
PATH_METHODS = {"parent", "with_name", "joinpath"}
EXTRA_CALLS = {
    "embedded": ("prompt_sentence",),  # makes one idiom of the proposer out of its sentences
    "gate": ("np.array", "np.linspace", "slice", "Levels.of"),
    "cli": ("typer.*", "app.*", "*_app.*", "option", "table_option", "free_table_option"),
    "__main__": ("main", "app", "sys.exit"),
    "store": (
        "CheckConstraint", "Column", "ForeignKey", "ForeignKeyConstraint", "Index", "MetaData", "Table",
        "UniqueConstraint", "text",
    ),
}  # fmt: skip
ANY_OWN_CALL = ("evolve.store.schema", "evolve.store.queries")


def part(module: str) -> str:
    """`evolve.store.rows` -> `store`; the package itself is the empty text."""
    return module.partition(".")[2].partition(".")[0]


def layer(module: str) -> int | None:
    return next((number for number, names in enumerate(LAYERS) if part(module) in names), None)


def violations(sources: Mapping[str, str]) -> list[str]:
    """All that breaks the rules in `sources` (module name -> its text), each as `module: what`."""
    trees = {name: ast.parse(text) for name, text in sources.items() if not name.startswith(EXEMPT)}
    found: list[str] = []
    for name, tree in trees.items():
        found += [f"{name}: {problem}" for problem in _module_problems(name, tree, trees)]
    edges = {name: {target for target, _ in imports(name, tree, trees)} for name, tree in trees.items()}
    return found + [f"cycle: {' -> '.join(cycle)}" for cycle in cycles(edges)]


def _module_problems(name: str, tree: ast.Module, trees: Mapping[str, ast.Module]) -> Iterator[str]:
    if name != "evolve" and layer(name) is None:
        yield "has no layer: give it a place in LAYERS"
        return
    deferred = {node.lineno for node in _deferred(name, tree) if isinstance(node, ast.Import | ast.ImportFrom)}
    for target, line in imports(name, tree, trees, type_checking=True):
        if not (name in LAZY_NAMES and line in deferred and part(target) == "api"):
            yield from _import_problems(name, target, line)
    yield from _lazy_imports(name, tree)
    yield from _import_time_calls(name, tree)
    yield from _broad_excepts(name, tree)
    if part(name) in PURE:
        yield from _impure_calls(tree)


def imports(
    name: str, tree: ast.Module, trees: Mapping[str, ast.Module], type_checking: bool = False
) -> Iterator[tuple[str, int]]:
    """(module, line) of everything imported; `from package import module` counts as the module."""
    guarded = set() if type_checking else {id(node) for node in _deferred(name, tree)}
    for node in ast.walk(tree):
        if id(node) in guarded:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(name, node, trees)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield (inner if inner in trees else base), node.lineno


def _absolute(name: str, node: ast.ImportFrom, trees: Mapping[str, ast.Module]) -> str:
    if not node.level:
        return node.module or ""
    is_package = any(other.startswith(f"{name}.") for other in trees)
    parts = name.split(".")
    kept = parts[: len(parts) - node.level + is_package]
    return ".".join([*kept, node.module] if node.module else kept)


def _deferred(name: str, tree: ast.Module) -> Iterator[ast.AST]:
    """What does not run while the module is imported, but may import: `if TYPE_CHECKING:`, and the public names."""
    for block in _guards(tree):
        yield from ast.walk(block)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and LAZY_NAMES.get(name) == node.name:
            yield from ast.walk(node)


def _guards(tree: ast.Module) -> list[ast.If]:
    """The blocks `if TYPE_CHECKING:` of a module."""
    blocks = [node for node in tree.body if isinstance(node, ast.If)]
    return [block for block in blocks if ast.unparse(block.test).endswith("TYPE_CHECKING")]


def _import_problems(name: str, target: str, line: int) -> Iterator[str]:
    root, mine, theirs = target.partition(".")[0], layer(name), layer(target)
    if root != "evolve":
        yield from _library_problems(name, target, line)
    elif theirs is None:
        if target != "evolve":
            yield f"line {line}: imports {target}, which has no layer"
    elif mine is None or theirs > mine:
        yield f"line {line}: imports {target}, which lies higher"
    elif theirs == mine and part(target) != part(name):
        yield f"line {line}: imports {target}, which lies beside it"


def _library_problems(name: str, target: str, line: int) -> Iterator[str]:
    root = target.partition(".")[0]
    if part(name) in PURE and root not in PURE_LIBRARY:
        yield f"line {line}: imports {target}, but is pure"
    served = name.endswith(".server") and root in SERVED
    if part(name) == "embedded" and root not in sys.stdlib_module_names and not served:
        yield f"line {line}: imports {target}, but the embedded model needs the standard library only"
    if root in OWNERS and part(name) not in OWNERS[root]:
        yield f"line {line}: imports {target}, which belongs to {' and '.join(OWNERS[root])}"


def _lazy_imports(name: str, tree: ast.Module) -> Iterator[str]:
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            named = function.name if isinstance(function, ast.FunctionDef) else ""
            lazy = bool(named) and (name in LAZY_COMMANDS or LAZY_NAMES.get(name) == named)
            for node in ast.walk(function):
                if isinstance(node, ast.Import | ast.ImportFrom) and not lazy:
                    yield f"line {node.lineno}: import inside a function"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _last_name(node.func) in ("import_module", "__import__"):
            yield f"line {node.lineno}: import by a call"


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _broad_excepts(name: str, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and part(name) not in MAY_CATCH_ALL:
            caught = {ast.unparse(part) for part in _caught(node)}
            if not caught or caught & BROAD:
                yield f"line {node.lineno}: broad except"


def _caught(handler: ast.ExceptHandler) -> list[ast.expr]:
    if handler.type is None:
        return []
    return handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]


def _impure_calls(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
            yield f"line {node.lineno}: calls {node.func.id}, but is pure"


def _import_time_calls(name: str, tree: ast.Module) -> Iterator[str]:
    own = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and part(node.module or "") == "core":
            own |= {alias.asname or alias.name for alias in node.names if alias.name[0].isupper()}
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    allowed = CONSTANT_CALLS | own | (functions if name in ANY_OWN_CALL else set())
    for call in _run_at_import(tree):
        word = ast.unparse(call.func)
        if not (word in allowed or _is_constant_method(call) or _is_extra(name, word)):
            yield f"line {call.lineno}: calls {word} while it is imported"


def _run_at_import(node: ast.AST) -> Iterator[ast.Call]:
    """The calls that run while the module is imported; of a function only its decorators and defaults do."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "__name__ == '__main__'":
            continue
        if isinstance(child, ast.Call):
            yield child
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            now: list[ast.expr | None] = [*child.args.defaults, *child.args.kw_defaults]
            now += getattr(child, "decorator_list", [])
            yield from _run_at_import(ast.List([part for part in now if part is not None]))
        else:
            yield from _run_at_import(child)


def _is_constant_method(call: ast.Call) -> bool:
    """`"a b".split()`, and going about with a path: neither touches anything."""
    if not isinstance(call.func, ast.Attribute):
        return False
    on_path = call.func.attr in PATH_METHODS and ast.unparse(call.func.value).startswith("Path(__file__)")
    return on_path or isinstance(call.func.value, ast.Constant)


def _is_extra(name: str, word: str) -> bool:
    if any(fnmatch.fnmatchcase(word, pattern) for pattern in EXTRA_CALLS.get(part(name), ())):
        return True
    return name in ANY_OWN_CALL and word.endswith(".alias")


def cycles(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """Each cycle that a walk meets, as its modules from the first by name, and that one again."""
    done: set[str] = set()
    found: list[list[str]] = []

    def walk(module: str, way: list[str]) -> None:
        if module in way:
            ring = way[way.index(module) :]
            start = ring.index(min(ring))
            found.append([*ring[start:], *ring[:start], ring[start]])
        elif module in edges and module not in done:
            for target in sorted(edges[module]):
                walk(target, [*way, module])
            done.add(module)

    for module in sorted(edges):
        walk(module, [])
    return found


def package_sources() -> dict[str, str]:
    sources = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        sources[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text("utf-8")
    return sources


@pytest.fixture(scope="module")
def sources() -> dict[str, str]:
    return package_sources()


def test_the_package_keeps_the_rules(sources: dict[str, str]) -> None:
    assert "evolve.loop.search" in sources
    assert violations(sources) == []


@pytest.mark.parametrize("name", ["evolve_door", "launch", "forward"])
def test_what_runs_in_containers_needs_the_standard_library_only(sources: dict[str, str], name: str) -> None:
    tree = ast.parse(sources[f"evolve.sandbox.files.{name}"])
    roots = {target.partition(".")[0] for target, _ in imports(name, tree, {})}
    assert roots <= {*sys.stdlib_module_names, "forward"}


def test_an_allowlists_proxy_needs_the_standard_library_and_itself_only(sources: dict[str, str]) -> None:
    prefix = "evolve.sandbox.files.egress"
    trees = {name: ast.parse(text) for name, text in sources.items() if name.startswith(prefix)}
    nodes = [node for tree in trees.values() for node in ast.walk(tree)]
    absolute = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    absolute |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 0}
    assert len(trees) == 8 and {name.partition(".")[0] for name in absolute} <= set(sys.stdlib_module_names)


def test_only_the_public_api_lies_at_the_top() -> None:
    assert sorted(path.name for path in PACKAGE.glob("*.py")) == sorted(TOP_LEVEL)


def broken(sources: Mapping[str, str], module: str, addition: str) -> list[str]:
    """What is found in a copy of one module with an addition, among modules that are empty otherwise."""
    copy = sources.get(module, "") + "\n" + addition + "\n"
    return violations({**dict.fromkeys(sources, ""), module: copy})


@pytest.mark.parametrize(
    ("module", "addition", "problem"),
    [
        ("evolve.core.records", "from evolve.loop import search", "evolve.loop.search, which lies higher"),
        ("evolve.core.records", "from evolve.loop.search import play_round", "evolve.loop.search, which lies higher"),
        ("evolve.core.records", "import evolve.store.rows", "evolve.store.rows, which lies higher"),
        ("evolve.repo.refs", "from ..suite.tasks import Suite", "evolve.suite.tasks, which lies higher"),
        ("evolve.store.rows", "from ..suite import tasks", "evolve.suite.tasks, which lies higher"),
        ("evolve.trial.run", "import evolve.cli", "evolve.cli, which lies higher"),
        ("evolve.gate", "from evolve import guard", "evolve.guard, which lies beside it"),
        ("evolve.repo.refs", "from evolve.store import rows", "evolve.store.rows, which lies beside it"),
        ("evolve.suite.tasks", "if TYPE_CHECKING:\n    import evolve.budget", "evolve.budget, which lies beside it"),
        ("evolve.gate", "import random", "imports random, but is pure"),
        ("evolve.guard", "from pathlib import Path", "imports pathlib, but is pure"),
        ("evolve.analysis.digest", "import pydantic", "imports pydantic, but is pure"),
        ("evolve.analysis.digest", "def load(p):\n    return open(p)", "calls open, but is pure"),
        ("evolve.embedded", "from evolve import gate", "evolve.gate, which lies beside it"),
        ("evolve.embedded", "import starlette", "needs the standard library only"),
        ("evolve.loop.search", "import docker", "docker, which belongs to sandbox"),
        ("evolve.brandnew", "X = 1", "has no layer"),
        ("evolve.loop.search", "import evolve.brandnew", "imports evolve.brandnew, which has no layer"),
        ("evolve.loop.search", "def f():\n    import os", "import inside a function"),
        ("evolve.loop.search", "class A:\n    async def f(self):\n        from evolve import gate", "import inside"),
        ("evolve.loop.search", "def f():\n    from evolve.llm.client import OpenAIModel", "import inside"),
        ("evolve.cli.options", "def f():\n    import numpy", "import inside"),
        ("evolve.loop.search", "def f():\n    return importlib.import_module('os')", "import by a call"),
        ("evolve", "def other():\n    from evolve import api", "import inside a function"),
        ("evolve", "async def __getattr__(name):\n    from evolve import api", "import inside a function"),
        ("evolve.api", "def __getattr__(name):\n    import evolve.gate", "import inside a function"),
        ("evolve", "def __getattr__(name):\n    from evolve import runs", "evolve.runs, which lies higher"),
        ("evolve", "from evolve import api", "evolve.api, which lies higher"),
        ("evolve", "if TYPE_CHECKING:\n    from evolve.core import errors", "evolve.core.errors, which lies higher"),
        ("evolve.runs.settings", "import evolve.api", "evolve.api, which lies higher"),
        ("evolve.loop.search", "X = connect()", "calls connect while it is imported"),
        ("evolve.loop.search", "class A:\n    x = os.getcwd()", "calls os.getcwd while it is imported"),
        ("evolve.loop.search", "def f(x=now()):\n    pass", "calls now while it is imported"),
        ("evolve.loop.search", "@register('f')\ndef f():\n    pass", "calls register while it is imported"),
        ("evolve.loop.search", "X = Path(__file__).read_text()", "read_text while it is imported"),
        ("evolve.loop.search", "if True:\n    print()", "calls print while it is imported"),
        ("evolve.loop.search", "try:\n    x = 1\nexcept Exception:\n    pass", "broad except"),
        ("evolve.loop.search", "try:\n    x = 1\nexcept (OSError, BaseException):\n    pass", "broad except"),
        ("evolve.loop.search", "try:\n    x = 1\nexcept:\n    pass", "broad except"),
    ],
)  # fmt: skip
def test_each_rule_is_enforced(sources: dict[str, str], module: str, addition: str, problem: str) -> None:
    found = broken(sources, module, addition)
    assert any(line.startswith(f"{module}: ") and problem in line for line in found), found


@pytest.mark.parametrize(
    "addition",
    [
        "if TYPE_CHECKING:\n    from evolve.trial.gateway.server import Gateway",
        "import re\nX = re.compile('a')\nY = frozenset('a b'.split())",
        "@dataclass(frozen=True)\nclass A:\n    x: int = field(default=1)\nB = A(2)",
        "def f():\n    return connect()",
        "if __name__ == '__main__':\n    main()",
    ],
)
def test_what_is_harmless_is_let_through(sources: dict[str, str], addition: str) -> None:
    assert broken(sources, "evolve.trial.trajectory", addition) == []


@pytest.mark.parametrize(
    "text",
    ["from evolve.suite import {0}", "import evolve.suite.{0}", "from evolve.suite.{0} import x", "from . import {0}"],
)
def test_a_cycle_is_named(sources: dict[str, str], text: str) -> None:
    two = {"evolve.suite.tasks": text.format("scaffold"), "evolve.suite.scaffold": text.format("tasks")}
    assert violations({**dict.fromkeys(sources, ""), **two}) == [
        "cycle: evolve.suite.scaffold -> evolve.suite.tasks -> evolve.suite.scaffold"
    ]


def test_a_long_cycle_is_named_once() -> None:
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}) == [["b", "c", "b"]]
