"""Mistakes in addresses, proxies and keys: one true line each, and no key in any text."""

from __future__ import annotations

import os
import pickle
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from evolve.core.errors import AccountError, BadInput, EndpointError, EvolveError, RequestRefused
from evolve.core.records import ModelSpec
from evolve.core.secrets import HIDDEN, PART, environment_secrets, without_secrets
from evolve.llm import known_models, open_model, redacted
from evolve.llm.addresses import (
    address_mistake,
    base_url,
    check_address,
    is_local,
    is_openai,
    key_problem,
    proxy_mistake,
)
from evolve.llm.client import OpenAIModel
from evolve.llm.connection import open_client
from evolve.models.choice import choose_model
from evolve.report.crash import write_crash_log
from tests.forked import forked
from tests.upstream import Upstream, raw, refuses, says

KEY = "sk-proj-Zq3vT8nLw5RkYb2M"
BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
HTML = {"content-type": "text/html"}
PROXIES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
VISIBLE = st.characters(min_codepoint=33, max_codepoint=126)
KEYS = st.text(VISIBLE, min_size=PART, max_size=40).filter(lambda key: not set(key) & set("[]\"'`\\"))

PLAIN_KEYS = st.text("abcdefghijklmnopqrstuvwyzABCDEFGH0123456789-_", min_size=PART, max_size=40)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_CUSTOM_HEADERS"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def line(address: str, model: str = "m") -> str:
    """The one line that a run with this address ends with."""
    with pytest.raises(BadInput) as caught:
        choose_model(model, address, {})
    assert caught.value.exit_status == 2 and "\n" not in str(caught.value)
    return str(caught.value)


def keyed(upstream: Upstream) -> ModelSpec:
    return upstream.spec(key_variable="OPENAI_API_KEY")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://gpu7:8000/v1/chat/completions", "use http://gpu7:8000/v1"),
        ("http://gpu7:8000/v1/responses/", "use http://gpu7:8000/v1"),
        ("https://api.anthropic.com/v1/messages", "use https://api.anthropic.com/v1"),
        ("localhost:8000/v1", "use http://localhost:8000/v1"),
        ("ftp://gpu7/v1", "use http://gpu7/v1"),
        ("http:///v1", "names no host"),
        ("http://gpu7:port/v1", "is malformed"),
        ("http://gpu7..lab/v1", "is malformed"),
        ("http://☃☃.lab/v1", "is malformed"),
        (" http://gpu7/v1", "a blank or a line break"),
        ("http://gpu7/v1\r", "a blank or a line break"),
        ("http://gpu7/v1?api-version=1", "use http://gpu7/v1"),
        (f"http://me:{KEY}@gpu7/v1", "would be stored"),
    ],
)
def test_a_malformed_address_is_one_line_before_any_request(address: str, words: str) -> None:
    text = line(address)
    assert text.startswith("base_url: ") and words in text and KEY not in text


@given(st.text(max_size=40), st.sampled_from(["", "http://", "https://a/"]))
def test_any_text_is_an_address_or_has_a_fix(text: str, start: str) -> None:
    mistake = address_mistake(start + text)
    assert all(mistake) if mistake else str(openai.OpenAI(api_key="k", base_url=start + text).base_url)


@given(st.sampled_from(["http", "https"]), st.from_regex(r"[a-z][a-z0-9]{0,9}(\.[a-z]{2,5})?", fullmatch=True))
def test_the_fix_of_a_long_address_is_a_right_one(scheme: str, host: str) -> None:
    address = f"{scheme}://{host}/v1"
    assert address_mistake(address) is None
    for call in ("/chat/completions", "/responses", "/messages"):
        assert address_mistake(address + call) == (
            f"{address}{call} ends in {call}, which is added to it for each request",
            f"use {address}",
        )


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (f"{KEY}\r", "line break (character 25 of 25)"),
        (f"{KEY}\n", "line break"),
        (f"{KEY[:9]}\r\n{KEY[9:]}", "line break (character 10 of 26)"),
        (f" {KEY}", "begins or ends with a blank"),
        (f"{KEY}\u00a0", "begins or ends with a blank"),
        (f"\u201c{KEY}\u201d", "left double quotation mark (character 1 of 26)"),
        (f"{KEY}é", "latin small letter e with acute"),
        (f"{KEY}\x00", "control character"),
        (f'"{KEY}"', "quotation marks"),
        (f"Bearer {KEY}", "contains a blank"),
        ("  ", "consists of blanks"),
    ],
)
def test_a_key_that_cannot_be_sent_is_one_line(key: str, words: str) -> None:
    problem = key_problem(key)
    assert problem and words in problem and KEY not in problem


