"""What an allowlist's proxy reads of a container's connections and questions, and what an allowlist lets through."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.sandbox.files.egress.allowed import Allowed, is_public  # type: ignore[import-untyped,unused-ignore]
from evolve.sandbox.files.egress.dns import Question  # type: ignore[import-untyped,unused-ignore]
from evolve.sandbox.files.egress.sniff import Unreadable, asked_hosts  # type: ignore[import-untyped,unused-ignore]


def client_hello(name: str | None) -> bytes:
    """What Python's own client sends first."""
    context, out = ssl.create_default_context(), ssl.MemoryBIO()
    context.check_hostname = False
    client = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return out.read()


def cut_into_records(hello: bytes, size: int) -> bytes:
    """The same message in many records."""
    body = hello[5:]
    parts = [body[place : place + size] for place in range(0, len(body), size)]
    return b"".join(hello[:3] + struct.pack(">H", len(part)) + part for part in parts)


@pytest.mark.parametrize(
    ("entry", "inside", "outside"),
    [
        ("pypi.org", ["pypi.org", "PyPI.org", "pypi.org."], ["files.pypi.org", "evilpypi.org", "pypi.org.evil.test"]),
        ("*.pypi.org", ["a.pypi.org", "A.b.pypi.org"], ["pypi.org", ".pypi.org", "apypi.org", "a.pypi.org.evil.test"]),
    ],
)
def test_names_match_as_in_harbor(entry: str, inside: list[str], outside: list[str]) -> None:
    allowed = Allowed([entry])
    assert all(map(allowed.has_name, inside)) and not any(map(allowed.has_name, outside))


def test_addresses_and_ranges_let_through_themselves_alone() -> None:
    allowed = Allowed(["10.1.2.3", "192.0.2.0/24", "2001:db8::1", "a.test"])
    inside = ["10.1.2.3", "192.0.2.77", "2001:db8::1", "::ffff:10.1.2.3"]
    assert all(map(allowed.has_address, inside))
    assert not any(map(allowed.has_address, ["10.1.2.4", "192.0.3.1", "2001:db8::2", "a.test", "", "0xa010203"]))


PRIVATE = [
    "127.0.0.1", "10.0.0.1", "172.17.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "198.18.0.20", "::1", "fe80::1", "fd00::1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1", "nonsense",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_never_leads_to_a_private_address_unless_the_list_names_it(address: str) -> None:
    assert not is_public(address)
    assert not Allowed(["a.test", "*.test"]).may_be(address)
    if address != "nonsense":
        assert Allowed(["a.test", address]).may_be(address)


@given(st.ip_addresses(v=4))
def test_only_addresses_of_the_internet_are_public(address: ipaddress.IPv4Address) -> None:
    internal = address.is_private or address.is_loopback or address.is_link_local or address.is_reserved
    assert not (is_public(str(address)) and internal)


@pytest.mark.parametrize("name", ["pypi.org", "a-b.example.test"])
def test_the_name_in_tls_is_read_however_its_message_is_cut(name: str) -> None:
    hello = client_hello(name)
    assert asked_hosts(hello) == (name,)
    for size in (1, 7, 100):
        assert asked_hosts(cut_into_records(hello, size)) == (name,)
    assert all(asked_hosts(hello[:length]) is None for length in range(len(hello)))


def test_tls_without_a_name_asks_for_no_host() -> None:
    assert asked_hosts(client_hello(None)) == ()


@pytest.mark.parametrize(
    ("request_head", "hosts"),
    [
        (b"GET / HTTP/1.1\r\nHost: A.test:8080\r\n\r\n", ("a.test",)),
        (b"GET / HTTP/1.1\nhost:a.test\n\nbody", ("a.test",)),
        (b"GET / HTTP/1.0\r\n\r\n", ()),
        (b"GET http://evil.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n", ("evil.test", "a.test")),
        (b"CONNECT evil.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n", ("evil.test", "a.test")),
        (b"GET / HTTP/1.1\r\nHost: a.test\r\nHost: evil.test\r\n\r\n", ("a.test", "evil.test")),
        (b"frob / HTTP/1.1\r\nHost: evil.test\r\n\r\n", ("evil.test",)),
        (b"GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", ("2001:db8::1",)),
        (b"SSH-2.0-OpenSSH_9\r\n", ()),
        (b"EHLO me.test\r\n", ()),
        (b"\x00\x00\x00\x08\x04\xd2\x16\x2f", ()),
        (b"ping", ()),
    ],
)
def test_the_hosts_of_plain_requests_are_read(request_head: bytes, hosts: tuple[str, ...]) -> None:
    assert asked_hosts(request_head) == hosts


@pytest.mark.parametrize("unfinished", [b"", b"G", b"GET / HTTP/1.1\r\nHost: a.test\r\n", b"POST"])
def test_an_unfinished_request_needs_more_bytes(unfinished: bytes) -> None:
    assert asked_hosts(unfinished) is None


@pytest.mark.parametrize(
    "hidden",
    [
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : evil.test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.test\r\n evil.test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \xc3\xa9vil.test\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: evil.test\r\n\r\n",
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\x00\x01\x01\x17\x03\x01\x00\x01",
        b"GET /" + b"x" * 70_000,
    ],
)
def test_what_may_hide_a_host_is_refused(hidden: bytes) -> None:
    with pytest.raises(Unreadable):
        asked_hosts(hidden)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reading(data: bytes) -> None:
    for start in (b"", b"\x16\x03\x01", b"GET "):
        try:
            hosts = asked_hosts(start + data)
        except Unreadable:
            continue
        assert hosts is None or all(host == host.lower() for host in hosts)


def question_of(name: str, kind: int = 1, flags: int = 0x0100) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">HHHHHH", 7, flags, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)


def test_a_question_is_read_and_answered() -> None:
    question = Question(question_of("Pypi.ORG") + b"additional records")
    assert (question.name, question.kind) == ("pypi.org", 1)
    answer: Any = question.answer(0, socket.inet_aton("198.18.0.16"))
    assert answer.startswith(struct.pack(">HHHHHH", 7, 0x8180, 1, 1, 0, 0)) and answer.endswith(b"\xc6\x12\x00\x10")
    assert question.answer(3) == struct.pack(">HHHHHH", 7, 0x8183, 1, 0, 0, 0) + question_of("Pypi.ORG")[12:]


@given(st.binary(max_size=80))
def test_no_packet_breaks_the_reading_of_questions(data: bytes) -> None:
    for packet in (data, question_of("a.test")[:12] + data):
        try:
            question = Question(packet)
        except (ValueError, IndexError, struct.error):
            continue
        assert len(question.name) < 256
