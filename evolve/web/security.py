"""Who may ask for what: the checks of every request, and the headers of every answer."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evolve.web.address import Address

TOKEN = "token"
READING = ("GET", "HEAD")
TOKEN_BYTES = 32
# Only own files, and nothing inline: whatever a sandbox wrote into a page is text.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Browsers leave out the origin of forms where pages send no referrer at all.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
TEXT_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"


def new_secret() -> str:
    return secrets.token_urlsafe(TOKEN_BYTES)


def _cookie_name() -> str:
    return f"evolve-{secrets.token_hex(4)}"


@dataclass(frozen=True)
class Keys:
    """What requests have to show. access: the token of the first use; None: reading needs none.

    session: what the cookie holds after that. form: what a form of our own pages sends along. cookie: its name, another
    one for each server, since browsers send cookies to all ports of a host.
    """

    access: str | None = None
    session: str = field(default_factory=new_secret)
    form: str = field(default_factory=new_secret)
    cookie: str = field(default_factory=_cookie_name)


@dataclass(frozen=True)
class Guard:
    """Lets only those requests through that may be answered, and gives every answer its headers."""

    app: ASGIApp
    address: Address
    keys: Keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = self._refusal(scope)
        await (answer or self.app)(scope, receive, with_headers(send))

    def _refusal(self, scope: Scope) -> Response | None:
        """The answer in place of the page's; None if the request is in order."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self.address.allows(hosts[0]):
            return refused(421, "This server does not know itself by that name. Start it with --name NAME to allow it.")
        if scope["method"] not in (*READING, "POST"):
            return refused(405, "Only GET, HEAD and POST are answered.")
        if self.keys.access is not None and not self._has_session(headers):
            return self._first_use(scope)
        if scope["method"] == "POST" and not is_same_origin(headers, hosts[0]):
            return refused(403, "The request comes from another site.")
        return None

    def _has_session(self, headers: Mapping[str, str]) -> bool:
        return any(same(value, self.keys.session) for value in _cookies(headers.get("cookie", ""), self.keys.cookie))

    def _first_use(self, scope: Scope) -> Response:
        """Exchange the token of the address for the cookie, and lead to the address without it."""
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = [value for name, value in pairs if name == TOKEN]
        if scope["method"] not in READING or len(given) != 1 or not same(given[0], self.keys.access or ""):
            return refused(401, "A token is needed: open the address that `evolve ui` printed when it started.")
        query = urlencode([pair for pair in pairs if pair[0] != TOKEN])
        path = "/" + scope["path"].lstrip("/\\")
        answer = RedirectResponse(f"{path}?{query}" if query else path, status_code=303)
        answer.set_cookie(self.keys.cookie, self.keys.session, httponly=True, samesite="strict", path="/")
        return answer


def same(given: str, wanted: str) -> bool:
    """Compare two secrets in a time that says nothing of where they differ."""
    return secrets.compare_digest(given.encode(), wanted.encode())


def is_same_origin(headers: Mapping[str, str], host: str) -> bool:
    """Whether a browser says that one of our own pages sends the request."""
    site, origin = headers.get("sec-fetch-site"), urlsplit(headers.get("origin", ""))
    if site not in (None, "same-origin"):
        return False
    return origin.scheme in ("http", "https") and origin.netloc.lower() == host.strip().lower()


def refused(status: int, text: str) -> Response:
    return PlainTextResponse(text + "\n", status_code=status)


def with_headers(send: Send) -> Send:
    """Add the headers of HEADERS to an answer that does not set them itself."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending


def _cookies(header: str, wanted: str) -> list[str]:
    try:
        return [morsel.value for name, morsel in SimpleCookie(header).items() if name == wanted]
    except CookieError:
        return []
