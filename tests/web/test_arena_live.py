"""Models are asked while people wait: streamed answers, further turns, failures, and no name with them."""

import json
import re
import threading

import pytest
from arena_pages import cast, hidden, joined
from web_pages import client_of

from evalharness.records import Response
from evalharness.web.arena_application import arena_application
from evalharness.web.arena_live import LivePrompts
from evalharness.web.arena_pages import ArenaTerms
from evalharness.web.arena_store import ArenaStore
from evalharness.web.guard import GuardTerms


class Speaker:
    """A model that says its turn's number, or fails; it may wait before it says all."""

    chat = ranks = True

    def __init__(self, name, fails=False, wait=None):
        self.name, self.fails, self.wait, self.asked = name, fails, wait, []

    def answer(self, requests):
        for index, request in enumerate(requests):
            self.asked.append([message.content for message in request.messages])
            yield index, Response(error="503: api.secret-model.example is down" if self.fails else "",
                                  text=f"reply {len(request.messages)} **here**")  # fmt: skip

    def streamed(self, request, hear):
        for piece in ("<think>I am", " alpha</think>", "reply ", f"{len(request.messages)} "):
            hear(piece)
        if self.wait is not None:
            self.wait.wait(20)
        hear("**here**")
        ((_, response),) = self.answer([request])
        return response


@pytest.fixture
def live(tmp_path):
    opened = []

    def made(models, prompts=()):
        store = ArenaStore(f"sqlite:///{tmp_path}/live.sqlite")
        opened.append(store)
        terms = ArenaTerms(votes_per_minute=1e6)
        return arena_application(store, LivePrompts(models, prompts), terms, GuardTerms()), store

    yield made
    for store in opened:
        store.close()


def events_of(client, page):
    """What is told of a battle's answers until they are whole."""
    told = client.get(f"{page.url.path}/answers")
    assert told.headers["content-type"].startswith("text/event-stream")
    return [json.loads(one.removeprefix("data: ")) for one in told.text.split("\n\n") if one]


def whole(client, page):
    """The page of a battle once both models have answered."""
    assert events_of(client, page)[-1] == {"done": True, "reload": True}
    return client.get(page.url.path)


def test_models_are_asked_live_with_further_turns(live):
    models = {"alpha": Speaker("alpha"), "beta": Speaker("beta")}
    application, store = live(models)
    client = joined(application)
    page = client.get("/battle")
    assert "Ask two models" in page.text
    battle = whole(client, client.post("/ask", data={"csrf": hidden(page, "csrf"), "prompt": "Why <b>?"}))
    assert "Why &lt;b&gt;?" in battle.text and battle.text.count("reply 1 **here**") == 2
    further = client.post(f"{battle.url.path}/turn", data={"csrf": hidden(battle, "csrf"), "prompt": "And then?"})
    further = whole(client, further)
    assert further.text.count("reply 3 **here**") == 2
    assert models["alpha"].asked[-1] == ["Why <b>?", "reply 1 **here**", "And then?"]
    voted = cast(client, further, "model_b")
    assert "alpha" in voted.text and len(store.counted()) == 1
    late = client.post(f"{battle.url.path}/turn", data={"csrf": hidden(battle, "csrf"), "prompt": "More"})
    assert late.status_code == 409
    for prompt in ("", " ", "x" * 9000):
        assert client.post("/ask", data={"csrf": hidden(page, "csrf"), "prompt": prompt}).status_code == 400


def test_prompts_of_a_file_are_asked_once_for_a_voter(live):
    models = {"alpha": Speaker("alpha"), "beta": Speaker("beta")}
    application, _ = live(models, ["Why?", "How?"])
    client = joined(application)
    for _ in range(2):
        cast(client, whole(client, client.get("/battle")))
    assert "seen them all" in client.get("/battle").text
    assert sorted(asked for (asked,) in models["alpha"].asked) == ["How?", "Why?"]


