"""Whether this machine has what a run needs. Looks, and changes nothing."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from evolve import llm
from evolve.choosing import choose_model
from evolve.errors import EvolveError
from evolve.house import DATABASE
from evolve.models import read_profiles
from evolve.sandbox import engine, images
from evolve.store import Store

FREE_GB = 2.0


@dataclass(frozen=True)
class Finding:
    """state: `good`, `bad` (a run can't begin) or `note`."""

    check: str
    state: str
    detail: str


def examine(runs: Path) -> list[Finding]:
    """Every check, in the order in which a run would meet them."""
    return [_engine(), _base(), _disk(runs), _git(), _database(runs), _model()]


def _engine() -> Finding:
    if not engine.answers():
        mend = "`make evolve` starts or installs one" if os.geteuid() == 0 else "install Docker and start it"
        return Finding("container engine", "bad", f"none answers; {mend}")
    facts = engine.describe()
    return Finding("container engine", "good", ", ".join(f"{name} {value}" for name, value in facts.items()))


def _base() -> Finding:
    name = images.present_base() if engine.answers() else None
    return Finding("base image", "good" if name else "note", name or "not here; `make evolve` fetches or makes it")


def _disk(runs: Path) -> Finding:
    free = shutil.disk_usage(runs if runs.is_dir() else Path()).free / 1e9
    return Finding("disk", "good" if free > FREE_GB else "bad", f"{free:.1f} GB free; a run wants {FREE_GB:g}")


def _git() -> Finding:
    found = shutil.which("git")
    return Finding("git", "good" if found else "bad", found or "not found; install git")


def _database(runs: Path) -> Finding:
    path = runs / DATABASE
    if not Store.exists(path):
        return Finding("database", "note", f"{path} is not there yet; the first run makes it")
    try:
        with Store.open(path) as store:
            return Finding("database", "good", f"{path}: {len(store.runs())} runs")
    except EvolveError as error:
        return Finding("database", "bad", str(error))


def _model() -> Finding:
    """One tiny call, where a model is named or a key is set."""
    try:
        own = os.environ.get("MODELS")
        named = os.environ.get("MODEL") or None, os.environ.get("BASE_URL") or None
        made = choose_model(*named, read_profiles(Path(own) if own else None))
        name, base_url = made.model, made.base_url
        body = {"model": name, "messages": [{"role": "user", "content": "Say OK."}], "max_tokens": 16}
        llm.open_model(made.spec).complete(body)
    except EvolveError as error:
        return Finding("model", "bad", str(error))
    return Finding("model", "good", f"{name} at {base_url or 'this process' if name == 'embedded' else base_url}")
