"""Profiles: the facts about models and their providers, read from the package and from the user's own file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from evolve.core.config import EMBEDDED, Commercial, ModelFacts, ModelTerms
from evolve.core.errors import BadInput

PROFILES = Path(__file__).parent / "profiles"
USER_FILE = Path("evolve.models.toml")
# Tables with a source: the user's file replaces each as a whole, so that no figure is attributed to a wrong source.
SOURCED = ("context", "price", "licence", "sampling")

Table = Mapping[str, Any]


class Sourced(BaseModel):
    """A fact with its source (a URL or `repository: path`) and date.

    undated: the source has no date, and `as_of` is the day on which its stored copy was read. `as_of` None: not stated.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    source: str = Field(min_length=1)
    as_of: date | None = None
    undated: bool = False

    @property
    def day(self) -> str:
        """The date in ISO form, marked if it is only the day of reading; empty if there is none."""
        return f"{self.as_of or ''}{' (undated)' if self.undated else ''}"


class Context(Sourced):
    """The model's context window, in tokens of prompt and completion together."""

    tokens: int = Field(gt=0)


class Price(Sourced):
    """US dollars per million tokens of prompt and of completion."""

    prompt: float = Field(ge=0)
    completion: float = Field(ge=0)


class Licence(Sourced):
    """The terms under which a provider offers a model. summary: in our own words, no legal advice."""

    name: str = Field(min_length=1)
    commercial: Commercial = "unknown"
    summary: str = ""


class Sampling(Sourced):
    """The sampling parameters that the model's maker recommends; None: no recommendation."""

    temperature: float | None = Field(None, ge=0)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, gt=0)

    @property
    def pairs(self) -> tuple[tuple[str, int | float], ...]:
        """The parameters as (name in a request, value)."""
        values = {"temperature": self.temperature, "top_p": self.top_p, "top_k": self.top_k}
        return tuple((name, value) for name, value in values.items() if value is not None)


class KnownModel(BaseModel):
    """One model as one provider serves it. None: unknown; for licence and sampling, as in its profile."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    context: Context | None = None
    price: Price | None = None
    licence: Licence | None = None
    sampling: Sampling | None = None
    keep_reasoning: bool = False
    note: str = ""


class Profile(BaseModel):
    """A provider, or a kind of model server. `licence` and `sampling` apply to its models that have none of their own.

    local: the user's own server, which may need no key, lists what it serves, and can be moved with `--base-url`.
    base_url None: the model in this process.
    tool_calls, streaming: whether the provider supports them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    title: str = ""
    base_url: str | None = None
    key_variable: str = Field("OPENAI_API_KEY", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    local: bool = False
    tool_calls: bool = True
    streaming: bool = False
    licence: Licence | None = None
    sampling: Sampling | None = None
    note: str = ""
    models: dict[str, KnownModel] = {}

    @model_validator(mode="after")
    def _check_base_url(self) -> Self:
        if self.base_url is None and self.name != EMBEDDED:
            raise ValueError("base_url is missing")
        return self

    def known(self, model: str) -> KnownModel:
        """The facts about a model, completed with the profile's own; for an unlisted model only those."""
        listed = self.models.get(model, KnownModel())
        common = {"licence": listed.licence or self.licence, "sampling": listed.sampling or self.sampling}
        return listed.model_copy(update=common)

    def facts(self, model: str) -> ModelFacts:
        """The facts that requests to a model depend on."""
        known = self.known(model)
        return ModelFacts(
            profile=self.name,
            key_variable=self.key_variable,
            context_tokens=known.context.tokens if known.context else None,
            stream=self.streaming,
            text_tools=not self.tool_calls,
            keep_reasoning=known.keep_reasoning,
            sampling=known.sampling.pairs if known.sampling else (),
        )

    def terms(self, model: str) -> ModelTerms:
        """A model's licence and the source of its price, as stored with a run."""
        known = self.known(model)
        licence = known.licence or Licence(name="not known", source="no profile states it")
        return ModelTerms(
            licence=licence.name,
            commercial=licence.commercial,
            summary=licence.summary,
            source=licence.source,
            as_of=licence.day,
            price_source=known.price.source if known.price else "",
            price_as_of=known.price.day if known.price else "",
        )


def read_profiles(own: Path | None = None) -> dict[str, Profile]:
    """Read all profiles, by name: the package's, changed and extended by the user's file.

    Args:
        own: The user's file; None is `evolve.models.toml` in the working directory, if there is one.

    Raises:
        BadInput: The user's file is wrong.
    """
    tables: dict[str, Any] = {}
    for path in sorted(PROFILES.glob("*.toml")):
        tables |= _read_tables(path)
    path = own or USER_FILE
    changes = _read_tables(path) if own or path.exists() else {}
    for name, table in changes.items():
        if "/" in name or not isinstance(table, dict):
            raise BadInput(f"{path}: {name}", "is not a profile", "write a table for each profile, such as [minimax]")
        tables[name] = _merge(tables.get(name, {}), _with_source(table, str(path)))
    return {name: _build_profile(name, table, tables, path) for name, table in tables.items()}


def split_name(name: str, profiles: Mapping[str, Profile]) -> tuple[Profile, str | None] | None:
    """Split `profile/model`.

    Returns:
        The profile and the model (None for a local server's profile alone); None for a plain model name.
    """
    first, slash, rest = name.partition("/")
    profile = profiles.get(first)
    if profile is None or (slash and not rest):
        return None
    if not slash:
        return (profile, None) if profile.local and profile.base_url else None
    return profile, rest


def _read_tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(str(path), error.strerror or "can't be read", "pass a file of profiles") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(str(path), f"is not valid TOML: {error}", "correct it; see docs/models.md") from error


def _merge(base: Table, changes: Table) -> dict[str, Any]:
    """Apply `changes` to `base`, table by table; a table with a source is replaced as a whole."""
    result = dict(base)
    for key, value in changes.items():
        old = base.get(key)
        nested = isinstance(value, dict) and isinstance(old, dict) and key not in SOURCED
        result[key] = _merge(old, value) if nested and isinstance(old, dict) else value
    return result


def _with_source(table: Table, source: str) -> dict[str, Any]:
    """The table with `source` filled in wherever a fact names none."""
    result: dict[str, Any] = {}
    for key, value in table.items():
        if not isinstance(value, dict):
            result[key] = value
        elif key in SOURCED:
            result[key] = {"source": source, **value}
        else:
            result[key] = _with_source(value, source)
    return result


def _build_profile(name: str, table: Table, tables: Table, path: Path) -> Profile:
    """Validate one profile. Errors name `path`, the user's file, as the package's own profiles are valid."""
    values = dict(table)
    if shared := values.pop("models_from", None):
        if shared not in tables:
            raise BadInput(f"{path}: {name}.models_from", f"there is no profile {shared}", "name an existing profile")
        values["models"] = _merge(tables[shared].get("models", {}), values.get("models", {}))
    try:
        return Profile.model_validate({**values, "name": name})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join([name, *map(str, first["loc"])])
        raise BadInput(f"{path}: {where}", first["msg"].lower(), "correct it; see docs/models.md") from error
