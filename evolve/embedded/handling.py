"""Idioms that change what a scaffold does: its loop, its tools, when it ends.

Each yields the changed files for every place where it applies, the likeliest place first.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from random import Random

from evolve.embedded import snippets
from evolve.embedded.rewrite import ParsedFile, insert_after, insert_before, replace_node, replace_statement
from evolve.embedded.slots import (
    Code,
    Edit,
    Part,
    TestRun,
    alias_of,
    chat_calls,
    edits,
    enclosing_function,
    history_name,
    in_loop,
    merge,
    numbers,
    test_runs,
    wrap,
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
            yield merge(code, _keep_part(edit), _settle_part(run)) | {"undo.py": snippets.UNDO}


def _keep_part(edit: Edit) -> Part:
    return edit.module, [insert_before(edit.module, edit.statement, f"undo.keep({edit.path})")], ("undo",)


def _settle_part(run: TestRun) -> Part:
    module = run.module
    returned = [n.value for n in ast.walk(run.function) if isinstance(n, ast.Return) and n.value]
    head = f"undo.settle({run.result}.exit_code == 0, "
    return module, [wrap(module, value, head, ")") for value in returned], ("undo",)


def test_after_edit(code: Code, dice: Random) -> Changes:
    runs = [run for run in test_runs(code) if not run.function.args.args]
    for edit in edits(code):
        name, imports = _test_runner(edit.module, runs)
        if f"{name}" not in edit.module.source(edit.function):
            changes = [_append_to_result(edit.module, node, name) for node in edit.returns()]
            if changes:
                yield code.with_changes(edit.module, *changes, imports=imports)


def _test_runner(module: ParsedFile, runs: list[TestRun]) -> tuple[str, tuple[str, ...]]:
    """The expression that runs the tests in a module, and the imports that it needs."""
    if not runs:
        return f"{alias_of(module)}.run({_TEST}).stdout", ()
    if runs[0].module.path == module.path:
        return f"{runs[0].function.name}()", ()
    other = runs[0].module.path.removesuffix(".py").replace("/", ".")
    return f"{other}.{runs[0].function.name}()", (other,)


def _append_to_result(module: ParsedFile, node: ast.Return, addition: str) -> tuple[int, int, str]:
    assert node.value is not None
    return replace_node(module, node.value, f'({module.source(node.value)}) + "\\n" + {addition}')


def more_steps(code: Code, dice: Random) -> Changes:
    factor = dice.choice((1.5, 2, 3, 4))
    for number in numbers(code, _STEPS):
        if number.value >= 2:
            yield number.with_value(code, number.value * factor)


def whole_budget(code: Code, dice: Random) -> Changes:
    for module, call in chat_calls(code):
        loop = module.enclosing(call, ast.For)
        if loop and isinstance(loop.iter, ast.Call) and _only_counts(loop):
            start, end = module.span(loop)[0], module.span(loop.iter)[1]
            header = f'while {alias_of(module)}.budget()["calls"] > 0'
            yield code.with_changes(module, (start, end, header))


def _only_counts(loop: ast.For) -> bool:
    """Whether a loop iterates over a range and its body doesn't use the loop variable."""
    used = {node.id for part in loop.body for node in ast.walk(part) if isinstance(node, ast.Name)}
    called = loop.iter.func if isinstance(loop.iter, ast.Call) else None
    return (
        isinstance(called, ast.Name)
        and called.id == "range"
        and isinstance(loop.target, ast.Name)
        and loop.target.id not in used
    )


def start_over(code: Code, dice: Random) -> Changes:
    for module, call in chat_calls(code):
        statement, messages = module.statement(call), history_name(call)
        handled = module.enclosing(call, ast.Try)
        if messages and in_loop(module, call) and not (handled and in_loop(module, handled)):
            yield code.with_changes(
                module, replace_statement(module, statement, _restart_code(module, statement, messages))
            )


def _restart_code(module: ParsedFile, statement: ast.stmt, messages: str) -> str:
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
        message = '"error: this edit was tried already; try another one"'
        guard = f"if once.again({edit.path}, {edit.old}, {edit.new}):\n    return {message}"
        change = insert_before(edit.module, edit.statement, guard)
        yield code.with_changes(edit.module, change, imports=("once",)) | {"once.py": snippets.ONCE}


def check_syntax(code: Code, dice: Random) -> Changes:
    for edit in edits(code):
        if "SyntaxError" not in edit.module.source(edit.function):
            text = edit.module.source(edit.call.args[1])
            guard = (
                f'try:\n    compile({text}, {edit.path}, "exec")\nexcept SyntaxError as error:\n'
                '    return f"error: this edit would break the syntax: {error}"'
            )
            yield code.with_changes(edit.module, insert_before(edit.module, edit.statement, guard))


