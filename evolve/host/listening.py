"""Listen on an address that the user chose."""

from __future__ import annotations

import errno
import socket

from evolve.core.errors import BadInput

IN_USE = (errno.EADDRINUSE, errno.EACCES)


def listen(host: str, port: int) -> socket.socket:
    """Listen on a TCP port. host: a name or an address; port: 0 is any free one. Raises BadInput."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, UnicodeError) as error:
        raise _refusal(host, port, error) from error


def _refusal(host: str, port: int, error: Exception) -> BadInput:
    number = getattr(error, "errno", None)
    if isinstance(error, OSError) and number in IN_USE:
        problem = "is in use" if number == errno.EADDRINUSE else "may not be used by this user"
        return BadInput(f"--port {port}", problem, "give another with --port; 0 is any free one")
    return BadInput(f"--host {host}", "is no address of this machine", "give one, such as 127.0.0.1")
