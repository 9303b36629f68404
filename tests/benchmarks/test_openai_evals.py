"""OpenAI Evals: the registry as it is published, each class's score, and model-graded specs as judges."""

import json

import pytest

from evalharness import plugins
from evalharness.benchmark import request
from evalharness.data import sources
from evalharness.data.rows import Want
from evalharness.errors import DataError, UserError
from evalharness.file_benchmarks import openai_evals
from evalharness.judge import JudgeCase, judge_request
from evalharness.records import Response
from evalharness.scoring.answers import score_response
from evalharness.scoring.judge_replies import read_verdict


def opened(name, data=None):
    benchmark = plugins.load_benchmark(f"openai_evals/{name}", data)
    rows = sources.load_rows(benchmark.source, Want(split="samples"), str(data) if data else "sample").rows
    return benchmark, sources.build_samples(rows, benchmark.sample)


def registry(tmp_path, evals="", samples=(), **more):
    for name, text in {"evals": evals, **more}.items():
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / name / "one.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data" / "s.jsonl").write_text("".join(json.dumps(s) + "\n" for s in samples), encoding="utf-8")
    return tmp_path


def evals(name="e", kind="basic.match:Match", **args):
    return json.dumps({name: {"class": f"evals.elsuite.{kind}", "args": {"samples_jsonl": "s.jsonl", **args}}})


def status(benchmark, sample, text, chat=True):
    asked = request(benchmark, sample, (), mode="write", chat=chat)
    return score_response(benchmark.score, sample, asked, Response(text=text, finish="stop"))


def test_all_125_sample_files_load(shared):
    files = sorted((shared / "openai_evals" / "registry" / "data").rglob("*.jsonl"))
    assert len(files) == 125
    assert sum(len(opened("match", file)[1]) for file in files) == 17015


@pytest.mark.slow
def test_every_supported_eval_whose_samples_are_there_runs_with_echo(shared, evalh):
    data = str(shared / "openai_evals" / "registry")
    said = evalh("run", "openai_evals", "--data", data, "--model", "echo", "--limit", "5", "--json")
    assert said.code == 0, said.err
    assert len(said.json["benchmarks"]) == 29
    assert all(found["n"] == 5 and found["counts"]["error"] == 0 for found in said.json["benchmarks"].values())


def test_names_stand_for_evals_and_for_sets(shared):
    data = shared / "openai_evals" / "registry"
    assert openai_evals.spec("accounting_audit", data).name == "accounting_audit.dev.v0"
    assert len(plugins.task_names("openai_evals/stock-options", data)) == 12
    assert len(plugins.task_names("openai_evals/mmmu", data)) == 30
    assert plugins.task_names("openai_evals/accounting_audit", data) == ("openai_evals/accounting_audit",)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("make-me-pay", r"make_me_pay.eval:MakeMePay, which is not supported; there is Match, Includes"),
        ("coqa-match", "coqa/match.jsonl is missing"),
        ("joke-fruits-meta", "metaeval=True, which is not supported"),
        ("acounting_audit", r"did you mean accounting_audit\?"),
    ],
)
def test_what_cannot_run_says_why_by_name(shared, name, said):
    data = shared / "openai_evals" / "registry"
    with pytest.raises(UserError, match=said):
        opened(name, data)


def test_bad_registries_are_one_line(tmp_path):
    with pytest.raises(DataError, match="wanted a registry of OpenAI Evals"):
        opened("x", tmp_path)
    root = registry(tmp_path, evals="a: {id: b}\nb: {id: a}\nc: [", samples=[])
    with pytest.raises(DataError, match=r"one.yaml:3:\d+: not valid YAML"):
        opened("a", root)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"class": 7}, "e is of the class 7, which is not supported; there is Match"),
        ({"class": ["x"]}, "is of the class ..x.., which is not supported"),
        ({"args": ["x"]}, "one.yaml: the args of the eval 'e' are no mapping"),
        ({"args": "x"}, "one.yaml: the args of the eval 'e' are no mapping"),
        *(({"args": {"samples_jsonl": "s.jsonl", "few_shot_jsonl": "s.jsonl", "num_few_shot": value}},
           "the eval e wants num_few_shot=.*; a whole number is meant") for value in ("2", -1, 1.5, True, None, [1])),
    ],
)  # fmt: skip
def test_an_eval_of_another_form_is_one_line(tmp_path, change, said):
    whole = {"class": "evals.elsuite.basic.match:Match", "args": {"samples_jsonl": "s.jsonl"}}
    root = registry(tmp_path, json.dumps({"e": {**whole, **change}}), [{"input": "q", "ideal": "a", "sample": []}])
    with pytest.raises(UserError, match=said) as found:
        opened("e", root)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("said", [{"args": ["x"]}, {"args": "x"}, {"class": 7}])
