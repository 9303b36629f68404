"""The page of one run: what its figures rest on, which score a row has, counts without a script, and ways back."""

import json
import re
from html import unescape

import pytest
from run_folders import letters, line, make_run
from web_pages import client_of, text_of

from evalharness.web.application import view_application
from evalharness.web.guard import GuardTerms
from evalharness.web.run_library import RunLibrary, run_key


def opened(folder, name="x"):
    return client_of(view_application(RunLibrary([], folder), GuardTerms())), f"/runs/{run_key(folder / name)}"


def judged(folder, verdicts, without, metrics):
    """A run whose answers were judged; its headline is the benchmark's own."""
    lines = [line("quiz", f"a/{n}", "wrong", 0.0, metric="exact_match") for n in range(4)]
    for one in lines:
        one["scores"] = {"judge_score": 0.9, **one["scores"]}
    make_run(folder / "x", lines=lines)
    file = folder / "x" / "summary.json"
    summary = json.loads(file.read_text())
    figure = {"value": 0.0, "low": 0.0, "high": 0.5, "n": 4}
    summary["benchmarks"]["quiz"] |= {
        "headline": "exact_match",
        "metrics": {"exact_match": figure},
        "judged": {"score=tiny": {"score": "judge_score", "answers": 4, "without_verdict": without,
                                  "verdicts": verdicts, "metrics": metrics, "labels": {}}},
    }  # fmt: skip
    file.write_text(json.dumps(summary))


def test_a_judge_without_any_verdict_is_said(tmp_path):
    judged(tmp_path, {"ok": 0, "unparsable": 4}, 4, {})
    client, at = opened(tmp_path)
    page = client.get(at)
    assert "quiz judged by score=tiny: no answer has a verdict, so there is no figure; 4 answers" in text_of(page)
    assert "4 unparsable; without verdict: 4" in text_of(page) and '<p class="note bad">' in page.text


def test_a_judge_s_figures_stand_beside_the_benchmark_s_own(tmp_path):
    judged(tmp_path, {"ok": 3, "error": 1}, 1, {"judge_score": {"value": 0.9, "low": 0.8, "high": 1.0, "n": 3}})
    client, at = opened(tmp_path)
    said = text_of(client.get(at))
    assert "judge_scorejudged by score=tiny" in said and "0.800 … 1.000" in said and "without verdict: 1" in said


def heads(page):
    return re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', page.text.partition('aria-label="Results"')[2])


def test_the_score_of_a_row_is_the_headline_s_and_named(tmp_path):
    judged(tmp_path, {"ok": 4}, 0, {})
    client, at = opened(tmp_path)
    page = client.get(at)
    assert heads(page)[-1] == "exact_match" and "0.900" not in page.text.partition('aria-label="Results"')[2]
    make_run(
        tmp_path / "two", lines=[line("quiz", "a/1", "wrong", 0.0), line("maths", "a/1", "wrong", 0.5, metric="f1")]
    )
    client, at = opened(tmp_path, "two")
    page = client.get(at)
    assert heads(page)[-1] == "score" and all(f"<br><span class=\"soft small\">{name}<" in page.text
                                              for name in ("accuracy", "f1"))  # fmt: skip


def test_a_search_is_counted_without_a_script(view, key, monkeypatch):
    at = f"/runs/{key('base')}?text=answer%20is%20B"
    page = view.get(at)
    assert "30 results hold the text" in text_of(page) and "data-stream" not in page.text
    assert "1 result holds the text" in text_of(view.get(f"/runs/{key('base')}?text=g1/3"))
    monkeypatch.setattr("evalharness.web.run_pages._COUNT_SECONDS", -1.0)  # a run that takes longer to look through
    page = view.get(at)
    assert "At least 1 results hold the text" in text_of(page) and "data-stream" in page.text
    link = re.search(r'href="([^"]*count=all)#results">count all', page.text)[1].replace("&amp;", "&")
    assert "30 results hold the text" in text_of(view.get(link))


