"""Find failures at the scaffold's start without running it: imports that fail, and missing prompts."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping

from evolve.guard.change import Change, PythonFile, Trees, called_name, printable
from evolve.guard.scope import DOOR

# The public names of evolve_door; a test compares them with the module itself.
DOOR_NAMES = frozenset(["task", "budget", "chat", "complete", "run", "read", "write", "replace", "DoorError", "Result"])
# Keys of scaffold.toml with which it has an environment of its own: any package may be there.
OWN_PACKAGES = ("image", "dockerfile", "command")
FORGIVEN = frozenset(["ImportError", "ModuleNotFoundError", "Exception", "BaseException"])
# If a module uses these, its names are not known without running it.
DYNAMIC = ("globals", "__getattr__", "setattr", "vars", "exec")


def problem(change: Change) -> str | None:
    """Return the first failure that the patch introduces."""
    known = set(_problems(change, change.before, change.old_trees))
    new = (problem for problem in _problems(change, change.after, change.new_trees) if problem not in known)
    return next((f"can't be imported: {problem}" for problem in new), None)


def _problems(change: Change, files: Mapping[str, str], trees: Trees) -> Iterator[str]:
    if any("sys.path" in text for path, text in files.items() if path.endswith(".py")):
        return
    if not any(change.spec.get(key) for key in OWN_PACKAGES):
        packages = {name for path, module in change.old_trees.items() for name, _ in _imported(module)}
    else:
        packages = None
    for path, module in trees.items():
        for name, node in _imported(module):
            yield from _import_problems(path, name, node, change, files, trees, packages)
        yield from _attribute_problems(path, module, change, trees)
    yield from _missing_prompts(change, files, trees)


def _imported(module: PythonFile) -> Iterator[tuple[str, ast.Import | ast.ImportFrom]]:
    """Yield the top-level name of each import ("" if it is relative) and the statement."""
    ignored = {id(node) for block in _tolerant_blocks(module) for node in ast.walk(block)}
    for node in module.nodes:
        if id(node) in ignored:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield ("" if node.level else (node.module or "").partition(".")[0]), node


def _tolerant_blocks(module: PythonFile) -> Iterator[ast.AST]:
    """Yield the blocks in which an import may fail: the error is caught, or only type checkers read the block."""
    for node in module.nodes:
        if isinstance(node, ast.Try):
            caught = {name for handler in node.handlers for name in _caught_names(handler)}
            if not caught or caught & FORGIVEN:
                yield node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            yield node


def _caught_names(handler: ast.ExceptHandler) -> Iterator[str]:
    if handler.type is None:
        yield "BaseException"
    else:
        yield from (node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name))


def _import_problems(
    path: str,
    name: str,
    node: ast.Import | ast.ImportFrom,
    change: Change,
    files: Mapping[str, str],
    trees: Trees,
    packages: set[str] | None,
) -> Iterator[str]:
    if not name:
        if path.rpartition("/")[0] + "/" in ("/", *change.roots):
            yield f"{printable(path)}: a script can't use relative imports; write `import name`"
    elif name == DOOR:
        if isinstance(node, ast.ImportFrom):
            yield from _missing_names(path, node, name, DOOR_NAMES)
    elif source := _module_file(name, change.roots, files):
        if isinstance(node, ast.ImportFrom) and node.module == name and source in trees:
            yield from _missing_names(path, node, name, _defined_names(trees[source]), source, files)
    elif not (
        name in sys.stdlib_module_names or packages is None or name in packages or _is_folder(name, change, files)
    ):
        yield f"{printable(path)}: there is no module `{printable(name)}` in the scaffold or the standard library"


def _module_file(name: str, roots: tuple[str, ...], files: Mapping[str, str]) -> str | None:
    """Return the file that `import name` reads."""
    paths = (f"{root}{name}{end}" for root in roots for end in (".py", "/__init__.py"))
    return next((path for path in paths if path in files), None)


def _is_folder(name: str, change: Change, files: Mapping[str, str]) -> bool:
    return any(path.startswith(f"{root}{name}/") for root in change.roots for path in files)


def _missing_names(
    path: str,
    node: ast.ImportFrom,
    name: str,
    offered: frozenset[str] | None,
    source: str = "",
    files: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Yield the imported names that a module does not define. The names of a package include its modules."""
    folder = source.removesuffix("__init__.py") if source.endswith("/__init__.py") else None
    for alias in node.names:
        is_module = folder is not None and any(p.startswith(f"{folder}{alias.name}") for p in files or ())
        if offered is not None and alias.name != "*" and alias.name not in offered and not is_module:
            yield f"{printable(path)}: `{name}` has no `{printable(alias.name)}`{_list_names(name, offered)}"


def _list_names(name: str, offered: frozenset[str]) -> str:
    return f"; it has {', '.join(sorted(offered))}" if name == DOOR else ""


def _defined_names(module: PythonFile) -> frozenset[str] | None:
    """Return the names that a module defines at its top level; None if they are not known without running it."""
    names: set[str] = {"__doc__", "__name__", "__file__"}
    waiting: list[ast.AST] = list(module.tree.body)
    for node in module.nodes:
        if isinstance(node, ast.Name) and node.id in DYNAMIC:
            return None
        if isinstance(node, ast.Global):
            names.update(node.names)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        else:
            if isinstance(node, ast.Name):
                names.add(node.id)
            elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
                names.add(node.name)
            waiting.extend(ast.iter_child_nodes(node))
    return None if names & {"*", *DYNAMIC} else frozenset(names)


def _attribute_problems(path: str, module: PythonFile, change: Change, trees: Trees) -> Iterator[str]:
    """Yield each use of `module.name` where a module of the scaffold, or evolve_door, has no such name."""
    for root in sorted({name for name, node in _imported(module) if isinstance(node, ast.Import)}):
        source = _module_file(root, change.roots, dict.fromkeys(trees, ""))
        offered = DOOR_NAMES if root == DOOR else _defined_names(trees[source]) if source else None
        names = module.aliases(root) if offered is not None else set()
        for node in module.nodes:
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in names:
                known = node.attr.startswith("_") or not isinstance(node.ctx, ast.Load)
                if offered is not None and node.attr not in offered and not known:
                    yield f"{printable(path)}: `{root}` has no `{printable(node.attr)}`{_list_names(root, offered)}"


def _missing_prompts(change: Change, files: Mapping[str, str], trees: Trees) -> Iterator[str]:
    """Yield each `prompt("name")` without `prompts/name.md`, if the scaffold followed that convention before."""
    before = set(_prompt_names(change.old_trees))
    if not before or any(f"prompts/{name}.md" not in change.before for name in before):
        return
    for name in sorted(set(_prompt_names(trees))):
        if f"prompts/{name}.md" not in files:
            yield f"there is no file prompts/{printable(name)}.md, but prompt({name!a}) reads it"


def _prompt_names(trees: Trees) -> Iterator[str]:
    calls = (node for module in trees.values() for node in module.nodes if isinstance(node, ast.Call))
    for call in calls:
        if called_name(call) == "prompt" and len(call.args) == 1 and isinstance(call.args[0], ast.Constant):
            yield str(call.args[0].value)
