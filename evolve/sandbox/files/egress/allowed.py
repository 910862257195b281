"""Which names and addresses an allowlist lets through. Pure."""

import ipaddress

# An IPv6 address of these has another address in it, which may be a private one.
EMBEDDING = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96")))


class Allowed:
    """An allowlist. Its entries are names, `*.` patterns, addresses, and ranges of addresses.

    A name means itself alone. A pattern means all names below its own, of any depth. Ports don't matter.
    """

    def __init__(self, entries):
        self.names, self.endings, self.ranges = set(), [], []
        for entry in entries:
            try:
                self.ranges.append(ipaddress.ip_network(parsed_address(entry) or entry))
            except ValueError:
                if entry.startswith("*."):
                    self.endings.append(entry[1:])
                else:
                    self.names.add(entry)

    def has_name(self, name):
        """Whether it lets a name through."""
        name = name.lower().removesuffix(".")
        return name in self.names or any(name.endswith(end) and name != end for end in self.endings)

    def has_address(self, address):
        """Whether it lets an address through that nobody asked for by a name."""
        parsed = parsed_address(address)
        return parsed is not None and any(parsed in one for one in self.ranges)

    def may_be(self, address):
        """Whether one of its names may have this address: a public one, or one that it lets through itself.

        Whoever owns a name could otherwise give it an address of the host's, or of the cloud's metadata.
        """
        return self.has_address(address) or is_public(address)


def parsed_address(address):
    """An address as an object, None for anything else; an IPv4 address that is written as IPv6 is one of IPv4."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def is_public(address):
    """Whether an address is of the internet, and of one machine."""
    parsed = parsed_address(address)
    if parsed is None or not parsed.is_global or parsed.is_multicast:
        return False
    return parsed.version == 4 or not any(parsed in one for one in EMBEDDING)
