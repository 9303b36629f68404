"""Connections that aiohttp looks after: through proxies, and wherever `http1` does not do."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp

from evalharness.clients import http
from evalharness.clients.http import BrokenConnectionError, HttpReply, RequestError, UnreachableError, too_large

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
    ) as session:
        yield AiohttpTransport(session, url)


class AiohttpTransport:
    """A `Transport` over aiohttp's session."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url

    async def post(self, body: bytes) -> HttpReply:
        data = io.BytesIO(body) if len(body) > _LARGE else body
        try:
            async with self._session.post(self._url, data=data, allow_redirects=False) as reply:
                return HttpReply(reply.status, reply.headers, await _body(reply))
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as error:
            raise UnreachableError(str(error)) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
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
