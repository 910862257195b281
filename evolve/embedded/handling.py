"""Idioms that change what a scaffold does: its loop, its tools, its end.

Each yields the changed files for each place where it can go, the likeliest first; or nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from random import Random

from evolve.embedded import snippets
from evolve.embedded.rewrite import ParsedFile, ahead, behind, instead, swap
from evolve.embedded.slots import (
    Code,
    Edit,
    Part,
    TestRun,
    alias_of,
    around,
    chats,
    edits,
    history,
    merged,
    messages_loop,
    numbers,
    test_runs,
    wrapped,
)

Changes = Iterator[dict[str, str]]

_TEST = '"python3 -m unittest 2>&1"'
_STEPS = r"step|turn|tries|attempt|iteration|round|range"


def revert_failed(code: Code, dice: Random) -> Changes:
    if "undo.py" in code.files:
        return
    for run in test_runs(code):
        for edit in edits(code):
            if ".write(" in run.module.source(run.function) or edit.function.name == run.function.name:
                continue
            yield merged(code, _keeping(edit), _settling(run)) | {"undo.py": snippets.UNDO}


def _keeping(edit: Edit) -> Part:
    return edit.module, [ahead(edit.module, edit.statement, f"undo.keep({edit.path})")], ("undo",)


def _settling(run: TestRun) -> Part:
    module = run.module
    returned = [n.value for n in ast.walk(run.function) if isinstance(n, ast.Return) and n.value]
    head = f"undo.settle({run.result}.exit_code == 0, "
    return module, [wrapped(module, value, head, ")") for value in returned], ("undo",)


def test_after_edit(code: Code, dice: Random) -> Changes:
    runs = [run for run in test_runs(code) if not run.function.args.args]
    for edit in edits(code):
        name, imports = _runner(edit.module, runs)
        if f"{name}" not in edit.module.source(edit.function):
            changes = [_told(edit.module, node, name) for node in edit.returns()]
            if changes:
                yield code.changed(edit.module, *changes, imports=imports)


def _runner(module: ParsedFile, runs: list[TestRun]) -> tuple[str, tuple[str, ...]]:
    """How a module runs the tests, and what it must import for that."""
    if not runs:
        return f"{alias_of(module)}.run({_TEST}).stdout", ()
    if runs[0].module.path == module.path:
        return f"{runs[0].function.name}()", ()
    other = runs[0].module.path.removesuffix(".py").replace("/", ".")
    return f"{other}.{runs[0].function.name}()", (other,)


def _told(module: ParsedFile, node: ast.Return, more: str) -> tuple[int, int, str]:
    assert node.value is not None
    return swap(module, node.value, f'({module.source(node.value)}) + "\\n" + {more}')


def more_steps(code: Code, dice: Random) -> Changes:
    factor = dice.choice((1.5, 2, 3, 4))
    for number in numbers(code, _STEPS):
        if number.value >= 2:
            yield number.made(code, number.value * factor)


def whole_budget(code: Code, dice: Random) -> Changes:
    for module, call in chats(code):
        loop = module.around(call, ast.For)
        if loop and isinstance(loop.iter, ast.Call) and _counts_only(loop):
            start, end = module.span(loop)[0], module.span(loop.iter)[1]
            words = f'while {alias_of(module)}.budget()["calls"] > 0'
            yield code.changed(module, (start, end, words))


def _counts_only(loop: ast.For) -> bool:
    """Whether a loop goes over a range whose numbers its body doesn't use."""
    used = {node.id for part in loop.body for node in ast.walk(part) if isinstance(node, ast.Name)}
    called = loop.iter.func if isinstance(loop.iter, ast.Call) else None
    return (
        isinstance(called, ast.Name)
        and called.id == "range"
        and isinstance(loop.target, ast.Name)
        and loop.target.id not in used
    )


def start_over(code: Code, dice: Random) -> Changes:
    for module, call in chats(code):
        statement, messages = module.statement(call), history(call)
        handled = module.around(call, ast.Try)
        if messages and messages_loop(module, call) and not (handled and messages_loop(module, handled)):
            yield code.changed(module, instead(module, statement, _restart(module, statement, messages)))


def _restart(module: ParsedFile, statement: ast.stmt, messages: str) -> str:
    door = alias_of(module)
    return (
        f"try:\n    {module.source(statement)}\nexcept {door}.DoorError as error:\n"
        f'    if error.code != "context_length_exceeded" or len({messages}) < 4:\n        raise\n'
        f"    del {messages}[2:]\n    continue"
    )


def refuse_repeat(code: Code, dice: Random) -> Changes:
    if "once.py" in code.files:
        return
    for edit in edits(code):
        words = '"error: this edit was tried already; try another one"'
        guard = f"if once.again({edit.path}, {edit.old}, {edit.new}):\n    return {words}"
        change = ahead(edit.module, edit.statement, guard)
        yield code.changed(edit.module, change, imports=("once",)) | {"once.py": snippets.ONCE}


