"""Which connections an endpoint is asked over."""

import asyncio
import sys

import pytest

from evalharness.clients.session import http_session, is_plain


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/v1/chat/completions",
        "https://api.openai.com/v1/chat/completions",
        "https://n.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21",
        "http://[::1]:8000/v1",
        "http://localhost",
        "https://h.example/v1beta/models/gemini-2.5-flash:generateContent?key=a%2Fb",
        "https://h.example/v1/@cf/x",
    ],
)
def test_ordinary_addresses_are_asked_over_our_own(url):
    pytest.importorskip("httptools", reason="our own HTTP connections need the package httptools (extra `fast`)")
    assert is_plain(url, {"authorization", "x-own"})


@pytest.mark.parametrize(
    "url",
    [
        "http://münchen.example/v1",
        "http://h.example/v1/ä",
        "http://h.example/a/../b",
        "http://h.example/./b",
        "http://h.example/a/..",
        "http://h.example/a\r\nX: y",
        "http://h.example/a b",
        "http://h.example/v1#part",
        "http://u:p@h.example/v1",
        "http://[fe80::1%25eth0]/v1",
        "ftp://h.example/v1",
        "unix:///run/x",
    ],
)
def test_what_is_unusual_is_left_to_aiohttp(url):
    assert not is_plain(url, set())


@pytest.mark.parametrize("name", ["expect", "host", "transfer-encoding", "content-length", "connection", "te"])
def test_headers_that_change_how_a_message_is_framed_are_left_to_aiohttp(name):
    assert not is_plain("http://h.example/v1", {name})


def test_without_httptools_aiohttp_is_the_way(monkeypatch):
    from evalharness.clients.by_aiohttp import AiohttpTransport

    async def kind():
        async with http_session("http://127.0.0.1:1/v1", {}, 5.0) as transport:
            return type(transport)

    monkeypatch.setitem(sys.modules, "httptools", None)
    assert asyncio.run(kind()) is AiohttpTransport
