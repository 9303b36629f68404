"""A benchmark without code: what one YAML file can say, and the line that is named for every mistake in it."""

import json
from pathlib import Path

import pytest

from evalharness import plugins
from evalharness.benchmark import request
from evalharness.data import sources
from evalharness.data.rows import Want
from evalharness.errors import DataError, UserError
from evalharness.records import Response
from evalharness.scoring.answers import score_response

CAPITALS = [
    {"country": "Peru", "capital": "Lima", "area": "S"},
    {"country": "Kenya", "capital": ["Nairobi"], "area": "A"},
]
PLAIN = """source: rows.jsonl
template: "What is the capital of {{country}}?\\nAnswer:"
answers: capital
scorer: exact
"""
QUIZ = [{"q": "2 + 2?", "options": ["3", "4", "5"], "right": "B"}, {"q": "1 + 1?", "options": ["2", "1"], "right": 0}]
CHOICES = """source: rows.jsonl
fields: {question: q}
template: "{{question}}"
choices: options
gold: right
"""
LM = """task: quiz
dataset_path: json
dataset_kwargs: {data_files: {test: rows.jsonl, train: rows.jsonl}}
test_split: test
training_split: train
num_fewshot: 1
output_type: multiple_choice
description: "About sums.\\n"
doc_to_text: "Q: {{q}}\\nA:"
doc_to_choice: options
doc_to_target: "{{ {'A': 0, 'B': 1}.get(right, right) }}"
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}, {metric: acc_norm}]
"""


def written(folder, text, rows=CAPITALS, name="bench.yaml"):
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def opened(name, split=None):
    benchmark = plugins.load_benchmark(name)
    rows = sources.load_rows(benchmark.source, Want(split=split or benchmark.source.split), None).rows
    return benchmark, sources.build_samples(rows, benchmark.sample)


def scored(benchmark, sample, mode="write", **said):
    asked = request(benchmark, sample, (), mode=mode, chat=False)
    return score_response(benchmark.score, sample, asked, Response(finish="stop", **said))


def test_questions_that_are_answered_in_writing(tmp_path):
    benchmark, samples = opened(written(tmp_path, PLAIN))
    assert (benchmark.name, benchmark.modes, [s.id for s in samples]) == ("bench", ("write",), ["0", "1"])
    asked = request(benchmark, samples[0], samples[1:], mode="write", chat=False)
    assert asked.text == "What is the capital of Kenya?\nAnswer: Nairobi\n\nWhat is the capital of Peru?\nAnswer:"
    assert [scored(benchmark, samples[0], text=t).status for t in (" Lima\n", "lima", "")] == [
        "correct",
        "wrong",
        "unparsed",
    ]


def test_choices_are_ranked_or_shown(tmp_path):
    benchmark, samples = opened(written(tmp_path, CHOICES, QUIZ))
    assert [s.gold_indices for s in samples] == [(1,), (0,)]
    assert request(benchmark, samples[0], (), mode="rank", chat=False).choices == (" 3", " 4", " 5")
    assert request(benchmark, samples[0], (), mode="write", chat=False).text == "2 + 2?\nA. 3\nB. 4\nC. 5\nAnswer:"
    assert scored(benchmark, samples[0], mode="rank", logprobs=(-2.0, -1.0, -3.0)).status == "correct"
    assert scored(benchmark, samples[0], text="B").status == "correct"
    letters, _ = opened(written(tmp_path, CHOICES + "layout: letters\n", QUIZ))
    asked = request(letters, samples[0], (), mode="rank", chat=False)
    assert (asked.text, asked.choices) == ("2 + 2?\nA. 3\nB. 4\nC. 5\nAnswer:", (" A", " B", " C"))


@pytest.mark.parametrize(
    ("said", "right", "options", "gold"),
    [
        ("right", 3, ["1", "2", "3", "4"], 3),  # a number is a place
        ("3", None, ["1", "2", "3", "4"], 3),
        ("'{{ right }}'", 3, ["1", "2", "3", "4"], 3),  # so are digits that a template writes
        ("'{{ right }}'", "1", ["2", "1", "0"], 1),
        ("right", "3", ["1", "2", "3", "4"], 2),  # the text of a field is the text of a choice first
        ("right", "3", ["a", "b", "c", "d"], 3),  # and a place where it is none
        ("right", 0, [1, 0], 0),
        ("right", "20", ["10", "20"], 1),
        ("'{{ right }}'", 20, ["10", "20"], 1),  # 20 is no place of two
        ("right", "A", ["B", "A"], 1),
        ("right", "B", ["x", "y"], 1),
    ],
)
def test_gold_is_a_place_a_letter_or_a_text(tmp_path, said, right, options, gold):
    text = CHOICES.replace("gold: right", f"gold: {said}")
    _, [sample] = opened(written(tmp_path, text, [{"q": "x", "options": options, "right": right}]))
    assert sample.gold_indices == (gold,)
    assert sample.answers == (str(options[gold]),)


