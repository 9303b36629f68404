"""One connection of our own: whatever comes, in whatever pieces, the outcome is the same and one of three."""

import asyncio
import gzip
import random
from itertools import pairwise

import pytest

pytest.importorskip("httptools", reason="our own HTTP connections need the package httptools (extra `fast`)")

from evalharness.clients.http import BrokenConnectionError, HttpReply, RequestError
from evalharness.clients.http1 import ReplyReader

BODY = b'{"a": "\xc3\xa4", "b": [1, 2, 3]}'
SEEDS = [
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY),
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
    % (len(BODY), BODY),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n%b\r\n%x;e=1\r\n%b\r\n0\r\nT: 1\r\n\r\n"
    % (BODY[:5], len(BODY) - 5, BODY[5:]),
    b"HTTP/1.1 429 Too Many\r\nRetry-After: 3\r\n\r\n" + BODY,
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b"
    % (len(gzip.compress(BODY, mtime=0)), gzip.compress(BODY, mtime=0)),
    b"HTTP/1.0 204 No Content\r\n\r\n",
]  # fmt: skip
JUNK = [
    b"\r\n", b"\x00", b":", b" ", b"0", b"9" * 30, b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n",
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", b"\xff", b"gzip",
    b"deflate",
]  # fmt: skip


class Wire(asyncio.Transport):
    """The other end of a connection, of which nothing is seen."""

    def __init__(self, reader: ReplyReader) -> None:
        super().__init__()
        self.reader, self.open, self.written = reader, True, b""

    def write(self, data: bytes) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        self.hang_up()

    def hang_up(self) -> None:
        if self.open:
            self.open = False
            asyncio.get_running_loop().call_soon(self.reader.connection_lost, None)


async def outcome(pieces: list[bytes]) -> tuple[HttpReply | Exception, bool]:
    """What a connection makes of these bytes and an end behind them, and whether it could be used again before that."""
    reader = ReplyReader(asyncio.get_running_loop())
    wire = Wire(reader)
    reader._transport = wire
    asked = asyncio.ensure_future(reader.ask(b"POST"))
    await asyncio.sleep(0)
    for piece in pieces:
        if wire.open:
            reader.data_received(piece)
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    reusable = reader.reusable and reader._complete
    wire.hang_up()
    (found,) = await asyncio.wait_for(asyncio.gather(asked, return_exceptions=True), 10)
    return found, reusable


def same(found: HttpReply | BaseException) -> object:
    return (found.status, found.body, sorted(found.headers.items())) if isinstance(found, HttpReply) else type(found)


def mutated(chance: random.Random) -> bytes:
    data = bytearray(chance.choice(SEEDS))
    for _ in range(chance.randrange(4)):
        place = chance.randrange(len(data) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            data[place:place] = chance.choice(JUNK)
        elif kind == 1:
            del data[place : place + chance.randrange(1, 12)]
        elif kind == 2 and data:
            data[place % len(data)] = chance.randrange(256)
        else:
            other = chance.choice(SEEDS)
            data[place:] = other[chance.randrange(len(other)) :]
    return bytes(data)


def pieces_of(data: bytes, chance: random.Random) -> list[bytes]:
    cuts = sorted({0, len(data), *(chance.randrange(len(data) + 1) for _ in range(chance.randrange(6)))})
    return [data[a:b] for a, b in pairwise(cuts)]


def test_any_bytes_in_any_pieces():
    chance, sound, kept = random.Random(11), 0, 0

    async def all_of_them():
        nonlocal sound, kept
        for _ in range(3000):
            data = mutated(chance)
            whole, reusable = await outcome([data])
            parts, reusable_in_parts = await outcome(pieces_of(data, chance))
            assert isinstance(whole, HttpReply | BrokenConnectionError | RequestError), (data, whole)
            assert same(whole) == same(parts), (data, whole, parts)
            assert reusable == reusable_in_parts or not isinstance(whole, HttpReply), data
            sound += isinstance(whole, HttpReply)
            kept += reusable
            if isinstance(whole, HttpReply) and reusable:
                # Nothing is left behind: the same bytes and a sound reply are a reply and something that is nobody's.
                _, after = await outcome([data + SEEDS[0]])
                assert not after, data

    asyncio.run(all_of_them())
    assert sound > 500 and kept > 200


def test_the_second_reply_of_two_is_nobody_s_in_whatever_pieces():
    async def cut_everywhere():
        for seed in SEEDS[:3]:
            both = seed + SEEDS[0]
            for cut in range(1, len(both)):
                found, reusable = await outcome([both[:cut], both[cut:]])
                assert isinstance(found, HttpReply) and found.body == BODY and not reusable

    asyncio.run(cut_everywhere())
