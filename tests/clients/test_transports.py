"""Both kinds of connection keep the same rules, whatever comes over the wire."""

import asyncio
import gzip
import json
import zlib
from functools import partial

import aiohttp
import pytest
from asked_over import ask
from raw_server import Talk, framed, raw_server

from evalharness.clients import http
from evalharness.clients.http import BrokenConnectionError, HttpReply, RequestError
from evalharness.clients.session import http_session

FINE = framed(b'{"fine": 1}')
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
pytestmark = pytest.mark.usefixtures("kind")


def answered(reply: bytes, **options) -> HttpReply | Exception:
    """What becomes of these bytes; a second request always gets a reply of its own, so nothing is left of the first."""

    def script(talk: Talk):
        if b"first" in talk.request():
            talk.send(reply)
            if talk.request():  # over the same connection: then the one before was sound
                talk.send(FINE)
        else:
            talk.send(FINE)

    with raw_server(script) as server:
        first, second = ask(server.url, b'"first"', b'"second"', **options)
    assert second.content() == {"fine": 1}, "what was left of a reply was given to the next request"
    return first


@pytest.mark.parametrize(
    "reply",
    [
        framed(b'{"a": 1}'),
        framed(b'{"a": 1}', b"content-type: text/plain", b"X: \xff\xfe", b"X: again"),
        CHUNKED + b'3\r\n{"a\r\n5\r\n": 1}\r\n0\r\n\r\n',
        CHUNKED + b'8;ext=1\r\n{"a": 1}\r\n0\r\nContent-Encoding: gzip\r\nX-Trailer: 1\r\n\r\n',
        b"HTTP/1.1 100 Continue\r\n\r\n" + framed(b'{"a": 1}'),
        b"HTTP/1.1 103 Early Hints\r\nContent-Encoding: gzip\r\n\r\nHTTP/1.1 102 P\r\n\r\n" + framed(b'{"a": 1}'),
        framed(b'{"a": 1}', b"Connection: close"),
        framed(b'{"a": 1}').replace(b"HTTP/1.1", b"HTTP/1.0"),
        framed(gzip.compress(b'{"a": 1}', mtime=0), b"Content-Encoding: gzip"),
        framed(zlib.compress(b'{"a": 1}'), b"Content-Encoding: deflate"),
        framed(zlib.compress(b'{"a": 1}')[2:-4], b"Content-Encoding: Deflate"),
        framed(b'{"a": 1}', b"Content-Encoding: identity"),
        framed(b'{"a": 1}') + b"\r\n",
    ],
)
def test_a_sound_reply_is_read(reply):
    found = answered(reply)
    assert (found.status, found.content()) == (200, {"a": 1})


def test_a_reply_that_ends_with_its_connection_is_read_and_the_connection_not_used_again():
    with raw_server(lambda talk: talk.request() and talk.send(CLOSING, b'{"a"', b": 1}")) as server:
        found = ask(server.url, b"1", b"2")
    assert [one.content() for one in found] == [{"a": 1}] * 2
    assert server.connections == [0, 1]


def test_a_reply_in_single_bytes_is_read():
    whole = b"HTTP/1.1 100 Continue\r\n\r\n" + CHUNKED + b'2;x=y\r\n{"\r\n6\r\na": 1}\r\n0\r\nT: 1\r\n\r\n'
    with raw_server(
        lambda talk: talk.request() and talk.send(*(whole[i : i + 1] for i in range(len(whole))))
    ) as server:
        (found,) = ask(server.url, b"1")
    assert found.content() == {"a": 1}


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified", b"500 x", b"429 x", b"301 x", b"999 x"])
def test_every_status_is_a_reply(status):
    body = b"" if status[:3] in (b"204", b"304") else b'{"error": "x"}'
    found = answered(framed(body, b"Location: http://192.0.2.1/", b"Retry-After: 7", status=status))
    assert found.status == int(status[:3])
    assert found.headers["retry-after"] == "7" and found.headers.get("RETRY-AFTER") == "7"


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nContent-Length: 9\r\n\r\n" + b'{"a": 1} ',
        b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nTransfer-Encoding: chunked\r\n\r\n" + b'{"a": 1}',
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 8\r\n\r\n" + b'8\r\n{"a": 1}\r\n0\r\n\r\n',
        b"HTTP/1.1 200 OK\r\nContent-Length: -8\r\n\r\n" + b'{"a": 1}',
        b"HTTP/1.1 200 OK\r\nContent-Length: 8, 8\r\n\r\n" + b'{"a": 1}',
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n" + b'{"a": 1}',
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 8\r\n\r\n" + b'{"a": 1}',
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        CHUNKED + b"xyz\r\n",
        CHUNKED + b"fffffffffffffffffffffff\r\n",
        CHUNKED + b'8\r\n{"a": 1}XX0\r\n\r\n',
        b"HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"ICY 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b'{"a": 1}',
        framed(b"{", b"Content-Encoding: gzip"),
        framed(gzip.compress(b'{"a": 1}', mtime=0)[:-9] + b"\xff" * 4, b"Content-Encoding: gzip"),
        framed(b'{"a": 1}', b"Content-Encoding: br"),
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_what_is_no_sound_reply_is_a_broken_connection(reply):
    found = answered(reply)
    assert isinstance(found, BrokenConnectionError | RequestError) or found.content() is None, found


