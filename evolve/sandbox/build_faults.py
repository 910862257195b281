"""Whose fault a failed build is: the task's, or the machine's, its network's and its registry's. Pure."""

from __future__ import annotations

import re

# Of a build step that the engine could not start.
ENGINE_ERRORS = ("failed to create endpoint", "failed to create shim", "containerd", "context canceled")
# What a download that takes too long is called here.
SLOW = "slow download"
# Of a registry, of the way to it, and of programs that download while an image is built.
_NETWORK = re.compile(
    r"too\s?many\s?requests|\b429\b.*(request|limit)|pull rate limit|rate limit exceeded"
    r"|\b50[0234]\b (internal server error|bad gateway|service unavailable|gateway time-?out)"
    r"|tls handshake timeout|i/o timeout|client\.timeout|request canceled|context deadline exceeded"
    r"|no such host|server misbehaving|dial tcp|unexpected eof|connection (refused|reset|timed out)"
    r"|temporary failure (in name resolution|resolving)|could not resolve|name or service not known"
    r"|network is unreachable|no route to host|eai_again|enotfound|etimedout|econnreset"
    r"|newconnectionerror|connecttimeouterror|readtimeouterror|failed to establish a new connection"
    rf"|\bhttp (status:? )?(429|5\d\d)\b|{SLOW}",
    re.IGNORECASE,
)


def is_network_fault(output: str) -> bool:
    """Whether a registry, a name server or a connection failed a build, by the end of the builder's output."""
    return _NETWORK.search(output) is not None


def is_engine_fault(message: str) -> bool:
    """Whether the engine could not start a build step."""
    return any(part in message for part in ENGINE_ERRORS)
