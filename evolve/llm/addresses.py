"""Find mistakes in an endpoint's address, its key and this machine's proxies by their form, before any request."""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import unicodedata
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import SplitResult, urlsplit, urlunsplit

import httpx2

from evolve.core.errors import BadInput
from evolve.core.records import ModelSpec

# For each protocol, the variable from which its client takes an address, and the vendor's own address.
VENDORS = {
    "chat": ("OPENAI_BASE_URL", "https://api.openai.com/v1"),
    "messages": ("ANTHROPIC_BASE_URL", "https://api.anthropic.com"),
}
OPENAI_HOST = "api.openai.com"
ACCOUNT_VARIABLES = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID")
# What a client adds to the address itself.
CALLS = ("/chat/completions", "/completions", "/responses", "/messages", "/models", "/embeddings")
PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
BREAKS = "\r\n\v\f\x85\u2028\u2029"
Mistake = tuple[str, str]


def base_url(spec: ModelSpec) -> str:
    """Return the address that requests go to: the vendor's own if neither the model nor the environment names one."""
    variable, own = VENDORS["messages" if spec.api == "messages" else "chat"]
    return spec.base_url or os.environ.get(variable) or own


def check_address(spec: ModelSpec) -> None:
    """Raise BadInput if no request can succeed: address, proxy or key have a wrong form. Makes no request."""
    if spec.in_process:
        return
    address = base_url(spec)
    if mistake := address_mistake(address):
        raise BadInput("base_url", *mistake)
    has_socks = importlib.util.find_spec("socksio") is not None
    if not is_local(address) and (wrong := proxy_mistake(os.environ, has_socks)):
        raise BadInput(*wrong)
    for name in (spec.key_variable, *(ACCOUNT_VARIABLES if is_openai(address) else ())):
        if problem := key_problem(os.environ.get(name) or ""):
            raise BadInput(name, problem, "set it again, without anything around it")
    if name := next((name for name, value in spec.headers if not f"{name}{value}".isprintable()), None):
        raise BadInput(f"header {name}", "its value contains a line break or another control character", "remove it")


def address_mistake(address: str) -> Mistake | None:
    """Return what is wrong with the form of an address, and the fix; never a password in it."""
    if address != "".join(address.split()) or not address.isprintable():
        return "the address contains a blank or a line break", "remove it"
    try:
        parts, port = urlsplit(address), urlsplit(address).port
        httpx2.URL(address)
        # Names that this can't encode break the connection with an error of the codec.
        (parts.hostname or "").encode("idna")
    except (ValueError, httpx2.InvalidURL) as error:
        return f"the address is malformed ({error})", "use one like http://localhost:8000/v1"
    if parts.username is not None or parts.password is not None:
        return "the address contains a user name or password, which would be stored", "put the key into its variable"
    if parts.scheme not in ("http", "https"):
        return f"{address} does not begin with http:// or https://", f"use http://{address.rpartition('//')[2]}"
    if not parts.hostname or port == 0:
        return f"{address} names no host", "use an address like http://localhost:8000/v1"
    return _path_mistake(parts)


def _path_mistake(parts: SplitResult) -> Mistake | None:
    bare = urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")).rstrip("/")
    for call in CALLS:
        if bare.endswith(call):
            return f"{bare} ends in {call}, which is added to it for each request", f"use {bare.removesuffix(call)}"
    if parts.query or parts.fragment:
        return "what follows ? or # in the address can't be sent", f"use {bare}"
    return None


def key_problem(key: str) -> str | None:
    """Return why this key, or a name like it, can't be sent; never its characters. None for an empty one."""
    number, length = _first(key, lambda c: c in BREAKS), len(key)
    if number:
        return f"it contains a line break (character {number} of {length})"
    if key and not key.strip():
        return "it consists of blanks"
    if key != key.strip():
        return "it begins or ends with a blank"
    if number := _first(key, lambda c: not " " <= c <= "~"):
        name = unicodedata.name(key[number - 1], "control character").lower()
        return f"it contains a character that no key has: {name} (character {number} of {length})"
    if key[:1] in ("'", '"') or key[-1:] in ("'", '"'):
        return "it stands in quotation marks"
    if " " in key:
        return "it contains a blank"
    return None


def _first(text: str, is_wrong: Callable[[str], bool]) -> int:
    """The number, from 1, of the first such character; 0 if there is none."""
    return next((number for number, character in enumerate(text, 1) if is_wrong(character)), 0)


def is_local(address: str) -> bool:
    """Whether the address is on this machine, where no proxy is used."""
    host = ""
    try:
        host = urlsplit(address).hostname or ""
        number = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return number.is_loopback or number.is_unspecified


def is_openai(address: str) -> bool:
    """Whether the address is OpenAI's own, which alone gets the names of organisation and project."""
    host = urlsplit(address).hostname or ""
    return host == OPENAI_HOST or host.endswith(f".{OPENAI_HOST}")


def proxy_mistake(variables: Mapping[str, str], has_socks: bool) -> tuple[str, str, str] | None:
    """Return variable, problem and fix of the first proxy that can't be used; None if there is none.

    Args:
        variables: The environment.
        has_socks: Whether the package for SOCKS proxies is installed.
    """
    for name, proxy in _proxies(variables):
        scheme = proxy.partition("://")[0].lower() if "://" in proxy else "http"
        if scheme not in PROXY_SCHEMES:
            return name, f"{scheme}:// is no kind of proxy that is supported", "use http://, or socks5:// in its place"
        if scheme.startswith("socks") and not has_socks:
            problem = f"a {scheme}:// proxy needs the package socksio, which is not installed"
            return name, problem, f"run `pip install socksio`, or unset {name}"
    return None


def _proxies(variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The variables that name a proxy, with their values; none if NO_PROXY is `*`.

    As for other programs, the name in lower case decides, also if it is empty.
    """
    excepted = (variables.get("no_proxy") or variables.get("NO_PROXY") or "").split(",")
    if "*" in [host.strip() for host in excepted]:
        return
    for name in ("all_proxy", "https_proxy", "http_proxy"):
        spelling = name if name in variables else name.upper()
        if value := variables.get(spelling, ""):
            yield spelling, value


def proxy_variable(address: str) -> str:
    """Return the variable that names the proxy to this address; "" if it is reached directly."""
    parts = urlsplit(address)
    proxies = {name.lower(): name for name, _ in _proxies(os.environ)}
    if is_local(address) or urllib.request.proxy_bypass(parts.netloc):
        return ""
    return proxies.get(f"{parts.scheme}_proxy") or proxies.get("all_proxy") or ""
