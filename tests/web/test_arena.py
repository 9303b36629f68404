"""The arena: votes are blind, counted once, a voter's own, and become battles that are rated."""

import json
import re
from collections import Counter

import pytest
from arena_pages import cast, hidden, joined
from run_folders import line, make_run
from web_pages import client_of, text_of

from evalharness.arena.votes import read_battles
from evalharness.errors import UserError
from evalharness.runs.store import Run
from evalharness.web import arena_board
from evalharness.web.arena_application import arena_prompts
from evalharness.web.arena_board import pair_weights
from evalharness.web.arena_prompts import RunPrompts, names_itself
from evalharness.web.arena_store import ArenaStore, CountedVote
from evalharness.web.journal_index import JournalIndex
from evalharness.web.rate_limit import RateLimit

NAMES = ("acme/alpha-7b", "alpha-7b", "beta", "gamma")


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
