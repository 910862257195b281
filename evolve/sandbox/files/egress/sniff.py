"""Which host the first bytes of a connection ask for: by TLS's server name, or by HTTP's target and Host. Pure."""

import re

# Of a request's head, or of the message that opens TLS.
MOST_BYTES = 65536
METHODS = (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT", b"PRI")
REQUEST = re.compile(rb"\S+[ \t]+\S+[ \t]+HTTP/")
HANDSHAKE, CLIENT_HELLO, SERVER_NAME = 22, 1, 0
# HTTP/2 without TLS. Its hosts are compressed, so only the address of the connection says where it leads.
PREFACE = b"PRI * HTTP/2.0\r\n"


class Unreadable(ValueError):
    """Bytes that begin like TLS or HTTP, and are neither."""


def asked_hosts(data):
    """The hosts that a connection's first bytes name, () for another protocol; None if more bytes are needed.

    Raises:
        Unreadable: They can't be read, so they may hide a host.
    """
    if not data:
        return None
    if data[0] == HANDSHAKE:
        return _tls_hosts(data)
    return _http_hosts(data) if _is_http(data) else ()


def _is_http(data):
    """Whether it begins like a request: with a usual method, or with any other in a line that names the protocol."""
    line, is_whole, _ = data.partition(b"\n")
    if any(line.startswith(method + b" ") or (not is_whole and method.startswith(line)) for method in METHODS):
        return True
    return bool(is_whole and REQUEST.match(line))


def _need_more(data):
    if len(data) >= MOST_BYTES:
        raise Unreadable("its beginning is too long")


def _tls_hosts(data):
    """The server name of a ClientHello, whose message may be cut into many records."""
    message, place = b"", 0
    while len(message) < 4 or len(message) < 4 + int.from_bytes(message[1:4], "big"):
        header = data[place : place + 5]
        if header and header[0] != HANDSHAKE:
            raise Unreadable("another record within the first message")
        size = int.from_bytes(header[3:5], "big")
        if len(header) < 5 or len(data) < place + 5 + size:
            return _need_more(data)
        if not 0 < size <= 16384:
            raise Unreadable("a record of that size")
        message += data[place + 5 : place + 5 + size]
        place += 5 + size
    if message[0] != CLIENT_HELLO:
        raise Unreadable("another first message")
    return _server_names(message[4 : 4 + int.from_bytes(message[1:4], "big")])


def _server_names(hello):
    """version (2), random (32), session, ciphers, compressions, extensions: each with its length in front."""
    reader = _Reader(hello)
    reader.take(34)
    reader.sized(1), reader.sized(2), reader.sized(1)
    if not reader.left:
        return ()
    hosts, extensions = [], _Reader(reader.sized(2))
    while extensions.left:
        kind = int.from_bytes(extensions.take(2), "big")
        content = extensions.sized(2)
        if kind == SERVER_NAME:
            hosts += _listed_names(content)
    return tuple(hosts)


def _listed_names(content):
    names = _Reader(_Reader(content).sized(2))
    while names.left:
        names.take(1)
        yield _text(names.sized(2))


class _Reader:
    """Takes bytes from the front. Raises Unreadable at the end."""

    def __init__(self, data):
        self.left = data

    def take(self, count):
        if len(self.left) < count:
            raise Unreadable("it is cut off")
        taken, self.left = self.left[:count], self.left[count:]
        return taken

    def sized(self, width):
        return self.take(int.from_bytes(self.take(width), "big"))


def _http_hosts(data):
    """The hosts of the target and of all Host fields of the first request."""
    if data.startswith(PREFACE):
        return ()
    if (end := re.search(rb"\r?\n\r?\n", data)) is None:
        return _need_more(data)
    first, *fields = re.split(rb"\r?\n", data[: end.start()])
    words = first.split(b" ")
    if len(words) != 3 or not words[2].startswith(b"HTTP/"):
        raise Unreadable("no request of HTTP")
    hosts = [host for host in (_target_host(words[0], words[1]),) if host]
    for field in fields:
        name, colon, value = field.partition(b":")
        if not colon or field[:1] in b" \t" or name != name.strip():
            raise Unreadable("a field that servers read in several ways")
        if name.lower() == b"host":
            hosts.append(_without_port(value.strip()))
    return tuple(hosts)


def _target_host(method, target):
    """The host of `CONNECT host:port`, and of an address in the place of a path."""
    if method == b"CONNECT":
        return _without_port(target)
    scheme, found, rest = target.partition(b"://")
    if not found or b"/" in scheme:
        return ""
    return _without_port(re.split(rb"[/?#]", rest)[0].rpartition(b"@")[2])


def _without_port(host):
    text = _text(host)
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0]


def _text(data):
    try:
        return data.decode("ascii").lower().removesuffix(".")
    except UnicodeDecodeError as error:
        raise Unreadable("a host that is no ASCII") from error
