"""`evalh view`: what the pages of runs show, and that what a model wrote is text and nothing else."""

import json
import re
import shutil

import pytest
from run_folders import letters, line, make_run
from web_pages import client_of, text_of

from evalharness.errors import UserError
from evalharness.web import compare_pages
from evalharness.web.application import view_application
from evalharness.web.guard import GuardTerms
from evalharness.web.run_library import RunLibrary, run_key


def rows(page):
    """The links of the rows of a page, in their order."""
    return [found.replace("&amp;", "&") for found in re.findall(r'data-row href="([^"]*)"', page.text)]


def names(page):
    return re.findall(r"data-row href=[^>]*>([^<]*)<", page.text)


def test_the_list_of_runs_is_searched_sorted_and_grouped(view):
    assert set(names(view.get("/"))) == {"base", "tuned", "other", "going"}
    assert names(view.get("/?sort=name&up=1")) == ["base", "going", "other", "tuned"]
    assert names(view.get("/?sort=name")) == ["tuned", "other", "going", "base"]
    assert names(view.get("/?sort=score&up=1")) == ["base", "tuned", "other", "going"], "what has no score stands last"
    assert names(view.get("/?q=LOCAL:t")) == ["tuned"] and names(view.get("/?q=maths")) == ["other"]
    assert "No run matches" in view.get("/?q=nothing").text
    grouped = text_of(view.get("/?group=benchmark&sort=name&up=1"))
    assert grouped.index("maths") < grouped.index("other") < grouped.index("quiz")
    assert view.get("/?sort=odd&page=99999999999&group=odd").status_code == 200


def test_a_run_shows_figures_counts_and_results_of_a_filter(view, key):
    page = view.get(f"/runs/{key('base')}")
    assert len(rows(page)) == 50 and "correct 30" in text_of(page) and "wrong 30" in text_of(page)
    wrong = view.get(f"/runs/{key('base')}?status=wrong&group=g0")
    assert len(rows(wrong)) == 10 and "correct</span>" not in wrong.text
    assert "No result matches" in view.get(f"/runs/{key('base')}?status=refused").text
    assert "evalh" in re.search(r'<pre class="command" id="command">(.*?)</pre>', page.text)[1]


def test_pages_follow_each_other_and_lead_back(view, key):
    first = view.get(f"/runs/{key('base')}")
    after = re.search(r'rel="next" data-key="\]" href="([^"]*)"', first.text)[1]
    second = view.get(after)
    assert len(rows(first)) + len(rows(second)) == 60 and not set(rows(first)) & set(rows(second))
    before = re.search(r'rel="prev" data-key="\[" href="([^"]*)"', second.text)[1]
    assert rows(view.get(before)) == rows(first)


def test_a_result_shows_what_was_asked_answered_and_read(view, key):
    page = view.get(f"/runs/{key('base')}/item?of=quiz&id=g0/2")
    assert "I weigh both. The answer is <mark>B</mark>." in page.text
    said = text_of(page)
    for text in ("What is g0/2?", "A. yes", "rule: answer is LETTER", "Thinking, not scored", "Hm.", "accuracy"):
        assert text in said, text
    assert "--item g0/2" in said and 'curl "$OPENAI_BASE_URL' in said


def test_neighbours_of_a_result_stay_inside_the_filter(view, key):
    at = f"/runs/{key('base')}/item?of=quiz&id=g0/4&status=wrong"
    later = re.search(r'rel="next" data-key="\]" href="([^"]*)"', view.get(at).text)[1].replace("&amp;", "&")
    assert "id=g0%2F6" in later and "status=wrong" in later
    earlier = re.search(r'rel="prev" data-key="\[" href="([^"]*)"', view.get(later).text)[1].replace("&amp;", "&")
    assert "id=g0%2F4" in earlier
    text = f"/runs/{key('base')}/item?of=quiz&id=g0/4&text=answer%20is%20B"
    assert "id=g0%2F6" in re.search(r'rel="next" data-key="\]" href="([^"]*)"', view.get(text).text)[1]


