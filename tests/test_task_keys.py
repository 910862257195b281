"""The table of the keys of `task.toml`: it has all that the models read, and the documentation shows it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from evolve.core.errors import BadInput
from evolve.suite.keys import Status, all_keys, refuse_keys, table, unknown_keys
from evolve.suite.schema import TaskTable

DOCS = Path(__file__).parent.parent / "docs" / "tasks.md"
OLDER = {"version", "memory", "storage", "allow_internet"}


def paths(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The keys of a model, with `[]` after a list of tables."""
    for name, field in model.model_fields.items():
        inner, many = nested(field.annotation)
        path = f"{prefix}{name}{'[]' if many else ''}"
        if inner is None or name in ("task", "mcp_servers", "tpu", "metadata"):
            yield path.removesuffix("[]")
        else:
            yield from paths(inner, f"{path}.")


def nested(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The model in an annotation, and whether it is in a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    for part in get_args(annotation):
        inner, many = nested(part)
        if inner is not None:
            return inner, many or get_origin(annotation) not in (Union, UnionType)
    return None, False


def test_the_table_has_every_key_of_the_models_and_no_other() -> None:
    listed = {path.removesuffix(".*") for path in all_keys() if path.rpartition(".")[2] not in OLDER}
    assert listed - {"metadata.difficulty", "metadata.evolve.reward"} == set(paths(TaskTable))


def test_the_documentation_has_the_table() -> None:
    text = DOCS.read_text()
    shown = text.partition("<!-- keys: begin -->\n")[2].partition("\n<!-- keys: end -->")[0]
    assert shown == table(), "put what `evolve.suite.keys.table()` gives between the two comments"


def document(path: str, value: Any) -> dict[str, Any]:
    """A document that has one key."""
    for part in reversed(path.replace("*", "anything").split(".")):
        value = {part.removesuffix("[]"): [value] if part.endswith("[]") else value}
    return dict(value)


@pytest.mark.parametrize("path", all_keys())
def test_no_key_of_the_table_is_unknown(path: str) -> None:
    assert unknown_keys(document(path, "value")) == []


@pytest.mark.parametrize("path", [row.path for row in all_keys().values() if row.status is Status.REFUSED])
def test_a_refused_key_is_refused_by_name_unless_it_asks_for_nothing(path: str) -> None:
    with pytest.raises(BadInput, match=f"key `{path.replace('[]', '')}` is not supported"):
        refuse_keys("task.toml", document(path, "something"))
    for allowed in all_keys()[path].allowed:
        refuse_keys("task.toml", document(path, allowed))


@pytest.mark.parametrize("path", [row.path for row in all_keys().values() if row.status is not Status.REFUSED])
def test_no_other_key_is_refused(path: str) -> None:
    refuse_keys("task.toml", document(path, "something"))


WORDS = st.sampled_from(["agent", "environment", "steps", "verifier", "env", "user", "x", "task", "artifacts"])
VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(WORDS, VALUES, max_size=4))
def test_any_document_is_looked_through(values: dict[str, Any]) -> None:
    assert all(line.startswith("unknown key `") for line in unknown_keys(values))


def test_a_word_that_is_near_no_key_gets_no_suggestion() -> None:
    assert unknown_keys(tomllib.loads("[zzz]\nqqqqqq = 1\n")) == ["unknown key `zzz` is ignored"]