def test_an_eval_that_was_not_asked_for_harms_none(tmp_path, said):
    others = {"f": {"class": "evals.elsuite.basic.match:Match", **said}}
    root = registry(tmp_path, json.dumps({**json.loads(evals()), **others}), [{"input": "q", "ideal": "a"}])
    assert [sample.answers for sample in opened("e", root)[1]] == [("a",)]
    assert plugins.task_names("openai_evals", root) == ("openai_evals/e",)


@pytest.mark.parametrize(
    "turn",
    ["q", {"content": "q"}, {"role": "user"}, {"role": 7, "content": "q"}, {"role": "user", "content": "", "name": []}],
    ids=repr,
)
def test_a_turn_of_another_form_is_one_line(tmp_path, turn):
    whole = {"role": "user", "content": "asked"}
    root = registry(tmp_path / "1", evals(), [{"input": [turn, whole], "ideal": "a"}])
    with pytest.raises(DataError, match=r"row 1 is not a question of this benchmark: a turn .* wants a role"):
        opened("e", root)
    root = registry(tmp_path / "2", evals(few_shot_jsonl="f.jsonl", num_few_shot=1), [{"input": [whole], "ideal": "a"}])
    (root / "data" / "f.jsonl").write_text(json.dumps({"sample": [{"role": "user", "content": "s"}, turn]}) + "\n")
    with pytest.raises(DataError, match=r"(a turn .* wants a role|wanted a registry .* laid out otherwise)"):
        opened("e", root)


def test_an_alias_of_itself_and_a_pointer_file(tmp_path):
    root = registry(tmp_path / "one", evals="a: {id: b}\nb: {id: a}\n")
    with pytest.raises(DataError, match="stands for itself"):
        opened("a", root)
    root = registry(tmp_path / "two", evals=evals())
    (root / "data" / "s.jsonl").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", encoding="utf-8"
    )
    with pytest.raises(DataError, match="git lfs pull"):
        opened("e", root)


def test_match_starts_with_an_ideal_as_published():
    benchmark, samples = opened("sample_match")
    eight = samples[2]
    for text, right in (
        ("eight legs", "correct"),
        ("8", "correct"),
        (" 8", "wrong"),
        ("It is 8", "wrong"),
        ("", "unparsed"),
    ):
        assert status(benchmark, eight, text).status == right


def test_includes_can_ignore_case(tmp_path):
    sample = {"input": "q", "ideal": ["Ab", "cd"]}
    strict, (one,) = opened("e", registry(tmp_path / "1", evals(kind="basic.includes:Includes"), [sample]))
    loose, (two,) = opened(
        "e", registry(tmp_path / "2", evals(kind="basic.includes:Includes", ignore_case=True), [sample])
    )
    assert [status(strict, one, t).status for t in ("xAby", "xaby", "xcd")] == ["correct", "wrong", "correct"]
    assert [status(loose, two, t).status for t in ("xaby", "CD", "c d")] == ["correct", "correct", "wrong"]


def test_fuzzy_match_normalises_and_gives_f1():
    benchmark, samples = opened("sample_fuzzy")
    found = status(benchmark, samples[0], "The playwright Shakespeare")
    assert (found.status, found.scores["f1_score"]) == ("wrong", pytest.approx(0.5))
    assert status(benchmark, samples[0], "shakespeare!").status == "correct"
    assert status(benchmark, samples[0], "the").status == "wrong"