def test_text_is_searched_and_counted(view, key):
    page = view.get(f"/runs/{key('base')}?text=answer%20is%20B")
    assert len(rows(page)) == 30
    told = view.get(f"/runs/{key('base')}/count?text=answer%20is%20B")
    assert told.headers["content-type"].startswith("text/event-stream")
    assert json.loads(told.text.strip().splitlines()[-1].removeprefix("data: ")) == {"count": "30", "done": True}
    assert view.get(f"/runs/{key('base')}/count").status_code == 400


def test_a_run_under_way_says_how_far_it_is_and_tells_of_its_end(view, key, runs):
    page = view.get(f"/runs/{key('going')}")
    assert "under way" in page.text and "3 of 3 answers" in text_of(page)
    shutil.copy(runs / "other" / "summary.json", runs / "going")
    told = view.get(f"/runs/{key('going')}/progress").text
    assert json.loads(told.strip().splitlines()[-1].removeprefix("data: "))["done"] is True


def test_a_judge_is_shown_with_its_reasoning(tmp_path):
    one = line("quiz", "a/1", "scored", 0.5)
    one["verdicts"] = [{"judge": "strict", "kind": "score", "value": 0.5, "label": "3", "raw": "It is <b>vague</b>.",
                        "logprobs": [["3", -0.25]]}]  # fmt: skip
    make_run(tmp_path / "runs" / "judged", lines=[one])
    client = client_of(view_application(RunLibrary([], tmp_path / "runs"), GuardTerms()))
    page = client.get(f"/runs/{run_key(tmp_path / 'runs' / 'judged')}/item?of=quiz&id=a/1")
    assert "It is &lt;b&gt;vague&lt;/b&gt;." in page.text and "−0.250" in page.text


def test_two_runs_are_compared_item_by_item(view, key, monkeypatch):
    monkeypatch.setattr(compare_pages, "_PAGE", 10)
    at = f"/compare?run={key('base')}&run={key('tuned')}"
    page = view.get(at)
    said = text_of(page)
    assert "✓ better" in said and "fixed 18" in said and "broke 6" in said and "both right 24" in said
    assert "<del>A</del>" in page.text and "<ins>B</ins>" in page.text
    fixed = view.get(f"{at}&change=fixed")
    assert fixed.text.count("<article") == 10
    more = view.get(re.search(r'rel="next" data-key="\]" href="([^"]*)"', fixed.text)[1].replace("&amp;", "&"))
    assert more.text.count("<article") == 8
    assert view.get(f"{at}&swap=1").url.query.decode().startswith(f"run={key('tuned')}")
    assert "margin" in view.get(f"{at}&margin=5").text and view.get(f"{at}&margin=5").status_code == 400


def test_many_runs_are_a_matrix_and_ranked(view, key, runs):
    make_run(runs / "third", "1" * 60, groups=3)
    page = view.get("/compare?" + "&".join(f"run={key(name)}" for name in ("base", "tuned", "third")))
    said = text_of(page)
    assert "3 runs compared" in said and "Ranks" in said
    assert len(rows(page)) == 6, "each cell opens the comparison"
    assert "−30.0" in said and "+50.0" in said


def test_what_cannot_be_compared_says_why(view, key):
    assert "Tick two runs" in view.get(f"/compare?run={key('base')}").text
    assert view.get("/compare").status_code == 400
    assert "not finished" in view.get(f"/compare?run={key('base')}&run={key('going')}").text
    assert "not comparable" in view.get(f"/compare?run={key('base')}&run={key('other')}").text
    assert view.get("/compare?" + "&".join(f"run={n:012}" for n in range(20))).status_code == 400
    assert view.get(f"/compare?run={key('base')}&run=000000000000").status_code == 404


