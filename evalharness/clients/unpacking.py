"""Bodies that came packed (RFC 9110, 8.4.1): unpacked no further than a reply may be long."""

from __future__ import annotations

import zlib

from evalharness.clients import http
from evalharness.clients.http import BrokenConnectionError, too_large

CODINGS = "gzip, deflate"  # what `unpacked` knows, as an Accept-Encoding header says it


def unpacked(body: bytes, coding: str) -> bytes:
    """The body as it was before it was packed; one in a coding that nobody asked for is left as it is.

    RequestError for one that is larger than any answer, BrokenConnectionError for one that is cut off or no such thing.
    """
    if coding == "gzip":
        window = 16 + zlib.MAX_WBITS
    elif coding == "deflate":  # zlib's wrapping, or none as some servers send it
        window = zlib.MAX_WBITS if body[:1] and body[0] & 0x0F == 8 else -zlib.MAX_WBITS
    elif coding in ("br", "zstd"):
        raise BrokenConnectionError(f"the reply is packed as {coding}, which was not asked for")
    else:
        return body
    unpacker = zlib.decompressobj(wbits=window)
    try:
        found = unpacker.decompress(body, http.LARGEST_REPLY + 1)
    except zlib.error as error:
        raise BrokenConnectionError(f"the reply cannot be unpacked ({error})") from None
    if len(found) > http.LARGEST_REPLY:
        raise too_large()
    if not unpacker.eof:
        raise BrokenConnectionError("the reply is cut off")
    return found
