"""Profiles: the facts about models and their providers, read from the package and from the user's own file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from evolve.core.config import EMBEDDED, ModelFacts, ModelTerms
from evolve.core.errors import BadInput
from evolve.core.invalid import first_fault
from evolve.models.facts import (
    AnswerTokens,
    Context,
    Effort,
    ExtraBody,
    FreeTable,
    Headers,
    Parameters,
    Price,
    Protocol,
    Rates,
    Sampling,
)
from evolve.models.licence import Licence, ranked

PROFILES = Path(__file__).parent / "profiles"
USER_FILE = Path("evolve.models.toml")
# Tables with a source: the user's file replaces each as a whole, so that no figure is attributed to a wrong source.
SOURCED = (
    "context", "price", "sampling", "api", "parameters", "extra_body", "headers", "effort", "answer_tokens", "rates",
)  # fmt: skip
# Facts of one value, which the user's file may give alone, and their key.
SINGLE = {"api": "name", "effort": "value", "answer_tokens": "tokens"}

Table = Mapping[str, Any]


class Known(BaseModel):
    """The facts that a profile may state for all its models or for one of them. None: unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    price: Price | None = None
    licence: tuple[Licence, ...] = ()
    sampling: Sampling | None = None
    api: Protocol | None = None
    parameters: Parameters | None = None
    extra_body: ExtraBody | None = None
    headers: Headers | None = None
    effort: Effort | None = None
    answer_tokens: AnswerTokens | None = None
    rates: Rates | None = None
    note: str = ""

    @field_validator("licence", mode="before")
    @classmethod
    def _wrap_licence(cls, licence: Any) -> Any:
        """One statement may stand without a list."""
        return licence if isinstance(licence, list | tuple) else (licence,)


class KnownModel(Known):
    """One model as one provider serves it."""

    context: Context | None = None
    keep_reasoning: bool = False

    def completed(self, common: Known) -> KnownModel:
        """The facts with those of the model's profile where it has none of its own."""
        changes: dict[str, Any] = {}
        for name in Known.model_fields.keys() - {"licence", "note"}:
            own, shared = getattr(self, name), getattr(common, name)
            changes[name] = own.over(shared) if isinstance(own, FreeTable) else own or shared
        # The user's statement never hides what the profile says about duties and prohibited uses.
        shared_licence = common.licence if all(licence.own for licence in self.licence) else ()
        return self.model_copy(update={**changes, "licence": (*self.licence, *shared_licence)})


class Profile(Known):
    """A provider, or a kind of model server. Its facts apply to its models that have none of their own.

    local: the user's own server, which may need no key, lists what it serves, and can be moved with `--base-url`.
    base_url None: the model in this process; or, with `base_url_form`, each customer's own address, of this form.
    tool_calls, streaming: whether the provider supports them.
    variants: a name may end in `:VARIANT`, which selects who serves the model, at another price.
    """

    name: str
    title: str = ""
    base_url: str | None = None
    base_url_form: str = ""
    key_variable: str = Field("OPENAI_API_KEY", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    local: bool = False
    tool_calls: bool = True
    streaming: bool = False
    variants: bool = False
    models: dict[str, KnownModel] = {}

    @model_validator(mode="after")
    def _check_base_url(self) -> Self:
        if self.base_url is None and not self.base_url_form and self.name != EMBEDDED:
            raise ValueError("base_url is missing")
        return self

    @property
    def movable(self) -> bool:
        """Whether the user may give the endpoint."""
        return self.local or bool(self.base_url_form)

    def known(self, model: str) -> KnownModel:
        """The facts about a model, completed with the profile's own; for an unlisted model only those."""
        base, colon, _ = model.rpartition(":")
        if self.variants and colon and model not in self.models:
            # The variant chooses the provider, so what the profile says about that does not hold.
            return self.known(base).model_copy(update={"price": None, "extra_body": None})
        return self.models.get(model, KnownModel()).completed(self)

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
            api=known.api.name if known.api else "chat",
            parameters=known.parameters.pairs if known.parameters else (),
            extra_body=known.extra_body.text if known.extra_body else "",
            headers=known.headers.pairs if known.headers else (),
            effort=known.effort.value if known.effort else "",
            answer_tokens=known.answer_tokens.tokens if known.answer_tokens else None,
            requests_per_minute=known.rates.requests_per_minute if known.rates else None,
            tokens_per_minute=known.rates.tokens_per_minute if known.rates else None,
        )

    def terms(self, model: str) -> ModelTerms:
        """A model's licence and the source of its price, as stored with a run."""
        known = self.known(model)
        statements = tuple(licence.statement for licence in ranked(known.licence))
        unknown = Licence(name="not known", source="no profile states it").statement
        first = statements[0] if statements else unknown
        return ModelTerms(
            **first.model_dump(include={"licence", "commercial", "summary", "source", "as_of"}),
            price_source=known.price.source if known.price else "",
            price_as_of=known.price.day if known.price else "",
            statements=statements,
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
    """Apply `changes` to `base`, table by table; one with a source is replaced as a whole, licences are added."""
    result = dict(base)
    for key, value in changes.items():
        old = base.get(key)
        nested = isinstance(value, dict) and isinstance(old, dict) and key not in SOURCED
        if key == "licence" and old is not None:
            result[key] = [*_as_list(value), *_as_list(old)]
        else:
            result[key] = _merge(old, value) if nested and isinstance(old, dict) else value
    return result


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _with_source(table: Table, source: str) -> dict[str, Any]:
    """The user's table with `source` filled in wherever a fact names none."""
    result: dict[str, Any] = {}
    for key, value in table.items():
        if key in SINGLE and not isinstance(value, dict):
            result[key] = {"source": source, SINGLE[key]: value}
        elif key == "licence":
            statements = (one if isinstance(one, dict) else {"name": one} for one in _as_list(value))
            result[key] = [{"source": source, **statement, "own": True} for statement in statements]
        elif not isinstance(value, dict):
            result[key] = value
        else:
            result[key] = {"source": source, **value} if key in SOURCED else _with_source(value, source)
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
        fault = first_fault(error, Profile)
        where = ".".join([name, *(key for key in fault.path if not key.isdecimal() and key != "entries")])
        raise BadInput(f"{path}: {where}", fault.problem, f"{fault.fix}; see docs/models.md") from error
