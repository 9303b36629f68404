"""Figures of lm-evaluation-harness's tasks. Where a value is not plain, it was made with that program (0.4.13)."""

import json
import math

import pytest
import yaml

from evalharness.models.echo import Echo
from evalharness.records import Response, Result
from evalharness.runs import plan as planning
from evalharness.runs.plan import Plan
from evalharness.scoring.answers import score_response

ROWS = [{"q": f"question {i}", "opts": ["yes", "no no", "maybe"], "gold": i % 3, "t": "a b\tc é"} for i in range(6)]
TASK = {
    "task": "t", "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": "rows.jsonl"}}, "test_split": "test",
    "output_type": "multiple_choice", "doc_to_text": "{{q}}", "doc_to_choice": "opts", "doc_to_target": "gold",
}  # fmt: skip
LOGPROBS = [(-1, -2, -3), (-1, -2, -3), (-3, -2, -1), (-2, -2.5, -9), (-5, -4, -3), (-4, -2, -3)]


@pytest.fixture
def task(tmp_path):
    def prepare(rows=ROWS, **keys):
        (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        said = {key: value for key, value in {**TASK, **keys}.items() if value is not None}
        (tmp_path / "t.yaml").write_text(yaml.safe_dump(said, sort_keys=False), encoding="utf-8")
        name = str(tmp_path / "t.yaml")
        return planning.prepare_task(name, Plan(benchmarks=(name,)), Echo())

    return prepare


def figures(prepared, responses):
    found = []
    for question, response in zip(prepared.questions, responses, strict=True):
        score = score_response(prepared.benchmark.score, question.sample, question.request, response)
        found.append(
            Result(
                benchmark="t", sample=question.sample, request=question.request, response=response,
                status=score.status, scores=score.scores, answer=score.answer, detail=score.detail,
            )
        )  # fmt: skip
    return {metric.name: made.value for metric in prepared.benchmark.metrics if (made := metric.of(found)) is not None}


def ranked(logprobs):
    return Response(
        logprobs=tuple(map(float, logprobs)),
        greedy=tuple(v == max(logprobs) for v in logprobs),
        lengths=(1,) * len(logprobs),
    )


def test_the_metrics_of_ranked_choices(task):
    names = ("acc", "acc_norm", "acc_bytes", "exact_match", "f1", "mcc", "brier_score")
    prepared = task(metric_list=[{"metric": name} for name in names], doc_to_target="{{gold % 2}}")
    made = figures(prepared, [ranked(of) for of in LOGPROBS])
    gold, said = [0, 1, 0, 0, 1, 0][:6], [0, 0, 2, 0, 2, 1]
    assert [q.sample.gold_indices[0] for q in prepared.questions] == [0, 1, 0, 0, 1, 0]
    assert made["accuracy"] == pytest.approx(sum(g == s for g, s in zip(gold, said, strict=True)) / 6)
    assert made["exact_match"] == made["accuracy"]
    weights = [[math.exp(v) for v in of] for of in LOGPROBS]
    chances = [[v / sum(of) for v in of] for of in weights]
    brier = sum(sum((p - (i == g)) ** 2 for i, p in enumerate(of)) for of, g in zip(chances, gold, strict=True)) / 6
    assert made["brier_score"] == pytest.approx(brier)
    by_length = [max(range(3), key=lambda i: of[i] / len(ROWS[0]["opts"][i])) for of in LOGPROBS]
    assert made["accuracy_norm"] == pytest.approx(sum(g == s for g, s in zip(gold, by_length, strict=True)) / 6)
    assert made["mcc"] == pytest.approx(-0.10660035817780521)
    two = [tuple(of[:2]) for of in LOGPROBS]
    pair = task(
        [{**row, "opts": row["opts"][:2]} for row in ROWS], metric_list=[{"metric": "f1"}], doc_to_target="{{gold % 2}}"
    )
    assert [max(range(2), key=of.__getitem__) for of in two] == [0, 0, 1, 0, 1, 1]
    assert figures(pair, [ranked(of) for of in two])["f1"] == pytest.approx(0.4)


def test_mutual_information_asks_every_choice_alone_too(task):
    prepared = task(metric_list=[{"metric": "acc_mutual_info"}])
    first = prepared.questions[0].request
    assert (first.text, first.choices) == ("", (" yes", " no no", " maybe") * 2)
    assert first.context_per_choice == ("question 0",) * 3 + ("",) * 3
    # The second choice gains most from its question, though the third is the likeliest.
    response = Response(logprobs=(-5.0, -4.0, -3.0, -5.0, -9.0, -3.5), greedy=(False,) * 6, lengths=(1,) * 6)
    assert figures(prepared, [response] * 6)["acc_mutual_info"] == pytest.approx(2 / 6)


def test_choices_in_the_question(task):
    prepared = task(
        doc_to_text="{{gold}}",
        doc_to_target="{{'the end of ' + q}}",
        description="About: ",
        metric_list=[{"metric": "acc"}],
    )
    first = prepared.questions[1].request
    assert first.choices == (" the end of question 1",) * 3
    assert first.context_per_choice == ("About: yes", "About: no no", "About: maybe")
    assert figures(prepared, [ranked(of) for of in LOGPROBS])["accuracy"] == pytest.approx(3 / 6)


def test_the_log_probability_of_whole_texts(task):
    metrics = ("word_perplexity", "byte_perplexity", "bits_per_byte")
    keys = {"doc_to_choice": None, "doc_to_text": None, "doc_to_target": "t", "output_type": "loglikelihood_rolling"}
    prepared = task(**keys, metric_list=[{"metric": name} for name in metrics])
    assert (prepared.questions[0].request.text, prepared.questions[0].request.choices) == ("", ("a b\tc é",))
    made = figures(prepared, [Response(logprobs=(-8.0 - i,), greedy=(False,), lengths=(4,)) for i in range(6)])
    total, words, size = 8 * 6 + 15, 4 * 6, 8 * 6
    assert made["word_perplexity"] == pytest.approx(math.exp(total / words))
    assert made["byte_perplexity"] == pytest.approx(math.exp(total / size))
    assert made["bits_per_byte"] == pytest.approx(total / size / math.log(2))


def test_figures_of_a_corpus(task):
    pytest.importorskip("sacrebleu")
    names = ("bleu", "chrf", "chrf++", "ter")
    rows = [
        {"q": str(i), "want": text} for i, text in enumerate(("the cat sat on the mat", "a dog ran in the park today"))
    ]
    keys = {"doc_to_choice": None, "output_type": "generate_until", "doc_to_target": "want"}
    prepared = task(rows, **keys, metric_list=[{"metric": name} for name in names])
    said = ("the cat sat on a mat", "a dog ran in the park")
    made = figures(prepared, [Response(text=text, finish="stop") for text in said])
    there = {
        "bleu": 71.59400385649793,
        "chrf": 72.10677015696781,
        "chrf++": 74.12961265035804,
        "ter": 15.384615384615385,
    }
    assert made == pytest.approx(there)


@pytest.mark.parametrize(
    ("prefix", "question", "text"),
    [
        ("The answer is", "Q", "Q The answer is"),
        (" Answer:", "Q", "Q Answer:"),
        ("Answer:", "Q\n", "Q\nAnswer:"),
        ("A", "", "A"),
    ],
)
def test_the_beginning_of_an_answer_stands_behind_the_question(task, prefix, question, text):
    keys = {"doc_to_choice": None, "output_type": "generate_until", "doc_to_target": "{{q}}", "gen_prefix": prefix}
    asked = task(**keys, doc_to_text="{{''}}" + question).questions[0].request
    assert asked.text == text


def test_a_prefix_stands_before_the_answers_of_examples(task):
    prepared = task(gen_prefix="Answer:", num_fewshot=1, fewshot_config={"sampler": "first_n"}, doc_to_target=1)
    assert prepared.questions[3].request.text == "question 0 Answer: no no\n\nquestion 3 Answer:"
    assert prepared.questions[3].request.choices == (" yes", " no no", " maybe")


def test_a_chat_model_gets_the_description_as_its_system_prompt(task):
    prepared = task(description="Be brief.", gen_prefix="Answer:", num_fewshot=1, fewshot_config={"sampler": "first_n"})
    sample = prepared.questions[3].sample
    asked = prepared.benchmark.ask(sample, (prepared.questions[1].sample,), "rank", True)
    assert [(m.role, m.content) for m in asked.messages] == [
        ("system", "Be brief."), ("user", "question 1"), ("assistant", "Answer: no no"), ("user", "question 3"),
        ("assistant", "Answer:"),
    ]  # fmt: skip


def test_an_example_without_an_answer_is_followed_by_nothing(task):
    rows = [{"q": f"q{i}", "a": ""} for i in range(3)]
    keys = {"doc_to_choice": None, "output_type": "generate_until", "doc_to_target": "a", "num_fewshot": 1}
    prepared = task(rows, **keys, fewshot_config={"sampler": "first_n"})
    assert prepared.questions[2].request.text == "q0q2"


@pytest.mark.parametrize(
    ("step", "text", "left"),
    [
        ({"function": "map", "mapping_dict": {"b": "x"}, "default_value": "y"}, "b", "x"),
        ({"function": "map", "mapping_dict": {"b": "x"}, "default_value": "y"}, "c", "y"),
        ({"function": "multi_choice_regex", "regex_pattern": r"(\([A-Z]\))"}, "so (C)", "(C)"),
        ({"function": "multi_choice_regex", "ignore_case": True}, "I think NO NO.", "(B)"),
        ({"function": "multi_choice_regex"}, "it is: C", "(C)"),
        ({"function": "multi_choice_regex"}, "well", "[invalid]"),
        ({"function": "format_span"}, "Person: Ann, Bo $$ places: Rome", "per: ann $ per: bo $ loc: rome"),
        ({"function": "regex_pos"}, "[('dog', 'NOUN'), ('ran', 'VERB')]", ["NOUN", "VERB"]),
    ],
)
def test_filters(task, step, text, left):
    rows = [{**row, "choices": row["opts"]} for row in ROWS]
    keys = {"doc_to_choice": None, "output_type": "generate_until", "doc_to_target": "q"}
    prepared = task(rows, **keys, filter_list=[{"name": "f", "filter": [step, {"function": "take_first"}]}])
    question = prepared.questions[0]
    response = Response(text=text, finish="stop")
    found = score_response(prepared.benchmark.score, question.sample, question.request, response)
    wanted = left if isinstance(left, str) else left[0]
    assert (found.status == "unparsed" and left == "[invalid]") or found.answer == wanted
