"""Starts the tool from its own folder. The commands that it runs inherit the variables of the task."""

import os
import sys

sys.path.insert(0, "/opt/agent/site")

from aider.main import main

sys.executable = "/opt/agent/bin/python"
if path := os.environ.pop("AGENT_PYTHONPATH"):
    os.environ["PYTHONPATH"] = path
sys.exit(main())
