"""Which connections an endpoint is asked over: lean ones of our own (`http1`), or aiohttp's where those do not do.

Ours need the package `httptools` and a plain case: no proxy, an address in ordinary characters, no header that changes
how a message is framed. Both keep the same rules and raise the same errors.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.util import find_spec
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from evalharness.clients.http import Transport

_ORDINARY = re.compile(
    r"https?://(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?"
    r"(?:/(?!\.{1,2}(?:[/?]|$))[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*/?(?:\?[A-Za-z0-9._~!$'()*+,;=:@/?%&-]*)?"
)
_FRAMING = {
    "accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "te", "trailer",
    "transfer-encoding", "upgrade",
}  # fmt: skip


@asynccontextmanager
async def http_session(url: str, headers: Mapping[str, str], deadline: float) -> AsyncIterator[Transport]:
    """Connections to an address that are kept alive, for one `answers`. Headers of one's own take the place of ours.

    `deadline`: seconds for one attempt, from its start to the reply's last byte.
    """
    own = {name.lower() for name in headers}
    usual = {"Content-Type": "application/json", "User-Agent": "evalharness"}
    said = {**{name: value for name, value in usual.items() if name.lower() not in own}, **headers}
    proxy = _proxy(url)
    if proxy is None and is_plain(url, own):
        from evalharness.clients.http1 import http1_transport

        async with http1_transport(url, said, deadline) as lean:
            yield lean
    else:
        from evalharness.clients.by_aiohttp import aiohttp_transport

        async with aiohttp_transport(url, said, proxy, deadline) as whole:
            yield whole


def is_plain(url: str, headers: set[str]) -> bool:
    """Whether our own connections do for an address and headers of these names (in small letters)."""
    return not headers & _FRAMING and _ORDINARY.fullmatch(url) is not None and find_spec("httptools") is not None


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for an address (HTTPS_PROXY, HTTP_PROXY, but for NO_PROXY)."""
    parts = urlsplit(url)
    found = getproxies().get(parts.scheme)
    if not found or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return found if "://" in found else f"http://{found}"