@pytest.mark.parametrize(
    ("scorer", "text", "status", "scores"),
    [
        ("contains", "It is lima.", "correct", {"accuracy": 1}),
        ("f1", "the Lima", "correct", {"f1": 1, "exact_match": 1}),
        ("'regex: is (\\w+)'", "it is Quito, no, it is Lima", "correct", {"accuracy": 1}),
        ("'regex: is (\\w+)'", "Lima", "unparsed", {"accuracy": 0}),
    ],
)
def test_the_scorers(tmp_path, scorer, text, status, scores):
    benchmark, samples = opened(written(tmp_path, PLAIN.replace("exact", scorer)))
    found = scored(benchmark, samples[0], text=text)
    assert (found.status, found.scores) == (status, scores)


def test_a_judge_in_place_of_a_scorer(tmp_path):
    benchmark, samples = opened(written(tmp_path, PLAIN.replace("scorer: exact", "judge: reference")))
    assert (benchmark.judge, benchmark.metrics[0].name) == ("reference", "judge_correct")
    assert scored(benchmark, samples[0], text="Lima").status == "scored"


def test_ids_groups_header_stop_and_examples(tmp_path):
    text = PLAIN.replace("source: rows.jsonl", "source: {file: rows.jsonl, examples: rows.jsonl}") + (
        "id: '{{country}}'\ngroup: area\nheader: \"About {{area}}.\\n\"\nshots: 1\n"
        "stop: ['.']\nmax_tokens: 5\nchance: 0.5\n"
    )
    benchmark, samples = opened(written(tmp_path, text))
    assert [(s.id, s.group) for s in samples] == [("Peru", "S"), ("Kenya", "A")]
    asked = request(benchmark, samples[0], (), mode="write", chat=False)
    assert asked.text.startswith("About S.\nWhat") and (asked.stop, asked.max_tokens) == ((".",), 5)
    assert len(opened(written(tmp_path, text), "examples")[1]) == 2


MISTAKES = [
    (PLAIN.replace("scorer", "scoer"), r":4: there is no key 'scoer' \(did you mean scorer\?\)"),
    (
        PLAIN.replace("scorer: exact", "scorer: exacct"),
        r":4: there is no scorer 'exacct' \(did you mean exact\?\); there is",
    ),
    (PLAIN.replace("scorer: exact\n", ""), r":1: wanted a scorer"),
    (PLAIN + "judge: reference\n", r":5: wanted a scorer or a judge, and one"),
    (PLAIN.replace("scorer: exact", "judge: referenze"), r":4: there is no judge called"),
    (PLAIN.replace("answers: capital\n", ""), r":2: wanted choices \(with gold\) or answers"),
    (PLAIN.replace("template:", "templat:"), r":2: there is no key 'templat'|:1: the key 'template' is missing"),
    (PLAIN.replace("rows.jsonl", "nowhere.jsonl"), r":1: there is no file .*nowhere.jsonl"),
    (PLAIN + "shots: -1\n", r":5: shots: input should be greater than or equal to 0"),
    (PLAIN + "shots: two\n", r":5: shots: input should be a valid integer"),
    (PLAIN + "shots: 2\n", r":5: shots want examples"),
    (PLAIN + "scorer: f1\n", r":5: the key 'scorer' is there twice"),
    (PLAIN.replace("{{country}}", "{{country"), r":2: not a valid template"),
    (PLAIN.replace("scorer: exact", "scorer: 'regex: ('"), r":4: not a valid regular expression"),
    (PLAIN.replace("scorer: exact", "scorer: choice"), r":4: the scorer choice and the key choices belong together"),
    (PLAIN.replace("source: rows.jsonl", "source: {hub: a/b}"), r":1: a hub data set wants its revision"),
    (
        PLAIN.replace("source: rows.jsonl", "source: {hub: a/b, revision: main}"),
        r":1: source.revision: string should match",
    ),
    (
        PLAIN.replace("source: rows.jsonl", "source: {fil: rows.jsonl}"),
        r":1: there is no key 'fil' \(did you mean file\?\)",
    ),
    ("a: [1\nb: 2\n", r":2:\d+: not valid YAML"),
    ("- a\n- b\n", r":1: wanted a mapping"),
    (CHOICES.replace("gold: right\n", ""), r":4: choices want gold"),
]  # the rows do not matter: the file is refused before they are read


