"""What is known of models and of who serves them: profiles, read from the package and from a file of the user's own."""

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
OWN_FILE = Path("evolve.models.toml")
# Tables that come from one place each: another file replaces one as a whole, so that no figure gets another's source.
SOURCED = ("context", "price", "licence", "sampling")

Table = Mapping[str, Any]


class Sourced(BaseModel):
    """A fact with its source, an address or `repository: path`, and its day.

    undated: the source has no date; `as_of` is the day on which its stored copy was read. `as_of` None: not said.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    source: str = Field(min_length=1)
    as_of: date | None = None
    undated: bool = False

    @property
    def day(self) -> str:
        """The date in ISO form, with a word if it is only when the source was read; empty if there is none."""
        return f"{self.as_of or ''}{' (undated)' if self.undated else ''}"


class Context(Sourced):
    """The model's window, in tokens of prompt and answer together."""

    tokens: int = Field(gt=0)


class Price(Sourced):
    """US dollars for a million tokens of the prompt and of the completion."""

    prompt: float = Field(ge=0)
    completion: float = Field(ge=0)


class Licence(Sourced):
    """The terms under which a provider lets a model be used. summary: in our own words, no legal advice."""

    name: str = Field(min_length=1)
    commercial: Commercial = "unknown"
    summary: str = ""


class Sampling(Sourced):
    """What the model's maker recommends; None: nothing."""

    temperature: float | None = Field(None, ge=0)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, gt=0)

    @property
    def pairs(self) -> tuple[tuple[str, int | float], ...]:
        """(name of the parameter, value), as a request has them."""
        values = {"temperature": self.temperature, "top_p": self.top_p, "top_k": self.top_k}
        return tuple((name, value) for name, value in values.items() if value is not None)


class KnownModel(BaseModel):
    """One model as one provider serves it. What is None is unknown, or as its profile has it (licence, sampling)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    context: Context | None = None
    price: Price | None = None
    licence: Licence | None = None
    sampling: Sampling | None = None
    keep_reasoning: bool = False
    note: str = ""


class Profile(BaseModel):
    """A provider, or a way of serving models. `licence` and `sampling` hold for its models that have none themselves.

    local: a server of the user's own: it may want no key, lists what it serves, and may be elsewhere (`--base-url`).
    base_url None: the model in this process.
    tool_calls, streaming: whether they work there.
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
    def _somewhere(self) -> Self:
        if self.base_url is None and self.name != EMBEDDED:
            raise ValueError("base_url is missing: where is it served?")
        return self

    def known(self, model: str) -> KnownModel:
        """What is known of a model here, filled up with what holds for all; of an unlisted one that alone."""
        found = self.models.get(model, KnownModel())
        common = {"licence": found.licence or self.licence, "sampling": found.sampling or self.sampling}
        return found.model_copy(update=common)

    def facts(self, model: str) -> ModelFacts:
        """What the requests to a model depend on."""
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
        """Licence and provenance of a model's price, as they are stored with a run."""
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
    """All profiles by name: the package's, with what the user's file changes or adds.

    own: that file; None: `evolve.models.toml` in the working directory, if there is one. Raises BadInput.
    """
    tables: dict[str, Any] = {}
    for path in sorted(PROFILES.glob("*.toml")):
        tables |= _tables(path)
    path = own or OWN_FILE
    changes = _tables(path) if own or path.exists() else {}
    for name, table in changes.items():
        if "/" in name or not isinstance(table, dict):
            raise BadInput(f"{path}: {name}", "is not a profile", "write a table for each profile, such as [minimax]")
        tables[name] = _merged(tables.get(name, {}), _with_source(table, str(path)))
    return {name: _profile(name, table, tables, path) for name, table in tables.items()}


def split(name: str, profiles: Mapping[str, Profile]) -> tuple[Profile, str | None] | None:
    """`profile/model` taken apart; a local server's profile may stand alone (model None). None: a plain name."""
    first, slash, rest = name.partition("/")
    profile = profiles.get(first)
    if profile is None or (slash and not rest):
        return None
    if not slash:
        return (profile, None) if profile.local and profile.base_url else None
    return profile, rest


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(str(path), error.strerror or "can't be read", "name a file of profiles") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(str(path), f"is not TOML: {error}", "correct it; see docs/models.md") from error


def _merged(below: Table, above: Table) -> dict[str, Any]:
    """`above` laid over `below`, table by table; a sourced one is replaced as a whole."""
    result = dict(below)
    for key, value in above.items():
        lower = below.get(key)
        deeper = isinstance(value, dict) and isinstance(lower, dict) and key not in SOURCED
        result[key] = _merged(lower, value) if deeper and isinstance(lower, dict) else value
    return result


def _with_source(table: Table, source: str) -> dict[str, Any]:
    """The same table in which what names no source names this one."""
    result: dict[str, Any] = {}
    for key, value in table.items():
        if not isinstance(value, dict):
            result[key] = value
        elif key in SOURCED:
            result[key] = {"source": source, **value}
        else:
            result[key] = _with_source(value, source)
    return result


def _profile(name: str, table: Table, tables: Table, path: Path) -> Profile:
    """path: the user's file; the package's own profiles are right, so what is wrong is in it."""
    values = dict(table)
    if shared := values.pop("models_from", None):
        if shared not in tables:
            raise BadInput(f"{path}: {name}.models_from", f"there is no profile {shared}", "name another one")
        values["models"] = _merged(tables[shared].get("models", {}), values.get("models", {}))
    try:
        return Profile.model_validate({**values, "name": name})
    except ValidationError as error:
        wrong = error.errors()[0]
        where = ".".join([name, *map(str, wrong["loc"])])
        raise BadInput(f"{path}: {where}", wrong["msg"].lower(), "correct it; see docs/models.md") from error
