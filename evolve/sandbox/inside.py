"""Users, folders and variables inside containers."""

from __future__ import annotations

from evolve.sandbox.uids import LAST

# The agent outside trials; a trial has a user of its own.
AGENT = "10001:10001"
# For a check of the engine, which must know the ids of all trials.
LAST_USER = f"{LAST}:{LAST}"
KEEPER = "65534:65534"
ROOT = "0:0"
AGENT_UID = "EVOLVE_AGENT_UID"
MCP_SERVERS = "EVOLVE_MCP_SERVERS"
DOOR_HOME = "/opt/evolve"
PRISTINE = "/.evolve/workdir"
HARBOR_ENV = {"PYTHONHASHSEED": "0"}
SAFE_ENV = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/tmp", "TZ": "UTC"}
