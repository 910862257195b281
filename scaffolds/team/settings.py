"""The team's settings and prompts, as read from its folder."""

import tomllib
from pathlib import Path

HERE = Path(__file__).parent
SETTINGS = tomllib.loads((HERE / "settings.toml").read_text())


def prompt(name):
    """The text of a prompt."""
    return (HERE / "prompts" / f"{name}.md").read_text()
