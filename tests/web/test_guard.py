"""Who may ask: the Host header, the token, forms of other sites, and what every reply says of itself."""

import socket

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from web_pages import client_of

from evalharness.errors import UserError
from evalharness.web.guard import Guard, GuardTerms, is_loopback
from evalharness.web.serving import listen


def guarded(**terms):
    async def page(request):
        return PlainTextResponse(f"page {request.url.query}")

    made = Starlette(routes=[Route("/", page, methods=["GET", "POST"]), Route("/deep/page", page)])
    client = client_of(Guard(made, GuardTerms(**terms)))
    client.follow_redirects = False
    return client


@pytest.mark.parametrize("host", ["localhost", "localhost:8124", "127.0.0.1:1", "[::1]:9", "LOCALHOST", "localhost."])
def test_this_machine_goes_by_its_names(host):
    assert guarded().get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "evil.example:8124", "10.0.0.7", "", "127.0.0.1.evil.example",
             "localhost@evil.example", "[::1", "0.0.0.0", "127.0.0.1@evil.example", "localhost#.evil.example",
             "localhost/evil", "localhost?", "localhost:80:80", "localhost:", "localhost:x", "127.1", "2130706433",
             "[localhost]"],
)  # fmt: skip
def test_a_page_elsewhere_cannot_come_in_under_a_name_of_its_own(host):
    assert guarded().get("/", headers={"host": host}).status_code == 421


def test_beyond_this_machine_addresses_and_named_hosts_are_us():
    client = guarded(hosts=frozenset({"eval.example.org"}), any_address=True, token="secret-token")
    held = {"authorization": "Bearer secret-token"}
    for host, status in (("10.0.0.7:80", 200), ("[fd00::1]", 200), ("eval.example.org", 200), ("other.example", 421)):
        assert client.get("/", headers={**held, "host": host}).status_code == status, host


@pytest.mark.parametrize(
    "header", ["", "Bearer ", "Bearer wrong", "Basic secret-token", "secret-token", "Bearer secret-tokeñ"]
)
def test_without_the_token_there_is_no_page(header):
    reply = guarded(token="secret-token").get("/", headers={"authorization": header.encode()})
    assert reply.status_code == 401 and "page" not in reply.text.partition("wants")[0].replace("this page", "")


def test_the_token_leaves_the_address_and_is_kept_in_a_cookie():
    client = guarded(token="secret-token")
    reply = client.get("/deep/page?a=1&token=secret-token&b=2")
    assert reply.status_code == 303 and reply.headers["location"] == "/deep/page?a=1&b=2"
    cookie = reply.headers["set-cookie"]
    assert "HttpOnly" in cookie and "samesite=lax" in cookie.lower()
    assert client.get("/").status_code == 200
    assert guarded(token="secret-token").get("/?token=wrong").status_code == 401
    assert guarded(token="secret-token").post("/?token=secret-token").status_code == 401


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example/", "///evil.example"])
def test_the_token_sends_nobody_to_another_host(path):
    from starlette.testclient import TestClient

    client = TestClient(Guard(Starlette(), GuardTerms(token="secret-token")), base_url="http://localhost")
    sent = []

    async def send(message):
        sent.append(message)

    async def ask():
        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"token=secret-token",
                 "headers": [(b"host", b"localhost")]}  # fmt: skip
        await client.app(scope, None, send)

    import asyncio

    asyncio.run(ask())
    location = dict(sent[0]["headers"])[b"location"].decode()
    assert location.startswith("/") and not location.startswith(("//", "/\\")), location


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://localhost"}, 200),
        ({"sec-fetch-site": "same-origin", "origin": "http://localhost"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost:81"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
def test_forms_of_other_sites_are_refused(headers, status):
    assert guarded().post("/", headers=headers).status_code == status


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(method):
    assert guarded().request(method, "/").status_code == 405


def test_an_address_without_end_is_refused():
    assert guarded().get("/?a=" + "x" * 9000).status_code == 414


@pytest.mark.parametrize("host", ["localhost", "evil.example"])
def test_every_reply_forbids_what_no_page_needs(host):
    headers = guarded().get("/", headers={"host": host}).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-store"


def test_loopback_is_told_from_other_hosts():
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "127.9.9.9")] == [True] * 4
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.example.org")))


def test_beyond_this_machine_a_token_is_made():
    place = listen("0.0.0.0", 0)
    with place.socket:
        assert len(place.terms.token) > 20 and place.address.endswith(f"?token={place.terms.token}")
        assert place.terms.token not in repr(place.terms)
    place = listen("127.0.0.1", 0)
    with place.socket:
        assert place.terms.token == "" and not place.terms.any_address


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UserError, match="cannot be listened on"):
        listen("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(UserError, match="8 or more plain"):
        listen("127.0.0.1", 0, token="short")


@pytest.mark.parametrize(
    "words",
    [("view", "nowhere"), ("view", "--port", "70000"), ("view", "--token", "", "--host", "0.0.0.0"),
     ("arena", "serve"), ("arena", "serve", "--prompts", "none.jsonl"),
     ("arena", "export", "--database", "none.sqlite")],
)  # fmt: skip
def test_mistakes_on_the_command_line_are_one_line(evalh, words):
    said = evalh(*words)
    assert said.code == 2 and said.err.startswith("evalh: ") and said.err.count("\n") == 1
