"""What an allowlist's proxy decides about names and connections, without containers."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from errno import EADDRINUSE, ECONNREFUSED, EPERM
from typing import Any

import pytest

from evolve.sandbox import egress
from evolve.sandbox.files.egress import catch, names, proxy
from evolve.sandbox.files.egress.dns import Question
from evolve.sandbox.files.egress.names import MOST_NAMES, Names

from .test_egress_wire import question_of


class Lookups:
    """The engine's resolver: what it was asked for, and what it knows."""

    def __init__(self, known: dict[str, list[str]]) -> None:
        self.known, self.asked = known, list[str]()

    async def __call__(self, name: str) -> list[str]:
        self.asked.append(name)
        if name not in self.known:
            raise names.Unknown(final=True)
        return self.known[name]


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> Lookups:
    made = Lookups({"a.test": ["93.184.216.34"], "x.b.test": ["93.184.216.35"], "inside.test": ["10.0.0.1"]})
    monkeypatch.setattr(names, "_looked_up", made)
    return made


def answered(hosts: list[str] | None, name: str, kind: int = 1) -> tuple[int, str | None]:
    made = proxy.Proxy()
    made.allow(hosts)
    code, address = asyncio.run(made._resolve(Question(question_of(name, kind))))
    return code, None if address is None else socket.inet_ntoa(address)


LIST = ["a.test", "*.b.test", "inside.test", "missing.test"]


@pytest.mark.parametrize(
    ("name", "kind", "code", "address"),
    [
        ("a.test", 1, 0, "198.18.0.16"),
        ("x.b.test", 1, 0, "198.18.0.16"),
        ("a.test", 28, 0, None),
        ("inside.test", 1, 5, None),
        ("missing.test", 1, 3, None),
    ],
)
def test_a_listed_name_is_answered_with_an_address_of_its_own(
    lookups: Lookups, name: str, kind: int, code: int, address: str | None
) -> None:
    assert answered(LIST, name, kind) == (code, address)


@pytest.mark.parametrize("name", ["evil.test", "secret.evil.test", "b.test", "a.test.evil.test", "xa.test"])
@pytest.mark.parametrize("kind", [1, 16, 28])
def test_nobody_is_asked_for_a_name_that_is_not_listed(lookups: Lookups, name: str, kind: int) -> None:
    assert answered(LIST, name, kind) == (3, None)
    assert answered(None, "a.test", kind) == (3, None)
    assert lookups.asked == []


def test_a_private_address_needs_an_entry_of_its_own(lookups: Lookups) -> None:
    assert answered(["inside.test", "10.0.0.0/24"], "inside.test") == (0, "198.18.0.16")


def test_each_name_keeps_one_address_and_there_are_not_too_many() -> None:
    told = Names()
    addresses = [told.address(f"{number}.test") for number in range(MOST_NAMES)]
    assert len(set(addresses)) == MOST_NAMES and told.address("0.test") == addresses[0]
    assert told.address("one.more.test") is None and told.name_of(addresses[7]) == "7.test"


def test_a_name_is_looked_up_once_in_a_while(lookups: Lookups, monkeypatch: pytest.MonkeyPatch) -> None:
    clock: list[float] = [0.0]
    monkeypatch.setattr(names.time, "monotonic", lambda: clock[0])
    told, ask = Names(), Names.addresses
    for clock[0] in (0.0, 1.0, 31.0):
        asyncio.run(ask(told, "a.test"))
    assert lookups.asked == ["a.test", "a.test"]


async def _exchanged(
    monkeypatch: pytest.MonkeyPatch, hosts: list[str], target: tuple[str, int], request: bytes
) -> tuple[bytes, bytes]:
    """What a client gets, and what its server is sent, whose connection was led to the proxy."""

    far = Writer()

    async def dialled(addresses: list[str], port: int) -> Any:
        reader, writer = asyncio.StreamReader(), far
        reader.feed_data(f"{addresses} {port}".encode())
        reader.feed_eof()
        return reader, writer

    monkeypatch.setattr(proxy, "original_destination", lambda connection: target)
    monkeypatch.setattr(proxy, "_dialled", dialled)
    made = proxy.Proxy()
    made.allow(hosts)
    made.names.address("a.test")
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(request)
    writer.write_eof()
    try:
        return await asyncio.wait_for(reader.read(), 5), far.sent
    except ConnectionResetError:
        return b"reset", far.sent
    finally:
        writer.close()
        server.close()


class Writer:
    """The far end of a connection."""

    transport: Any = type("Transport", (), {"abort": staticmethod(lambda: None)})

    def __init__(self) -> None:
        self.sent = b""

    def write(self, data: bytes) -> None:
        self.sent += data

    def write_eof(self) -> None: ...
    async def drain(self) -> None: ...


ALLOWED_HEAD = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"


