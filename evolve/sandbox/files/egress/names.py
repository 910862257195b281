"""The addresses of allowed names: true ones, and those that the container sees.

The container gets an address of its own for each name, from a range that no machine has. So a connection's address
says which name it is for, and one address of a large network can't stand for all the names that are served there.
"""

import asyncio
import ipaddress
import socket
import time

STAND_INS = ipaddress.ip_network("198.18.0.0/15")
FIRST = STAND_INS[16]
MOST_NAMES = 4096
KEPT_SECONDS = 30.0


class Unknown(Exception):
    """A name has no address. final: the name does not exist; otherwise it could not be found out."""

    def __init__(self, final):
        super().__init__(final)
        self.final = final


class Names:
    """The names that a container asked for."""

    def __init__(self):
        self._by_name, self._names, self._true = {}, {}, {}

    def address(self, name):
        """The address, as text, that stands for a name; None if too many names were asked for."""
        if name not in self._by_name:
            if len(self._by_name) >= MOST_NAMES:
                return None
            address = str(FIRST + len(self._by_name))
            self._by_name[name], self._names[address] = address, name
        return self._by_name[name]

    def name_of(self, address):
        """The name for which an address stands; None if it stands for none."""
        return self._names.get(address)

    async def addresses(self, name):
        """The true addresses of a name, looked up by the engine's resolver. Raises Unknown."""
        found = self._true.get(name)
        if found is None or found[0] < time.monotonic():
            if len(self._true) >= MOST_NAMES:
                self._true.clear()
            found = (time.monotonic() + KEPT_SECONDS, await _looked_up(name))
            self._true[name] = found
        return found[1]


async def _looked_up(name):
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(name, None, family=socket.AF_INET, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise Unknown(final=True) from error
    except OSError as error:
        raise Unknown(final=error.errno == socket.EAI_NONAME) from error
    return list(dict.fromkeys(entry[4][0] for entry in found))
