"""Starts the tool from its own folder, without touching the variables that its commands inherit."""

import sys

sys.path.insert(0, "/opt/agent/site")

from minisweagent.run.mini import app

app()
