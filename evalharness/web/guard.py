"""What every request passes before a page is made: the right host, a token beyond this machine, and no foreign form.

Loopback alone is no fence: a page elsewhere can send a browser here, under a name of its own that it points at
127.0.0.1 (DNS rebinding). So the Host header must be one that is expected.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
TOKEN_COOKIE = "evalh_token"
LONGEST_BODY = 64 << 10
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,255}))(?::[0-9]{1,5})?")
_LONGEST_QUERY = 8 << 10
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardTerms:
    """Who may ask: names of this server in the Host header, whether any address of digits is one, and the token that
    a reader must have; an empty one asks for none. `root_path` is the path under which a proxy shows the pages."""

    hosts: frozenset[str] = LOOPBACK
    any_address: bool = False
    token: str = field(default="", repr=False)
    root_path: str = ""


def is_loopback(host: str) -> bool:
    """Whether a server bound to this host can be reached from this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """The application behind it, with the headers of its replies completed."""

    def __init__(self, app: ASGIApp, terms: GuardTerms) -> None:
        self.app, self.terms = app, terms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # no page opens a web socket
            return
        scope = _under(scope, self.terms.root_path)
        refusal = self._refusal(scope, Headers(scope=scope))
        await (refusal or self.app)(scope, receive, _completed(send))

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """The reply to a request that may not pass."""
        if len(scope.get("query_string", b"")) > _LONGEST_QUERY:
            return _plain("the address is too long", 414)
        if not self._is_us(headers.get("host", "")):
            return _plain("this server does not go by that name; see --allow-host", 421)
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return _plain("this server reads and takes forms", 405)
        if scope["method"] == "POST" and not _from_our_pages(headers):
            return _plain("a form of another site; a proxy must hand on the Host header as the browser sent it", 403)
        return self._without_token(scope, headers) if self.terms.token else None

    def _is_us(self, header: str) -> bool:
        name = _host_name(header)
        if name in self.terms.hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return self.terms.any_address

    def _without_token(self, scope: Scope, headers: Headers) -> Response | None:
        wanted = self.terms.token
        bearer = headers.get("authorization", "").partition("Bearer ")[2]
        if _same(_cookie(headers), wanted) or _same(bearer, wanted):
            return None
        asked = parse_qs(scope.get("query_string", b"").decode("latin-1"), max_num_fields=100)
        if scope["method"] == "GET" and _same(asked.pop("token", [""])[0], wanted):
            # The token leaves the address at once, so that it stays out of histories and of what is shared.
            query = urlencode(asked, doseq=True)
            reply = RedirectResponse(_own_path(scope) + (f"?{query}" if query else ""), 303)
            keep_cookie(reply, scope, TOKEN_COOKIE, wanted)
            return reply
        return _plain("this page wants the token that `evalh` printed: open the address that ends in ?token=...", 401)


def keep_cookie(reply: Response, scope: Scope, name: str, value: str, max_age: int | None = None) -> None:
    """Give a browser a cookie for the pages alone; with no time to live it is taken away. What came by https goes back
    by https only. A link in a message may lead here (`lax`): no page that is only read changes anything, and forms of
    other sites are refused anyway."""
    reply.set_cookie(
        name, value, max_age=max_age, path=scope.get("root_path") or "/", secure=scope.get("scheme") == "https",
        httponly=True, samesite="lax",
    )  # fmt: skip


def _under(scope: Scope, root: str) -> Scope:
    """The request with its whole path, whether the proxy took the root path away or left it."""
    path = str(scope["path"])
    if not root:
        return scope
    whole = f"{root}/" if path == root else path if path.startswith(f"{root}/") else root + path
    return {**scope, "path": whole, "root_path": root}


def _own_path(scope: Scope) -> str:
    """The path asked for; never one that a browser takes for another host."""
    path = str(scope["path"])
    return "/" + path.lstrip("/\\") if path.isascii() and path.isprintable() else "/"


def _plain(text: str, status: int) -> Response:
    return PlainTextResponse(f"evalh: {text}\n", status)


def _same(said: str, wanted: str) -> bool:
    return secrets.compare_digest(said.encode("utf-8", "replace"), wanted.encode())


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")[:4096]).get(TOKEN_COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _host_name(header: str) -> str:
    """The name in a Host header, without port and brackets; '' for what is none."""
    found = _HOST.fullmatch(header)
    return "" if found is None else (found[1] or found[2]).lower().rstrip(".")


def _from_our_pages(headers: Headers) -> bool:
    """Whether a form was sent by a page of this server. What is no browser says nothing of it and has no cookies to
    lend."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site not in ("same-origin", "none"):
        return False
    return origin is None or urlsplit(origin).netloc.lower() == headers.get("host", "").lower()


def _completed(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            there = {name.lower() for name, _ in message.get("headers", ())}
            more: Mapping[str, str] = dict(_HEADERS)
            message["headers"] = [
                *message.get("headers", ()),
                *((name.encode(), value.encode()) for name, value in more.items() if name.encode() not in there),
                *([(b"cache-control", b"no-store")] if b"cache-control" not in there else []),
            ]
        await send(message)

    return sent
