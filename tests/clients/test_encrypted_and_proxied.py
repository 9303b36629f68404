"""TLS with the certificates that there are, proxies that the environment names, and addresses where nobody is."""

import socket
import ssl
from pathlib import Path

import pytest
from asked_over import ask
from raw_server import framed, raw_server

from evalharness.clients.http import UnreachableError

pytestmark = pytest.mark.usefixtures("kind")

FINE = framed(b'{"fine": 1}')
TLS = Path(__file__).with_name("tls")


def test_nobody_there_is_told_apart():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    (found,) = ask(f"http://127.0.0.1:{port}/v1", b"1")
    assert isinstance(found, UnreachableError)
    (found,) = ask("http://no-such-host.invalid/v1", b"1")
    assert isinstance(found, UnreachableError)


@pytest.fixture
def encrypted():
    """The server's side of TLS, with a certificate of its own for 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "server.pem")
    return context


def test_tls_with_the_certificates_that_the_environment_names(encrypted, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "certificate.pem"))
    # aiohttp looks at the environment once, when it is imported.
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", ssl.create_default_context())
    with raw_server(lambda talk: talk.answer_all(FINE), encrypted) as server:
        found = ask(server.url, b"1", b"2")
    assert [one.content() for one in found] == [{"fine": 1}] * 2
    assert server.connections == [0, 0]


def test_a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_said(encrypted, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with raw_server(lambda talk: talk.answer_all(FINE), encrypted) as server:
        (found,) = ask(server.url, b"1")
    assert isinstance(found, UnreachableError) and "certificate verify failed" in str(found).lower()
    assert server.requests == []


def test_tls_to_a_server_that_speaks_none():
    with raw_server(lambda talk: talk.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        (found,) = ask(server.url.replace("http:", "https:"), b"1")
    assert isinstance(found, UnreachableError)


def test_a_proxy_is_asked_by_aiohttp_and_no_proxy_is_heeded(monkeypatch):
    for name in ("NO_PROXY", "no_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    with raw_server(lambda talk: talk.answer_all(FINE)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.removesuffix("/v1/chat/completions"))
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1/chat/completions"))
        (found,) = ask("http://elsewhere.invalid/v1", b"1")
        assert found.content() == {"fine": 1}
        assert proxy.requests[0][0].startswith(b"POST http://elsewhere.invalid/v1 HTTP/1.1\r\n")
        monkeypatch.setenv("NO_PROXY", "elsewhere.invalid")
        (found,) = ask("http://elsewhere.invalid/v1", b"1")
        assert isinstance(found, UnreachableError) and len(proxy.requests) == 1
