"""Serves the connections and the questions for names of one container: `proxy.py SOCKET`.

It gets the two sockets from the host, and lines of JSON: `{"hosts": [...]}` or `{"hosts": null}` for none, each of
which it answers with a line. It ends with that connection.
"""

import asyncio
import contextlib
import json
import socket
import struct
import sys

from .allowed import Allowed
from .dns import ADDRESS, FAILED, INTERNET, NO_ERROR, NO_NAME, REFUSED, Question
from .names import Names, Unknown
from .sniff import Unreadable, asked_hosts

MOST_CONNECTIONS, MOST_QUESTIONS, MOST_ADDRESSES = 200, 64, 4
CHUNK_BYTES = 32768
BACKLOG = 128
DIAL_SECONDS, HEAD_SECONDS = 30.0, 30.0
ORIGINAL_DESTINATION = 80
RESET = struct.pack("ii", 1, 0)


class Refused(Exception):
    """A connection leads to no host of the allowlist."""


class Proxy:
    """What one container can reach now. allowed: None for nothing at all."""

    def __init__(self):
        self.allowed, self.names = None, Names()
        self._connections, self._questions = set(), set()

    def allow(self, hosts):
        """Let these hosts through from now on, None for none, and end all connections."""
        self.allowed = None if hosts is None else Allowed(hosts)
        for task in self._connections:
            task.cancel()

    async def serve(self, reader, writer):
        """Lead a connection to where it was going, or reset it."""
        task = asyncio.current_task()
        if len(self._connections) >= MOST_CONNECTIONS:
            return _reset(writer)
        self._connections.add(task)
        try:
            await self._lead(reader, writer)
        except (Refused, Unreadable, Unknown, OSError, asyncio.CancelledError):
            _reset(writer)
        finally:
            self._connections.discard(task)
            writer.close()

    async def _lead(self, reader, writer):
        address, port = original_destination(writer.get_extra_info("socket"))
        if self.allowed is None or address.startswith("127."):
            raise Refused
        listed = self.allowed.has_address(address)
        targets = [address] if listed else await self._addresses(self.names.name_of(address))
        far_reader, far_writer = await _dialled(targets, port)
        try:
            await self._carry_both(reader, writer, far_reader, far_writer, not listed)
        finally:
            far_writer.transport.abort()

    def _check(self, hosts):
        """Raise Refused unless all the hosts that a connection asks for are allowed."""
        if not all(self.allowed.has_name(host) or self.allowed.has_address(host) for host in hosts):
            raise Refused

    async def _addresses(self, name):
        """Where a name may lead; None is no name. Raises Refused, Unknown."""
        if name is None or not self.allowed.has_name(name):
            raise Refused
        found = [one for one in await self.names.addresses(name) if self.allowed and self.allowed.may_be(one)]
        if not found:
            raise Refused
        return found

    async def _carry_both(self, reader, writer, far_reader, far_writer, check):
        ways = [self._carry_out(reader, far_writer, check), _carry(far_reader, writer)]
        tasks = [asyncio.ensure_future(way) for way in ways]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _carry_out(self, reader, far_writer, check):
        """Carry what the container sends; with `check`, only after its first bytes have been read."""
        if check:
            head, hosts = await _read_head(reader)
            self._check(hosts)
            far_writer.write(head)
        await _carry(reader, far_writer)

    def ask(self, packet, reply):
        """Answer a packet of DNS by calling `reply`, as far as it is a question and not one of too many."""
        if len(self._questions) < MOST_QUESTIONS:
            with contextlib.suppress(ValueError, IndexError, struct.error):
                task = asyncio.ensure_future(self._answer(Question(packet), reply))
                self._questions.add(task)
                task.add_done_callback(self._questions.discard)

    async def _answer(self, question, reply):
        code, address = await self._resolve(question)
        reply(question.answer(code, address))

    async def _resolve(self, question):
        """(code, address) of the answer. Nobody else is asked for a name that is not allowed."""
        if self.allowed is None or not self.allowed.has_name(question.name):
            return NO_NAME, None
        if question.kind != ADDRESS or question.family != INTERNET:
            return NO_ERROR, None
        try:
            await self._addresses(question.name)
        except Unknown as error:
            return (NO_NAME if error.final else FAILED), None
        except Refused:
            return REFUSED, None
        address = self.names.address(question.name)
        return (FAILED, None) if address is None else (NO_ERROR, socket.inet_aton(address))


