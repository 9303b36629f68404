"""HELM Lite's scenarios: HELM's figures of an answer, the authors' own files, the set under one name."""

import csv
import importlib
import json
import warnings

import pytest

from evalharness import plugins
from evalharness.building_blocks.instruction_texts import tree_words
from evalharness.data import sources
from evalharness.data.rows import Want
from evalharness.errors import DataError
from evalharness.records import Message, Request, Response, Sample

_helm = importlib.import_module("evalharness.benchmarks._helm")
TEXTS = (
    "The bridge has been closed for repairs since Monday.", "the bridge is closed since Monday for repairs",
    "The bridge has been closed for repairs since Monday. The bridge has been closed for repairs.",
    "Bridge.", "has been closed for", "\"The bridge\", he said, has been closed for Dr. Smith's repairs.", "a the an",
    "",
)  # fmt: skip

ASKED = Request(messages=(Message("user", "?"),))


@pytest.mark.parametrize("said", TEXTS)
@pytest.mark.parametrize("wanted", TEXTS[:6])
def test_figures_are_those_of_the_functions_that_helm_calls(said, wanted):
    scores = pytest.importorskip("nltk.metrics.scores")
    bleu = pytest.importorskip("nltk.translate.bleu_score")
    words, right = tree_words(said), tree_words(wanted)
    with warnings.catch_warnings(action="ignore"):  # it warns where no run of words is shared
        theirs = bleu.sentence_bleu([right], words, weights=(0, 0, 0, 1))
    assert _helm.bleu_4(words, right) == pytest.approx(theirs, rel=1e-12, abs=1e-300)
    found = _helm.exact_and_f1(Sample(question="", answers=("?!", wanted)), ASKED, Response(text=said)).scores
    normal = [set(_helm.normalized(text).split()) for text in (wanted, said)]
    assert found["f1"] == pytest.approx(scores.f_measure(*normal) or 0.0)
    assert found["exact_match"] == float(bool(said) and _helm.normalized(said) in (_helm.normalized(wanted), ""))


def test_an_answer_in_other_words_is_worth_the_words_it_shares():
    score = _helm.exact_and_f1(Sample(question="", answers=("Generic",)), ASKED, Response(text=" generic."))
    assert (score.status, score.scores) == ("correct", {"exact_match": 1.0, "f1": 1.0})
    score = _helm.exact_and_f1(
        Sample(question="", answers=("a red red kite",)), ASKED, Response(text="red kite, red kite")
    )
    assert (score.status, score.scores["f1"]) == ("wrong", 1.0)  # sets of words


def rows(name, folder, split="test"):
    source = plugins.load_benchmark(name, folder).source
    return sources.load_rows(source, Want(split=split), folder).rows


def samples(name, folder, split="test"):
    return sources.build_samples(rows(name, folder, split), plugins.load_benchmark(name, folder).sample)


def test_narrativeqas_own_files(tmp_path):
    def write(file, *lines):
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as out:
            csv.writer(out).writerows(lines)

    write("documents.csv", ["document_id", "set", "kind"], ["d", "test", "movie"])
    write("third_party/wikipedia/summaries.csv", ["document_id", "set", "summary"], ["d", "test", " A dog\nruns. "])
    asked = ["document_id", "set", "question", "answer1", "answer2"]
    write("qaps.csv", asked, ["d", "test", "Who runs", "a dog", "the dog"], ["e", "train", "Who?", "x", "y"])
    (found,) = samples("narrativeqa", tmp_path)
    assert (found.question, found.answers, found.group) == ("Who runs?", ("a dog", "the dog"), "movie")
    assert found.extra == {"summary": "A dog\nruns."}
    with pytest.raises(DataError, match=r"qaps\.csv: the story e is not in summaries\.csv"):
        rows("narrativeqa", tmp_path, "train")


def test_legalbenchs_own_files(tmp_path):
    (tmp_path / "proa").mkdir()
    (tmp_path / "proa" / "test.tsv").write_text('index\tanswer\ttext\n7\tNo\t"A ""clause"" of\ntwo lines."\n')
    (found,) = samples("legalbench/proa", tmp_path)
    assert (found.id, found.question, found.answers) == ("7", 'Statute: A "clause" of\ntwo lines.', ("No",))


def test_openbookqas_and_medqas_own_files(tmp_path):
    choices = [{"text": text, "label": label} for label, text in zip("ABCD", "wxyz", strict=True)]
    row = {"id": "7-1", "question": {"stem": "Which?", "choices": choices}, "answerKey": "C"}
    (tmp_path / "test.jsonl").write_text(json.dumps(row))
    (found,) = samples("openbookqa", tmp_path)
    assert (found.id, found.question, found.choices, found.gold_indices) == ("7-1", "Which?", tuple("wxyz"), (2,))
    # an answer that ends in what is left of a CSV cell, as some do (https://github.com/jind11/MedQA/issues/5)
    options = {"A": 'Pulmonary embolism\n"', "B": "Gout", "C": "Flu", "D": "None"}
    row = {"question": "Which?", "options": options, "answer": options["A"], "answer_idx": "A"}
    (tmp_path / "phrases_no_exclude_test.jsonl").write_text(json.dumps(row))
    (found,) = samples("medqa", tmp_path)
    assert found.choices[0] == "Pulmonary embolism" and found.gold_indices == (0,)
    (tmp_path / "phrases_no_exclude_test.jsonl").write_text(json.dumps({**row, "answer_idx": "E"}))
    with pytest.raises(DataError, match="its answer is 'E', wanted one of A, B, C, D"):
        samples("medqa", tmp_path)


def test_the_set_asks_by_writing_and_takes_helms_figures():
    family = plugins.load_family("helm_lite")
    found = {task: plugins.load_benchmark(f"helm_lite/{task}") for task in family.tasks}
    assert {mode for b in found.values() for mode in b.modes} == {"write"}
    assert found["nq_open"].metrics[0].name == "f1" and found["wmt14_hi"].shots == 1
    score = found["nq_open"].score(Sample(question="", answers=("red red kite",)), ASKED, Response(text="red kite"))
    assert score.scores["f1"] == 1.0