def test_answers_are_told_while_they_are_written_and_no_name_with_them(live):
    more = threading.Event()
    models = {name: Speaker(name, wait=more) for name in ("acme-alpha", "acme-beta")}
    application, store = live(models)
    client = joined(application)
    start = client.get("/battle")
    page = client.post("/ask", data={"csrf": hidden(start, "csrf"), "prompt": "Why?"})
    assert "both are writing" in page.text and re.search(r"<fieldset[^>]* disabled>", page.text)
    assert client.get("/battle").url == page.url and client.get("/me").status_code == 200
    early = cast(client, page)
    assert early.status_code == 409 and store.votes()[0] == 0
    twice = client.post(f"{page.url.path}/turn", data={"csrf": hidden(page, "csrf"), "prompt": "Why not?"})
    assert twice.url.path == page.url.path and len(models["acme-alpha"].asked) == 0
    more.set()
    told = events_of(client, page)
    assert told[0] in ({"a": "", "b": ""}, told[-1])
    said = {side: "".join(one.get("more", {}).get(side, one.get(side, "")) for one in told) for side in "ab"}
    assert set(said.values()) <= {"reply 1 **here**", ""} and "think" not in str(told)
    done = client.get(page.url.path)
    assert "both are writing" not in done.text and done.text.count("reply 1 **here**") == 2
    assert not [name for text in (page.text, str(told), done.text, early.text) for name in models if name in text]
    assert cast(client, done).status_code == 200 and len(store.counted()) == 1


def test_what_is_written_is_a_voter_s_own(live):
    application, _ = live({"alpha": Speaker("alpha"), "beta": Speaker("beta")})
    client, other = joined(application), joined(application)
    page = client.post("/ask", data={"csrf": hidden(client.get("/battle"), "csrf"), "prompt": "Why?"})
    for stranger in (other, client_of(application)):
        assert stranger.get(f"{page.url.path}/answers").status_code == 404
    assert whole(client, page).status_code == 200


def test_who_leaves_while_models_write_leaves_nothing(live):
    more = threading.Event()
    application, store = live({name: Speaker(name, wait=more) for name in ("alpha", "beta")})
    client = joined(application)
    page = client.post("/ask", data={"csrf": hidden(client.get("/battle"), "csrf"), "prompt": "Why?"})
    client.post("/me/delete", data={"csrf": hidden(page, "csrf")})
    more.set()
    for thread in [one for one in threading.enumerate() if one.name.startswith("turn of")]:
        thread.join(20)
    assert store.battle(page.url.path.rpartition("/")[2]) is None


def test_more_than_so_many_are_not_asked_at_once(live, monkeypatch):
    monkeypatch.setattr("evalharness.web.arena_live._MOST", 1)
    more = threading.Event()
    application, _ = live({name: Speaker(name, wait=more) for name in ("alpha", "beta")})
    client, other = joined(application), joined(application)
    codes = [one.post("/ask", data={"csrf": hidden(one.get("/battle"), "csrf"), "prompt": "Why?"}).status_code
             for one in (client, other)]  # fmt: skip
    more.set()
    assert codes == [200, 429]


def test_a_model_that_fails_is_not_named(live, capsys):
    application, store = live({"alpha": Speaker("alpha", fails=True), "beta": Speaker("beta")}, ["Why?"])
    client = joined(application)
    page = whole(client, client.get("/battle"))
    assert page.status_code == 409 and "One of the two models gave no answer" in page.text
    assert not [name for name in ("alpha", "beta", "secret") if name in page.text] and store.votes()[0] == 0
    assert "alpha gave no answer: 503: api.secret-model" in capsys.readouterr().err
    again = client.get("/battle")
    assert again.url != page.url, "it is tried again"


def test_a_further_turn_that_fails_leaves_the_battle(live):
    alpha = Speaker("alpha")
    application, store = live({"alpha": alpha, "beta": Speaker("beta")})
    client = joined(application)
    battle = whole(client, client.post("/ask", data={"csrf": hidden(client.get("/battle"), "csrf"), "prompt": "Why?"}))
    alpha.fails = True
    after = client.post(f"{battle.url.path}/turn", data={"csrf": hidden(battle, "csrf"), "prompt": "And?"})
    after = whole(client, after)
    assert "One of the two models gave no answer" in after.text and after.text.count("reply 1 **here**") == 2
    assert cast(client, after).status_code == 200 and len(store.counted()) == 1
