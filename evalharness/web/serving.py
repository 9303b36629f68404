"""A server for pages: on this machine alone unless told otherwise, and then with a token."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from starlette.types import ASGIApp

from evalharness.errors import UserError, option_name
from evalharness.web.guard import LOOPBACK, GuardTerms, is_loopback

_AT_ONCE = 256  # connections
_LONGEST_TOKEN = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedAt:
    """Where a server listens: its socket, the terms of its guard, and the address to open."""

    socket: socket.socket
    terms: GuardTerms
    address: str


def listen(host: str, port: int, allow_hosts: Sequence[str] = (), *, token: str | None = None) -> ServedAt:
    """Take the port. Beyond this machine a token is made where none is given; an empty one, for pages that are meant
    for everybody, asks for none. UserError where the port cannot be had."""
    local = is_loopback(host)
    chosen = ("" if local else secrets.token_urlsafe(24)) if token is None else token
    if chosen and not (chosen.isascii() and chosen.isprintable() and 8 <= len(chosen) <= _LONGEST_TOKEN):
        raise UserError(f"{option_name('token')}: wanted 8 or more plain characters")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        bound = socket.create_server((host, port), family=family, backlog=_AT_ONCE)
    except (OSError, OverflowError) as error:
        raise UserError(
            f"{host}:{port} cannot be listened on ({error}); choose another with {option_name('port')}"
        ) from error
    names = frozenset({*(name.lower() for name in allow_hosts), *LOOPBACK, host.lower()})
    terms = GuardTerms(hosts=names, any_address=not local, token=chosen)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{bound.getsockname()[1]}/" + (f"?token={chosen}" if chosen else "")
    return ServedAt(socket=bound, terms=terms, address=address)


def serve_pages(application: ASGIApp, place: ServedAt, started: Callable[[str], None]) -> None:
    """Serve until interrupted, which is how a server ends."""
    import uvicorn

    config = uvicorn.Config(
        application, log_level="warning", access_log=False, server_header=False, limit_concurrency=_AT_ONCE,
        timeout_keep_alive=15, timeout_graceful_shutdown=3, ws="none", lifespan="off", http="h11", loop="asyncio",
        proxy_headers=False,
    )  # fmt: skip
    started(place.address)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[place.socket])