def test_a_benchmark_over_time(view):
    page = view.get("/history?benchmark=quiz")
    assert names(page) == ["base", "tuned"] and "quiz over time" in page.text
    assert view.get("/history?benchmark=unknown").status_code == 200


HOSTILE = {
    "script": "<script>alert(1)</script>",
    "image": "![x](http://evil.example/p.png)<img src=x onerror=alert(1)>",
    "end": '</div></main></body></html>"><style>*{display:none}</style>',
    "template": "{{ 7 * 7 }}{% for x in y %}",
    "ansi": "\x1b[31mred\x1b[0m\x1b]8;;http://evil.example\x07",
    "bidi": "abc\u202edef\u2066x",
    "zero": "zero\u200bwidth\ufeff",
    "half": "\ud800 alone",
    "nul": "a\x00b",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_texts_are_shown_as_text(tmp_path, kind):
    text = HOSTILE[kind]
    one = line("quiz", f"id {text}", "wrong", 0.0, text=text, question=text, group=f"g {text}")
    one["answer"], one["sample"]["choices"], one["detail"] = text, [text, "no"], {"rule": text, text: text}
    one["verdicts"] = [{"judge": text, "kind": "score", "value": None, "label": text, "raw": text}]
    make_run(tmp_path / "runs" / "x", lines=[one], model={"name": text, "fingerprint": "x"})
    client = client_of(view_application(RunLibrary([], tmp_path / "runs"), GuardTerms()))
    at = f"/runs/{run_key(tmp_path / 'runs' / 'x')}"
    pages = [client.get("/"), client.get(at)]
    item = rows(pages[1])[0]
    if kind != "half":  # no address can hold half of a character
        pages.append(client.get(item))
    plain = client.get("/?q=nothing")
    for page in pages:
        assert page.status_code == 200
        body = page.text
        for tag in ("<script>", "<img src=x", "<style>", "onerror=alert(1)>"):
            assert tag not in body, (kind, tag)
        assert body.rstrip().endswith("</html>") and body.count("</body>") == plain.text.count("</body>") == 1
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u200b\u202e\u2066\ufeff]", body), kind
        assert "49" not in re.findall(r"id (\S*)", text_of(page)), "no template of theirs runs"


def test_an_answer_of_five_megabytes_leaves_the_page_whole(tmp_path):
    text = "A" * 5_000_000 + " the answer is B"
    one = line("quiz", "a/1", "wrong", 0.0, text=text)
    one["answer"] = "B"
    make_run(tmp_path / "runs" / "x", lines=[one])
    client = client_of(view_application(RunLibrary([], tmp_path / "runs"), GuardTerms()))
    at = f"/runs/{run_key(tmp_path / 'runs' / 'x')}"
    page = client.get(f"{at}/item?of=quiz&id=a/1")
    assert len(page.text) < 200_000 and "characters are left out here" in page.text and "<mark>B</mark>" in page.text
    whole = client.get(f"{at}/text?of=quiz&id=a/1&part=answer")
    assert whole.text == text
    assert (
        whole.headers["content-type"].startswith("text/plain") and "sandbox" in whole.headers["content-security-policy"]
    )
    assert client.get(f"{at}/text?of=quiz&id=a/1&part=../run.json").status_code == 404
    assert len(client.get(at).text) < 100_000


@pytest.mark.parametrize(
    "path",
    [
        "/runs/..%2f..%2fetc%2fpasswd", "/runs/base", "/runs/../base", "/runs/%00", "/assets/x/..%2fguard.py",
        "/assets/x/guard.py", "/assets/x/base.html.j2", "/runs", "/nothing", "/runs/000000000000/item?of=q&id=1",
    ],
)  # fmt: skip
def test_no_path_of_an_address_reaches_a_file(view, path):
    page = view.get(path)
    assert page.status_code == 404 and "root:" not in page.text