def test_an_address_behind_the_last_result_has_a_way_back(view, key):
    at = f"/runs/{key('base')}"
    for query in ("after=99999999", "status=wrong&after=99999999", "before=0", "text=answer&after=99999999"):
        page = view.get(f"{at}?{query}")
        begin = re.search(r'href="([^"]*)#results">First page', page.text)[1].replace("&amp;", "&")
        assert "data-row" in view.get(begin).text and ("status=wrong" in begin) is ("status" in query), query
    back = re.search(r'rel="prev" data-key="\[" href="([^"]*)#', view.get(f"{at}?after=99999999").text)[1]
    assert len(re.findall("data-row href", view.get(back.replace("&amp;", "&")).text)) == 50
    assert "First page" not in view.get(at).text


def test_facts_are_words_and_curl_is_for_endpoints(tmp_path):
    facts = {"temperature": 0.5, "seed": 3, "seeds": [1, 2]}
    for name, model in (("x", "echo"), ("y", "openai:served"), ("z", "replay:x")):
        make_run(tmp_path / name, lines=letters("quiz", "1"), sampling=facts, model={"name": model, "fingerprint": "f"})
        client, at = opened(tmp_path, name)
        assert "temperature 0.5, seed 3, seeds 1 2" in text_of(client.get(at))
        item = text_of(client.get(f"{at}/item?of=quiz&id=g0/0"))
        assert ('curl "$OPENAI' in item) is (name == "y") and "evalh show" in item


def broken(folder):
    """A run with a line that is none, one whose score is beyond all numbers, and one torn."""
    make_run(folder / "x", "110100")
    file = folder / "x" / "results.jsonl"
    lines = file.read_text().splitlines()
    lines[1], lines[2] = lines[1][:50], lines[2].replace('"accuracy": 0.0', f'"accuracy": {10**400}')
    file.write_text("\n".join(lines) + '\n{"torn')
    return folder / "x"


@pytest.mark.parametrize(
    "summary", [None, "[", '{"benchmarks": {"quiz": {"metrics": {"a": {"value": NaN}}, "counts": {}}}}']
)
def test_a_damaged_run_is_shown_as_far_as_it_can_be_read(tmp_path, summary):
    folder = broken(tmp_path)
    if summary is not None:
        (folder / "summary.json").write_text(summary)
    client, at = opened(tmp_path)
    page = client.get(at)
    said = text_of(page)
    assert page.status_code == 200 and "2 lines are damaged and not shown" in said
    assert ("There are no figures" in said) is (summary is not None) and "under way" not in said
    links = re.findall(r'data-row href="([^"]*)"', page.text)
    assert len(links) == 4 and all(client.get(unescape(link)).status_code == 200 for link in links)
    assert client.get(f"{at}?text=answer").status_code == 200
    assert client.get("/label?name=ann&run=" + at.rpartition("/")[2]).status_code == 200
    assert f'href="{at}">x</a>' in client.get("/").text


def test_a_run_that_has_no_journal_is_a_page(tmp_path):
    make_run(tmp_path / "x", "11")
    (tmp_path / "x" / "results.jsonl").unlink()
    client, at = opened(tmp_path)
    for query in ("", "?text=a", "/count?text=a", "?status=wrong"):
        assert client.get(at + query).status_code == 200


def test_an_id_that_no_address_can_hold_has_a_page(tmp_path):
    half = "lone \ud800 half"
    make_run(tmp_path / "x", lines=[line("quiz", half, "wrong", 0.0, text=half)])
    client, at = opened(tmp_path)
    (link,) = re.findall(r'data-row href="([^"]*)"', client.get(at).text)
    assert "\\ud800 half" in text_of(client.get(unescape(link)))
    for odd in ("[1,2]", "x", "[" * 2000, '["quiz"]'):
        assert client.get(f"{at}/item", params={"result": odd}).status_code == 404