@pytest.mark.parametrize(
    ("said", "wanted", "right"),
    [
        ({"a": [1, {"b": "x"}]}, {"a": [1, {"b": "x"}]}, True),
        ({"a": 1, "b": 2}, {"a": 1}, False),
        ([1, 2], [2, 1], False),
        ([1], [1, 2], False),
        ({"a": None}, {"a": None}, False),
        (None, None, False),
        (1, 1.0, True),
        ("1", 1, False),
        ({}, {}, True),
        ([], {}, False),
    ],
)
def test_json_match_compares_part_by_part(said, wanted, right):
    assert openai_evals.json_match(said, wanted) is right


def test_no_json_is_unparsed_and_not_wrong():
    benchmark, samples = opened("sample_json")
    assert status(benchmark, samples[0], '{"sum": 7}').status == "correct"
    assert status(benchmark, samples[0], '{"sum": 8}').status == "wrong"
    assert status(benchmark, samples[0], "seven").status == "unparsed"


def test_conversations_for_chat_and_for_completion_models():
    benchmark, samples = opened("sample_match")
    asked = request(benchmark, samples[0], (), mode="write", chat=True)
    assert [m.role for m in asked.messages] == ["system", "user", "assistant", "user"]
    assert request(benchmark, samples[0], (), mode="write", chat=False).text == (
        "Answer in one word.\nUser: What colour is snow?\nAssistant: white\nUser: What colour is coal?\nAssistant: "
    )


def test_few_shot_examples_stand_before_the_question(tmp_path):
    turn = {"role": "user", "content": "q"}
    root = registry(tmp_path, evals(few_shot_jsonl="few.jsonl", num_few_shot=1), [{"input": [turn], "ideal": 5}])
    shot = [{"role": "user", "content": "s"}, {"role": "assistant", "content": "a"}]
    (root / "data" / "few.jsonl").write_text(
        json.dumps({"sample": shot}) + "\n" + json.dumps({"sample": shot}), encoding="utf-8"
    )
    benchmark, (sample,) = opened("e", root)
    assert [m.content for m in request(benchmark, sample, (), mode="write", chat=True).messages] == ["s", "a", "q"]
    assert sample.answers == ("5",)


def test_the_asked_question_is_none_of_its_few_shot_examples(tmp_path):
    rows = [{"input": [{"role": "user", "content": c}], "ideal": c} for c in "abc"]
    root = registry(tmp_path, evals(few_shot_jsonl="few.jsonl", num_few_shot=2), rows)
    shots = [[{"role": "user", "content": c}, {"role": "assistant", "content": c.upper()}] for c in "abc"]
    text = "".join(json.dumps({"sample": shot}) + "\n" for shot in shots)
    (root / "data" / "few.jsonl").write_text(text, encoding="utf-8")
    benchmark, samples = opened("e", root)
    asked = [[m.content for m in request(benchmark, s, (), mode="write", chat=True).messages] for s in samples]
    assert asked == [["b", "B", "c", "C", "a"], ["a", "A", "c", "C", "b"], ["a", "A", "b", "B", "c"]]


def test_a_model_graded_eval_names_its_judge(shared):
    data = shared / "openai_evals" / "registry"
    benchmark, samples = opened("Unfamiliar-Chinese-Character", data)
    assert benchmark.judge == "reference"
    assert status(benchmark, samples[0], "some answer").status == "scored"
    assert plugins.load_judge(benchmark.judge).scale.labels["D"] == 0


def test_a_modelgraded_file_is_a_judge(shared):
    file = shared / "openai_evals" / "registry" / "modelgraded" / "closedqa.yaml"
    judge = plugins.load_judge(f"{file}#closedqa")
    case = JudgeCase(id="1", turns=(("Sing {{ x }}!", "la {% la"),), extra={"fields": {"criteria": "does it sing?"}})
    asked = judge_request(judge, case, judge.parts(case, ())[0], "").text
    assert "You are assessing a submitted answer" in asked
    assert "[Criterion]: does it sing?" in asked
    assert "la {% la" in asked and "Sing {{ x }}!" in asked
    assert asked.endswith("[[Y]] or [[N]] alone on the last line.")
    assert [read_verdict(Response(text=t), judge.scale).value for t in ("It does.\n[[Y]]", "[[N]]", "maybe")] == [
        1,
        0,
        None,
    ]
    with pytest.raises(UserError, match="criteria"):
        judge.parts(JudgeCase(id="1", turns=(("a", "b"),)), ())


