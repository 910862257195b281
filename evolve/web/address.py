"""Where the pages are served, and by which names a browser may ask for them."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

from evolve.core.errors import BadInput

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Address:
    """An address to listen on. names: further names by which this machine is reached, such as that of a proxy."""

    host: str = "127.0.0.1"
    port: int = 8125
    names: tuple[str, ...] = ()

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        address = _as_ip(self.host)
        return address is not None and address.is_loopback

    def allows(self, header: str) -> bool:
        """Whether a browser may name this address so in a request's Host header.

        A page of another site can make its own name point here, but never one of these names, nor a bare number.
        """
        name = host_name(header)
        if name in LOOPBACK_NAMES or name in {known.lower() for known in self.names} or name == self.host.lower():
            return True
        if self.is_loopback:
            return False
        return _as_ip(name) is not None or name in _own_names()

    def url(self, port: int | None = None) -> str:
        """The address for a browser."""
        address = _as_ip(self.host)
        host = socket.gethostname() if address is not None and address.is_unspecified else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port if port is None else port}/"


def open_socket(address: Address) -> socket.socket:
    """Listen on an address. Raises BadInput if that is impossible."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, place = found[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(place)
            listening.listen(128)
        except OSError:
            listening.close()
            raise
    except (OSError, UnicodeError, OverflowError) as error:
        where = f"{address.host}:{address.port}"
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise BadInput(where, f"can't listen there: {reason}", "choose another --port or --host") from error
    return listening


def host_name(header: str) -> str:
    """The name in a Host header or an origin's authority, without port and brackets, in lower case."""
    text = header.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.rpartition(":")[0] if text.count(":") == 1 else text


def _own_names() -> frozenset[str]:
    return frozenset({socket.gethostname().lower(), socket.getfqdn().lower()})


def _as_ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
