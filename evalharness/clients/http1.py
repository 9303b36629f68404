"""HTTP/1.1 over connections of our own, as lean as asking thousands of short questions wants it.

`ReplyReader` is one connection, which carries one request at a time, `Http1Transport` keeps those that are free on a
stack. llhttp (package `httptools`) reads what comes, strictly: what is doubtful about a message's length is an error.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import cast
from urllib.parse import urlsplit

import httptools
from aiohappyeyeballs import AddrInfoType, start_connection
from multidict import CIMultiDict

from evalharness.clients import http
from evalharness.clients.http import BrokenConnectionError, HttpReply, RequestError, UnreachableError, too_large
from evalharness.clients.unpacking import CODINGS, unpacked

_LONGEST_HEAD = 64 << 10  # bytes of status line and headers, those of interim replies included
_KEPT = 4.0  # seconds for which a connection that nobody uses is trusted: uvicorn, and so vLLM, closes it after 5
_FRAMING = 8  # bytes of a body's framing for each of its own: chunks of one byte each have five


class ReplyReader(asyncio.Protocol):
    """One connection. It is asked one thing at a time; once `reusable` is false it is of no more use."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport
        self._poll: select.poll | None = None
        self._waiter: asyncio.Future[HttpReply] | None = None
        self.lost = loop.create_future()
        self.reusable = True
        self.asked = 0
        self.idle_since = 0.0
        self._start()

    def _start(self) -> None:
        """Ready for another reply."""
        self._status = self._received = self._size = 0
        self._headers: CIMultiDict[str] = CIMultiDict()
        self._body: list[bytes] = []
        self._to_end = self._complete = False
        self._trouble: Exception | None = None

    def ask(self, message: bytes) -> asyncio.Future[HttpReply]:
        """The reply to a message, BrokenConnectionError, or RequestError for one larger than any answer; `release` is
        to be called in any case."""
        self._waiter = self._loop.create_future()
        if self.reusable:
            self._start()
            self.asked += 1
            self._transport.write(message)
        else:
            self._waiter.set_exception(BrokenConnectionError("it was closed before anything was asked"))
        return self._waiter

    def release(self) -> None:
        """Nobody waits for the reply any more, for it came or is given up."""
        self._waiter = None
        if not (self._complete and self.reusable):
            self.drop()
        self.idle_since = self._loop.time()

    def give_up(self) -> None:
        """Whoever waits for a reply has waited long enough."""
        self._fail(BrokenConnectionError("no whole reply in time", late=True))

    def drop(self) -> None:
        """Close at once; what is on its way is not waited for."""
        self.reusable = False
        self._transport.abort()

    def fresh(self) -> bool:
        """Whether it may be asked again: not closed at the other end, and no bytes there that nobody asked for."""
        if not self.reusable or self._loop.time() - self.idle_since > _KEPT:
            return False
        return self._poll is None or not self._poll.poll(0)

    # What the event loop says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if hasattr(select, "poll"):  # all but Windows
            self._poll = select.poll()
            self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        if self._waiter is None or self._complete:
            self.drop()  # bytes behind a reply are nobody's reply
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._trouble = self._trouble or BrokenConnectionError("the reply changes to another protocol")
        except httptools.HttpParserError as error:
            self._trouble = self._trouble or BrokenConnectionError(f"the reply is no HTTP ({error})")
        if self._complete:
            if self._trouble is not None:
                self.reusable = False
        elif self._trouble is not None:
            self._fail(self._trouble)
        elif self._received - self._size > _LONGEST_HEAD + _FRAMING * self._size:
            self._fail(BrokenConnectionError("the reply's headers have no end"))

    def eof_received(self) -> None:
        return None  # the transport closes itself

    def connection_lost(self, error: Exception | None) -> None:
        self.reusable = False
        if self._to_end and not self._complete and error is None:
            self._finish()
        elif not self._complete:
            said = str(error) if error is not None else "it was closed before the reply was whole"
            self._fail(BrokenConnectionError(said, stale=self.asked > 1 and not self._received))
        if not self.lost.done():
            self.lost.set_result(None)

    def _fail(self, error: Exception) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
        self.drop()

    def _finish(self) -> None:
        """The reply is whole."""
        self._complete = True
        if self._transport.get_write_buffer_size():  # it came before the request had left
            self.reusable = False
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        try:
            body = unpacked(body, self._headers.get("Content-Encoding", "").strip().lower())
        except (BrokenConnectionError, RequestError) as error:
            self._fail(error)
            return
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(HttpReply(self._status, self._headers, body))

    # What the parser says.

    def on_message_begin(self) -> None:
        if self._complete:
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._status:  # else it stands behind the body
            self._headers.add(name.decode("ascii"), value.decode("utf-8", "surrogateescape"))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._complete:
            return
        if status < 200:  # interim, the reply is still to come
            self._headers.clear()
            return
        self._status = status
        headers = self._headers
        if headers.get("Transfer-Encoding", "chunked").strip().lower() != "chunked":
            self._trouble = BrokenConnectionError("the reply is sent in a way that was not asked for")
        length = headers.get("Content-Length", "0").strip()
        if int(length) > http.LARGEST_REPLY:
            self._trouble = too_large()
        self._to_end = "Content-Length" not in headers and "Transfer-Encoding" not in headers

    def on_body(self, body: bytes) -> None:
        if self._complete:
            return
        self._size += len(body)
        if self._size > http.LARGEST_REPLY:
            self._trouble = too_large()
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        if self._complete or not self._status or self._trouble is not None:
            return
        if not self._parser.should_keep_alive():
            self.reusable = False
        self._finish()


