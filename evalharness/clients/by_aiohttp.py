"""Connections that aiohttp looks after: through proxies, and wherever `http1` does not do."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from evalharness.clients import http
from evalharness.clients.http import BrokenConnectionError, HttpReply, RequestError, UnreachableError, too_large

_HTTP_PROXY = re.compile(r"https?://([^/?#\s]*@)?([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?/?")
_LARGE = 1 << 20  # bytes: aiohttp warns of what is written in one piece and has more


@asynccontextmanager
async def aiohttp_transport(
    url: str, headers: Mapping[str, str], proxy: str | None, deadline: float
) -> AsyncIterator[AiohttpTransport]:
    """Connections that are kept alive until the block ends. `deadline`: seconds for one attempt."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),  # the workers are the limit
        timeout=aiohttp.ClientTimeout(total=deadline),
        headers=headers,
        cookie_jar=aiohttp.DummyCookieJar(),  # an endpoint keeps nothing here
        proxy=proxy,  # and not `trust_env`, which takes passwords from ~/.netrc too
        trace_configs=[_told_when_connected()] if proxy else [],
    ) as session:
        yield AiohttpTransport(session, url, proxy)


def _told_when_connected() -> aiohttp.TraceConfig:
    """Marks each request while its connection is made: a proxy's failures are told apart from the endpoint's."""

    async def begun(session: Any, context: Any, parameters: Any) -> None:
        context.trace_request_ctx["connecting"] = True

    async def made(session: Any, context: Any, parameters: Any) -> None:
        context.trace_request_ctx["connecting"] = False

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_start.append(begun)
    trace.on_connection_create_end.append(made)
    return trace


class AiohttpTransport:
    """A `Transport` over aiohttp's session."""

    def __init__(self, session: aiohttp.ClientSession, url: str, proxy: str | None = None) -> None:
        self._session, self._url = session, url
        self._proxy = urlsplit(proxy).netloc.rpartition("@")[2] if proxy else ""
        self._proxied = proxy is None or _HTTP_PROXY.fullmatch(proxy) is not None

    async def post(self, body: bytes) -> HttpReply:
        data = io.BytesIO(body) if len(body) > _LARGE else body
        state: dict[str, bool] = {}
        if not self._proxied:
            raise UnreachableError(
                "HTTPS_PROXY or HTTP_PROXY names no proxy such as http://HOST:PORT, no other kind is known"
            )
        try:
            asked = self._session.post(self._url, data=data, allow_redirects=False, trace_request_ctx=state)
            async with asked as reply:
                if reply.status == 407 and self._proxy:
                    raise UnreachableError(f"the proxy {self._proxy} refuses: 407 {reply.reason}")
                return HttpReply(reply.status, reply.headers, await _body(reply))
        except aiohttp.ClientHttpProxyError as error:
            raise UnreachableError(f"the proxy {self._proxy} refuses: {error.status} {error.message}") from None
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as error:
            raise UnreachableError(f"through the proxy {self._proxy}: {error}" if self._proxy else str(error)) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if state.get("connecting"):
                # What aiohttp says of a reply that is none holds the proxy's address with its password.
                said = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
                raise UnreachableError(f"the proxy {self._proxy} fails: {said or type(error).__name__}") from None
            late = isinstance(error, TimeoutError)
            raise BrokenConnectionError(str(error) or type(error).__name__, late=late) from None
        except ValueError as error:  # what aiohttp and the unpackers make of a reply that is no HTTP
            raise RequestError(f"the reply cannot be read: {type(error).__name__}") from None


async def _body(reply: aiohttp.ClientResponse) -> bytes:
    """The reply's body, unpacked. RequestError as soon as it is larger than any answer."""
    pieces, size = [], 0
    async for piece in reply.content.iter_chunked(1 << 16):
        pieces.append(piece)
        size += len(piece)
        if size > http.LARGEST_REPLY:
            raise too_large()
    return b"".join(pieces)