def test_the_line_about_a_key_names_its_variable(monkeypatch: pytest.MonkeyPatch, upstream: Upstream) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\r")
    assert line(upstream.base_url).startswith("OPENAI_API_KEY: ")
    with pytest.raises(BadInput, match="OPENAI_API_KEY: it contains a line break"):
        choose_model("gpt-5", None, {})
    with pytest.raises(BadInput, match="OPENAI_API_KEY"):
        open_model(ModelSpec("gpt-5"))
    assert upstream.requests() == []


@given(KEYS)
def test_a_key_of_visible_characters_is_right(key: str) -> None:
    assert key_problem(key) is None


@given(st.text(st.one_of(VISIBLE, st.sampled_from(" \"'\r\u00a0é")), min_size=1))
def test_a_key_without_a_problem_can_be_a_header(key: str) -> None:
    assume(key_problem(key) is None)
    assert key == key.strip() and key.isprintable() and f"Bearer {key}".encode("ascii")


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"ALL_PROXY": "socks5://127.0.0.1:9050"}, "ALL_PROXY"),
        ({"https_proxy": "socks5h://127.0.0.1:9050"}, "https_proxy"),
        ({"HTTP_PROXY": "socks4://127.0.0.1:9050"}, "HTTP_PROXY"),
        ({"ALL_PROXY": "socks5://127.0.0.1:9050", "NO_PROXY": "a, *"}, ""),
        ({"HTTP_PROXY": "proxy:3128", "https_proxy": "http://proxy:3128"}, ""),
        ({"HTTP_PROXY": "socks4://127.0.0.1:9050", "http_proxy": ""}, ""),
        ({"HTTP_PROXY": "proxy:3128", "http_proxy": "socks4://127.0.0.1:9050"}, "http_proxy"),
    ],
)
def test_a_proxy_of_an_unusable_kind_is_named(variables: dict[str, str], name: str) -> None:
    mistake = proxy_mistake(variables, has_socks=False)
    assert (mistake[0] if mistake else "") == name


def test_socks_needs_its_package_only() -> None:
    assert proxy_mistake({"ALL_PROXY": "socks5://127.0.0.1:9050"}, has_socks=True) is None


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "http://127.0.0.1:9"])
def test_a_server_of_this_machine_is_reached_without_a_proxy(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    for name in ("ALL_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, proxy)
    upstream.script(says("direct"))
    assert OpenAIModel(upstream.spec()).complete(BODY)["choices"][0]["message"]["content"] == "direct"


def test_a_proxy_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch, closed_port: int) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://me:{KEY}@127.0.0.1:{closed_port}")
    text = line("http://model.example/v1")
    assert text.startswith("HTTP_PROXY: ") and f"nothing listens at 127.0.0.1:{closed_port}" in text
    assert KEY not in text


def test_an_empty_variable_in_lower_case_means_no_proxy(monkeypatch: pytest.MonkeyPatch, closed_port: int) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port}")
    monkeypatch.setenv("http_proxy", "")
    assert line("http://no-such-host.invalid/v1").startswith("base_url: the host no-such-host.invalid is unknown")


def test_socks_without_its_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    assert line("http://model.example/v1").startswith("ALL_PROXY: a socks5:// proxy needs the package socksio")


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("http://localhost:1/v1", True),
        ("http://127.0.0.9/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://0.0.0.0:8000/v1", True),
        ("http://localhost.example/v1", False),
        ("http://192.168.0.7/v1", False),
    ],
)
def test_what_is_local(address: str, local: bool) -> None:
    assert is_local(address) is local


