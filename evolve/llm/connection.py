"""Open the client of an endpoint, and name the cause of a failed connection."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator

import httpx2
import openai

from evolve.core.errors import BadInput, EndpointError, EvolveError
from evolve.core.records import ModelSpec
from evolve.llm.addresses import base_url, check_address, is_local, is_openai, proxy_variable
from evolve.llm.bodies import bound_body
from evolve.llm.redaction import redacted

PLACEHOLDER = "none"
HOOKS = {"response": [bound_body]}
# Sent to OpenAI alone: the client takes their values from the environment.
ACCOUNT_HEADERS = ("OpenAI-Organization", "OpenAI-Project")


def open_client(spec: ModelSpec, seconds: float, retries: int = 0) -> openai.OpenAI:
    """Open the client; one of this machine is reached without a proxy.

    Args:
        spec: The model.
        seconds: Time limit of one try.
        retries: How often the client itself repeats a request.

    Raises:
        BadInput: Address, proxy or key have a wrong form, or the certificates can't be read.
    """
    check_address(spec)
    address, key = base_url(spec), os.environ.get(spec.key_variable) or PLACEHOLDER
    try:
        http_client = _direct_client(address) if is_local(address) else openai.DefaultHttpxClient(event_hooks=HOOKS)
    except OSError as error:
        problem = f"the certificates that it names can't be read ({error.strerror or error})"
        raise BadInput(_certificate_variable(), problem, "correct it, or unset it") from error
    return openai.OpenAI(
        api_key=key,
        base_url=address,
        timeout=seconds,
        max_retries=retries,
        # The key of administrators is no part of any request here.
        admin_api_key="",
        default_headers=dict(spec.headers) | _account_headers(address, key),  # type: ignore[arg-type]
        http_client=http_client,
    )


def _certificate_variable() -> str:
    return "SSL_CERT_FILE" if os.environ.get("SSL_CERT_FILE") else "SSL_CERT_DIR"


def _account_headers(address: str, key: str) -> dict[str, str | openai.Omit]:
    """Headers that take away what the client adds from the environment, and keep the key; none for OpenAI itself."""
    if is_openai(address):
        return {}
    lines = os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")
    names = {line.partition(":")[0].strip() for line in lines if ":" in line} | {*ACCOUNT_HEADERS}
    return {name: f"Bearer {key}" if name.lower() == "authorization" else openai.omit for name in names}


def _direct_client(address: str) -> httpx2.Client:
    # Certificates named in the environment still count. Without TLS, none are read: that takes longer than a call.
    is_secure = address.startswith("https:")
    context = httpx2.create_ssl_context() if is_secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return openai.DefaultHttpxClient(trust_env=False, verify=context, event_hooks=HOOKS)


def connection_reason(error: openai.OpenAIError) -> str:
    """Return an error's message; that of a failed connection names host and cause."""
    problem = isinstance(error, openai.APIConnectionError) and _problem(error)
    return problem[0] if problem else str(error)


def unreachable(error: openai.OpenAIError, spec: ModelSpec) -> EvolveError:
    """Return our own error for a first request that got no answer: BadInput if the user can remove the cause."""
    address = base_url(spec)
    problem = isinstance(error, openai.APIConnectionError) and _problem(error)
    if not problem:
        return EndpointError(redacted(f"model endpoint {address}: {error}", spec))
    if name := proxy_variable(address):
        return BadInput(name, f"{address} can't be reached through this proxy: {problem[0]}", f"correct {name}")
    return BadInput("base_url", f"{problem[0]} ({address})", problem[1])


def _problem(error: openai.APIConnectionError) -> tuple[str, str] | None:
    """Return problem and fix of a failed connection; None for other errors."""
    host, place = _host_and_place(error)
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            problem = f"the TLS certificate of {host} is not valid here ({cause.verify_message})"
            return problem, "correct the address, or name the file of its authority in SSL_CERT_FILE"
        if isinstance(cause, ssl.SSLError):
            return f"{place} does not speak TLS ({cause.reason or 'it hung up'})", "use http:// in the address"
        if isinstance(cause, socket.gaierror):
            return f"the host {host} is unknown", "correct its name, or check this machine's network"
        if isinstance(cause, ConnectionRefusedError):
            return f"nothing listens at {place}", "start the server, or correct the address"
        if isinstance(cause, httpx2.ProxyError):
            return f"the proxy refuses the connection ({cause})", "correct the proxy"
        if isinstance(cause, httpx2.ConnectTimeout):
            return f"{place} does not answer", "correct the address, or start the server"
        if isinstance(cause, httpx2.ConnectError):
            return f"no connection to {place} ({cause})", "correct the address, or start the server"
    return None


def _host_and_place(error: openai.APIConnectionError) -> tuple[str, str]:
    """Where the connection was made to, the proxy if there is one: its host, and `host:port`."""
    url = error.request.url
    if name := proxy_variable(str(url)):
        proxy = os.environ[name]
        url = httpx2.URL(proxy if "://" in proxy else f"http://{proxy}")
    return url.host, f"{url.host}:{url.port or {'https': 443}.get(url.scheme, 80)}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The causes of an error, the innermost first."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    yield from reversed(chain)
