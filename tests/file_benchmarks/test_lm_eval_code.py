"""The Python of lm-evaluation-harness's task files: run in the sandbox, plain data in and out, one line of error."""

import json
from dataclasses import replace

import pytest
import yaml

from evalharness import plugins
from evalharness.errors import DataError, UserError
from evalharness.file_benchmarks.lm_eval import code
from evalharness.file_benchmarks.lm_eval.settings import TaskCodeSettings, use_task_code
from evalharness.models.echo import Echo
from evalharness.records import Message, Request, Response, Result
from evalharness.runs import plan as planning
from evalharness.runs.plan import Plan
from evalharness.scoring.answers import score_response

ROWS = [{"q": f"{i} + 1", "a": str(i + 1), "topic": ("sums", "other")[i % 2]} for i in range(8)]
TASK = {
    "task": "coded", "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": "rows.jsonl"}},
    "test_split": "test", "output_type": "generate_until", "doc_to_text": "Q: {{q}}\nA:", "doc_to_target": "a",
}  # fmt: skip
CODE = """
from functools import partial

def _prepared(row):
    return {"shown": row["q"].upper(), "options": [row["a"], "none"], "gold": 0}

def _about(dataset, topic):
    return dataset.filter(lambda row: row["topic"] == topic).map(_prepared)

process_sums = partial(_about, topic="sums")

def doc_to_text(doc):
    return "What is " + doc["q"] + "?"

def doc_to_target(doc):
    return "It is " + doc["a"]

def doc_to_choice(doc):
    return ["no", doc["a"]]

def process_results(doc, results):
    return {"right": float(results[0].strip() == doc["a"]), "pair": (doc["a"], results[0]),
            "length": len(results[0]), "besides": 0.25}

def ranked(doc, results):
    (first, _), (second, greedy) = results
    return {"acc": int(second > first), "margin": second - first, "greedy": greedy}

def share(items):
    return sum(gold == said for gold, said in items) / len(items)

def near(references, predictions, off=1):
    return {"near": float(abs(int(references[0]) - int(predictions[0])) <= off)}

def last_word(resps, docs):
    return [[text.split()[-1] for text in inner] for inner in resps]

class Doubled:
    def __init__(self, times=2):
        self.times = times

    def apply(self, resps, docs):
        return [[text * self.times for text in inner] for inner in resps]

def examples():
    return [{"q": "7 + 7", "a": "14"}, {"q": "8 + 8", "a": "16"}]

def made(count=3, **rest):
    return {"test": [{"q": str(i), "a": str(i)} for i in range(count)]}
"""


def function(name):
    """`!function utils.NAME`, which yaml writes without quotes."""
    return f"!function utils.{name}"


@pytest.fixture(autouse=True)
def fresh():
    use_task_code(TaskCodeSettings(seconds=30))
    yield
    use_task_code(TaskCodeSettings())