@pytest.mark.parametrize(
    "part",
    [
        b"HTTP/1.1 200 OK\r\nContent-Le",
        framed(b'{"a": 1}')[:-1],
        CHUNKED + b'8\r\n{"a": 1}\r\n',
        CHUNKED + b'8\r\n{"a"',
        framed(b'{"a": 1}', b"Connection: close")[:-3],
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_connection_that_is_closed_in_the_middle_is_broken(part, how):
    def script(talk: Talk):
        talk.request()
        talk.send(part)
        if how == "reset":
            talk.reset()

    with raw_server(script) as server:
        (found,) = ask(server.url, b"1")
    assert isinstance(found, BrokenConnectionError) and not found.stale and not found.late
    assert len(server.requests) == 1, "it was asked again without being told"


@pytest.mark.parametrize(
    "behind", [b"garbage", b"HTTP/1.1 200 OK\r\n", framed(b'{"wrong": 1}'), framed(b'{"a": 1}'), b"\x00" * 70_000]
)
def test_what_stands_behind_a_reply_is_given_to_nobody(behind, request):
    def script(talk: Talk):
        asked = talk.request()
        while asked:
            reply = framed(b'{"a": %s}' % asked.rpartition(b"\r\n\r\n")[2])
            talk.send(reply + behind)
            asked = talk.request()

    with raw_server(script) as server:
        found = ask(server.url, *(b"%d" % number for number in range(6)))
    texts = [one.content() for one in found if isinstance(one, HttpReply)]
    assert all(text == {"a": number} for number, text in zip(range(6), texts, strict=False)), texts
    if "lean" in request.node.callspec.id:
        assert len(texts) == 6, "the reply itself was whole"
        assert server.connections == list(range(6)), "a connection with something behind it is not used again"


def test_bytes_that_come_while_nothing_is_asked_close_the_connection(kind, monkeypatch):
    if kind == "aiohttp":  # it closes what has been idle for 15 s, and looks at the bytes then
        monkeypatch.setattr(aiohttp, "TCPConnector", partial(aiohttp.TCPConnector, keepalive_timeout=0.1))

    def script(talk: Talk):
        while talk.request():
            talk.send(FINE)
            talk.send(framed(b'{"wrong": 1}'))

    async def with_a_pause():
        async with http_session(server.url, {}, 20.0) as transport:
            first = await transport.post(b"1")
            await asyncio.to_thread(server.until, lambda: 0 in server.closed)
            return first, await transport.post(b"2")

    with raw_server(script) as server:
        found = asyncio.run(with_a_pause())
    assert [one.content() for one in found] == [{"fine": 1}] * 2
    assert server.connections == [0, 1]


def test_a_reply_before_anything_was_asked_is_nobody_s():
    def script(talk: Talk):
        if talk.number == 0:
            talk.send(framed(b'{"wrong": 1}'))
        while talk.request():
            talk.send(FINE)

    with raw_server(script) as server:
        found = ask(server.url, b"1", b"2", b"3")
    assert found[-1].content() == {"fine": 1}
    if not isinstance(found[0], HttpReply):
        assert isinstance(found[0], BrokenConnectionError)


def test_connections_are_kept_and_a_closed_one_is_found_out():
    def script(talk: Talk):
        for _ in range(3):
            if talk.request():
                talk.send(FINE)

    async def with_pauses():
        async with http_session(server.url, {}, 20.0) as transport:
            found = []
            for number in range(7):
                found.append(await transport.post(b"%d" % number))
                if number % 3 == 2:
                    await asyncio.to_thread(server.until, lambda number=number: number // 3 in server.closed)
            return found

    with raw_server(script) as server:
        found = asyncio.run(with_pauses())
    assert [one.content() for one in found] == [{"fine": 1}] * 7
    assert server.connections == [0, 0, 0, 1, 1, 1, 2]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_larger_than_any_answer_is_not_read(packed, chunked, monkeypatch):
    monkeypatch.setattr(http, "LARGEST_REPLY", 1 << 16)
    body = b'"' + b"a" * (3 << 20) + b'"'
    fields = [b"Content-Encoding: gzip"] if packed else []
    body = gzip.compress(body) if packed else body
    if chunked:
        pieces = [body[i : i + 1000] for i in range(0, len(body), 1000)]
        head = CHUNKED[:-2] + b"".join(one + b"\r\n" for one in fields) + b"\r\n"
        reply = head + b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in pieces) + b"0\r\n\r\n"
    else:
        reply = framed(body, *fields)
    found = answered(reply)
    assert isinstance(found, RequestError) and "the reply has more than 0 MiB" in str(found)


@pytest.mark.parametrize("size", [(1 << 16) - 2, 1 << 20])
def test_a_large_body_is_read_whole(size):
    body = json.dumps("b" * size).encode()
    assert answered(framed(body)).body == body
    assert answered(framed(gzip.compress(body), b"Content-Encoding: gzip")).body == body


def test_headers_without_end_are_not_read():
    def script(talk: Talk):
        talk.request()
        talk.send(b"HTTP/1.1 200 OK\r\nX: ", *(b"a" * (1 << 16) for _ in range(200)))
        while talk.socket.recv(1 << 16):
            pass

    with raw_server(script) as server:
        (found,) = ask(server.url, b"1")
    assert isinstance(found, BrokenConnectionError | RequestError)


def test_interim_replies_without_end_are_not_waited_for():
    def script(talk: Talk):
        talk.request()
        for _ in range(20_000):
            talk.socket.sendall(b"HTTP/1.1 102 Processing\r\nX: " + b"a" * 100 + b"\r\n\r\n")

    with raw_server(script) as server:
        (found,) = ask(server.url, b"1", deadline=5.0)
    assert isinstance(found, BrokenConnectionError | RequestError)


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\n", CHUNKED + b"1\r\na\r\n", b"HTTP/1.1 100 C\r\n\r\n"])
def test_a_reply_that_does_not_come_in_time_is_given_up(begin):
    def script(talk: Talk):
        talk.request()
        talk.send(begin)
        talk.request()  # for ever, as far as the client knows

    with raw_server(script) as server:
        (found,) = ask(server.url, b"1", deadline=0.2)
    assert isinstance(found, BrokenConnectionError) and found.late
    assert server.closed == {0} or server.until(lambda: server.closed == {0})


def test_a_reply_in_drips_is_given_up_however_often_one_comes():
    def script(talk: Talk):
        talk.request()
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        drip = talk.socket
        drip.settimeout(0.005)
        while True:
            drip.sendall(b" ")
            try:
                if not drip.recv(1):
                    return
            except TimeoutError:
                continue

    with raw_server(script) as server:
        (found,) = ask(server.url, b"1", deadline=0.3)
    assert isinstance(found, BrokenConnectionError) and found.late


def test_a_request_says_what_it_must_and_keeps_what_the_user_says():
    with raw_server(lambda talk: talk.answer_all(FINE)) as server:
        ask(server.url, b'{"x": 1}', headers={"authorization": "Bearer k", "user-agent": "mine", "X-A": "b: c"})
        ask(server.url + "?api-version=2024-10-21&b=%20c", b"2")
    (first, _), (second, _) = server.requests
    head, _, body = first.partition(b"\r\n\r\n")
    start, *fields = head.decode().split("\r\n")
    said = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
    port = server.url.split("/")[2]
    assert (start, body) == ("POST /v1/chat/completions HTTP/1.1", b'{"x": 1}')
    assert len(said) == len(fields), "a header is sent once"
    assert said.pop("accept-encoding").startswith("gzip, deflate")
    assert said == {
        "host": port, "accept": "*/*", "content-type": "application/json", "content-length": "8",
        "authorization": "Bearer k", "user-agent": "mine", "x-a": "b: c",
    }  # fmt: skip
    assert second.startswith(b"POST /v1/chat/completions?api-version=2024-10-21&b=%20c HTTP/1.1\r\n")


def test_a_request_that_is_larger_than_any_buffer_arrives_whole():
    body = json.dumps("q" * (4 << 20)).encode()
    with raw_server(lambda talk: talk.answer_all(FINE)) as server:
        (found,) = ask(server.url, body)
    assert found.content() == {"fine": 1} and server.requests[0][0].endswith(body)


def test_being_cancelled_leaves_no_connection_that_still_gets_its_reply():
    def script(talk: Talk):
        asked = talk.request()
        if b"slow" in asked:
            talk.request()
        else:
            talk.send(FINE)

    async def cancelled():
        async with http_session(server.url, {}, 20.0) as transport:
            slow = asyncio.create_task(transport.post(b"slow"))
            await asyncio.to_thread(server.until, lambda: len(server.requests) == 1)
            slow.cancel()
            await asyncio.gather(slow, return_exceptions=True)
            return await transport.post(b"quick")

    with raw_server(script) as server:
        assert asyncio.run(cancelled()).content() == {"fine": 1}
    assert server.connections == [0, 1]