@pytest.mark.parametrize(
    "query", ["after=x", "after=-1", "after=" + "9" * 30, "before=0", "repeat=1e9", "suspect=1", "text=%00"]
)
def test_odd_values_in_an_address_do_no_harm(view, key, query):
    assert view.get(f"/runs/{key('base')}?{query}").status_code == 200


def test_an_unknown_result_is_not_found(view, key):
    assert view.get(f"/runs/{key('base')}/item?of=quiz&id=nowhere").status_code == 404
    assert view.get(f"/runs/{key('base')}/item").status_code == 404
    assert view.get(f"/runs/{key('base')}/item?of=quiz&id=g0/1&repeat=x").status_code == 200


def test_a_damaged_run_hides_no_other(view, runs):
    (runs / "tuned" / "run.json").write_text("{")
    page = view.get("/")
    assert "cannot be read" in page.text and "base" in names(page)


def test_runs_may_be_named_one_by_one(runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    client = client_of(view_application(RunLibrary(["base", str(runs / "tuned")]), GuardTerms()))
    assert sorted(names(client.get("/"))) == ["base", "tuned"]
    assert client.get("/history").status_code == 404
    with pytest.raises(UserError, match="there is no run"):
        RunLibrary(["bases"])


def test_no_runs_at_all_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(UserError, match="evalh run"):
        RunLibrary([], tmp_path / "none")


def test_results_that_are_judged_again_are_seen(view, key, runs):
    at = f"/runs/{key('base')}"
    assert "correct 30" in text_of(view.get(at))
    first = json.loads((runs / "base" / "results.jsonl").read_text().splitlines()[2])
    with (runs / "base" / "results.jsonl").open("a") as file:
        file.write(json.dumps({**first, "status": "correct"}) + "\n")
    assert "correct 31" in text_of(view.get(at))


def test_a_run_without_benchmarks_or_letters_is_a_page(tmp_path):
    make_run(tmp_path / "runs" / "odd", lines=letters("quiz", "e"))
    client = client_of(view_application(RunLibrary([], tmp_path / "runs"), GuardTerms()))
    assert client.get(f"/runs/{run_key(tmp_path / 'runs' / 'odd')}").status_code == 200


@pytest.mark.slow
def test_a_result_with_thousands_of_parts_is_a_page_of_some(tmp_path):
    one = line("quiz", "a/1", "scored", 0.5)
    one["request"]["messages"] = [{"role": "user", "content": f"message {n} " + "x" * 1000} for n in range(5000)]
    one["sample"]["choices"] = [f"choice {n}" for n in range(3000)]
    one["scores"] = {f"score{n}": 0.5 for n in range(3000)}
    one["detail"] = {f"detail{n}": [n] * 6700 for n in range(1000)}
    one["verdicts"] = [{"judge": "j", "kind": "score", "value": 0.5, "raw": "r" * 1000}] * 2000
    make_run(tmp_path / "runs" / "x", lines=[one])
    client = client_of(view_application(RunLibrary([], tmp_path / "runs"), GuardTerms()))
    page = client.get(f"/runs/{run_key(tmp_path / 'runs' / 'x')}/item?of=quiz&id=a/1")
    assert page.status_code == 200 and len(page.text) < 5_000_000
    assert "100 of 5,000 messages, 100 of 3,000 choices" in text_of(page) and "message 4999" in page.text


def test_logs_of_other_programs_are_imported_once_and_shown(shared, tmp_path):
    pytest.importorskip("zstandard", reason="Inspect's logs need the extra `inspect`")
    for name, item in (("inspect", "2026-11-28T16-00-00+00-00_mmlu_e1.eval"), ("lm_eval", "")):
        shutil.copytree(shared / "foreign" / name, tmp_path / name)
        library = RunLibrary([str(tmp_path / name / item)])
        client = client_of(view_application(library, GuardTerms()))
        found = rows(client.get("/"))
        assert len(found) >= 1 and len(rows(client.get(found[0]))) > 1
        first = library.named_runs()[0].path
        before = (first / "run.json").stat().st_mtime_ns
        again = RunLibrary([str(tmp_path / name / item)]).named_runs()[0].path
        assert again == first and (first / "run.json").stat().st_mtime_ns == before
        (first / "summary.json").unlink()  # an import that was interrupted
        assert RunLibrary([str(tmp_path / name / item)]).named_runs()[0].finished


def test_a_log_that_is_none_is_one_line(tmp_path):
    (tmp_path / "x.eval").write_bytes(b"no zip")
    (tmp_path / "results_x.json").write_text("[]")
    for name in ("x.eval", "results_x.json"):
        with pytest.raises(UserError):
            RunLibrary([str(tmp_path / name)])


def asked_of(model, tmp_path, **facts):
    """A run of one question that says it was asked of this model."""
    one = line("quiz", "a/1", "wrong", 0.0)
    one["request"] = {"messages": [{"role": "user", "content": "What is <b>3</b>\u202e?"}], "max_tokens": 5}
    make_run(tmp_path / "runs" / "x", lines=[one], model={"name": model, "fingerprint": "x", **facts})
    client = client_of(view_application(RunLibrary([], tmp_path / "runs"), GuardTerms()))
    return client, f"/runs/{run_key(tmp_path / 'runs' / 'x')}"


def test_a_prompt_is_shown_token_by_token_as_the_model_read_it(tmp_path):
    from evalharness.models.tiny import open_model
    from evalharness.options import LocalOptions
    from evalharness.records import Message, Request

    model = open_model("", LocalOptions())
    client, at = asked_of("tiny", tmp_path, **model.describe())
    link = re.search(r'href="([^"]*)" data-key="p"', client.get(f"{at}/item?of=quiz&id=a/1").text)[1]
    page = client.get(link.replace("&amp;", "&"))
    preview = model.preview(Request(messages=(Message("user", "What is <b>3</b>\u202e?"),), max_tokens=5))
    assert re.findall(r'class="token" title="(\d+)"', page.text) == [str(token) for token in preview.ids]
    assert f"{len(preview.ids)} tokens · without a token for the beginning" in text_of(page)
    assert "<b>3" not in page.text and "\u202e" not in page.text


@pytest.mark.parametrize(
    ("model", "facts", "status", "said"),
    [
        ("openai:x", {}, 404, "Only models of this machine"),
        ("nowhere:x", {}, 404, "Only models of this machine"),
        ("local:gone", {"template": "own"}, 409, "not there any more"),
        ("local:org/name", {"template": "own"}, 409, "not there any more"),
        ("tiny", {"template": "own", "template_sha256": "0" * 64}, 409, "another than the run was asked with"),
        ("tiny", {"template": "/etc/passwd.jinja"}, 409, "a file of its own"),
    ],
)
def test_tokens_that_cannot_be_had_are_not_made_up(tmp_path, model, facts, status, said):
    client, at = asked_of(model, tmp_path, **facts)
    page = client.get(f"{at}/prompt?of=quiz&id=a/1")
    assert page.status_code == status and said in page.text


def test_an_answer_that_is_one_letter_over_and_over_is_looked_for_a_while_only(tmp_path, monkeypatch):
    from evalharness.web import item_view

    tried = []
    inside = item_view._inside_word
    monkeypatch.setattr(item_view, "_inside_word", lambda text, place: tried.append(place) or inside(text, place))
    one = line("quiz", "a/1", "wrong", 0.0, text="A" * 300_000)
    make_run(tmp_path / "runs" / "x", lines=[one])
    client = client_of(view_application(RunLibrary([], tmp_path / "runs"), GuardTerms()))
    page = client.get(f"/runs/{run_key(tmp_path / 'runs' / 'x')}/item?of=quiz&id=a/1")
    assert page.status_code == 200 and "<mark>" not in page.text and len(tried) < 5_000