GRADED = {"prompt": "Say {completion}", "choice_strings": ["A", "B"], "choice_scores": {"A": 1, "B": 0}}


def graded(folder, **change):
    spec = {key: value for key, value in {**GRADED, **change}.items() if value is not None}
    (folder / "mine.yaml").write_text(json.dumps({"mine": spec}))
    return str(folder / "mine.yaml")


@pytest.mark.parametrize(
    ("change", "worth"),
    [
        ({}, {"A": 1.0, "B": 0.0}),
        ({"choice_strings": "AB"}, {"A": 1.0, "B": 0.0}),
        ({"choice_strings": [1, 2], "choice_scores": {"1": 5, "2": 7}}, {"1": 0.0, "2": 1.0}),
        ({"choice_strings": ["1", "5", 3], "choice_scores": "from_strings"}, {"1": 0.0, "5": 1.0, "3": 0.5}),
    ],
)
def test_a_modelgraded_judge_reads_its_own_file_alone(tmp_path, change, worth):
    (tmp_path / "broken.yaml").write_text("a: [\n")
    (tmp_path / "other.yaml").write_text(json.dumps({"mine": {"prompt": 7}}))
    assert plugins.load_judge(graded(tmp_path, **change)).scale.labels == worth
    with pytest.raises(DataError, match=r"broken.yaml:2:1: not valid YAML"):
        plugins.load_judge(str(tmp_path / "broken.yaml"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        *((change, "mine.yaml: mine: wanted choice_scores with a number for each of choice_strings")
          for change in ({"choice_scores": {"A": 1}}, {"choice_scores": {"A": 1, "B": "x"}}, {"choice_scores": 7},
                         {"choice_scores": {"A": 1, "B": None}}, {"choice_scores": ["A", "B"]},
                         {"choice_scores": "from_strings"}, {"choice_strings": 7}, {"choice_strings": []},
                         {"choice_strings": ["A", "C"]}, {"choice_scores": {"A": 10**400, "B": 1}},
                         {"choice_scores": {"A": float("nan"), "B": 1}},
                         {"choice_scores": {"A": float("inf"), "B": 1}})),
        *(({"prompt": value}, "mine.yaml: wanted a modelgraded spec with prompt") for value in (7, ["x"], None)),
        ({"choice_strings": None}, "mine.yaml: wanted a modelgraded spec with prompt .* and choice_strings"),
        ({"choice_scores": None}, "mine.yaml: mine says what its choices mean but not what they are worth"),
        ({"choice_strings": "from_n"}, "mine.yaml: mine compares several answers"),
        *(({"input_outputs": value}, "mine.yaml: mine judges several answers at a time")
          for value in (7, [["x"]], {"input": "completion", "b": "c"})),
    ],
)  # fmt: skip
def test_a_modelgraded_file_of_another_form_is_one_line(tmp_path, change, said):
    with pytest.raises(UserError, match=said) as found:
        plugins.load_judge(graded(tmp_path, **change))
    assert "\n" not in str(found.value)


def test_every_modelgraded_file_is_a_judge_or_says_why(shared):
    kept, refused = [], []
    for file in sorted((shared / "openai_evals" / "registry" / "modelgraded").glob("*.yaml")):
        for name in openai_evals.entries(file.parent):
            if openai_evals.entries(file.parent)[name][0] == file:
                try:
                    kept.append(plugins.load_judge(f"{file}#{name}").name)
                except UserError as error:
                    refused.append(str(error))
    assert len(kept) >= 12
    assert all("\n" not in said and ("several answers" in said or "worth" in said) for said in refused)


def test_a_name_that_no_file_can_have_is_a_missing_file(tmp_path):
    from evalharness.file_benchmarks.openai_evals import _lines

    with pytest.raises(DataError, match="is missing") as found:
        _lines(tmp_path / "data" / ("x" * 400), "an eval", tmp_path)
    assert len(str(found.value)) < 500