class Entrance:
    """The socket to which connections are led. Nothing listens there until it is opened: connections are refused."""

    def __init__(self, proxy, end):
        self._proxy, self._end, self._server = proxy, end, None

    async def set_open(self, is_open):
        if is_open and self._server is None:
            self._share(True)
            self._end.listen(BACKLOG)
            self._server = await asyncio.start_server(self._proxy.serve, sock=self._end.dup(), limit=CHUNK_BYTES)
        if not is_open and self._server is not None:
            self._server.close()
            self._server = None
            self._share(False)
            self._end.shutdown(socket.SHUT_RDWR)  # the socket stops listening and keeps its port

    def _share(self, shares):
        """Share the port with connections that end; nobody else can take it while the socket listens, or without."""
        self._end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, shares)


class Questions(asyncio.DatagramProtocol):
    """The socket for DNS."""

    def __init__(self, proxy):
        self._proxy, self._transport = proxy, None

    def connection_made(self, transport):
        self._transport = transport

    def datagram_received(self, packet, source):
        self._proxy.ask(packet, lambda answer: self._transport.sendto(answer, source))


def original_destination(connection):
    """(address, port) to which a caught connection was made. Raises OSError for one that was not caught."""
    _, port, address = struct.unpack_from(">HH4s", connection.getsockopt(socket.SOL_IP, ORIGINAL_DESTINATION, 16))
    return socket.inet_ntoa(address), port


async def _read_head(reader):
    """(first bytes, hosts that they ask for). The first may take any time. Raises Unreadable, TimeoutError."""
    head = b""
    while (hosts := asked_hosts(head)) is None:
        data = await _within(HEAD_SECONDS if head else None, reader.read(CHUNK_BYTES))
        if not data:
            if head:
                raise Unreadable("its beginning is cut off")
            return head, ()
        head += data
    return head, hosts


async def _within(seconds, waiting):
    """What comes within so many seconds; None is for ever. Raises TimeoutError."""
    task = asyncio.ensure_future(waiting)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    finally:
        if not task.done():
            task.cancel()
    if not done:
        raise TimeoutError
    return task.result()


async def _dialled(addresses, port):
    """A connection to the first address that answers. Raises OSError."""
    error = OSError("no address")
    for address in addresses[:MOST_ADDRESSES]:
        try:
            return await _within(DIAL_SECONDS, asyncio.open_connection(address, port, limit=CHUNK_BYTES))
        except OSError as failure:
            error = failure
    raise error


async def _carry(reader, writer):
    """Carry bytes until an end, which the other side sees too. Raises OSError."""
    while data := await reader.read(CHUNK_BYTES):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


def _reset(writer):
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


async def main():
    door = socket.socket(socket.AF_UNIX)
    door.connect(sys.argv[1])
    door.sendall(b"proxy")
    _, (connections, questions), _, _ = socket.recv_fds(door, 16, 2)
    proxy, loop = Proxy(), asyncio.get_running_loop()
    entrance = Entrance(proxy, _of(connections))
    await loop.create_datagram_endpoint(lambda: Questions(proxy), sock=_of(questions))
    reader, writer = await asyncio.open_unix_connection(sock=door)
    while line := await reader.readline():
        hosts = json.loads(line)["hosts"]
        proxy.allow(hosts)
        await entrance.set_open(hosts is not None)
        writer.write(b"done\n")
        await writer.drain()


def _of(number):
    made = socket.socket(fileno=number)
    made.setblocking(False)
    return made


if __name__ == "__main__":
    asyncio.run(main())