def test_an_unknown_host_is_named() -> None:
    text = line("http://no-such-host.invalid/v1")
    assert text.startswith("base_url: the host no-such-host.invalid is unknown")


def test_a_closed_port_is_named(closed_port: int) -> None:
    assert f"nothing listens at 127.0.0.1:{closed_port}" in line(f"http://127.0.0.1:{closed_port}/v1")
    with pytest.raises(EndpointError, match=f"nothing listens at 127.0.0.1:{closed_port}"):
        OpenAIModel(ModelSpec("m", f"http://127.0.0.1:{closed_port}/v1"), longest_wait=0.01).complete(BODY)


def test_a_server_without_tls_is_named(upstream: Upstream) -> None:
    assert "does not speak TLS" in line(upstream.base_url.replace("http:", "https:"))


@pytest.fixture
def self_signed(tmp_path: Path) -> Iterator[str]:
    """The address of a server whose certificate nobody trusts."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    words = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command = ["openssl", "req", "-x509", *words, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_shake_hands, args=(listener, context), daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}/v1"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _shake_hands(listener: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        try:
            context.wrap_socket(connection, server_side=True).close()
        except OSError:
            connection.close()


def test_a_certificate_that_is_not_trusted_is_named(self_signed: str) -> None:
    text = line(self_signed)
    assert text.startswith("base_url: the TLS certificate of 127.0.0.1 is not valid here") and "SSL_CERT_FILE" in text


SOCKS = {"ALL_PROXY": "socks5://127.0.0.1:9"}
SEVEN = {
    "page": ("http://{host}/v1", "base_url: .* answers with a web page", {}),
    "call": ("http://{host}/v1/chat/completions", "base_url: .* use http://.*/v1", {}),
    "socks": ("http://model.example/v1", "ALL_PROXY: .* package socksio", SOCKS),
    "closed": ("http://127.0.0.1:9/v1", "base_url: nothing listens at 127.0.0.1:9", SOCKS),
    "break": ("http://{host}/v1", "OPENAI_API_KEY: it contains a line break", {"OPENAI_API_KEY": f"{KEY}\r"}),
    "quotes": (
        "http://{host}/v1",
        "OPENAI_API_KEY: .* left double quotation",
        {"OPENAI_API_KEY": f"\u201c{KEY}\u201d"},
    ),
    "host": ("http://no-such-host.invalid/v1", "base_url: the host no-such-host.invalid is unknown", {}),
}


@pytest.mark.parametrize(("address", "words", "variables"), SEVEN.values(), ids=SEVEN)
def test_a_run_ends_with_one_line_and_nothing_is_written(
    tmp_path: Path, upstream: Upstream, address: str, words: str, variables: dict[str, str]
) -> None:
    upstream.script(PAGE)
    asked = address.format(host=upstream.base_url.removeprefix("http://").removesuffix("/v1"))
    given = {"COLUMNS": "200", "OPENAI_API_KEY": KEY, **variables}
    done = forked(tmp_path, "run", "--model", "m", "--base-url", asked, **given)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and re.match(f"error: {words}", done.stderr)
    assert KEY not in done.stderr and done.stdout == "" and list(tmp_path.iterdir()) == []


PAGE = raw("<!DOCTYPE html><html>Welcome</html>", headers=HTML)
NO_PAGE = raw("<html>not found</html>", status=404, headers=HTML)
LISTED = raw('{"object": "list", "data": [{"id": "m", "object": "model"}]}')
MISSING = raw('{"detail": "Not Found"}', status=404)


def test_a_web_page_is_named(upstream: Upstream) -> None:
    upstream.script(PAGE)
    assert f"base_url: {upstream.base_url} answers with a web page; use the address of the API" in line(
        upstream.base_url
    )


def test_a_page_without_a_list_of_models_is_named(upstream: Upstream) -> None:
    upstream.script(NO_PAGE, PAGE, NO_PAGE)
    assert "answers with a web page" in line(upstream.base_url)


@pytest.mark.parametrize("first", [PAGE, NO_PAGE, MISSING])
def test_a_missing_path_is_found(upstream: Upstream, first: dict[str, object]) -> None:
    root = upstream.base_url.removesuffix("/v1")
    upstream.script(first, LISTED)
    assert line(root).endswith(f"; use {upstream.base_url}")
    assert [request["path"] for request in upstream.requests()][:2] == ["/models", "/v1/models"]


def test_an_api_need_not_list_its_models(upstream: Upstream) -> None:
    for answer in (MISSING, NO_PAGE):
        upstream.script(answer)
        assert choose_model("m", upstream.base_url, {}).model == "m"


def test_a_redirection_is_named(upstream: Upstream) -> None:
    target = f"{upstream.base_url.removesuffix('/v1')}/api/v1"
    upstream.script(raw("", status=301, headers={"location": f"{target}/models"}), LISTED)
    assert line(upstream.base_url).endswith(f"redirects to {target}; use {target}")


ECHOES = [
    (401, f"Incorrect API key provided: {KEY[:8]}***********{KEY[-4:]}. You can find your API key at", AccountError),
    (401, f"Received API Key = sk-...{KEY[-4:]} ", AccountError),
    (400, f"bad header 'Authorization: Bearer {KEY}'", RequestRefused),
    (404, f"no model for {KEY}", BadInput),
    (503, f"upstream refused {KEY[4:16]} for now", EndpointError),
]


@pytest.mark.parametrize(("status", "message", "kind"), ECHOES)
def test_an_error_that_repeats_the_key_is_shown_without_it(
    upstream: Upstream, status: int, message: str, kind: type[EvolveError]
) -> None:
    upstream.script(refuses(status, None, message))
    with pytest.raises(kind) as caught:
        OpenAIModel(keyed(upstream), longest_wait=0.01).complete(BODY)
    for text in (str(caught.value), repr(caught.value), str(pickle.loads(pickle.dumps(caught.value)))):
        assert HIDDEN in text and KEY[-4:] not in text and KEY[4:16] not in text
    log = write_crash_log(caught.value)
    assert "Traceback" in log.read_text() and KEY[4:16] not in log.read_text() and KEY[-4:] not in log.read_text()
    log.unlink()


def test_a_crash_for_want_of_a_package_is_logged_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evolve.report.crash.PACKAGES", ("no-such-package-here",))
    log = write_crash_log(ModuleNotFoundError("typer"))
    text = log.read_text("utf-8")
    log.unlink()
    assert "no-such-package-here not installed" in text and "ModuleNotFoundError: typer" in text


def test_a_crash_hides_a_key_of_any_variable(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB", "a-very-private-word")
    upstream.script(refuses(400, None, "what is a-very-private-word?"))
    client = open_client(upstream.spec(key_variable="LAB"), 5.0)
    try:
        client.chat.completions.create(model="m", messages=[])
    except openai.OpenAIError as error:
        log = write_crash_log(error)
        told = log.read_text()
        log.unlink()
    assert f"what is {HIDDEN}?" in told and "private" not in told


def test_an_answer_that_reports_an_error_with_the_key_is_shown_without_it(upstream: Upstream) -> None:
    upstream.script(raw(f'{{"error": {{"code": 401, "message": "no such key: {KEY}"}}}}'))
    with pytest.raises(AccountError, match=r"no such key: \[key\]"):
        OpenAIModel(keyed(upstream)).complete(BODY)


def test_a_list_that_is_refused_is_shown_without_the_key(upstream: Upstream) -> None:
    upstream.script(refuses(401, "invalid_api_key", f"Incorrect API key provided: {KEY}"))
    with pytest.raises(BadInput, match=r"refuses the key: .*\[key\]; set OPENAI_API_KEY"):
        known_models(keyed(upstream))


def sent(upstream: Upstream, **spec: object) -> dict[str, str]:
    upstream.script(says())
    OpenAIModel(upstream.spec(key_variable="OPENAI_API_KEY", **spec)).complete(BODY)
    headers: dict[str, str] = upstream.requests()[0]["headers"]
    return headers


def test_organisation_project_and_own_headers_go_to_openai_alone(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Team: blue\nauthorization: Bearer other")
    headers = sent(upstream)
    assert not {"openai-organization", "openai-project", "x-team"} & headers.keys()
    assert headers["authorization"] == f"Bearer {KEY}"
    for address in (None, "https://eu.api.openai.com/v1"):
        defaults = open_client(ModelSpec("gpt-5", address), 1.0).default_headers
        assert (defaults["OpenAI-Organization"], defaults["OpenAI-Project"]) == ("org-1", "proj-1")
        assert defaults["X-Team"] == "blue"
    assert not is_openai("https://api.openai.com.evil.example/v1")


def test_names_of_an_account_are_checked_where_they_are_sent(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1\n")
    with pytest.raises(BadInput, match="OPENAI_ORG_ID: it contains a line break"):
        open_model(ModelSpec("gpt-5"))
    assert sent(upstream)
    with pytest.raises(BadInput, match="header X-Team: its value contains a line break"):
        open_model(upstream.spec(headers=(("X-Team", "blue\r"),)))


def test_certificates_that_cannot_be_read_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "gone.pem"))
    assert line("https://model.example/v1").startswith(
        "SSL_CERT_FILE: the certificates that it names can't be read (No"
    )
    (tmp_path / "gone.pem").write_text("nonsense")
    assert line("https://localhost:1/v1").startswith("SSL_CERT_FILE: ")


def test_the_messages_api_has_an_address_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://gpu7/v1")
    assert base_url(ModelSpec("claude", api="messages")) == "https://api.anthropic.com"
    assert base_url(ModelSpec("gpt", api="responses")) == "http://gpu7/v1"


def test_the_address_of_the_environment_is_not_openais(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://gpu7/v1")
    client = open_client(ModelSpec("gpt-5"), 1.0)
    assert str(client.base_url) == "http://gpu7/v1/"
    assert isinstance(client.default_headers["OpenAI-Organization"], openai.Omit)


@given(KEYS, st.text(VISIBLE), st.text(VISIBLE))
def test_no_part_of_a_key_stays(key: str, before: str, after: str) -> None:
    shown = without_secrets(f"{before}{key}{after}", [key])
    assert not any(key[at : at + PART] in shown for at in range(len(key) - PART + 1))


@given(PLAIN_KEYS, st.integers(2, 8), st.integers(2, 4), st.sampled_from(["***", "********", "...", "…", "xxxxxx"]))
def test_a_masked_key_is_hidden_whole(key: str, left: int, right: int, mask: str) -> None:
    shown = without_secrets(f"provided: {key[:left]}{mask}{key[-right:]}. Find it", [key])
    assert shown == f"provided: {HIDDEN}. Find it"


@given(st.text(VISIBLE), KEYS)
def test_other_text_stays_as_it_is(text: str, key: str) -> None:
    assume(not any(key[at : at + PART] in text for at in range(len(key))) and not set(text) & set("*•·.xX"))
    assert without_secrets(text, [key]) == text


def test_placeholders_are_no_secrets() -> None:
    assert without_secrets("none of them is k or EMPTY", ["none", "k", "EMPTY", ""]) == "none of them is k or EMPTY"


def test_secrets_of_the_environment_are_known_by_their_names() -> None:
    variables = {
        "LAB_API_KEY": "lab-1234", "HF_TOKEN": "hf_abcdefgh", "HTTPS_PROXY": "http://me:pass-word@proxy:3128",
        "SSH_KEY_FILE": "/home/me/.ssh/id", "EDITOR": "vi-the-editor",
        "OPENAI_CUSTOM_HEADERS": "Authorization: Bearer abcdefgh\nnonsense\nX-Team:",
    }  # fmt: skip
    assert environment_secrets(variables) == ("lab-1234", "hf_abcdefgh", "pass-word", "abcdefgh")


def test_hiding_takes_no_time_that_matters() -> None:
    started = time.monotonic()
    without_secrets("some text of a log. " * 3_000, [KEY, *environment_secrets(os.environ)])
    assert time.monotonic() - started < 1


def test_a_models_own_key_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB", "a-very-secret-word")
    spec = ModelSpec("m", "http://lab/v1", "LAB")
    assert redacted("it says a-very-secret-word", spec) == f"it says {HIDDEN}"
    check_address(ModelSpec("embedded"))
