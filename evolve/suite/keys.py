"""Every key of `task.toml`: whether Evolve does what it says, need not, or refuses it. The documentation shows it."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from evolve.core.errors import BadInput


class Status(StrEnum):
    """SUPPORTED: Evolve does what the key says. HARMLESS: it changes no result, so it is ignored.

    REFUSED: the task is refused, unless the value is one of the row's `allowed`.
    """

    SUPPORTED = "supported"
    HARMLESS = "harmless"
    REFUSED = "refused"


@dataclass(frozen=True)
class Key:
    """One key: its path, with `[]` after a list of tables, and what it does; `default` as Harbor has it.

    Attributes:
        allowed: Values of a REFUSED key that ask for nothing which Evolve lacks.
        fix: What to do about a REFUSED key.
    """

    path: str
    default: str
    status: Status
    meaning: str
    allowed: tuple[object, ...] = (None,)
    fix: str = "leave the key out, or the task out of the suite"


S, H, R = Status.SUPPORTED, Status.HARMLESS, Status.REFUSED
_NETWORKS = "`public`, `no-network` or `allowlist`"

_HEALTHCHECK = (
    Key("command", "", S, "shell command; status 0 is healthy, and only then the agent starts"),
    Key("interval_sec", "5", S, "between tries"),
    Key("timeout_sec", "30", S, "of one try"),
    Key("start_period_sec", "0", S, "failures don't count for so long"),
    Key("start_interval_sec", "5", S, "between tries during that time"),
    Key("retries", "3", S, "failures in a row that end the trial as an infrastructure error"),
)
_NETWORK = (
    Key("network_mode", "`public`", S, _NETWORKS),
    Key("allowed_hosts", "none", S, "of an allowlist: names, `*.` patterns, addresses, ranges of addresses"),
)
_ARTIFACT = (
    Key("source", "", S, "file or folder in the container; an entry that is text is a source alone"),
    Key("destination", "from the source", S, "names the copy that is kept; the tests find it at its source"),
    Key("exclude", "none", S, "patterns of names that are left out of a folder"),
    Key("service", "`main`", S, "the service of the compose file that it is taken from"),
)
_ENVIRONMENT = (
    Key("build_timeout_sec", "600", S, "for building or pulling the image"),
    Key("docker_image", "none", S, "ready image, used instead of the Dockerfile; its digest is recorded"),
    Key("os", "`linux`", R, "`linux` is supported, `windows` is refused", (None, "linux")),
    Key("cpus", "the machine's", S, "processors of the container"),
    Key("memory_mb", "the machine's", S, "memory, at least 32; there is no swap"),
    Key("storage_mb", "the machine's", S, "size of the largest file"),
    Key("memory", "", S, "older spelling of `memory_mb`, such as `2G`"),
    Key("storage", "", S, "older spelling of `storage_mb`"),
    Key("allow_internet", "", S, "older spelling of `network_mode`"),
    Key("gpus", "none", R, "Evolve gives containers no GPU", (None, 0)),
    Key("gpu_types", "any", H, "says which GPU `gpus` means"),
    Key("tpu", "none", R, "Evolve gives containers no TPU"),
    Key(
        "env",
        "none",
        S,
        "variables of all commands in the container; templates mean their default, and are refused without",
    ),
    Key("workdir", "the image's", S, "where commands run"),
    Key("skills_dir", "none", H, "the folder is in the container; a scaffold reads it by commands"),
    Key("mcp_servers", "none", S, "the scaffold gets them in `task()`, and commands in `EVOLVE_MCP_SERVERS`"),
    *_NETWORK,
)
_AGENT = (
    Key("timeout_sec", "unlimited", S, "time limit of a trial's scaffold, unless the run sets `limits.seconds`"),
    Key("user", "the image's", S, "user of the agent's commands"),
    *_NETWORK,
)
_COLLECT = (
    Key("command", "", S, "shell command that saves state when the agent is done"),
    Key("service", "`main`", S, "the service of the compose file that it runs in"),
    Key("timeout_sec", "60", S, "of the command"),
    Key("user", "the image's", S, "of the command"),
)
_VERIFIER = (
    Key("timeout_sec", "600", S, "time limit of the tests"),
    Key(
        "env",
        "none",
        S,
        "variables of the tests; templates of keys of model APIs ask the grader's model; others mean their default, "
        "or in a separate verifier what `pass_env` names",
    ),
    Key("user", "the image's", S, "user of the tests"),
    Key("environment_mode", "`shared`", S, "`shared` or `separate`; also Evolve's own `live` and `isolated`"),
    *_NETWORK,
)


def _below(prefix: str, rows: tuple[Key, ...]) -> tuple[Key, ...]:
    return tuple(
        Key(f"{prefix}.{row.path}", row.default, row.status, row.meaning, row.allowed, row.fix) for row in rows
    )


def _verifier(prefix: str) -> tuple[Key, ...]:
    own = _below(f"{prefix}.environment", (*_ENVIRONMENT, *_below("healthcheck", _HEALTHCHECK)))
    return (*_below(prefix, _VERIFIER), *own, *_below(f"{prefix}.collect[]", _COLLECT))


@functools.cache
def all_keys() -> Mapping[str, Key]:
    """Every key of the format by its path."""
    return {row.path: row for row in _rows()}


def _rows() -> tuple[Key, ...]:
    return (
        Key("schema_version", "`1.4`", H, "version of the format"),
        Key("version", "", H, "older spelling of `schema_version`"),
        Key("source", "none", H, "where the task comes from"),
        Key("task.*", "none", H, "name, version, description, authors and keywords; Evolve names a task by its folder"),
        Key("metadata.difficulty", "`unknown`", S, "a word or a number; the gate stratifies by it"),
        Key("metadata.evolve.reward.*", "none", S, "Evolve's own: how the number that the tests write is a reward"),
        Key("metadata.*", "none", H, "free"),
        *_below("environment", (*_ENVIRONMENT, *_below("healthcheck", _HEALTHCHECK))),
        *_below("agent", _AGENT),
        *_verifier("verifier"),
        Key(
            "solution.env",
            "none",
            S,
            "variables of the reference solution; templates mean their default, or what `pass_env` names",
        ),
        *_below("artifacts[]", _ARTIFACT),
        Key("multi_step_reward_strategy", "`mean`", S, "`mean` or `final` of the steps' rewards"),
        Key("steps[].name", "", S, "folder below `steps/`"),
        *_below("steps[].agent", _AGENT),
        *_verifier("steps[].verifier"),
        Key("steps[].min_reward", "none", S, "number, or table by reward: with less, the next step doesn't begin"),
        *_below("steps[].healthcheck", _HEALTHCHECK),
        *_below("steps[].artifacts[]", _ARTIFACT),
    )


def refuse_keys(where: str, values: Mapping[str, Any]) -> None:
    """Raise BadInput for the first key that Evolve refuses. values: the content of `task.toml`."""
    rows = all_keys()
    for path, value in _leaves(values, rows):
        row = rows.get(path)
        if row and row.status is Status.REFUSED and not _is_allowed(value, row):
            raise BadInput(where, f"key `{path.replace('[]', '')}` is not supported: {row.meaning}", row.fix)


def _is_allowed(value: object, row: Key) -> bool:
    plain = value.lower() if isinstance(value, str) else value
    return any(plain == allowed and isinstance(plain, bool) == isinstance(allowed, bool) for allowed in row.allowed)


def unknown_keys(values: Mapping[str, Any]) -> list[str]:
    """A line for each key that the format doesn't have, with the most similar one that it has."""
    rows = all_keys()
    free = tuple(path.removesuffix("*") for path in rows if path.endswith(".*"))
    paths = (path for path, _ in _leaves(values, rows) if path not in rows and not path.startswith(free))
    return [f"unknown key `{path.replace('[]', '')}` is ignored{_hint(path, rows)}" for path in dict.fromkeys(paths)]