@pytest.mark.parametrize(("text", "said"), MISTAKES)
def test_a_mistake_in_the_file_is_named_by_its_line(tmp_path, text, said):
    with pytest.raises(DataError, match=said) as caught:
        plugins.load_benchmark(written(tmp_path, text))
    assert "\n" not in str(caught.value) and "bench.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "rows", "said"),
    [
        (
            PLAIN.replace("{{country}}", "{{land}}"),
            CAPITALS,
            r":2: 'land' is undefined.*the fields are country, capital, area",
        ),
        (
            PLAIN.replace("capital\n", "captial\n"),
            CAPITALS,
            r":3: there is no field 'captial' \(did you mean capital\?\)",
        ),
        (CHOICES, [{"q": "x", "options": ["a", "b"], "right": "F"}], r":5: a row's gold is 'F'"),
        (CHOICES, [{"q": "x", "options": ["1", "2", "3"], "right": 3}], r":5: a row's gold is '3', which is no place"),
        (CHOICES, [{"q": "x", "options": "a b", "right": "A"}], r":4: choices wants a list"),
        (PLAIN.replace("{{country}}", "{{country / 2}}"), CAPITALS, r":2: the template fails on a row \(TypeError"),
    ],
)
def test_a_mistake_that_a_row_shows_is_named_by_the_line_of_its_key(tmp_path, text, rows, said):
    with pytest.raises(DataError, match=said):
        opened(written(tmp_path, text, rows))


def test_a_template_cannot_run_code(tmp_path):
    text = PLAIN.replace("{{country}}", "{{ ().__class__.__base__.__subclasses__() }}")
    with pytest.raises(DataError, match=r":2: .*(unsafe|undefined)"):
        opened(written(tmp_path, text))


def test_it_runs_from_the_command_line_and_can_be_scored_again(tmp_path, evalh):
    name = written(tmp_path, PLAIN)
    said = evalh("run", name, "--model", "echo", "--json", "--name", "r")
    assert said.code == 0, said.err
    assert said.json["benchmarks"]["bench"]["n"] == 2
    assert evalh("rescore", "r").code == 0
    broken = written(tmp_path, PLAIN.replace("scorer", "scoer"))
    said = evalh("run", broken)
    assert (said.code, said.err.count("\n")) == (2, 1)
    with pytest.raises(UserError, match="there is no benchmark file"):
        plugins.load_benchmark("./absent.yaml")


def test_an_lm_eval_task_without_python(tmp_path):
    benchmark, samples = opened(written(tmp_path, LM, QUIZ))
    asked = request(benchmark, samples[0], samples[1:], mode="rank", chat=False)
    assert asked.text == "About sums.\nQ: 1 + 1?\nA: 2\n\nQ: 2 + 2?\nA:"
    assert asked.choices == (" 3", " 4", " 5")
    assert [s.gold_indices for s in samples] == [(1,), (0,)]
    assert (benchmark.shots, [m.name for m in benchmark.metrics]) == (1, ["accuracy", "accuracy_norm"])


def test_an_lm_eval_task_that_writes(tmp_path):
    text = LM.split("output_type")[0] + (
        'output_type: generate_until\ndoc_to_text: q\ndoc_to_target: "{{options[1]}}"\n'
        'generation_kwargs: {until: ["Q:"], max_gen_toks: 7}\n'
        "metric_list: [{metric: exact_match, ignore_case: true, ignore_punctuation: true, "
        "regexes_to_ignore: ['an? ']}]\n"
        'filter_list: [{name: get, filter: [{function: regex, regex_pattern: "is (.*)"}, {function: take_first}]}]\n'
    )
    benchmark, samples = opened(written(tmp_path, text, [{"q": "Q", "options": ["x", "Big Cat"]}]))
    asked = request(benchmark, samples[0], (), mode="write", chat=False)
    assert (asked.text, asked.stop, asked.max_tokens) == ("Q", ("Q:",), 7)
    for said, status in (("it is a big cat.", "correct"), ("it is a dog", "wrong"), ("big cat", "unparsed")):
        assert scored(benchmark, samples[0], text=said).status == status


