"""Who gets an answer of the pages, and what every answer forbids the browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from evolve.core.errors import BadInput
from evolve.web.address import Address, host_name, open_socket
from evolve.web.control_pages import resumption_of
from evolve.web.security import HEADERS, Guard, Keys, same
from evolve.web.server import serve
from tests.webbed import BASE, KEYS, client

LOCKED = Keys("let-me-in", "the-session", "form", "evolve-test")
ELSEWHERE = Address("0.0.0.0")
FORM = {"form_token": KEYS.form}
OWN = {"origin": BASE}
STOP = "/runs/none/control/stop"


@pytest.fixture
def pages(tmp_path: Path) -> TestClient:
    return client(tmp_path)


def test_every_answer_allows_own_files_only(pages: TestClient) -> None:
    for address in ("/", "/nothing", "/static/ui.js", "/static/none"):
        answer = pages.get(address)
        assert {name: answer.headers.get(name) for name in HEADERS if name != "cache-control"} == {
            name: value for name, value in HEADERS.items() if name != "cache-control"
        }, address
    assert "unsafe" not in HEADERS["content-security-policy"]


@pytest.mark.parametrize(
    "host", ["evil.invalid", "evil.invalid:8125", "localhost.evil.invalid", "10.0.0.1:8125", "", "127.0.0.1.nip.io"]
)
def test_a_name_that_was_pointed_here_gets_no_answer(pages: TestClient, host: str) -> None:
    assert pages.get("/", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8125", "[::1]:8125", "[::1]"])
def test_the_names_of_this_machine_are_answered_on_any_port(pages: TestClient, host: str) -> None:
    assert pages.get("/", headers={"host": host}).status_code == 200


def test_elsewhere_numbers_and_given_names_are_answered_and_no_others() -> None:
    address = Address("0.0.0.0", names=("Proxy.Example",))
    assert all(address.allows(host) for host in ("192.0.2.7:8125", "[2001:db8::1]", "proxy.example:80", "localhost"))
    assert not any(address.allows(host) for host in ("other.example", "proxy.example.evil.invalid", "192.0.2.7.evil"))


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("127.9.9.9", True), ("0.0.0.0", False), ("::", False)],
)
def test_only_addresses_of_this_machine_need_no_token(host: str, is_loopback: bool) -> None:
    assert Address(host).is_loopback is is_loopback


def test_without_the_token_nothing_is_shown(tmp_path: Path) -> None:
    pages = client(tmp_path, LOCKED, ELSEWHERE)
    for address in ("/", "/events", "/static/ui.js", "/?token=", "/?token=wrong", "/?token=let-me-in&token=let-me-in"):
        answer = pages.get(address)
        assert (answer.status_code, "set-cookie" in answer.headers) == (401, False), address
    assert pages.post("/?token=let-me-in", headers=OWN).status_code == 401
    pages.cookies.set("evolve-test", "wrong")
    assert pages.get("/").status_code == 401


def test_the_token_is_exchanged_for_a_cookie_that_scripts_and_other_sites_do_not_get(tmp_path: Path) -> None:
    pages = client(tmp_path, LOCKED, ELSEWHERE)
    first = pages.get("/runs/a?token=let-me-in&text=b")
    cookie = first.headers["set-cookie"].lower()
    assert (first.status_code, first.headers["location"]) == (303, "/runs/a?text=b")
    assert "httponly" in cookie and "samesite=strict" in cookie and "let-me-in" not in cookie
    assert pages.get("/").status_code == 200


def test_the_exchange_leads_to_no_other_site(tmp_path: Path) -> None:
    pages = client(tmp_path, LOCKED, ELSEWHERE)
    for path in ("//evil.invalid/", "/\\evil.invalid/", "///evil.invalid"):
        pages.cookies.clear()
        target = pages.get(f"{BASE}{path}?token=let-me-in").headers["location"]
        assert target.startswith("/") and not target.startswith(("//", "/\\")), target


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(pages: TestClient, method: str) -> None:
    assert pages.request(method, "/", headers=OWN).status_code == 405


def test_reading_changes_nothing(pages: TestClient) -> None:
    assert pages.get(STOP).status_code == 405


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "http://evil.invalid"},
        {"origin": "http://localhost:9999"},
        {"origin": "http://localhost:8125.evil.invalid"},
        {"origin": "ftp://localhost:8125"},
        {**OWN, "sec-fetch-site": "cross-site"},
        {**OWN, "sec-fetch-site": "same-site"},
        {**OWN, "sec-fetch-site": "none"},
    ],
)
def test_a_form_of_another_site_is_refused(pages: TestClient, headers: dict[str, str]) -> None:
    assert pages.post(STOP, data=FORM, headers=headers).status_code == 403


@pytest.mark.parametrize("values", [{"run": "x"}, {"form_token": ""}, {"form_token": "wrong"}, {"form_token": "é"}])
def test_a_form_without_the_token_of_the_page_is_refused(pages: TestClient, values: dict[str, str]) -> None:
    assert pages.post(STOP, data=values, headers=OWN).status_code == 403


def test_a_form_of_our_own_gets_as_far_as_the_run(pages: TestClient) -> None:
    answer = pages.post(STOP, data=FORM, headers={**OWN, "sec-fetch-site": "same-origin"})
    assert answer.status_code == 409 and "there are no results yet" in answer.text


def test_what_is_no_form_or_too_large_is_refused(pages: TestClient) -> None:
    assert pages.post(STOP, json=FORM, headers=OWN).status_code == 415
    assert pages.post(STOP, data={**FORM, "more": "x" * 20_000}, headers=OWN).status_code == 413


@pytest.mark.parametrize(
    ("host", "wants", "has_token"),
    [("127.0.0.1", False, False), ("127.0.0.1", True, True), ("0.0.0.0", False, True)],
)
def test_the_address_is_printed_once_with_a_token_where_others_can_connect(
    host: str, wants: bool, has_token: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[object] = []
    monkeypatch.setattr("uvicorn.Server.run", lambda server, sockets: served.append(server.config.app))
    said: list[str] = []
    serve(tmp_path, Address(host, 0), wants, said.append)
    assert len(said) == len(served) == 1 and said[0].startswith("http://")
    assert ("?token=" in said[0]) is has_token
    guard = served[0]
    assert isinstance(guard, Guard)
    assert guard.keys.access == (said[0].partition("?token=")[2] or None)


def test_a_folder_of_results_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    with pytest.raises(BadInput, match="is not a folder"):
        serve(tmp_path / "runs", Address(port=0), False, print)


def test_secrets_are_compared_as_a_whole() -> None:
    assert same("a", "a") and not same("a", "b") and not same("é", "e") and not same("", "a")
    fresh = Keys()
    assert fresh.access is None and len({fresh.session, fresh.form, Keys().session}) == 3


@pytest.mark.parametrize("text", ["a", "-1", "nan", "inf", "1e99"])
def test_a_cap_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="usd"):
        resumption_of({"usd": text})
    with pytest.raises(BadInput, match="rounds"):
        resumption_of({"rounds": "1.5"})


def test_an_address_in_use_is_said_in_one_line() -> None:
    with open_socket(Address(port=0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadInput, match=f"127.0.0.1:{port}: can't listen there"):
            open_socket(Address(port=port))


@pytest.mark.parametrize(
    ("header", "name"), [("A.b:80", "a.b"), ("[::1]:80", "::1"), ("::1", "::1"), ("a", "a"), ("", "")]
)
def test_a_host_header_is_read_without_its_port(header: str, name: str) -> None:
    assert host_name(header) == name
