"""The command that lists the known models."""

from __future__ import annotations

import os
from pathlib import Path

from evolve.models.profile import read_profiles
from evolve.report.models import commercial_lines, commercial_rows, model_facts, model_lines, model_rows
from evolve.report.tables import show


def show_models(name: str | None, own_profiles: Path | None, commercial: bool, as_json: bool) -> None:
    """All models, those that may be used commercially, or the facts of one with their sources."""
    profiles = read_profiles(own_profiles)
    if name is None:
        rows = model_rows(profiles, os.environ)
        shown = commercial_rows(rows) if commercial else rows
        lines = commercial_lines if commercial else model_lines
        show(shown, True) if as_json else print("\n".join(lines(shown)))
        return
    facts = model_facts(name, profiles, os.environ)
    show([facts] if as_json else [{"fact": key, "value": value} for key, value in facts.items()], as_json)
