"""SQuAD's published predictions give the published scores; its files are read as they are, and mistakes are named."""

import json

import pytest

from evalharness import plugins
from evalharness.data import sources
from evalharness.data.rows import Want

BERT = "predictions/1.1/BERT_ensemble_Google_AI_Language.json"
LOGISTIC = "predictions/1.1/Logistic_Regression_Baseline_Stanford_University.json"
BERT2 = "predictions/v2.0/BERT_single_model_Google_AI_Language.json"


def percent(said, name):
    return {metric: 100 * figure["value"] for metric, figure in said.json["benchmarks"][name]["metrics"].items()}


@pytest.mark.parametrize(
    ("name", "predictions", "missing", "published"),
    [
        ("squad", BERT, 0, {"exact_match": 86.2062, "f1": 92.1956}),
        ("squad", LOGISTIC, 13, {"exact_match": 40.1419, "f1": 50.9815}),
        (
            "squad2", BERT2, 0,
            {"exact_match": 78.7417, "f1": 81.7753, "HasAns_exact_match": 74.1059, "HasAns_f1": 80.1818,
             "NoAns_exact_match": 83.3642, "NoAns_f1": 83.3642},
        ),
    ],
)  # fmt: skip
@pytest.mark.slow
def test_published_predictions_give_the_published_scores(shared, evalh, name, predictions, missing, published):
    squad = shared / "squad"
    said = evalh("run", name, "--data", str(squad), "--model", f"replay:{squad / predictions}", "--json")
    assert said.code == (3 if missing else 0)
    assert said.json["benchmarks"][name]["counts"]["error"] == missing
    assert percent(said, name) == {metric: pytest.approx(value, abs=5e-5) for metric, value in published.items()}


def test_xquad_is_read_in_the_same_nesting(shared, evalh):
    file = shared / "squad" / "xquad" / "xquad.de.json"
    said = evalh("run", "squad", "--data", str(file), "--model", "echo", "--limit", "20", "--json")
    assert said.code == 0 and said.json["benchmarks"]["squad"]["n"] == 20


def test_official_ids_and_answers_survive(shared):
    squad2 = plugins.load_benchmark("squad2")
    file = shared / "squad" / "dev-v2.0-subset-official-ids.json"
    loaded = sources.load_rows(squad2.source, Want(split="validation"), str(file))
    samples = {s.id: s for s in sources.build_samples(loaded.rows, squad2.sample)}
    assert len(samples) == 1407
    assert samples["56ddde6b9a695914005b9628"].answers == ("France",) * 4
    assert {s.group for s in samples.values()} == {"HasAns", "NoAns"}


def article(**question):
    asked = {"id": "q1", "question": "Who?", "answers": [{"text": "Ada", "answer_start": 0}], **question}
    return {"data": [{"title": "T", "paragraphs": [{"context": "Ada.", "qas": [asked]}]}]}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"dev-v1.1.json": '{"data": [}'}, "dev-v1.1.json:1:11: not valid JSON"),
        ({"dev-v1.1.json": '{"data": [{"title": "x"}]}'}, "it lacks 'paragraphs'"),
        ({"dev-v1.1.a.json": json.dumps(article()), "dev-v1.1.b.json": json.dumps(article())}, "name one with --data"),
        ({"dev-v2.0.json": json.dumps(article())}, "wanted dev-v1.1.json"),
        ({}, "an empty folder"),
        ({"dev-v1.1.json": ""}, "the file is empty"),
    ],
)
def test_mistakes_in_the_files_are_one_line(evalh, tmp_path, files, said):
    folder = tmp_path / "data"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    ran = evalh("run", "squad", "--data", str(folder), "--model", "echo")
    assert ran.code == 2 and said in ran.err and ran.err.count("\n") == 1


def test_triviaqa_reads_the_official_files(shared, evalh):
    folder = shared / "hf_layout" / "trivia_qa"
    rc = folder / "rc.nocontext" / "dummy_data" / "triviaqa-rc.tar.gz"
    said = evalh("run", "triviaqa", "--data", str(rc), "--model", "echo", "--json").json["benchmarks"]["triviaqa"]
    assert said["n"] == 4 and set(said["metrics"]) == {"exact_match", "f1"}
    pages = folder / "rc.wikipedia" / "dummy_data" / "triviaqa-rc.tar.gz"
    read = evalh("preview", "triviaqa_rc", "--data", str(pages), "--model", "echo")
    assert read.code == 0 and "Andrew Lloyd Webber" in read.out


def test_the_authors_sample_prediction_is_right(shared, evalh, tmp_path):
    file = shared / "triviaqa" / "samples" / "triviaqa_sample.json"
    answers = tmp_path / "answers.json"
    answers.write_text('{"tc_33": "Sunset Blvd"}')
    said = evalh("run", "triviaqa", "--data", str(file), "--model", f"replay:{answers}", "--json")
    assert said.json["benchmarks"]["triviaqa"]["metrics"]["exact_match"]["value"] == 1.0


def test_a_verified_file_leaves_out_what_was_not_verified(tmp_path):
    answer = {"Aliases": ["Ada"], "NormalizedAliases": ["ada"], "HumanAnswers": ["Ada L."]}
    rows = [
        {"QuestionId": f"q{i}", "Question": "Who", "Answer": answer, "QuestionPartOfVerifiedEval": i == 1}
        for i in (0, 1)
    ]
    file = tmp_path / "verified-wikipedia-dev.json"
    file.write_text(json.dumps({"Data": rows, "VerifiedEval": True, "Domain": "Wikipedia"}))
    triviaqa = plugins.load_benchmark("triviaqa")
    loaded = sources.load_rows(triviaqa.source, Want(split="validation"), str(file))
    (sample,) = sources.build_samples(loaded.rows, triviaqa.sample)
    assert (sample.id, sample.answers) == ("q1", ("Ada", "ada", "Ada L."))


def test_a_question_of_two_domains_is_asked_twice_under_two_ids(tmp_path):
    answer = {"Aliases": ["Ada"], "NormalizedAliases": ["ada"]}
    for domain in ("Web", "Wikipedia"):
        row = {"QuestionId": "q1", "Question": "Who", "Answer": answer}
        (tmp_path / f"{domain.lower()}-dev.json").write_text(json.dumps({"Data": [row], "Domain": domain}))
    triviaqa = plugins.load_benchmark("triviaqa")
    loaded = sources.load_rows(triviaqa.source, Want(split="validation"), str(tmp_path))
    assert [s.id for s in sources.build_samples(loaded.rows, triviaqa.sample)] == ["q1", "q1--Wikipedia"]


def test_nq_open_and_the_plain_triviaqa_file_load_whole(shared, evalh):
    for name, file, n in (("nq_open", "nq_open", 3610), ("triviaqa", "triviaqa/triviaqa_sm_sub.jsonl", 3000)):
        said = evalh("run", name, "--data", str(shared / file), "--model", "echo", "--json")
        assert said.json["benchmarks"][name]["n"] == n