@pytest.fixture
def task(tmp_path):
    """The prepared task of TASK with other keys, None taking one away; its Python beside it."""

    def prepare(text=CODE, shots=None, plan=None, **keys):
        said = {key: value for key, value in {**TASK, **keys}.items() if value is not None}
        (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
        (tmp_path / "utils.py").write_text(text, encoding="utf-8")
        written = yaml.safe_dump(said, sort_keys=False)
        for name in ("'", '"'):
            written = written.replace(f"{name}!function", "!function")
        written = "\n".join(line.rstrip("'") if "!function" in line else line for line in written.splitlines())
        (tmp_path / "t.yaml").write_text(written + "\n", encoding="utf-8")
        name = str(tmp_path / "t.yaml")
        return planning.prepare_task(name, Plan(benchmarks=(name,), shots=shots, **(plan or {})), Echo())

    return prepare


def scored(prepared, question, text="", **more):
    response = Response(text=text, finish="stop", **more)
    score = score_response(prepared.benchmark.score, question.sample, question.request, response)
    return Result(
        benchmark="t", sample=question.sample, request=question.request, response=response, status=score.status,
        scores=score.scores, answer=score.answer, detail=score.detail,
    )  # fmt: skip


def test_process_docs_and_the_functions_of_a_document(task):
    prepared = task(
        process_docs=function("process_sums"), doc_to_text="{{shown}}", doc_to_target=function("doc_to_target")
    )
    assert [q.request.text for q in prepared.questions] == ["0 + 1", "2 + 1", "4 + 1", "6 + 1"]
    assert prepared.questions[1].sample.answers == ("It is 3",)
    assert len(prepared.facts.code_sha256) == 64
    other = task(text=CODE + "\n# more\n", process_docs=function("process_sums"))
    assert other.facts.code_sha256 != prepared.facts.code_sha256


def test_choices_and_questions_that_functions_give(task):
    prepared = task(
        output_type="multiple_choice", doc_to_text=function("doc_to_text"), doc_to_choice=function("doc_to_choice"),
        doc_to_target=1, metric_list=[{"metric": "acc"}],
    )  # fmt: skip
    first = prepared.questions[0]
    assert (first.request.text, first.request.choices) == ("What is 0 + 1?", (" no", " 1"))
    assert first.sample.gold_indices == (1,)


def test_results_are_processed_and_aggregated_by_the_tasks_own_code(task):
    prepared = task(
        process_results=function("process_results"),
        metric_list=[
            {"metric": "right", "aggregation": "mean"}, {"metric": "length", "aggregation": "median"},
            {"metric": "pair", "aggregation": function("share"), "higher_is_better": True},
        ],
    )  # fmt: skip
    found = [scored(prepared, q, text) for q, text in zip(prepared.questions, ["1", "2 ", "x", "4"], strict=False)]
    assert [r.status for r in found] == ["correct", "correct", "wrong", "correct"]
    figures = {metric.name: metric.of(found) for metric in prepared.benchmark.metrics}
    assert figures["right"].value == 0.75
    assert figures["length"].value == 1
    assert figures["besides"].value == 0.25  # in no metric_list, and reported there too
    assert figures["pair"].value == 0.5  # "2 " is not "2"
    assert figures["pair"].low <= 0.5 <= figures["pair"].high


def test_ranked_results_come_as_pairs(task):
    prepared = task(
        output_type="multiple_choice", doc_to_choice=["a", "b"], doc_to_target=0, process_results=function("ranked"),
        metric_list=[{"metric": "acc"}, {"metric": "margin", "aggregation": "mean"}],
    )  # fmt: skip
    found = scored(prepared, prepared.questions[0], logprobs=(-3.0, -1.0), greedy=(False, True), lengths=(1, 1))
    assert found.scores == {"accuracy": 1.0, "margin": 2.0, "greedy": 1.0}
    assert found.status == "correct"


def test_metrics_and_filters_of_the_tasks_own(task):
    first = {"function": "take_first"}
    prepared = task(
        metric_list=[{"metric": function("near"), "aggregation": "mean", "off": 2}],
        filter_list=[
            {"name": "last", "filter": [{"function": "custom", "filter_fn": function("last_word")}, dict(first)]},
            {"name": "twice", "filter": [{"function": function("Doubled"), "times": 3}, first]},
        ],
    )  # fmt: skip
    assert [metric.name for metric in prepared.benchmark.metrics] == ["near", "near,twice"]
    found = scored(prepared, prepared.questions[0], "1")
    assert found.scores == {"near": 1.0, "near,twice": 0.0}  # 111 is far from 1
    assert found.answer == "1"


def test_examples_that_a_function_brings(task):
    config = {"sampler": "first_n", "samples": function("examples"), "doc_to_text": "{{q}} ="}
    prepared = task(num_fewshot=2, fewshot_config=config)
    assert prepared.questions[0].request.text == "7 + 7 = 14\n\n8 + 8 = 16\n\nQ: 0 + 1\nA:"
    assert prepared.shots == 2


def test_a_data_set_that_a_function_makes(task):
    prepared = task(dataset_path=None, dataset_kwargs=None, custom_dataset=function("made"), metadata={"count": 2})
    assert [q.request.text for q in prepared.questions] == ["Q: 0\nA:", "Q: 1\nA:"]


def test_trusted_code_runs_in_this_process(task):
    use_task_code(TaskCodeSettings(trusted=True))
    text = CODE + "\nimport os\n\ndef pid(doc):\n    return str(os.getpid())\n"
    import os

    assert task(text=text, doc_to_text=function("pid")).questions[0].request.text == str(os.getpid())
    use_task_code(TaskCodeSettings())
    assert task(text=text, doc_to_text=function("pid")).questions[0].request.text != str(os.getpid())


HOSTILE = {
    "reads a file": "return open({secret!r}).read()",
    "looks for a file": "import pathlib; return str(list(pathlib.Path({secret!r}).parent.iterdir()))",
    "writes beside itself": "open(__file__ + '.txt', 'w').write('x'); return 'x'",
    "opens a socket": "import socket; socket.create_connection(('127.0.0.1', {port}), 2); return 'x'",
    "forks": "import os; os.fork(); return 'x'",
    "starts a program": "import subprocess; return subprocess.check_output(['id']).decode()",
    "leaves": "import os; os._exit(0)",
    "answers for the harness": "import os; os.write(3, (20).to_bytes(4, 'little') + b'[' * 20); return 'x'",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_code_gets_one_line_and_nothing_else(task, tmp_path, what):
    import socket

    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    secret = outside / "secret"
    secret.write_text("hunter2", encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        body = HOSTILE[what].format(secret=str(secret), port=server.getsockname()[1])
        with pytest.raises(DataError, match=r"t\.yaml:\d+: utils\.f (fails|in the sandbox): ") as error:
            task(text=f"def f(doc):\n    {body}\n", doc_to_text=function("f"))
        with pytest.raises(BlockingIOError):
            server.accept()
    assert "\n" not in str(error.value) and "hunter2" not in str(error.value)
    assert {path.name for path in tmp_path.iterdir()} == {"rows.jsonl", "utils.py", "t.yaml"}


def test_code_that_never_ends_is_ended_and_the_next_one_runs(task):
    use_task_code(TaskCodeSettings(seconds=1))
    with pytest.raises(DataError, match=r"t\.yaml:\d+: utils\.f in the sandbox: it takes too long"):
        task(text="def f(doc):\n    while True:\n        pass\n", doc_to_text=function("f"))
    use_task_code(TaskCodeSettings(seconds=30))
    assert task(doc_to_text=function("doc_to_text")).questions[0].request.text == "What is 0 + 1?"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"doc_to_text": "!function utils.absent"}, r"t\.yaml:\d+: utils\.py defines no absent"),
        ({"doc_to_text": "!function nowhere.f"}, r"t\.yaml:\d+: there is no nowhere\.py beside it"),
        ({"doc_to_text": "!function f"}, r"t\.yaml:\d+: !function f names no module"),
        ({"process_docs": "!function utils.doc_to_text"}, r"t\.yaml:\d+: utils\.doc_to_text fails: "),
        ({"doc_to_text": "{{absent}}"}, r"t\.yaml:\d+: 'absent' is undefined"),
        ({"doc_to_image": "q"}, r"t\.yaml:\d+: doc_to_image: questions with images are not asked"),
        ({"class": "!function utils.Task"}, r"t\.yaml:\d+: utils\.py defines no Task"),
        ({"metric_list": [{"metric": "exact_mach"}]}, r"t\.yaml:\d+: there is no metric 'exact_mach'.*exact_match"),
        ({"metric_list": [{"metric": "exact_match", "aggregation": "men"}]}, r"t\.yaml:\d+: there is no aggregation"),
        ({"custom_dataset": "!function utils.examples"}, r"t\.yaml:\d+: utils\.examples fails: "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_by_its_line(task, keys, said):
    with pytest.raises(DataError, match=said) as error:
        task(**keys)
    assert "\n" not in str(error.value)


def test_code_that_does_not_parse_or_fails_says_where(task, tmp_path):
    with pytest.raises(UserError, match=r"utils\.py:2: no valid Python"):
        task(text="def f(doc):\n    return (\n", doc_to_text=function("f"))
    with pytest.raises(DataError, match=r"utils\.f fails: KeyError: 'b' \(utils\.py:2\)"):
        task(text="def f(doc):\n    return doc['b']\n", doc_to_text=function("f"))
    with pytest.raises(DataError, match=r"ModuleNotFoundError.*`pip install no_such_package`"):
        task(text="import no_such_package\n\ndef f(doc):\n    return ''\n", doc_to_text=function("f"))


def test_the_code_of_one_folder_is_out_of_reach_of_anothers(task, tmp_path):
    text = "import sys\n\nseen = []\n\ndef f(doc):\n    seen.append(1)\n    return str(len(seen))\n"
    assert task(text=text, doc_to_text=function("f")).questions[-1].request.text == "8"
    other = tmp_path / "other"
    other.mkdir()
    for name in ("t.yaml", "rows.jsonl"):
        (other / name).write_bytes((tmp_path / name).read_bytes())
    (other / "utils.py").write_text(text.replace("str(len(seen))", "','.join(sorted(sys.modules))"), encoding="utf-8")
    benchmark = plugins.load_benchmark(str(other / "t.yaml"))
    shown = benchmark.source.process([{"q": "1", "a": "2"}], "test")
    assert str(tmp_path / "utils") not in benchmark.sample(shown[0]).question.split(",")


def test_processes_are_kept_and_closed(task):
    task(doc_to_text=function("doc_to_text"))
    services = list(code._processes._services.values())
    assert services and not services[-1].ended
    code._processes.close()
    assert not code._processes._services and all(one.ended for one in services)
    assert task(doc_to_text=function("doc_to_text")).questions


def test_a_request_of_an_open_task_needs_no_sandbox_again(task):
    prepared = task(doc_to_text="{{q}}")
    asked = Request(messages=(Message("user", "0 + 1"),))
    assert prepared.questions[0].request.text == asked.text


def test_several_answers_to_a_question_are_voted_on(task):
    pick = {"function": "regex", "regex_pattern": r"(\d+)"}
    keys = {
        "repeats": 4, "generation_kwargs": {"do_sample": True, "temperature": 0.7},
        "filter_list": [
            {"name": "maj@3", "filter": [{"function": "take_first_k", "k": 3}, pick, {"function": "majority_vote"},
                                         {"function": "take_first"}]},
            {"name": "first", "filter": [dict(pick), {"function": "take_first"}]},
        ],
    }  # fmt: skip
    prepared = task(**keys)
    assert (len(prepared.questions), prepared.facts.repeats) == (32, 4)
    said = ["1", "it is 1", "7", "9"]
    found = [
        replace(scored(prepared, q, said[q.repeat]), repeat=q.repeat) for q in prepared.questions if q.sample.id == "0"
    ]
    figures = {metric.name: metric.of(found) for metric in prepared.benchmark.metrics}
    assert figures["accuracy"].value == 1.0  # two of the first three
    assert figures["accuracy,first"].value == 0.5
    assert prepared.benchmark.metrics[0].of(found[:2]) is None  # no three answers
    once = task(**{**keys, "filter_list": [{"name": "first", "filter": [dict(pick), {"function": "take_first"}]}]})
    assert once.facts.repeats == 1


def test_programs_are_run_by_the_harness_in_processes_of_their_own(task, tmp_path):
    """`evaluate`, which need not be installed, is stood in for by a module beside the task."""
    text = """
import sys, types
if "evaluate" not in sys.modules:
    sys.modules["evaluate"] = types.ModuleType("evaluate")
inside = sys.modules["evalh_inside"]
inside._without_network()
import evaluate

programs = evaluate.load("code_eval")

def measured(references, predictions):
    shares, results = programs.compute(references=references, predictions=[predictions], k=[1])
    return shares["pass@1"]
"""
    prepared = task(
        text=text,
        doc_to_target="assert f() == {{a}}",
        metric_list=[{"metric": function("measured"), "aggregation": "mean"}],
    )
    for said, status in (
        ("def f(): return 1", "correct"),
        ("def f(): return 2", "wrong"),
        ("import os; os._exit(0)", "wrong"),
    ):
        assert scored(prepared, prepared.questions[0], said).status == status


def test_an_include_from_elsewhere_does_not_widen_what_code_may_read(task, tmp_path):
    task(doc_to_text=function("doc_to_text"))
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "rows.jsonl").write_bytes((tmp_path / "rows.jsonl").read_bytes())
    (inner / "t.yaml").write_text("include: ../t.yaml\ntask: other\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"inner/t\.yaml: names .*, which is outside .*inner.*allow.outside"):
        plugins.load_benchmark(str(inner / "t.yaml"))
    below = plugins.load_benchmark(str(tmp_path / "t.yaml"))
    assert below.code_sha256
