"""The hosts of an allowlist: names, `*.` patterns, addresses and ranges of addresses."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_FORM = "must be a name, a `*.` pattern, an address or a range of addresses, without a port or a path"


def normal_host(host: str) -> str:
    """An entry of an allowlist in its usual spelling. Raises ValueError for anything else."""
    text = host.strip().lower().rstrip(".")
    try:
        if "/" in text:
            return ip_network(text, strict=True).compressed
        if ":" in text:
            return ip_address(text).compressed
    except ValueError as error:
        raise ValueError(f"{host!r}: {_FORM}") from error
    name = text.removeprefix("*.")
    if not name or not all(_LABEL.fullmatch(label) for label in name.split(".")) or _is_pattern_of_address(text):
        raise ValueError(f"{host!r}: {_FORM}")
    return text


def _is_pattern_of_address(text: str) -> bool:
    return text.startswith("*.") and re.fullmatch(r"[\d.]+", text[2:]) is not None
