"""One attempt over HTTP: a JSON body posted, and what came back, read within bounds. No redirect is followed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from evalharness.data.files import json_value

LARGEST_REPLY = 16 << 20  # bytes, unpacked: a long answer with all its log-probabilities has less
_DEEPEST = 64  # levels of lists and objects in a reply; those of real ones have about ten


class RequestError(Exception):
    """This request will never be answered; others may."""


class FilteredError(Exception):
    """The provider's content filter refused the prompt."""


class UnreachableError(Exception):
    """There is no connection: no such host, nobody there, a certificate that is not believed."""


class BrokenConnectionError(Exception):
    """The connection was lost, or what came over it is no reply.

    `late`: the whole reply did not come in time. `stale`: a connection that was kept open had been closed at the other
    end, and not one byte of a reply came.
    """

    def __init__(self, message: str, *, late: bool = False, stale: bool = False) -> None:
        super().__init__(message)
        self.late, self.stale = late, stale


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What came back: status, headers by their names in any capitals, and the body, unpacked."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def raw(self) -> str:
        """The beginning of the body as text."""
        return self.body[:2000].decode("utf-8", "replace")

    def content(self) -> Any:
        """The body's JSON, None where it is none. RequestError where it is nested deeper than any answer."""
        try:
            found = orjson.loads(self.body)
        except ValueError:  # it refuses an escaped lone surrogate too, which a model may well write
            try:
                found = json_value(self.body)
            except ValueError as error:
                if "nested too deep" in str(error):
                    raise RequestError("the reply is nested too deep") from None
                return None
        if self.body.count(b"[") + self.body.count(b"{") > _DEEPEST and _is_deep(found):
            raise RequestError("the reply is nested too deep")
        return found


class Transport(Protocol):
    """Connections to an endpoint's address, whoever looks after them."""

    async def post(self, body: bytes) -> HttpReply:
        """One attempt. UnreachableError, BrokenConnectionError, or RequestError for a reply larger than any answer."""
        ...


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


def too_large() -> RequestError:
    """What is said of a body that is not read to its end."""
    return RequestError(f"the reply has more than {LARGEST_REPLY >> 20} MiB")


def encoded(body: Mapping[str, Any]) -> bytes:
    """JSON; lone surrogates, which a model's answer may hold and UTF-8 may not, as escapes."""
    try:
        return orjson.dumps(body)
    except TypeError:
        return json.dumps(body).encode("ascii")
