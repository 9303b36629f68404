"""A server on loopback that says exactly the bytes it is told, for what no well-behaved server would send.

    with raw_server(lambda talk: talk.send(b"HTTP/1.1 ...") if talk.request() else None) as server:
        ... server.url, server.requests

`script(talk)` is called for each connection, in a thread of its own; when it returns the connection is closed.
"""

from __future__ import annotations

import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def framed(body: bytes, *fields: bytes, status: bytes = b"200 OK") -> bytes:
    """A reply with its length."""
    head = b"".join(one + b"\r\n" for one in (b"Content-Length: %d" % len(body), *fields))
    return b"HTTP/1.1 " + status + b"\r\n" + head + b"\r\n" + body


@dataclass
class Talk:
    """One connection, seen from the server: `number` counts them from 0."""

    number: int
    socket: socket.socket
    server: RawServer
    held: bytes = b""

    def request(self) -> bytes:
        """The next request, whole; b"" where the other side has hung up."""
        while True:
            end = self.held.find(b"\r\n\r\n")
            if end >= 0:
                found = _LENGTH.search(self.held, 0, end + 2)
                last = end + 4 + int(found[1] if found else 0)
                if len(self.held) >= last:
                    asked, self.held = self.held[:last], self.held[last:]
                    self.server.note(asked, self.number)
                    return asked
            try:
                data = self.socket.recv(1 << 16)
            except OSError:
                data = b""
            if not data:
                return b""
            self.held += data

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            with suppress(OSError):
                self.socket.sendall(piece)

    def answer_all(self, reply: bytes) -> None:
        """The same reply to every request that comes."""
        while self.request():
            self.send(reply)

    def reset(self) -> None:
        """Hang up the hard way."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


Script = Callable[[Talk], object]


@dataclass
class RawServer:
    """A running server: its address, and each request with the number of its connection."""

    url: str
    requests: list[tuple[bytes, int]] = field(default_factory=list)
    closed: set[int] = field(default_factory=set)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def note(self, request: bytes, number: int) -> None:
        with self.changed:
            self.requests.append((request, number))
            self.changed.notify_all()

    def until(self, enough: Callable[[], bool], seconds: float = 20.0) -> bool:
        """Wait for what the server was sent; False when it does not come in time."""
        with self.changed:
            return self.changed.wait_for(enough, seconds)

    @property
    def connections(self) -> list[int]:
        """Of each request the number of its connection."""
        return [number for _, number in self.requests]


@contextmanager
def raw_server(script: Script, context: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    """A server on a free port of 127.0.0.1, until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    scheme = "https" if context else "http"
    server = RawServer(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/v1/chat/completions")
    talks: list[tuple[threading.Thread, socket.socket]] = []

    def serve(number: int, found: socket.socket) -> None:
        try:
            with found if context is None else context.wrap_socket(found, server_side=True) as open_socket:
                script(Talk(number, open_socket, server))
        except OSError:
            pass
        with server.changed:
            server.closed.add(number)
            server.changed.notify_all()

    def accept() -> None:
        while True:
            try:
                found, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=serve, args=(len(talks), found), daemon=True)
            talks.append((thread, found))
            thread.start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield server
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(5)
        for thread, found in talks:
            with suppress(OSError):
                found.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            found.close()
