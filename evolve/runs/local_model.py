"""The server of a local model while a run needs it: its port is another one at each start, and no part of the run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from evolve import local
from evolve.core.config import LOCAL, ModelRole, RunConfig
from evolve.core.errors import BadInput
from evolve.runs.request import stored_row
from evolve.runs.settings import Settings
from evolve.runs.stored_config import stored_config

# The settings that name a model, and those of their endpoints.
ENDPOINTS = {"model": "base_url", "proposer_model": "proposer_base_url", "small_model": "small_base_url"}
SETTINGS: dict[ModelRole, str] = {"scaffold": "model", "proposer": "proposer_model", "small": "small_model"}


@contextlib.contextmanager
def with_local_server(settings: Settings, run: str | None = None) -> Iterator[Settings]:
    """Serve the local model that settings or the run to resume name, until the block ends.

    Args:
        settings: What the user gave.
        run: The run to resume, if it is named.

    Yields:
        The settings with the server's model and endpoint. They are unchanged if no local model is named, or an
        endpoint is given for it.

    Raises:
        BadInput: What is needed is not installed, or the file is not that of the named model.
    """
    names = _local_names(settings, run)
    if not names:
        yield settings
        return
    file = local.model_file(settings.local_file)
    for name in names.values():
        _check_name(name, file)
    with local.running_server(file) as server:
        changes = {ENDPOINTS[key]: server.url for key in names}
        yield settings.model_copy(update={**dict.fromkeys(names, f"{LOCAL}/{server.name}"), **changes})


@contextlib.contextmanager
def with_local_server_again(config: RunConfig, file: Path | None) -> Iterator[RunConfig]:
    """Serve the local model of a stored config until the block ends; yields the config with its endpoint."""
    if config.facts.profile != LOCAL:
        yield config
        return
    path = local.model_file(file)
    _check_name(config.model, path)
    with local.running_server(path) as server:
        yield config.model_copy(update={"base_url": server.url})


def _local_names(settings: Settings, run: str | None) -> dict[str, str]:
    """The local models that are to be served, by setting; "" for whichever the file holds."""
    names = {key: getattr(settings, key) for key, url in ENDPOINTS.items() if getattr(settings, url) is None}
    names = {**_stored_names(settings, run), **{key: name for key, name in names.items() if name is not None}}
    split = {key: name.partition("/") for key, name in names.items()}
    return {key: rest for key, (profile, _, rest) in split.items() if profile == LOCAL}


def _stored_names(settings: Settings, run: str | None) -> dict[str, str]:
    """The models of the run to resume that the settings leave open, with their profiles."""
    row = stored_row(settings.runs, run)
    if row is None:
        return {}
    named = {SETTINGS[role]: asked for role, asked in stored_config(row).models_by_role.items()}
    return {
        key: f"{asked.facts.profile}/{asked.model}"
        for key, asked in named.items()
        if not {key, ENDPOINTS[key]} & settings.model_fields_set
    }


def _check_name(name: str, file: Path) -> None:
    if name and name != file.stem:
        fix = f"give --local-file {name}.gguf with its folder, or --model {LOCAL}"
        raise BadInput(f"model {LOCAL}/{name}", f"the file to serve is {file.name}", fix)
