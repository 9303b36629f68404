"""A chat server that fails in every way there is, drawn by lot for each attempt at each question.

The questions are numbers, the right answer is the number. What an attempt gets depends on the seed, the question and
the number of the attempt alone, so a test may be run again.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import struct
import threading
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

_NUMBER = re.compile(rb"number (\d+)")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
BOMB = gzip.compress(b'{"choices": "' + b"a" * (20 << 20))
CHAOS = (
    "crowded", "fails", "reset", "hangs", "drips", "malformed", "deep or packed", "wrong types", "doubled", "right",
)  # fmt: skip


def chat(text: Any, **more: Any) -> bytes:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    return json.dumps({"model": "m", "choices": [choice], "usage": None, **more}).encode()


def framed(body: bytes, *fields: str, status: str = "200 OK") -> bytes:
    head = "".join(f"{one}\r\n" for one in (f"Content-Length: {len(body)}", *fields))
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


@dataclass
class Chaos:
    """A running server: its base URL, and how often each question was asked. `calm`: from now on it is a good one."""

    url: str = ""
    seed: int = 0
    calm: bool = False
    asked: Counter[int] = field(default_factory=Counter)
    drawn: Counter[str] = field(default_factory=Counter)

    def draw(self, number: int) -> tuple[str, int]:
        """What this attempt gets, and a number to choose among its variants."""
        self.asked[number] += 1
        lot = zlib.crc32(f"{self.seed}:{number}:{self.asked[number]}".encode())
        kind = "right" if self.calm else CHAOS[lot % len(CHAOS)]
        if not self.calm and sum(self.asked.values()) % 700 < 60:  # and now and then everybody is sent away
            kind = "crowded"
        self.drawn[kind] += 1
        return kind, lot // len(CHAOS)


class Broken(asyncio.Protocol):
    """One connection of it."""

    def __init__(self, chaos: Chaos) -> None:
        self.chaos, self.held = chaos, b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.held += data
        while (end := self.held.find(b"\r\n\r\n")) >= 0:
            last = end + 4 + int(_LENGTH.search(self.held)[1])  # type: ignore[index]
            if len(self.held) < last:
                return
            asked, self.held = self.held[:last], self.held[last:]
            number = int(_NUMBER.search(asked)[1])  # type: ignore[index]
            self.answer(number, *self.chaos.draw(number))

    def answer(self, number: int, kind: str, variant: int) -> None:
        right = framed(chat(str(number)))
        if kind == "right":
            self.transport.write(right)
        elif kind == "doubled":
            self.transport.write(right + (right, right[:20], b"\r\n\r\n<html>")[variant % 3])
        elif kind == "crowded":
            said = ((), ("Retry-After: 0",), ("retry-after-ms: 2",), ("Retry-After: Wed, 21 Oct 2015 07:28:00 GMT",))
            self.transport.write(framed(b'{"error": "slow down"}', *said[variant % 4], status="429 Too Many"))
        elif kind == "fails":
            self.transport.write(framed(b"<html>oh</html>", status=("500 x", "502 x", "503 x", "529 x")[variant % 4]))
        elif kind == "reset":
            self.transport.write(right[: (0, 12, len(right) - 5)[variant % 3]])
            self.hang_up(hard=variant % 2 == 0)
        elif kind == "drips":
            self.drip(right, 0)
        elif kind == "malformed":
            self.transport.write(framed((b"{", b"", b"null", b"\xff\xfe", b"data: {}\n\n")[variant % 5]))
        elif kind == "deep or packed":
            deep = b'{"choices": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
            packed = framed(BOMB, "Content-Encoding: gzip")
            self.transport.write(packed if variant % 8 == 0 else framed(deep))
        elif kind == "wrong types":
            odd = ({"choices": 7}, {"choices": [7]}, {"usage": "many"}, {"choices": [{"message": {"content": 5}}]})
            self.transport.write(framed(chat("x", **odd[variant % 4])))
        # what hangs is not answered at all

    def drip(self, whole: bytes, place: int) -> None:
        if not self.transport.is_closing() and place < 20:
            self.transport.write(whole[place : place + 1])
            asyncio.get_running_loop().call_later(0.01, self.drip, whole, place + 1)

    def hang_up(self, hard: bool) -> None:
        if hard:
            import socket

            self.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        self.transport.close()


@contextmanager
def chaos_server(seed: int) -> Iterator[Chaos]:
    """A server on a free port of 127.0.0.1, until the block ends."""
    chaos, loop, ready = Chaos(seed=seed), asyncio.new_event_loop(), threading.Event()
    over = loop.create_future()

    async def serve() -> None:
        server = await loop.create_server(lambda: Broken(chaos), "127.0.0.1", 0, backlog=1024)
        chaos.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        ready.set()
        await over
        server.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    ready.wait(20)
    try:
        yield chaos
    finally:
        loop.call_soon_threadsafe(over.set_result, None)
        thread.join(20)
        loop.close()
