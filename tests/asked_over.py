"""Requests over one session, one after another: what came of each."""

import asyncio

from evalharness.clients.http import BrokenConnectionError, HttpReply, RequestError, UnreachableError
from evalharness.clients.session import http_session


def ask(url, *bodies: bytes, headers=(), deadline=20.0) -> list[HttpReply | Exception]:
    """What came of one request after another over one session."""

    async def one_after_another():
        found = []
        async with http_session(url, dict(headers), deadline) as transport:
            for body in bodies:
                try:
                    found.append(await transport.post(body))
                except (BrokenConnectionError, RequestError, UnreachableError) as error:
                    found.append(error)
        return found

    return asyncio.run(one_after_another())
