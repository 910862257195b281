"""The rows of a JSONL or CSV file, with where each one is, and their values as texts."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from evolve.core.errors import BadInput
from evolve.project.importers.benchmark import Unsuitable, path_problem

MAX_SOURCE_BYTES = 1_000_000_000
MAX_LINE_BYTES = 20_000_000
MAX_VALUE_CHARS = 1_000_000
MAX_FILES = 500


@dataclass(frozen=True)
class Row:
    """One row. where: the file and line, for errors."""

    where: str
    values: Mapping[str, Any]

    def renamed(self, columns: Mapping[str, str]) -> Row:
        """The row under our names of columns; `columns`: the table's own name for each of ours that differs."""
        replaced = set(columns.values()) | set(columns)
        rest = {name: value for name, value in self.values.items() if name not in replaced}
        given = {ours: self.values[theirs] for ours, theirs in columns.items() if theirs in self.values}
        return Row(self.where, rest | given)


def read_rows(source: Path, limit: int | None = None) -> Iterator[Row]:
    """Read the rows of a table one after another. Raises BadInput for the first that can't be read."""
    if source.stat().st_size > MAX_SOURCE_BYTES:
        raise BadInput(str(source), f"has more than {MAX_SOURCE_BYTES // 10**6} MB", "split it")
    rows = _csv_rows(source) if source.suffix.lower() == ".csv" else _json_rows(source)
    return islice(rows, limit)


def _json_rows(source: Path) -> Iterator[Row]:
    with source.open("rb") as lines:
        for number, line in enumerate(iter(lambda: lines.readline(MAX_LINE_BYTES), b""), 1):
            if line.strip():
                yield Row(f"{source}, line {number}", _json_object(f"{source}, line {number}", line))


def _json_object(where: str, line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line.decode("utf-8-sig"))
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadInput(where, f"is not a line of JSON: {error}", "write one JSON object in each line") from error
    if not isinstance(value, dict):
        raise BadInput(where, "is not a JSON object", "write one JSON object in each line")
    return value


def _csv_rows(source: Path) -> Iterator[Row]:
    csv.field_size_limit(MAX_LINE_BYTES)
    with source.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines, strict=True)
        try:
            _check_header(source, reader.fieldnames or [])
            for values in reader:
                where = f"{source}, line {reader.line_num}"
                if None in values or None in values.values():
                    raise BadInput(where, "has another number of cells than the header", "correct the row")
                yield Row(where, values)
        except (csv.Error, UnicodeDecodeError) as error:
            raise BadInput(
                f"{source}, line {reader.line_num}", f"can't be read: {error}", "save it as UTF-8 CSV"
            ) from error


def _check_header(source: Path, names: Any) -> None:
    if len(set(names)) < len(names):
        raise BadInput(str(source), "has two columns of one name", "rename one of them")


def text_of(row: Row, column: str) -> str:
    """A cell as text; a number as JSON writes it; "" if it is absent. Raises Unsuitable for other values."""
    value = row.values.get(column)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Unsuitable(f"`{column}` is neither text nor a number")
    try:
        text = value if isinstance(value, str) else json.dumps(value, allow_nan=False)
    except ValueError:
        raise Unsuitable(f"`{column}` is not a finite number") from None
    if len(text) > MAX_VALUE_CHARS or "\0" in text:
        raise Unsuitable(f"`{column}` has more than {MAX_VALUE_CHARS} characters, or a NUL")
    return text


def texts_of(row: Row, column: str) -> dict[str, str]:
    """A cell with files: an object of texts by path, or such an object as JSON text. Raises Unsuitable."""
    value = row.values.get(column)
    if isinstance(value, str) and value.strip():
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise Unsuitable(f"`{column}` is not a JSON object of texts by path") from None
    if value in (None, ""):
        return {}
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise Unsuitable(f"`{column}` is not a JSON object of texts by path")
    return _checked_files(column, value)


def _checked_files(column: str, files: Mapping[str, str]) -> dict[str, str]:
    for path, text in files.items():
        if problem := path_problem(path):
            raise Unsuitable(f"`{column}` has the path {ascii(path)[:80]}, which {problem}")
        if len(text) > MAX_VALUE_CHARS:
            raise Unsuitable(f"`{column}` has more than {MAX_VALUE_CHARS} characters in {path}")
        if any(f"{parent}" in files for parent in Path(path).parents):
            raise Unsuitable(f"`{column}` has {path} inside a file")
    if len(files) > MAX_FILES:
        raise Unsuitable(f"`{column}` has more than {MAX_FILES} files")
    return dict(files)
