"""What lies between here and an endpoint fails: one line, whatever it is, and nothing is left to guess."""

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from raw_server import Talk, framed, raw_server

from evalharness.clients import pool

TLS = Path(__file__).parents[1] / "clients" / "tls"
PASSWORD = "proxy-hush"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("NO_PROXY", "no_proxy", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def words(url, *more):
    return ("run", "mmlu", "--data", "sample", "--limit", 8, "--model", "openai:m", "--base-url", url, *more)


def base(server):
    return server.url.removesuffix("/chat/completions")


def told(evalh, url, *wanted):
    said = evalh(*words(url, "--json"))
    assert (said.code, said.err.count("\n")) == (2, 1) and said.err.startswith("evalh: "), said.err
    assert all(one in said.err for one in (*wanted, "cannot be reached", "--base-url")), said.err
    assert PASSWORD not in said.err
    return said.err


def server_side(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.mark.usefixtures("http_client")
def test_a_certificate_that_nobody_vouches_for_is_one_line(evalh):
    with raw_server(lambda talk: talk.answer_all(framed(b"{}")), server_side(TLS / "server.pem")) as server:
        told(evalh, base(server), "certificate verify failed")
    assert server.requests == []


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the certificate is made by the program openssl")
def test_a_certificate_of_another_name_is_one_line(evalh, monkeypatch, tmp_path):
    key, made = tmp_path / "key.pem", tmp_path / "made.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
         "2", "-subj", "/CN=other", "-addext", "subjectAltName=DNS:other.example", "-keyout", key, "-out", made],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    both = tmp_path / "server.pem"
    both.write_bytes(key.read_bytes() + made.read_bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(made))
    with raw_server(lambda talk: talk.answer_all(framed(b"{}")), server_side(both)) as server:
        told(evalh, base(server), "certificate verify failed", "127.0.0.1")
    assert server.requests == []


@pytest.mark.usefixtures("http_client")
def test_a_server_that_speaks_no_tls_is_one_line(evalh):
    with raw_server(lambda talk: talk.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        told(evalh, base(server).replace("http:", "https:"))


def refuses(status):
    return lambda talk: talk.request() and talk.send(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")


def hangs_up(talk: Talk):
    talk.request()


def resets(talk: Talk):
    talk.request()
    talk.reset()


@pytest.mark.parametrize(
    ("scheme", "script", "wanted"),
    [
        ("https", refuses(b"403 Forbidden"), "refuses: 403 Forbidden"),
        ("https", refuses(b"407 Proxy Authentication Required"), "refuses: 407 Proxy Authentication Required"),
        ("https", refuses(b"502 Bad Gateway"), "refuses: 502 Bad Gateway"),
        ("https", hangs_up, "fails: Server disconnected"),
        ("https", resets, "fails: "),
        ("https", lambda talk: talk.request() and talk.send(b"SSH-2.0-x\r\n"), "fails: "),
        ("http", refuses(b"407 Proxy Authentication Required"), "refuses: 407 Proxy Authentication Required"),
    ],
)
def test_a_proxy_that_fails_is_one_line_and_named(evalh, monkeypatch, scheme, script, wanted):
    with raw_server(script) as proxy:
        address = proxy.url.removesuffix("/v1/chat/completions")
        monkeypatch.setenv(f"{scheme}_proxy", address.replace("http://", f"http://user:{PASSWORD}@"))
        told(evalh, f"{scheme}://elsewhere.invalid/v1", f"the proxy {address.removeprefix('http://')} {wanted}")


def test_a_proxy_that_is_not_there_is_one_line(evalh, monkeypatch):
    with raw_server(hangs_up) as proxy:
        address = proxy.url.removesuffix("/v1/chat/completions")
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, address)
    for scheme in ("http", "https"):
        told(evalh, f"{scheme}://elsewhere.invalid/v1", f"through the proxy {address.removeprefix('http://')}: ")


@pytest.mark.parametrize("address", ["socks5://user:proxy-hush@127.0.0.1:9", "http://user:proxy-hush@", "http://a b:1"])
def test_a_proxy_of_a_kind_that_nobody_asks_is_one_line(evalh, monkeypatch, address):
    monkeypatch.setenv("https_proxy", address)
    told(evalh, "https://elsewhere.invalid/v1", "names no proxy such as http://HOST:PORT")


def test_a_proxy_may_be_named_without_a_scheme(evalh, monkeypatch):
    with raw_server(refuses(b"403 Forbidden")) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url.split("/")[2])
        told(evalh, "https://elsewhere.invalid/v1", "refuses: 403 Forbidden")


@pytest.mark.usefixtures("http_client")
def test_a_server_that_dies_on_the_way_costs_items_and_the_same_command_goes_on(evalh, monkeypatch):
    monkeypatch.setattr(pool, "_backoff", lambda *_: 0.0)

    def dies(talk: Talk):
        while talk.request() and len(server.requests) <= 3:
            talk.send(framed(b'{"choices": [{"message": {"content": "A"}, "finish_reason": "stop"}]}'))

    with raw_server(dies) as server:
        said = evalh(*words(base(server), "--concurrency", 1, "--json", "--name", "run"))
    counts = said.json["benchmarks"]["mmlu@sample"]["counts"]
    assert said.code == 3 and counts["error"] == 5
    again = evalh(*words(base(server), "--json", "--name", "run"))
    assert again.code == 2 and again.err.count("\n") == 1 and "cannot be reached" in again.err, again.err


def test_extra_fields_that_are_no_object_are_one_line(evalh):
    for text in ("{", "[1]", '"x"', "7", "null", "{'a': 1}", '{"a": NaN}', "{}{}"):
        said = evalh(*words("http://127.0.0.1:9/v1", "--extra", text))
        assert (said.code, said.err.count("\n")) == (2, 1) and "--extra wants a JSON object" in said.err, said.err
