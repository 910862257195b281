"""The command that lists the known models."""

from __future__ import annotations

import os
from pathlib import Path

from evolve.models.profile import read_profiles
from evolve.report.models import model_facts, model_lines, model_rows
from evolve.report.tables import show


def show_models(name: str | None, own_profiles: Path | None, as_json: bool) -> None:
    """All models, or the facts of one, with their sources."""
    profiles = read_profiles(own_profiles)
    if name is None:
        rows = model_rows(profiles, os.environ)
        show(rows, True) if as_json else print("\n".join(model_lines(rows)))
        return
    facts = model_facts(name, profiles, os.environ)
    show([facts] if as_json else [{"fact": key, "value": value} for key, value in facts.items()], as_json)
