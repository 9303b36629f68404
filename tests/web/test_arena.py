"""The arena: votes are blind, counted once, a voter's own, and become battles that are rated."""

import json
import re
import threading
from collections import Counter

import pytest
from run_folders import line, make_run
from web_pages import client_of, text_of

from evalharness.arena.votes import read_battles
from evalharness.errors import UserError
from evalharness.records import Response
from evalharness.runs.store import Run
from evalharness.web import arena_board
from evalharness.web.arena_application import arena_application, arena_prompts
from evalharness.web.arena_board import pair_weights
from evalharness.web.arena_live import LivePrompts
from evalharness.web.arena_pages import ArenaTerms
from evalharness.web.arena_prompts import RunPrompts, names_itself
from evalharness.web.arena_store import ArenaStore, CountedVote
from evalharness.web.guard import GuardTerms
from evalharness.web.journal_index import JournalIndex
from evalharness.web.rate_limit import RateLimit

NAMES = ("acme/alpha-7b", "alpha-7b", "beta", "gamma")


def joined(application):
    client = client_of(application)
    client.post("/join", data={"consent": "yes"})
    return client


def hidden(page, name):
    return re.search(rf'name="{name}" value="([^"]*)"', page.text)[1]


def cast(client, page, choice="model_a", **more):
    fields = {"csrf": hidden(page, "csrf"), "key": hidden(page, "key"), "choice": choice, **more}
    return client.post(f"{page.url.path}/vote", data=fields)


def test_nobody_votes_without_consent(arena):
    application, _ = arena()
    client = client_of(application)
    assert client.get("/battle").url.path == "/" and "No name, no address" in client.get("/").text
    assert client.post("/join", data={}).status_code == 400
    assert client.post("/join", data={"consent": "yes"}).url.path.startswith("/battle/")


def test_no_name_is_in_any_traffic_before_the_vote(arena):
    application, store = arena()
    client = client_of(application)
    told = []
    for reply in (client.get("/"), client.post("/join", data={"consent": "yes"}), client.get("/battle")):
        told += [f"{one.url} {one.headers} {one.text}" for one in (*reply.history, reply)]
    page = client.get("/battle")
    told += [client.get(found).text for found in set(re.findall(r'(?:href|src)="(/assets/[^"]*)"', page.text))]
    assert not [name for name in NAMES for text in told if name in text]
    voted = cast(client, page)
    battle = store.battle(page.url.path.rpartition("/")[2])
    assert battle.choice == "model_a" and battle.void == ""
    assert battle.model_a in text_of(voted) and battle.model_b in text_of(voted)


def test_names_are_never_told_where_the_arena_keeps_them(arena):
    application, _ = arena(reveal=False)
    client = joined(application)
    voted = cast(client, client.get("/battle"))
    told = voted.text + client.get("/me").text + client.get("/me/votes.json").text
    assert not [name for name in NAMES if name in told]


def test_a_vote_that_is_sent_again_is_the_same_vote(arena):
    application, store = arena()
    client = joined(application)
    page = client.get("/battle")
    for choice in ("model_a", "model_a", "model_b"):
        assert cast(client, page, choice).status_code == 200
    assert cast(client, page, key="another-key").status_code == 200
    assert [vote.choice for vote in store.counted()] == ["model_a"]


def test_an_open_battle_is_shown_again_and_others_are_new(arena):
    application, store = arena()
    client = joined(application)
    assert client.get("/battle").url == client.get("/battle").url
    seen = []
    for _ in range(30):
        page = client.get("/battle")
        cast(client, page, "tie")
        battle = store.battle(page.url.path.rpartition("/")[2])
        seen.append((battle.item, frozenset((battle.model_a, battle.model_b))))
    assert len(set(seen)) == 30


@pytest.mark.slow
def test_every_pair_meets_and_sides_are_drawn(arena):
    application, store = arena()
    client = joined(application)
    for _ in range(80):
        cast(client, client.get("/battle"), "tie")
    pairs = Counter((vote.model_a, vote.model_b) for vote in store.counted())
    assert len(pairs) == 6, "three pairs, on both sides"


def test_all_seen_is_said(arena):
    rows = [{"prompt": "?", "answers": {"one": "1", "two": "2"}}]
    application, _ = arena(rows)
    client = joined(application)
    cast(client, client.get("/battle"))
    assert "seen them all" in client.get("/battle").text


@pytest.mark.parametrize(
    "fields", [{}, {"choice": "model_a"}, {"choice": "x", "key": "k" * 20}, {"choice": "tie", "key": "k"}]
)
def test_half_a_vote_is_none(arena, fields):
    application, store = arena()
    client = joined(application)
    page = client.get("/battle")
    assert client.post(f"{page.url.path}/vote", data={"csrf": hidden(page, "csrf"), **fields}).status_code == 400
    assert store.votes()[0] == 0


