"""A server for pages: on this machine alone unless told otherwise, and then with a token."""

from __future__ import annotations

import ipaddress
import re
import secrets
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.types import ASGIApp

from evalharness.errors import UserError, option_name
from evalharness.web.guard import LOOPBACK, GuardTerms, is_loopback

if TYPE_CHECKING:
    import uvicorn

_AT_ONCE = 256  # connections
_LONGEST_TOKEN = 500
_ROOT = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyTerms:
    """A proxy before the server: the path under which it shows the pages, '' for none, and from which addresses or
    networks it is believed when it says who asks, and by which scheme."""

    root_path: str = ""
    trusted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedAt:
    """Where a server listens: its socket, the terms of its guard, the address to open, and the proxies it believes."""

    socket: socket.socket
    terms: GuardTerms
    address: str
    proxies: tuple[str, ...] = ()


def proxy_terms(root_path: str, trusted: Sequence[str]) -> ProxyTerms:
    """A proxy in a user's words. UserError for a path or an address that is none."""
    root = root_path.rstrip("/")
    if root and not _ROOT.fullmatch(root):
        raise UserError(f"{option_name('root_path')} {root_path!r}: wanted a path of plain characters, such as /evalh")
    for one in trusted:
        try:
            ipaddress.ip_network(one)
        except ValueError as error:
            raise UserError(
                f"{option_name('trust_proxy')} {one!r}: wanted the proxy's address, or a network such as 10.0.0.0/8"
            ) from error
    return ProxyTerms(root_path=root, trusted=tuple(trusted))


def listen(
    host: str, port: int, allow_hosts: Sequence[str] = (), *, token: str | None = None, proxy: ProxyTerms | None = None
) -> ServedAt:
    """Take the port. Beyond this machine, and behind a proxy or under a name, which lead others here, a token is made
    where none is given; an empty one, for pages that are meant for everybody, asks for none. UserError where the port
    cannot be had."""
    local, before = is_loopback(host), proxy or ProxyTerms()
    names = frozenset({*(name.lower() for name in allow_hosts), *LOOPBACK, host.lower()})
    alone = local and before == ProxyTerms() and all(name in LOOPBACK or is_loopback(name) for name in names)
    chosen = ("" if alone else secrets.token_urlsafe(24)) if token is None else token
    if chosen and not (chosen.isascii() and chosen.isprintable() and 8 <= len(chosen) <= _LONGEST_TOKEN):
        raise UserError(f"{option_name('token')}: wanted 8 or more plain characters")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        bound = socket.create_server((host, port), family=family, backlog=_AT_ONCE)
    except (OSError, OverflowError) as error:
        raise UserError(
            f"{host}:{port} cannot be listened on ({error}); choose another with {option_name('port')}"
        ) from error
    terms = GuardTerms(hosts=names, any_address=not local, token=chosen, root_path=before.root_path)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{bound.getsockname()[1]}{before.root_path}/" + (f"?token={chosen}" if chosen else "")
    return ServedAt(socket=bound, terms=terms, address=address, proxies=before.trusted)


def page_server(application: ASGIApp, place: ServedAt) -> uvicorn.Server:
    """The server of an application at a place; it does not run yet."""
    import uvicorn

    config = uvicorn.Config(
        application, log_level="warning", access_log=False, server_header=False, limit_concurrency=_AT_ONCE,
        timeout_keep_alive=15, timeout_graceful_shutdown=3, ws="none", lifespan="off", http="h11", loop="asyncio",
        proxy_headers=bool(place.proxies), forwarded_allow_ips=list(place.proxies),
    )  # fmt: skip
    return uvicorn.Server(config)


def serve_pages(application: ASGIApp, place: ServedAt, started: Callable[[str], None]) -> None:
    """Serve until interrupted, which is how a server ends."""
    server = page_server(application, place)
    started(place.address)
    with suppress(KeyboardInterrupt):
        server.run(sockets=[place.socket])