def check_syntax(code: Code, dice: Random) -> Changes:
    for edit in edits(code):
        if "SyntaxError" not in edit.module.source(edit.function):
            text = edit.module.source(edit.call.args[1])
            guard = (
                f'try:\n    compile({text}, {edit.path}, "exec")\nexcept SyntaxError as error:\n'
                '    return f"error: this edit would break the syntax: {error}"'
            )
            yield code.changed(edit.module, ahead(edit.module, edit.statement, guard))


def retry_malformed(code: Code, dice: Random) -> Changes:
    told = '"error: the arguments are not JSON; try again"'
    for module in code.modules:
        for call in module.all(ast.Call):
            statement = module.parents.get(call)
            if isinstance(statement, ast.Assign) and module.source(call.func) == "json.loads":
                answer = _answer(code, module, statement, told)
                if answer and not _guarded(module, statement):
                    yield code.changed(module, instead(module, statement, _retry(module, statement, answer)))


def _retry(module: ParsedFile, statement: ast.stmt, answer: str) -> str:
    return f"try:\n    {module.source(statement)}\nexcept ValueError:\n    {answer}\n    continue"


def _guarded(module: ParsedFile, statement: ast.stmt) -> bool:
    parent = module.parents.get(statement)
    return isinstance(parent, ast.Try) and statement in parent.body


def _answer(code: Code, module: ParsedFile, node: ast.AST, words: str) -> str | None:
    """A statement that answers the tool call which the loop around a node handles."""
    loop = module.around(node, ast.For)
    lists = [history(call) for other, call in chats(code) if other.path == module.path]
    if loop is None or not isinstance(loop.target, ast.Name) or not lists or lists[0] is None:
        return None
    if f'{loop.target.id}["function"]' not in module.text:
        return None
    told = f'{{"role": "tool", "tool_call_id": {loop.target.id}["id"], "content": {words}}}'
    return f"{lists[0]}.append({told})"


def refuse_early_submit(code: Code, dice: Random) -> Changes:
    for module in code.modules:
        for node in module.all(ast.If):
            words = module.source(node.test)
            answer = _answer(code, module, node, '"not accepted: the tests still fail; go on"')
            ends = isinstance(node.body[0], ast.Return | ast.Break)
            if ends and answer and ("submit" in words or "finish" in words or "done" in words):
                door = alias_of(module)
                guard = f"if {door}.run({_TEST}).exit_code != 0:\n    {answer}\n    continue"
                yield code.changed(module, ahead(module, node.body[0], guard))


def _told_results(code: Code) -> Iterator[tuple[ParsedFile, ast.stmt, str]]:
    """The statements that put a tool's result into the messages, with the result's text."""
    for module in code.modules:
        for node in module.all(ast.Dict):
            pairs = {k.value: v for k, v in zip(node.keys, node.values, strict=True) if isinstance(k, ast.Constant)}
            content, call = pairs.get("content"), pairs.get("tool_call_id")
            if content and call and around(module, node) and messages_loop(module, node):
                yield module, module.statement(node), module.source(content)


def stop_when_passing(code: Code, dice: Random) -> Changes:
    for module, statement, content in _told_results(code):
        if not content.startswith(("'", '"')) and '"\\nOK"' not in module.text:
            yield code.changed(module, behind(module, statement, f'if "\\nOK" in {content}:\n    return'))


def hand_in_soon(code: Code, dice: Random) -> Changes:
    for module, statement, content in _told_results(code):
        if not content.startswith(("'", '"')):
            yield code.changed(module, behind(module, statement, f'if {content}.startswith("edited"):\n    return'))


def stop_early(code: Code, dice: Random) -> Changes:
    most = dice.choice((10, 14, 18))
    for module, call in chats(code):
        messages = history(call)
        if messages and around(module, call) and messages_loop(module, call):
            guard = f"if len({messages}) > {most}:\n    return"
            yield code.changed(module, ahead(module, _in_loop(module, call), guard))


def _in_loop(module: ParsedFile, call: ast.Call) -> ast.stmt:
    """The outermost statement around a call that still is in its loop."""
    statement = module.statement(call)
    parent = module.parents.get(statement)
    return parent if isinstance(parent, ast.Try) else statement


def keep_progress(code: Code, dice: Random) -> Changes:
    if "progress.py" in code.files:
        return
    for module in code.modules:
        for node in module.all(ast.Compare):
            words = module.source(node)
            if words.endswith(".exit_code == 0"):
                result = words.removesuffix(".exit_code == 0")
                change = wrapped(module, node, "(", f" or progress.made({result}.stdout))")
                added = {"progress.py": snippets.PROGRESS}
                yield code.changed(module, change, imports=("progress",)) | added