def test_a_form_that_was_not_made_for_the_voter_is_refused(arena):
    application, store = arena()
    client, other = joined(application), joined(application)
    page = client.get("/battle")
    for csrf in ("", "x" * 32, hidden(other.get("/battle"), "csrf")):
        assert cast(client, page, csrf=csrf).status_code == 403
    assert client.post("/me/delete", data={}).status_code == 403
    reply = client.post(f"{page.url.path}/vote", headers={"origin": "http://evil.example"}, data={"choice": "tie"})
    assert reply.status_code == 403 and store.votes()[0] == 0


def test_a_battle_is_its_voter_s_alone(arena):
    application, store = arena()
    client, other = joined(application), joined(application)
    page = client.get("/battle")
    assert other.get(page.url.path).status_code == 404
    fields = {"csrf": hidden(other.get("/battle"), "csrf"), "key": "k" * 20, "choice": "tie"}
    assert other.post(f"{page.url.path}/vote", data=fields).status_code == 404 and store.votes()[0] == 0


def test_a_form_that_is_too_large_or_none_is_refused(arena):
    application, _ = arena()
    client = joined(application)
    page = client.get("/battle")
    assert client.post(f"{page.url.path}/vote", data={"choice": "x" * 100_000}).status_code == 413
    assert client.post(f"{page.url.path}/vote", json={"choice": "tie"}).status_code == 415
    many = "&".join(f"a{n}=1" for n in range(1000))
    kind = {"content-type": "application/x-www-form-urlencoded"}
    for content in (many, b"\xff\xfe", "%"):
        assert client.post(f"{page.url.path}/vote", content=content, headers=kind).status_code in (400, 403)


def test_an_answer_that_names_its_model_voids_the_vote(arena):
    rows = [{"prompt": "Who are you?", "answers": {"alpha-7b": "I am Alpha 7B.", "beta": "I will not say."}}]
    application, store = arena(rows)
    client = joined(application)
    voted = cast(client, client.get("/battle"))
    assert "does not count" in voted.text and store.counted() == [] and store.votes()[0] == 1


@pytest.mark.parametrize(
    ("text", "model", "named"),
    [
        ("I am LLaMA-2 7B, at your service", "meta/llama-2-7b", True),
        ("As Llama, I cannot", "meta/llama-2-7b", True),
        ("I'm a model called Bloom", "bloom-7b", True),
        ("The flowers bloom in May", "bloom-7b", False),
        ("Pythia was the priestess of Delphi", "pythia-6.9b", False),
        ("my name is Claude", "anthropic:claude-opus-5", True),
        ("Trained by OpenAI, gpt-4o here", "openai:gpt-4o", True),
        ("gpt-4 is another", "openai:gpt-4o", False),
        ("", "x", False),
        ("I chat with you as base", "chat-base", False),
        ("Hello! I'm Claude, an AI assistant created by Anthropic. How can I help you?", "claude-2", True),
        ("I'm ChatGPT, a large language model", "openai:gpt-4", True),
        ("I’m ChatGPT", "gpt-4", True),
        ("I am adopting a cat", "opt-7b", False),
        ("I am an assistant that was trained by Meta", "meta/llama-2-7b", True),
        ("The law was made by the meta commission", "meta/llama-2-7b", False),
    ],
)
def test_what_names_a_model(text, model, named):
    assert names_itself(text, model) is named


def test_a_vote_is_withdrawn_for_good(arena):
    application, store = arena()
    client = joined(application)
    page = client.get("/battle")
    voted = cast(client, page)
    assert "Withdraw it" in voted.text and len(store.counted()) == 1
    gone = client.post(f"{page.url.path}/withdraw", data={"csrf": hidden(voted, "csrf")})
    assert "does not count" in gone.text and store.counted() == []
    fields = {"csrf": hidden(client.get("/me"), "csrf"), "key": "k" * 20, "choice": "tie"}
    client.post(f"{page.url.path}/vote", data=fields)
    assert store.counted() == [] and client.get("/battle").url != page.url


def test_a_voter_takes_the_votes_and_deletes_them(arena):
    application, store = arena()
    client, other = joined(application), joined(application)
    for one in (client, client, other):
        cast(one, one.get("/battle"), "model_b")
    mine = client.get("/me/votes.json").json()
    assert len(mine) == 2 and {vote["choice"] for vote in mine} == {"model_b"}
    client.post("/me/delete", data={"csrf": hidden(client.get("/me"), "csrf")})
    assert len(store.counted()) == 1 and client.get("/me").url.path == "/"
    assert client.get("/me/votes.json").status_code == 404 and len(other.get("/me/votes.json").json()) == 1


