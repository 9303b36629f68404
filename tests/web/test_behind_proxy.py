"""Behind a proxy: pages under a path of their own, and whom the server believes about scheme and address."""

import http.client
import re
import threading
from collections import Counter

import pytest
from run_folders import make_run
from web_pages import client_of

from evalharness.errors import UserError
from evalharness.web.application import view_application
from evalharness.web.arena_application import arena_application
from evalharness.web.arena_pages import ArenaTerms
from evalharness.web.arena_prompts import RecordedPrompts
from evalharness.web.guard import GuardTerms
from evalharness.web.run_library import RunLibrary, run_key
from evalharness.web.serving import listen, page_server, proxy_terms

ROOT = "/eval/one"
ADDRESS = re.compile(r' (?:href|action|src|data-stream)="([^"]*)"')


def addresses(page):
    return {found.replace("&amp;", "&") for found in ADDRESS.findall(page.text) if not found.startswith("#")}


def test_every_address_of_every_page_is_under_the_root_path(runs, monkeypatch):
    monkeypatch.setattr("evalharness.web.run_pages._COUNT_SECONDS", -1.0)  # the count is told afterwards
    make_run(runs / "third", "1" * 60, groups=3)
    make_run(runs.parent / "out" / "runs" / "after", "10")
    (runs.parent / "out" / "training").mkdir()
    (runs.parent / "out" / "training" / "log.jsonl").write_text('{"step": 1, "loss": 1.0}\n')
    client = client_of(view_application(RunLibrary([], runs), GuardTerms(root_path=ROOT)))
    keys = [run_key(runs / name) for name in ("base", "tuned", "third")]
    every = "&".join(f"run={key}" for key in keys)
    waiting = [f"{ROOT}/", f"{ROOT}/compare?{every}", f"{ROOT}/label?run={keys[0]}&name=ann", f"{ROOT}/nothing",
               f"{ROOT}/compare?run={keys[0]}&run={keys[1]}&swap=1", f"{ROOT}/runs/{keys[0]}?text=A"]  # fmt: skip
    kinds = Counter()
    for at in waiting:
        kind = re.sub("[0-9a-f]{12,}", "", at.partition("?")[0])
        kinds[kind] += 1
        if kind.endswith("/progress") or kinds[kind] > 2:
            continue
        page = client.get(at)
        assert page.status_code != 404 or at.endswith("/nothing"), at
        for found in addresses(page):
            assert found.startswith(f"{ROOT}/"), (at, found)
            waiting.append(found.partition("#")[0])
    assert {kind.removeprefix(ROOT) for kind in kinds} >= {
        "/", "/compare", "/history", "/label", "/trainings/", "/runs/", "/runs//item", "/runs//count"
    }  # fmt: skip


def test_an_arena_under_a_root_path_sends_its_voters_and_cookies_there(arena, tmp_path):
    _, store = arena()
    held = ArenaTerms(votes_per_minute=1e6)
    prompts = RecordedPrompts(tmp_path / "prompts.jsonl", ())
    client = client_of(arena_application(store, prompts, held, GuardTerms(root_path=ROOT)))
    page = client.post(f"{ROOT}/join", data={"consent": "yes"})
    assert page.url.path.startswith(f"{ROOT}/battle/") and addresses(page)
    assert [cookie.path for cookie in client.cookies.jar] == [ROOT]
    assert all(found.startswith(f"{ROOT}/") for found in addresses(page))
    for path in ("/ratings", "/me"):
        assert all(found.startswith(f"{ROOT}/") for found in addresses(client.get(ROOT + path)))
    csrf = re.search(r'name="csrf" value="([^"]*)"', page.text)[1]
    gone = client.post(f"{ROOT}/me/delete", data={"csrf": csrf})
    assert gone.url.path == f"{ROOT}/" and not list(client.cookies.jar)


def test_the_path_alone_and_the_host_check_stand(view, runs):
    for path in (ROOT, f"{ROOT}/", "/"):  # a proxy may leave the root path or take it away
        client = client_of(view_application(RunLibrary([], runs), GuardTerms(root_path=ROOT, token="secret-token")))
        client.follow_redirects = False
        reply = client.get(f"{path}?token=secret-token&q=x")
        assert reply.headers["location"] == f"{ROOT}/?q=x" and f"Path={ROOT}" in reply.headers["set-cookie"]
        assert client.get(path, headers={"authorization": "Bearer secret-token"}).status_code == 200
        assert client.get(path, headers={"host": "evil.example"}).status_code == 421
    said = {"x-forwarded-prefix": "//evil.example", "x-forwarded-host": "evil.example", "x-script-name": "/other"}
    assert "evil.example" not in view.get("/", headers=said).text, "nobody outside says where links lead"


def cookie_of(place, headers):
    connection = http.client.HTTPConnection("127.0.0.1", place.socket.getsockname()[1], timeout=30)
    connection.request("GET", f"/?token={place.terms.token}", headers=headers)
    cookie = connection.getresponse().getheader("set-cookie")
    connection.close()
    return cookie


@pytest.mark.parametrize(("trusted", "believed"), [(["127.0.0.1"], True), (["10.0.0.0/8"], False), ([], False)])
def test_only_a_proxy_that_was_named_is_believed(runs, trusted, believed):
    told = []
    place = listen("127.0.0.1", 0, token="secret-token", proxy=proxy_terms("/evalh", trusted))

    async def noted(scope, receive, send):
        told.append(scope["client"][0])
        await view_application(RunLibrary([], runs), place.terms)(scope, receive, send)

    server = page_server(noted, place)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [place.socket]})
    thread.start()
    try:
        cookie = cookie_of(place, {"x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.9"})
        plain = cookie_of(place, {})
    finally:
        server.should_exit = True
        thread.join()
    assert ("Secure" in cookie) is believed and "Secure" not in plain and "Path=/evalh" in cookie
    assert told == ["203.0.113.9" if believed else "127.0.0.1", "127.0.0.1"]


@pytest.mark.parametrize(
    "root", ["evalh", "//evil.example", "/a/../b", "/a b", "/ä", '/"x', "/.hidden", "/a?b", "/%2e"]
)
def test_a_root_path_that_is_none_is_one_line(root):
    with pytest.raises(UserError, match="wanted a path of plain characters"):
        proxy_terms(root, ())


def test_mistakes_about_a_proxy_are_one_line(runs, evalh):
    with pytest.raises(UserError, match="/runs is where pages of ours are"):
        view_application(RunLibrary([], runs), GuardTerms(root_path="/runs/x"))
    said = evalh("view", "--runs", str(runs), "--trust-proxy", "*")
    assert said.code == 2 and "--trust-proxy '*': wanted the proxy's address" in said.err and said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("hosts", "root", "trusted", "asked"),
    [((), "", (), False), (("localhost",), "", (), False), (("eval.example.org",), "", (), True),
     ((), "/evalh", (), True), ((), "", ("127.0.0.1",), True)],
)  # fmt: skip
def test_where_a_proxy_leads_others_here_a_token_is_made(hosts, root, trusted, asked):
    place = listen("127.0.0.1", 0, hosts, proxy=proxy_terms(root, trusted))
    with place.socket:
        assert bool(place.terms.token) is asked and not place.terms.any_address
        assert place.address.partition("?")[0].endswith(f"{root}/")
    place = listen("127.0.0.1", 0, hosts, token="", proxy=proxy_terms(root, trusted))
    with place.socket:
        assert place.terms.token == "", "a proxy may ask for a password itself"
