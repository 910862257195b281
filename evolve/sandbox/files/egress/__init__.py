"""Leads the connections of one container to the hosts of its task's allowlist, and to nothing else.

`catch` runs for a moment in the container's network, which has a loopback alone: it makes the kernel lead every
connection and every question for a name to two sockets. `proxy` runs in a container of its own and serves these.
Standard library only.
"""
