"""Judgments made elsewhere: what a row must hold, which of several models is meant, and what a reader is told."""

import json
import math

import pytest

from evalharness import plugins
from evalharness.errors import DataError, UserError
from evalharness.judging.imported import (
    ImportOptions,
    field_of,
    import_file,
    import_notes,
    imported_verdict,
    known_samples,
    number_of,
    one_of,
    seeded,
    text_of,
)
from evalharness.records import Sample


def test_a_field_that_is_not_there_is_named_with_those_that_are():
    assert field_of({"a": None}, "a", "f:1") is None
    with pytest.raises(DataError, match=r"^f:2: wanted the field 'a'; there is b, c$"):
        field_of({"c": 1, "b": 2}, "a", "f:2")
    with pytest.raises(DataError, match=r"there is nothing$"):
        field_of({}, "a", "f")
    with pytest.raises(DataError, match=r"there is b, c, d, e, f, g$"):
        field_of(dict.fromkeys("hgfedcb"), "a", "f")
    with pytest.raises(DataError, match=r"^f:3: wanted an object, there is list$"):
        field_of([1], "a", "f:3")


@pytest.mark.parametrize(("value", "text"), [("x", "x"), (3, "3"), (True, "True"), ("", "")])
def test_a_text_may_be_written_as_a_number(value, text):
    assert text_of({"a": value}, "a", "f") == text and text_of({"a": value}, "a", "f", "else") == text


def test_a_text_that_is_absent_or_null_has_its_default_and_else_is_an_error():
    assert text_of({}, "a", "f", "else") == text_of({"a": None}, "a", "f", "") + "else"
    with pytest.raises(DataError, match="wanted the field 'a'"):
        text_of({}, "a", "f")
    for value in (None, ["x"]):
        with pytest.raises(DataError, match="wanted a text"):
            text_of({"a": value}, "a", "f")
    with pytest.raises(DataError, match="wanted a text"):
        text_of({"a": {}}, "a", "f", "else")


@pytest.mark.parametrize(
    ("value", "number"),
    [(1, 1.0), ("2.5", 2.5), (None, None), (math.nan, None), ("inf", None), (" 3 ", 3.0), (0, 0.0)],
)
def test_a_number_may_be_a_text_and_what_is_not_finite_is_none(value, number):
    assert number_of(value, "f", "score") == number


@pytest.mark.parametrize("value", [True, "three", [1], {}, 10**400])
def test_what_is_no_number_is_named(value):
    with pytest.raises(DataError, match=r"^f: its score is .*, wanted a number$"):
        number_of(value, "f", "score")


def test_which_of_several_models_is_meant(tmp_path):
    assert one_of(["a"], None, "model", tmp_path) == one_of(["a", "b"], "a", "model", tmp_path) == "a"
    with pytest.raises(UserError, match=r"judges several models; say model with one of a, b$"):
        one_of(["a", "b"], None, "model", tmp_path)
    with pytest.raises(UserError, match=r"one of a, b, c, d, e, f$"):
        one_of("abcdef", None, "model", tmp_path)
    with pytest.raises(UserError, match=r"one of a, b, c, d, e, f and 2 more$"):
        one_of("abcdefgh", None, "model", tmp_path)
    with pytest.raises(UserError, match=r"no judgments of 'gpt-5' \(did you mean gpt-4\?\)"):
        one_of(["gpt-4", "x"], "gpt-5", "model", tmp_path)


def test_a_verdict_without_value_is_null():
    assert imported_verdict("j", "pairwise", 0.0, label="M").status == "ok"
    none = imported_verdict("j", "pairwise", None)
    assert (none.status, none.value, none.judge) == ("unparsable", None, "j")


def test_the_order_of_a_seeded_judge_is_the_one_it_would_show():
    orders = {seeded("pairwise_logprob", "id", f"question {n}") for n in range(40)}
    assert orders == {"AB", "BA"}
    assert seeded("pairwise_logprob", "1", "same") == seeded("pairwise_logprob", "1", "same")
    assert seeded("panel", "id", "question") == "", "a panel shows nothing itself"


def test_the_reader_is_told_what_is_not_whole():
    hard = {"q": Sample(id="1", question="q", extra={"difficulty": 0.5}), "p": Sample(id="2", question="p")}
    assert import_notes(10, 10, hard) == ()
    (few,) = import_notes(8, 10, hard)
    assert few == "8 rows of 10: 2 items have no judgment and are in no figure"
    (plain,) = import_notes(10, 10, {"p": hard["p"]})
    assert "without the published difficulties" in plain


def test_a_benchmarks_own_samples_are_found_by_their_question(tmp_path):
    rows = [{"instruction": f"say {n}", "output": f"it is {n}", "generator": "g", "dataset": "d"} for n in range(3)]
    (tmp_path / "alpaca_eval_gpt4_baseline.json").write_text(json.dumps(rows))
    known = known_samples(plugins.load_benchmark("alpaca_eval"), tmp_path)
    assert set(known) == {"say 0", "say 1", "say 2"} and known["say 1"].answers == ("it is 1",)


def pandalm(n, said="1"):
    return {
        "instruction": f"question {n}", "input": "", "response1": f"one {n}", "response2": f"two {n}", "idx": n,
        **dict.fromkeys(("annotator1", "annotator2", "annotator3"), said),
    }  # fmt: skip


def test_the_run_that_is_made_says_where_it_is_from_and_how_much_was_expected(tmp_path):
    file = tmp_path / "judged.json"
    file.write_text(json.dumps([pandalm(n, "12"[n % 2]) for n in range(4)]))
    found = import_file("pandalm", file, ImportOptions(), lambda name: tmp_path / "runs" / name)
    assert found.run.path.name.startswith("pandalm-") and found.run.finished
    manifest = found.run.manifest
    (facts,) = manifest.benchmarks.values()
    (judging,) = manifest.judgings
    assert (facts.data.origin, facts.data.kind, facts.mode) == ("judged.json (imported)", "imported", "write")
    assert facts.items == max(4, found.foreign.expected) and facts.shots == 0
    assert manifest.model.fingerprint == f"imported:{manifest.model.name}"
    results = found.run.results()
    assert len(results) == 4 and all(r.detail["judged"][judging]["value"] is not None for r in results)
    assert all(v.extra["judging"] == judging for r in results for v in r.verdicts)
    shown = found.as_json()
    assert shown["rows"] == 4 and shown["expected"] == found.foreign.expected and shown["run"] == str(found.run.path)
    with pytest.raises(UserError, match="there is a run already; give another name"):
        import_file("pandalm", file, ImportOptions(), lambda name: tmp_path / "runs" / name)


def test_one_item_twice_is_refused(tmp_path):
    file = tmp_path / "twice.json"
    file.write_text(json.dumps([pandalm(1), pandalm(2), pandalm(1)]))
    with pytest.raises(DataError, match=r"has the item .* 2 times"):
        import_file("pandalm", file, ImportOptions(), lambda name: tmp_path / "runs" / name)
