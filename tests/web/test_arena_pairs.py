"""What an arena has to vote on: counted before it opens, refused where it is nothing, and passed over where it is the
same twice."""

import json
import re

import pytest
from run_folders import letters, line, make_run
from web_pages import client_of, text_of

from evalharness.errors import UserError
from evalharness.web.arena_application import arena_application, arena_prompts
from evalharness.web.arena_pages import ArenaTerms
from evalharness.web.arena_prompts import votable_pairs
from evalharness.web.arena_store import ArenaStore
from evalharness.web.guard import GuardTerms


def written(folder, name, texts, benchmark="quiz"):
    lines = [line(benchmark, f"a/{n}", "correct", 1.0, text=text) for n, text in enumerate(texts)]
    make_run(folder / name, lines=lines, model={"name": f"local:{name}"})


def counted(folder, *names):
    return votable_pairs(arena_prompts(names, None, live=False, runs=folder))


def test_pairs_are_counted_and_those_that_are_the_same_passed_over(tmp_path):
    written(tmp_path, "one", ["same", "left", "left", ""])
    written(tmp_path, "two", ["same", "right", "right", "right"])
    found = counted(tmp_path, "one", "two")
    assert (found.by_models, found.same, found.looked) == ({("local:one", "local:two"): 2}, 1, 4)
    prompts = arena_prompts(["one", "two"], None, live=False, runs=tmp_path)
    assert [prompts.item(place, prompts.models) is not None for place in range(4)] == [False, True, True, False]


@pytest.mark.parametrize(
    ("texts", "benchmark", "said"),
    [(["same", "same"], "quiz", "2 pairs of answers are the same word by word"),
     (["x", "y"], "maths", "written different"),
     (["", ""], "quiz", "to none of 2 questions have two of local:one, local:two")],
)  # fmt: skip
def test_an_arena_with_nothing_to_vote_on_is_refused(tmp_path, evalh, texts, benchmark, said):
    written(tmp_path, "one", ["same", "same"])
    written(tmp_path, "two", texts, benchmark)
    with pytest.raises(UserError, match=said):
        counted(tmp_path, "one", "two")
    shown = evalh("arena", "serve", "--models", "one,two", "--runs", str(tmp_path))
    assert shown.code == 2 and "nothing to vote on" in shown.err and shown.err.count("\n") == 1


def test_recorded_answers_that_are_all_the_same_are_refused_too(tmp_path, evalh):
    (tmp_path / "p.jsonl").write_text(json.dumps({"prompt": "?", "answers": {"one": "x", "two": "x"}}) + "\n")
    shown = evalh("arena", "serve", "--prompts", str(tmp_path / "p.jsonl"))
    assert shown.code == 2 and "1 pairs of answers are the same" in shown.err


def test_too_few_runs_are_named_as_they_were(tmp_path, evalh):
    make_run(tmp_path / "alone", lines=letters("quiz", "10"), model={"name": "tiny"})
    for words in ("alone", "alone,alone"):
        shown = evalh("arena", "serve", "--models", words, "--runs", str(tmp_path))
        assert shown.code == 2 and "wanted two models or more, each once; there is alone" in shown.err


def test_models_that_never_meet_keep_nobody_from_the_others(tmp_path):
    for name, benchmark in (("one", "quiz"), ("two", "quiz"), ("far", "maths")):
        written(tmp_path, name, [f"{len(name) + ord(name[0])} {n}" for n in range(8)], benchmark)
    prompts = arena_prompts(["one", "two", "far"], None, live=False, runs=tmp_path)
    found = votable_pairs(prompts)
    assert found.meeting == (("local:one", "local:two"),)
    for pairs in (found.meeting, ()):  # told, or found out while voters wait
        store = ArenaStore(f"sqlite:///{tmp_path}/votes{len(pairs)}.sqlite")
        client = client_of(
            arena_application(store, prompts, ArenaTerms(votes_per_minute=1e6, pairs=pairs), GuardTerms())
        )
        page = client.post("/join", data={"consent": "yes"})
        for _ in range(8):
            csrf, key = (re.search(rf'name="{name}" value="([^"]*)"', page.text)[1] for name in ("csrf", "key"))
            client.post(f"{page.url.path}/vote", data={"csrf": csrf, "key": key, "choice": "tie"})
            page = client.get("/battle")
        assert len(store.counted()) == 8 and "You have seen them all" in text_of(page)
        store.close()


def test_a_long_file_of_prompts_is_counted_in_part(tmp_path, monkeypatch):
    monkeypatch.setattr("evalharness.web.arena_prompts._COUNTED", 10)
    rows = [{"prompt": "?", "answers": {"one": "x", "two": "y"}} for n in range(95)]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = votable_pairs(arena_prompts([], tmp_path / "p.jsonl", live=False, runs=tmp_path))
    assert (found.looked, found.prompts, sum(found.by_models.values())) == (10, 95, 10)


def test_ratings_have_the_last_vote_or_say_how_old_they_are(arena, monkeypatch):
    application, _ = arena()
    client = client_of(application)
    page = client.post("/join", data={"consent": "yes"})
    for fresh, votes in ((100, "1 vote by 1 person"), (1, "1 vote by 1 person, counted anew every 5 seconds")):
        for module in ("arena_board", "arena_pages"):
            monkeypatch.setattr(f"evalharness.web.{module}.FRESH_VOTES", fresh)
        csrf, key = (re.search(rf'name="{name}" value="([^"]*)"', page.text)[1] for name in ("csrf", "key"))
        client.post(f"{page.url.path}/vote", data={"csrf": csrf, "key": key, "choice": "tie"})
        assert re.search("[0-9]+ vote.*", text_of(client.get("/ratings")))[0] == votes
        page = client.get("/battle")