def _hint(path: str, rows: Mapping[str, Key]) -> str:
    """The key that is meant: one of the same table with a similar name, otherwise one of another with this name."""
    table, dot, name = path.rpartition(".")
    below = [row.removeprefix(f"{table}{dot}").partition(".")[0] for row in rows if row.startswith(f"{table}{dot}")]
    near = [f"{table}{dot}{one}" for one in difflib.get_close_matches(name, {*below} - {"*"}, n=1)]
    if not near and dot:
        same = [row for row in rows if row.rpartition(".")[2] == name]
        near = difflib.get_close_matches(path, same, n=1, cutoff=0.0)
    return f"; did you mean `{near[0].replace('[]', '')}`?" if near else ""


def _leaves(values: Mapping[str, Any], rows: Mapping[str, Key], path: str = "") -> Iterator[tuple[str, Any]]:
    """The keys of a document by path; tables that are no key themselves are entered, and lists of tables too."""
    for key, value in values.items():
        place = f"{path}{key}"
        if place in rows:
            yield place, value
        elif isinstance(value, Mapping) and _has_below(f"{place}.", rows):
            yield from _leaves(value, rows, f"{place}.")
        elif isinstance(value, list) and _has_below(f"{place}[].", rows):
            for entry in value:
                if isinstance(entry, Mapping):
                    yield from _leaves(entry, rows, f"{place}[].")
        else:
            yield place, value


def _has_below(prefix: str, rows: Mapping[str, Key]) -> bool:
    return any(path.startswith(prefix) for path in rows)


def table() -> str:
    """The table for the documentation, in Markdown; rows that occur twice are there once."""
    lines = ["| key of `task.toml` | default | Evolve | meaning |", "| --- | --- | --- | --- |"]
    for row in all_keys().values():
        if not row.path.startswith(("steps[].agent.", "steps[].verifier.", "verifier.environment.")):
            path = row.path.replace("[]", "")
            lines.append(f"| `{path}` | {row.default} | {row.status} | {row.meaning} |")
    return "\n".join(lines)