class Http1Transport:
    """A `Transport` to one address. The connection that was free last is used first; the others grow old and go."""

    def __init__(self, url: str, headers: Mapping[str, str], deadline: float) -> None:
        parts = urlsplit(url)
        self._loop = asyncio.get_running_loop()
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        own = {"Host": parts.netloc, "Accept": "*/*", "Accept-Encoding": CODINGS, **headers}
        fields = "".join(f"{name}: {value}\r\n" for name, value in own.items())
        self._head = f"POST {target} HTTP/1.1\r\n{fields}Content-Length: ".encode("ascii")  # the number comes behind
        self._deadline = deadline
        self._free: list[ReplyReader] = []
        self._open: set[ReplyReader] = set()
        self._due: dict[ReplyReader, float] = {}  # those that are asked, and until when they have time
        self._watch: asyncio.TimerHandle | None = None
        self._addresses: list[AddrInfoType] = []

    async def post(self, body: bytes) -> HttpReply:
        until = self._loop.time() + self._deadline
        message = b"%b%d\r\n\r\n%b" % (self._head, len(body), body)
        connection = self._kept() or await self._connected(until)
        self._due[connection] = until
        if self._watch is None:
            self._watch = self._loop.call_later(self._deadline / 20, self._overdue)
        try:
            return await connection.ask(message)
        except BrokenConnectionError as error:
            if error.stale:  # so may be the others that are free
                while self._free:
                    self._free.pop().drop()
            raise
        finally:
            del self._due[connection]
            connection.release()
            if connection.reusable:
                self._free.append(connection)

    def _overdue(self) -> None:
        """One timer for all: one for each request would be a tenth of its work."""
        now = self._loop.time()
        for connection in [one for one, until in self._due.items() if until <= now]:
            connection.give_up()
        self._watch = self._loop.call_later(self._deadline / 20, self._overdue) if self._due else None

    def _kept(self) -> ReplyReader | None:
        """A connection that is free."""
        while self._free:
            found = self._free.pop()
            if found.fresh():
                return found
            found.drop()
        return None

    async def _connected(self, until: float) -> ReplyReader:
        try:
            async with asyncio.timeout_at(until):
                connection = await self._connect()
        except TimeoutError:
            raise BrokenConnectionError("there is no connection in time", late=True) from None
        except (OSError, ssl.CertificateError) as error:
            self._addresses = []  # a name may stand for another machine by now
            raise UnreachableError(f"{self._host}:{self._port}: {error}") from None
        self._open.add(connection)
        connection.lost.add_done_callback(lambda _: self._open.discard(connection))
        return connection

    async def _connect(self) -> ReplyReader:
        if not self._addresses:
            self._addresses = list(await self._loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM))
        free = await start_connection(self._addresses, happy_eyeballs_delay=0.25)
        try:
            # A model may think for minutes, in which a middle box forgets a connection that nothing comes over.
            free.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if hasattr(socket, "TCP_KEEPIDLE"):
                free.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
            _, connection = await self._loop.create_connection(
                lambda: ReplyReader(self._loop), sock=free, ssl=self._tls,
                server_hostname=self._host if self._tls else None,
            )  # fmt: skip
        except BaseException:
            free.close()
            raise
        return connection

    async def close(self) -> None:
        """Close all connections, and wait until they are."""
        if self._watch is not None:
            self._watch.cancel()
        lost = [connection.lost for connection in self._open]
        for connection in tuple(self._open):
            connection.drop()
        if lost:
            await asyncio.wait(lost, timeout=5.0)


@asynccontextmanager
async def http1_transport(url: str, headers: Mapping[str, str], deadline: float) -> AsyncIterator[Http1Transport]:
    """Connections that are kept alive until the block ends. `deadline`: seconds for one attempt."""
    transport = Http1Transport(url, headers, deadline)
    try:
        yield transport
    finally:
        await transport.close()