def test_nothing_of_a_voter_is_stored_but_a_hash(arena, tmp_path):
    application, _ = arena()
    client = joined(application)
    cast(client, client.get("/battle"))
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("votes.sqlite*"))
    assert client.cookies["evalh_voter"].encode() not in kept and b"testclient" not in kept and b"127.0.0.1" not in kept


@pytest.mark.slow
def test_votes_that_come_too_fast_wait(arena):
    application, _ = arena(votes_per_minute=1)
    client = joined(application)
    codes = [cast(client, page).status_code for _ in range(12) if (page := client.get("/battle")).status_code == 200]
    assert 429 in codes or client.get("/battle").status_code == 429
    application, _ = arena(joins_per_minute=1)
    codes = [client_of(application).post("/join", data={"consent": "yes"}).status_code for _ in range(12)]
    assert codes.count(429) == 2


def test_a_rate_limit_is_by_key_and_fills_again(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("evalharness.web.rate_limit.time.monotonic", lambda: clock[0])
    limit = RateLimit(per_minute=60, burst=2)
    assert [limit.allows("a") for _ in range(3)] == [True, True, False] and limit.allows("b")
    clock[0] = 1.0
    assert [limit.allows("a") for _ in range(2)] == [True, False]
    clock[0] = 1000.0
    assert [limit.allows("a") for _ in range(3)] == [True, True, False]


@pytest.mark.slow
def test_votes_become_battles_that_are_rated(arena, tmp_path, evalh, monkeypatch):
    application, store = arena()
    client = joined(application)
    for place in range(30):
        page = client.get("/battle")
        battle = store.battle(page.url.path.rpartition("/")[2])
        better = "model_a" if (battle.model_a == "beta") ^ (place % 7 == 0) else "model_b"
        cast(client, page, better if "beta" in (battle.model_a, battle.model_b) else "tie (bothbad)")
    cast(client, client.get("/battle"), "skip")
    said = evalh("arena", "export", "--database", tmp_path / "votes.sqlite", "--output", tmp_path / "b.jsonl")
    assert said.code == 0, said.err
    battles = read_battles(tmp_path / "b.jsonl", with_style=True)
    assert len(battles) == 30 and {battle.a for battle in battles} <= {"acme/alpha-7b", "beta", "gamma"}
    rated = evalh("arena", "rate", tmp_path / "b.jsonl", "--json", "--draws", 5).json
    assert rated["ratings"][0]["model"] == "beta" and rated["battles"] == 30
    monkeypatch.setattr(arena_board, "KEPT_SECONDS", 0.0)
    page = text_of(client.get("/ratings"))
    assert "30 votes by 1 person" in page and page.index("beta") < page.index("gamma")
    assert "held equal" in client.get("/ratings?style=1").text
    assert "science" in client.get("/ratings?category=science").text


def test_an_arena_goes_on_with_the_votes_of_before(arena):
    application, _ = arena()
    client = joined(application)
    cast(client, client.get("/battle"))
    again, store = arena()
    after = client_of(again)
    after.cookies = client.cookies
    assert len(after.get("/me/votes.json").json()) == 1 and len(store.counted()) == 1


def votes(*said, voter="v"):
    common = {"voter": voter, "category": "", "style": (0.0,) * 4, "seconds": 9.0}
    return [CountedVote(item=str(n), model_a=a, model_b=b, choice=c, **common) for n, (a, b, c) in enumerate(said)]


@pytest.mark.slow
def test_the_next_battle_is_where_it_tells_most():
    pairs = (("a", "b"), ("a", "c"), ("b", "c"))
    assert pair_weights(pairs, arena_board.arena_board(())) == {("a", "b"): 1, ("a", "c"): 1, ("b", "c"): 1}
    few = [("a", "b", "tie")] * 5 + [("a", "c", "tie")] * 5 + [("b", "c", "tie")] * 3
    assert pair_weights(pairs, arena_board.arena_board(votes(*few))) == {("a", "b"): 0, ("a", "c"): 0, ("b", "c"): 1}
    mixed = [(a, b, ("model_a", "model_b", "tie")[n % 3]) for a, b, count in
             (("a", "b", 60), ("a", "c", 60), ("b", "c", 6)) for n in range(count)]  # fmt: skip
    found = pair_weights(pairs, arena_board.arena_board(votes(*mixed)))
    assert found["b", "c"] > found["a", "b"] and found["a", "b"] == pytest.approx(found["a", "c"], rel=0.3)


def test_ranks_have_the_range_that_is_possible():
    said = [("a", "b", "model_a" if n % 5 else "model_b") for n in range(200)]
    said += [("b", "c", ("model_a", "model_b")[n % 2]) for n in range(200)]
    ranks = {one.rating.model: (one.best, one.worst) for one in arena_board.arena_board(votes(*said)).models}
    assert ranks == {"a": (1, 1), "b": (2, 3), "c": (2, 3)}


def test_voters_who_favour_a_side_or_vote_against_all_stand_out():
    honest = [vote for v in range(8) for vote in votes(
        *[("a", "b", "model_a" if n % 4 else "model_b") if n % 2 else ("b", "a", "model_b" if n % 6 else "model_a")
          for n in range(24)], voter=f"v{v}")]  # fmt: skip
    left = votes(*[("a", "b", "model_a") if n % 2 else ("b", "a", "model_a") for n in range(30)], voter="left")
    against = votes(*[("a", "b", "model_b") if n % 2 else ("b", "a", "model_a") for n in range(30)], voter="against")
    found = {one.voter: one.why for one in arena_board.arena_board([*honest, *left, *against]).odd}
    assert set(found) == {"left", "against"} and "left in 30 of 30" in found["left"] and "against" in found["against"]


@pytest.mark.slow
def test_judges_stand_beside_people(arena, tmp_path, monkeypatch):
    application, _ = arena(judged=read_battles(judged_file(tmp_path)))
    client = joined(application)
    for _ in range(20):
        cast(client, client.get("/battle"), "model_a")
    monkeypatch.setattr(arena_board, "KEPT_SECONDS", 0.0)
    page = text_of(client.get("/ratings"))
    assert "Judged by models" in page and "people and judges agree" in page


def judged_file(tmp_path):
    file = tmp_path / "judged.jsonl"
    pairs = (("acme/alpha-7b", "beta"), ("beta", "gamma"), ("gamma", "acme/alpha-7b"))
    battles = [{"model_a": a, "model_b": b, "winner": "model_a" if n % 3 else "model_b", "item": f"q{n}"}
               for n in range(30) for a, b in pairs]  # fmt: skip
    file.write_text("".join(json.dumps(one) + "\n" for one in battles))
    return file


def test_runs_are_an_arena(tmp_path):
    for name in ("one", "two"):
        lines = [line("quiz", f"a/{n}", "correct", 1.0, text=f"{name} says {n}") for n in range(6)]
        make_run(tmp_path / "runs" / name, lines=lines[: 5 if name == "two" else 6], model={"name": f"local:{name}"})
    prompts = arena_prompts(["one", "two"], None, live=False, runs=tmp_path / "runs")
    assert prompts.models == ("local:one", "local:two") and len(prompts) == 6
    found = [prompts.item(place, ("local:two", "local:one")) for place in range(6)]
    assert found[5] is None and found[0].answers == {"local:one": "one says 0", "local:two": "two says 0"}
    assert found[0].prompt == "What is a/0?"


def test_two_runs_of_one_model_go_by_the_runs_names(tmp_path):
    runs = []
    for name in ("one", "two"):
        folder = make_run(tmp_path / "runs" / name, "11")
        index = JournalIndex(folder / "results.jsonl", tmp_path / f"{name}.sqlite")
        index.refresh()
        runs.append((Run(folder), index))
    assert RunPrompts(runs).models == ("one", "two")
    with pytest.raises(UserError, match="two models or more"):
        RunPrompts(runs[:1])


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


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"prompt": "?"}], "row 1: wanted prompt and answers"),
        ([{"prompt": "?", "answers": {"a": 1, "b": "x"}}], "as text"),
        ([{"prompt": "?", "answers": {"a": "x"}}], "two models or more"),
        ([], "empty"),
    ],
)
def test_prompts_that_are_none_are_named(arena, rows, said):
    with pytest.raises(UserError, match=said):
        arena(rows)
    with pytest.raises(UserError, match=r"no answer of 'gama'.*gamma"):
        arena(models=("gama", "beta"))


@pytest.mark.parametrize(
    "url", ["nonsense", "postgresql://nobody:secret@127.0.0.1:1/none", "sqlite:////proc/none/x.sqlite"]
)
def test_a_database_that_cannot_be_had_is_one_line_without_its_password(url):
    pytest.importorskip("psycopg", reason="PostgreSQL needs psycopg (extra `web`)") if "postgres" in url else None
    with pytest.raises((UserError, OSError)) as error:
        ArenaStore(url)
    assert "secret" not in str(error.value) and "\n" not in str(error.value)