def test_an_lm_eval_task_of_one_continuation(tmp_path):
    text = LM.split("output_type")[0] + (
        "output_type: loglikelihood\ndoc_to_text: \"{{q.split(' ')[:-1]|join(' ')}}\"\n"
        "doc_to_target: \"{{' '+q.split(' ')[-1]}}\"\n"
        "metric_list: [{metric: perplexity, aggregation: perplexity}, {metric: acc}]\n"
    )
    benchmark, samples = opened(written(tmp_path, text, [{"q": "the last word"}]))
    asked = request(benchmark, samples[0], (), mode="rank", chat=False)
    assert (asked.text, asked.choices, benchmark.modes) == ("the last", (" word",), ("rank",))
    assert scored(benchmark, samples[0], mode="rank", logprobs=(-1.5,), greedy=(True,)).scores == {
        "accuracy": 1,
        "logprob": -1.5,
    }


def test_an_include_keeps_the_lines_of_its_own_file(tmp_path):
    (tmp_path / "base_yaml").write_text(LM.replace("metric: acc,", "metric: acd,"), encoding="utf-8")
    name = written(tmp_path, "include: base_yaml\ntask: other\n", QUIZ)
    with pytest.raises(
        DataError, match=r"base_yaml:12: there is no metric 'acd' for multiple_choice \(did you mean acc\?\)"
    ):
        plugins.load_benchmark(name)
    (tmp_path / "base_yaml").write_text(LM, encoding="utf-8")
    assert opened(name)[0].name == "other"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "doc_to_text:",
            "process_docs: !function utils.f\ndoc_to_text:",
            r":9: there is no utils.py beside it and no installed module utils",
        ),
        ("num_fewshot", "num_fewshots", r":6: the key 'num_fewshots' is not understood \(did you mean num_fewshot\?\)"),
        ("multiple_choice", "loglikelihood_rolled", r":7: the output_type loglikelihood_rolled is not read"),
        ("doc_to_choice: options\n", "", r":7: multiple_choice wants doc_to_choice"),
        ("doc_to_target", "doc_to_traget", r"doc_to_t"),
        ("test: rows.jsonl", "test: nowhere.jsonl", r":3: there is no file nowhere.jsonl"),
        (
            "aggregation: mean",
            "aggregation: medium",
            r":12: there is no aggregation 'medium' \(did you mean median\?\)",
        ),
        ("test_split: test\n", "test_split: dev\n", r":3: data_files have no split 'dev'"),
        ("task: quiz", "task: quiz\nrepeats: 0", r":2: repeats: 0 is less than the minimum of 1"),
    ],
)
def test_what_is_not_read_of_an_lm_eval_task_is_refused_by_line(tmp_path, old, new, said):
    with pytest.raises(DataError, match=said):
        plugins.load_benchmark(written(tmp_path, LM.replace(old, new, 1), QUIZ))


def test_the_examples_of_the_documentation_run(evalh):
    text = (Path(__file__).resolve().parents[2] / "docs" / "yaml-benchmarks.md").read_text(encoding="utf-8")
    rows, first, second = (part.split("\n", 1)[1] for part in text.split("```")[1:6:2])
    quiz = "question,a,b,c,right\n1+1?,1,2,3,B\n2+2?,4,5,6,A\n"
    files = {
        "capitals.jsonl": rows,
        "capitals.yaml": first,
        "sums.yaml": second,
        "sums.csv": quiz,
        "sums_train.csv": quiz.replace("+", "-"),
    }
    for name, content in files.items():
        Path(name).write_text(content, encoding="utf-8")
    said = evalh("run", "./capitals.yaml", "./sums.yaml", "--json")
    assert said.code == 0, said.err
    assert {name: found["n"] for name, found in said.json["benchmarks"].items()} == dict.fromkeys(
        ("capitals", "sums"), 2
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &a [x, x]\nb: [*a, *a]\n", r":2: aliases \(\*a\) are not read"),
        ("a: " + "[" * 5000, ":1: nested more than 50 deep"),
    ],
)
def test_a_file_cannot_unfold_or_recurse(tmp_path, text, said):
    with pytest.raises(DataError, match=said):
        plugins.load_benchmark(written(tmp_path, text))