def retry_malformed(code: Code, dice: Random) -> Changes:
    message = '"error: the arguments are not JSON; try again"'
    for module in code.modules:
        for call in module.nodes(ast.Call):
            statement = module.parents.get(call)
            if isinstance(statement, ast.Assign) and module.source(call.func) == "json.loads":
                answer = _answer_code(code, module, statement, message)
                if answer and not _is_guarded(module, statement):
                    yield code.with_changes(
                        module, replace_statement(module, statement, _retry_code(module, statement, answer))
                    )


def _retry_code(module: ParsedFile, statement: ast.stmt, answer: str) -> str:
    return f"try:\n    {module.source(statement)}\nexcept ValueError:\n    {answer}\n    continue"


def _is_guarded(module: ParsedFile, statement: ast.stmt) -> bool:
    parent = module.parents.get(statement)
    return isinstance(parent, ast.Try) and statement in parent.body


def _answer_code(code: Code, module: ParsedFile, node: ast.AST, content: str) -> str | None:
    """The statement that answers the tool call handled by the loop around a node."""
    loop = module.enclosing(node, ast.For)
    lists = [history_name(call) for other, call in chat_calls(code) if other.path == module.path]
    if loop is None or not isinstance(loop.target, ast.Name) or not lists or lists[0] is None:
        return None
    if f'{loop.target.id}["function"]' not in module.text:
        return None
    message = f'{{"role": "tool", "tool_call_id": {loop.target.id}["id"], "content": {content}}}'
    return f"{lists[0]}.append({message})"


def refuse_early_submit(code: Code, dice: Random) -> Changes:
    for module in code.modules:
        for node in module.nodes(ast.If):
            condition = module.source(node.test)
            answer = _answer_code(code, module, node, '"not accepted: the tests still fail; go on"')
            ends = isinstance(node.body[0], ast.Return | ast.Break)
            if ends and answer and ("submit" in condition or "finish" in condition or "done" in condition):
                door = alias_of(module)
                guard = f"if {door}.run({_TEST}).exit_code != 0:\n    {answer}\n    continue"
                yield code.with_changes(module, insert_before(module, node.body[0], guard))


def _result_messages(code: Code) -> Iterator[tuple[ParsedFile, ast.stmt, str]]:
    """The statements that append a tool's result to the messages, each with the result's expression."""
    for module in code.modules:
        for node in module.nodes(ast.Dict):
            pairs = {k.value: v for k, v in zip(node.keys, node.values, strict=True) if isinstance(k, ast.Constant)}
            content, call = pairs.get("content"), pairs.get("tool_call_id")
            if content and call and enclosing_function(module, node) and in_loop(module, node):
                yield module, module.statement(node), module.source(content)


def stop_when_passing(code: Code, dice: Random) -> Changes:
    for module, statement, content in _result_messages(code):
        if not content.startswith(("'", '"')) and '"\\nOK"' not in module.text:
            yield code.with_changes(module, insert_after(module, statement, f'if "\\nOK" in {content}:\n    return'))


def hand_in_soon(code: Code, dice: Random) -> Changes:
    for module, statement, content in _result_messages(code):
        if not content.startswith(("'", '"')):
            yield code.with_changes(
                module, insert_after(module, statement, f'if {content}.startswith("edited"):\n    return')
            )


def stop_early(code: Code, dice: Random) -> Changes:
    max_messages = dice.choice((10, 14, 18))
    for module, call in chat_calls(code):
        messages = history_name(call)
        if messages and enclosing_function(module, call) and in_loop(module, call):
            guard = f"if len({messages}) > {max_messages}:\n    return"
            yield code.with_changes(module, insert_before(module, _statement_in_loop(module, call), guard))


def _statement_in_loop(module: ParsedFile, call: ast.Call) -> ast.stmt:
    """The outermost statement around a call that is still inside the loop."""
    statement = module.statement(call)
    parent = module.parents.get(statement)
    return parent if isinstance(parent, ast.Try) else statement


def keep_progress(code: Code, dice: Random) -> Changes:
    if "progress.py" in code.files:
        return
    for module in code.modules:
        for node in module.nodes(ast.Compare):
            condition = module.source(node)
            if condition.endswith(".exit_code == 0"):
                result = condition.removesuffix(".exit_code == 0")
                change = wrap(module, node, "(", f" or progress.made({result}.stdout))")
                added = {"progress.py": snippets.PROGRESS}
                yield code.with_changes(module, change, imports=("progress",)) | added