@pytest.mark.parametrize(
    ("hosts", "target", "request_head", "answer"),
    [
        (["192.0.2.1"], ("192.0.2.1", 22), b"", b"['192.0.2.1'] 22"),
        (["a.test"], ("198.18.0.16", 80), ALLOWED_HEAD, b"['93.184.216.34'] 80"),
        (["a.test"], ("198.18.0.16", 22), b"SSH-2.0\r\n", b"['93.184.216.34'] 22"),
        (["a.test"], ("198.18.0.17", 80), ALLOWED_HEAD, b"reset"),
        (["a.test"], ("192.0.2.1", 80), ALLOWED_HEAD, b"reset"),
        (["b.test"], ("198.18.0.16", 80), ALLOWED_HEAD, b"reset"),
        (["a.test", "127.0.0.1"], ("127.0.0.1", 80), ALLOWED_HEAD, b"reset"),
    ],
)
def test_a_connection_leads_to_what_is_listed_or_nowhere(
    lookups: Lookups,
    monkeypatch: pytest.MonkeyPatch,
    hosts: list[str],
    target: tuple[str, int],
    request_head: bytes,
    answer: bytes,
) -> None:
    got, sent = asyncio.run(_exchanged(monkeypatch, hosts, target, request_head))
    assert (got, sent) == (answer, b"" if answer == b"reset" else request_head)


@pytest.mark.parametrize("head", [ALLOWED_HEAD.replace(b"a.test", b"evil.test"), b"GET / HTTP", b"\x16\x03\x01\0\0"])
def test_nothing_of_a_request_for_another_host_is_sent(
    lookups: Lookups, monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    assert asyncio.run(_exchanged(monkeypatch, ["a.test"], ("198.18.0.16", 80), head))[1] == b""


def test_packets_that_are_no_questions_get_no_answer() -> None:
    answers: list[bytes] = []

    async def ask(*packets: bytes) -> None:
        made, reply = proxy.Proxy(), answers.append
        send: Callable[[bytes], None] = lambda packet: made.ask(packet, reply)  # noqa: E731
        for packet in packets:
            send(packet)
        await asyncio.sleep(0.05)

    asyncio.run(ask(b"", b"\0" * 12, b"\xff" * 40, question_of("a.test")[:15], question_of("a.test", flags=0x8000)))
    assert answers == []


@pytest.mark.parametrize(("number", "kind"), [(EADDRINUSE, egress.PortsTaken), (EPERM, egress.Unsupported)])
def test_who_is_at_fault_when_nothing_can_be_caught(number: int, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        egress._check_caught(egress.FAILED + os.strerror(number).encode(), [])


def test_a_container_without_a_port_left_has_no_entrance(monkeypatch: pytest.MonkeyPatch) -> None:
    def bound(self: socket.socket, address: tuple[str, int]) -> None:
        raise OSError(EADDRINUSE, os.strerror(EADDRINUSE))

    monkeypatch.setattr(socket.socket, "bind", bound)
    with pytest.raises(OSError, match="in use"):
        catch.closed_socket()


def test_the_entrance_refuses_connections_until_it_is_open_and_keeps_its_port() -> None:
    end = catch.closed_socket()
    place = end.getsockname()
    attempts: list[int] = []

    async def tried(*openings: bool) -> None:
        end.setblocking(False)
        entrance = proxy.Entrance(proxy.Proxy(), end)
        attempts.append(_attempt(place))
        for is_open in openings:
            await entrance.set_open(is_open)
            attempts.append(_attempt(place))

    asyncio.run(tried(False, True, True, False, False, True))
    assert attempts == [ECONNREFUSED, ECONNREFUSED, 0, 0, ECONNREFUSED, ECONNREFUSED, 0]


def test_connections_that_end_do_not_keep_the_entrance_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    end = catch.closed_socket()
    place = end.getsockname()
    attempts: list[int] = []

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()  # the first side to close waits in TIME_WAIT, at this port

    async def tried() -> None:
        end.setblocking(False)
        made = proxy.Proxy()
        monkeypatch.setattr(made, "serve", served)
        entrance = proxy.Entrance(made, end)
        for is_open in (True, False, True):
            await entrance.set_open(is_open)
            if is_open:
                reader, writer = await asyncio.open_connection(*place)
                assert await reader.read() == b""
                writer.close()
            else:
                attempts.extend([*_taken(place, socket.SO_REUSEADDR), *_taken(place, socket.SO_REUSEPORT)])

    asyncio.run(tried())
    assert attempts == [EADDRINUSE, EADDRINUSE]


def _taken(place: tuple[str, int], option: int) -> Iterator[int]:
    """Why another socket can't have the port."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, option, 1)
        try:
            other.bind(place)
        except OSError as error:
            yield error.errno or 0


def _attempt(place: tuple[str, int]) -> int:
    with socket.socket() as client:
        return client.connect_ex(place)
