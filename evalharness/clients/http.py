"""One attempt over HTTP: a JSON body posted, and what came back, read within bounds. No redirect is followed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from evalharness.data.files import json_value

if TYPE_CHECKING:
    import aiohttp

LARGEST_REPLY = 16 << 20  # bytes, unpacked: a long answer with all its log-probabilities has less
_DEEPEST = 64  # levels of lists and objects in a reply; those of real ones have about ten
_TIMEOUT = 600.0  # seconds for one attempt: a long answer of a slow local server must fit


class RequestError(Exception):
    """This request will never be answered; others may."""


class FilteredError(Exception):
    """The provider's content filter refused the prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    """What came back: `content` is its JSON, `raw` the beginning of its text; `content` is None where it is no JSON."""

    status: int
    headers: Mapping[str, str]
    content: Any
    raw: str


@asynccontextmanager
async def http_session(url: str, headers: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientSession]:
    """Connections to an address that are kept alive, for one `answers`. Headers of one's own take the place of ours."""
    import aiohttp

    own = {name.lower() for name in headers}
    usual = {"Content-Type": "application/json", "User-Agent": "evalharness"}
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),  # the workers are the limit
        timeout=aiohttp.ClientTimeout(total=_TIMEOUT),
        headers={**{name: value for name, value in usual.items() if name.lower() not in own}, **headers},
        cookie_jar=aiohttp.DummyCookieJar(),  # an endpoint keeps nothing here
        proxy=_proxy(url),  # and not `trust_env`, which takes passwords from ~/.netrc too
    ) as session:
        yield session


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for an address (HTTPS_PROXY, HTTP_PROXY, but for NO_PROXY)."""
    parts = urlsplit(url)
    found = getproxies().get(parts.scheme)
    return None if found is None or proxy_bypass(parts.netloc.rpartition("@")[2]) else found


async def post_json(session: aiohttp.ClientSession, url: str, body: Mapping[str, Any]) -> HttpReply:
    """One attempt. RequestError for a reply that is larger or deeper than any answer; what aiohttp raises passes."""
    async with session.post(url, data=encoded(body), allow_redirects=False) as reply:
        raw, status, headers = await _body(reply), reply.status, reply.headers
    text = raw[:2000].decode("utf-8", "replace")
    try:
        content = json_value(raw)  # not orjson: it refuses an escaped lone surrogate
    except ValueError as error:
        if "nested too deep" in str(error):
            raise RequestError("the reply is nested too deep") from None
        content = None
    if _is_deep(content):
        raise RequestError("the reply is nested too deep")
    return HttpReply(status=status, headers=headers, content=content, raw=text)


async def _body(reply: aiohttp.ClientResponse) -> bytes:
    """The reply's body, unpacked. RequestError as soon as it is larger than any answer."""
    pieces, size = [], 0
    async for piece in reply.content.iter_chunked(1 << 16):
        pieces.append(piece)
        size += len(piece)
        if size > LARGEST_REPLY:
            raise RequestError(f"the reply has more than {LARGEST_REPLY >> 20} MiB")
    return b"".join(pieces)


def _is_deep(content: Any) -> bool:
    """Whether a value is nested deeper than replies are, without going deeper itself."""
    level = [content]
    for _ in range(_DEEPEST):
        level = [one for each in level if isinstance(each, dict | list) for one in _inside(each)]
        if not level:
            return False
    return True


def _inside(value: dict[str, Any] | list[Any]) -> list[Any]:
    found = value.values() if isinstance(value, dict) else value
    return [one for one in found if isinstance(one, dict | list)]


def encoded(body: Mapping[str, Any]) -> bytes:
    """JSON; lone surrogates, which a model's answer may hold and UTF-8 may not, as escapes."""
    import orjson

    try:
        return orjson.dumps(body)
    except TypeError:
        return json.dumps(body).encode("ascii")
