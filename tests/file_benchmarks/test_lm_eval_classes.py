"""Tasks of lm-evaluation-harness that are Python classes: a plain ConfigurableTask is run as other code is."""

import json
import sys

import pytest

from evalharness.errors import DataError
from evalharness.file_benchmarks.lm_eval.settings import TaskCodeSettings, use_task_code
from evalharness.models.echo import Echo
from evalharness.records import Response
from evalharness.runs import plan as planning
from evalharness.runs.plan import Plan
from evalharness.scoring.answers import score_response

ROWS = [{"q": f"{i} + 1", "a": str(i + 1)} for i in range(6)]
# lm_eval need not be installed: of its base class only what a class builds upon stands in for it.
BASE = """
import sys, types

if "lm_eval.api.task" not in sys.modules:
    for name in ("lm_eval", "lm_eval.api", "lm_eval.api.task"):
        sys.modules[name] = types.ModuleType(name)

    class Settings:
        def __init__(self, **said):
            self.__dict__ |= {
                "task": None, "output_type": "generate_until", "description": "", "target_delimiter": " ",
                "fewshot_delimiter": "\\n\\n", "num_fewshot": None, "test_split": None, "validation_split": None,
                "training_split": None, "fewshot_config": None, "process_docs": None, **said,
            }

    class ConfigurableTask:
        def __init__(self, config=None, **_):
            self.config = Settings(**config)
            self.DATASET_PATH = config.get("dataset_path", getattr(self, "DATASET_PATH", None))
            self.download()
            raise AssertionError("the data set is not there")

        def download(self, *_):
            raise OSError("there is no network")

        def has_training_docs(self): return self.config.training_split is not None
        def has_validation_docs(self): return self.config.validation_split is not None
        def has_test_docs(self): return self.config.test_split is not None
        def training_docs(self): return self.dataset[self.config.training_split]
        def validation_docs(self): return self.dataset[self.config.validation_split]
        def test_docs(self): return self.dataset[self.config.test_split]
        def fewshot_docs(self): return self.training_docs() if self.has_training_docs() else self.validation_docs()
        @property
        def eval_docs(self): return self.test_docs() if self.has_test_docs() else self.validation_docs()
        def doc_to_text(self, doc): return self.config.doc_to_text
        def doc_to_target(self, doc): return self.config.doc_to_target
        def doc_to_choice(self, doc): return self.config.doc_to_choice
        def process_results(self, doc, results): raise NotImplementedError
        def construct_requests(self, doc, ctx, **_): raise NotImplementedError
        def aggregation(self): return {}
        def higher_is_better(self): return {}
        def fewshot_context(self, doc, n): raise NotImplementedError

    sys.modules["lm_eval.api.task"].ConfigurableTask = ConfigurableTask

ConfigurableTask = sys.modules["lm_eval.api.task"].ConfigurableTask

class Instance:
    def __init__(self, request_type, arguments, **rest):
        self.request_type, self.arguments = request_type, arguments
"""
SUMS = (
    BASE
    + """
class Sums(ConfigurableTask):
    DATASET_PATH, DATASET_NAME = "json", None

    def __init__(self, config=None):
        super().__init__(config={"metadata": {"version": 1}, "dataset_kwargs": (config or {}).get("dataset_kwargs")})
        self.off = 0

    def has_training_docs(self): return True
    def has_validation_docs(self): return True
    def training_docs(self): return self.dataset["train"]
    def validation_docs(self): return list(map(self._process_doc, self.dataset["valid"]))
    def _process_doc(self, doc): return {**doc, "shown": doc["q"].replace("+", "plus")}
    def doc_to_text(self, doc): return "What is " + doc.get("shown", doc["q"]) + "?"
    def doc_to_target(self, doc): return " " + doc["a"]
    def construct_requests(self, doc, ctx, **kwargs):
        return [Instance("generate_until", (ctx, {"until": ["\\n"], "max_gen_toks": 7}))]
    def process_results(self, doc, results):
        return {"right": int(results[0].strip() == doc["a"]), "near": (int(results[0]), int(doc["a"]) + self.off)}
    def aggregation(self):
        return {"right": lambda items: sum(items) / len(items), "near": self._near}
    def _near(self, items): return max(abs(a - b) for a, b in items)
    def higher_is_better(self): return {"right": True, "near": False}
"""
)


@pytest.fixture(autouse=True)
def fresh():
    """Where nothing hostile is tried, code runs in this process: a fence with `datasets` takes seconds to start."""
    use_task_code(TaskCodeSettings(trusted=True))
    yield
    use_task_code(TaskCodeSettings())
    for name in ("lm_eval", "lm_eval.api", "lm_eval.api.task"):
        sys.modules.pop(name, None)


@pytest.fixture
def task(tmp_path):
    def prepare(text=SUMS, name="Sums", shots=None, more=""):
        for split, rows in (("train", ROWS[:3]), ("valid", ROWS[3:])):
            (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        (tmp_path / "task.py").write_text(text, encoding="utf-8")
        files = "dataset_kwargs: {data_files: {train: train.jsonl, valid: valid.jsonl}}\n"
        file = tmp_path / "sums.yaml"
        file.write_text(f"task: sums\nclass: !function task.{name}\n{files}{more}", encoding="utf-8")
        return planning.prepare_task(str(file), Plan(benchmarks=(str(file),), shots=shots), Echo())

    return prepare


def scored(prepared, question, **said):
    return score_response(prepared.benchmark.score, question.sample, question.request, Response(finish="stop", **said))


@pytest.mark.parametrize("trusted", [False, True])
def test_a_class_asks_and_scores_by_its_methods(task, trusted):
    use_task_code(TaskCodeSettings(trusted=trusted, seconds=60))
    prepared = task(shots=1)
    assert prepared.questions[0].request.text.endswith("\n\nWhat is 3 plus 1?")
    assert prepared.questions[0].request.text.startswith("What is ") and " + 1? " in prepared.questions[0].request.text
    assert (prepared.benchmark.max_tokens, prepared.benchmark.stop) == (7, ("\n",))
    right, wrong = scored(prepared, prepared.questions[0], text=" 4"), scored(prepared, prepared.questions[0], text="9")
    assert (right.status, wrong.status) == ("correct", "wrong")
    assert [metric.name for metric in prepared.benchmark.metrics] == ["right", "near"]
    assert len(prepared.facts.code_sha256) == 64


def test_a_class_that_ranks_gives_its_choices(task):
    ranking = SUMS.replace(
        'Instance("generate_until", (ctx, {"until": ["\\n"], "max_gen_toks": 7}))',
        'Instance("loglikelihood", (ctx, " " + one)) for one in ("4", doc["a"])',
    )
    ranking = ranking.replace('results[0].strip() == doc["a"]', "results[1][0] > results[0][0]").replace(
        '(int(results[0]), int(doc["a"]) + self.off)', "0"
    )
    prepared = task(ranking)
    assert prepared.questions[1].request.choices == (" 4", " 5")
    said = {"logprobs": (-2.0, -1.0), "greedy": (False, True), "lengths": (1, 1)}
    assert scored(prepared, prepared.questions[1], **said).scores["right"] == 1.0


def test_settings_beside_a_class_reach_it(task):
    plain = BASE + "class Plain(ConfigurableTask):\n    pass\n"
    more = "dataset_path: json\nvalidation_split: valid\ndoc_to_text: '{{q}} ='\ndoc_to_target: a\n"
    prepared = task(plain, "Plain", more=more)
    assert [q.request.text for q in prepared.questions] == ["3 + 1 =", "4 + 1 =", "5 + 1 ="]
    assert scored(prepared, prepared.questions[0], text="4").status == "correct"


WRONG = {
    "wanted a subclass of lm_eval.api.task.ConfigurableTask": ("class Sums(ConfigurableTask)", "class Sums"),
    "no plain ConfigurableTask: fewshot_context": ("def _near(", "def fewshot_context(self): pass\n    def _near("),
    "one question is asked by loglikelihood and then generate_until": (
        'return [Instance("gen', 'return [Instance("loglikelihood", (ctx, "a")), Instance("gen'
    ),
    "one question is asked by generate_until and loglikelihood_rolling": (
        '"max_gen_toks": 7}))', '"max_gen_toks": 7})), Instance("loglikelihood_rolling", (ctx,))'
    ),
    "construct_requests changes the prompt": ('(ctx, {"until"', '(ctx + "!", {"until"'),
    "asks documents in different ways": ('"max_gen_toks": 7', '"max_gen_toks": 7 + len(doc["q"])'),
    r"task\.py defines no Sums": ("class Sums(", "class Absent("),
    r"KeyError: 'b' \(task\.py:\d+\)": ('" " + doc["a"]', 'doc["b"]'),
}  # fmt: skip


@pytest.mark.parametrize("said", WRONG)
def test_what_is_no_plain_class_gets_one_line(task, said):
    old, new = WRONG[said]
    assert old in SUMS
    with pytest.raises(DataError, match=rf"sums\.yaml:2: .*{said}") as error:
        task(SUMS.replace(old, new))
    assert "\n" not in str(error.value)


HOSTILE = {
    "open('/etc/passwd').read()": "(PermissionError|FileNotFoundError)",
    "open(__file__, 'w')": "(PermissionError|OSError)",
    "__import__('socket').create_connection(('127.0.0.1', 9))": "(PermissionError|OSError)",
    "__import__('os').fork()": "PermissionError",
    "__import__('os')._exit(0)": "in the sandbox: ",
    "[0 for _ in iter(int, 1)]": "in the sandbox: it takes too long",
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.slow
def test_a_hostile_class_gets_one_line(task, what):
    use_task_code(TaskCodeSettings(packages=("packaging",), seconds=2 if "takes too long" in HOSTILE[what] else 30))
    for text in (f"{BASE}\n{what}\n{SUMS}", SUMS.replace("self.off = 0", what)):
        with pytest.raises(DataError, match=rf"sums\.yaml:2: task\.Sums .*{HOSTILE[what]}") as error:
            task(text)
        assert "\n" not in str(error.value) and "root:" not in str(error.value)


def test_a_format_does_not_go_with_a_class(task, tmp_path):
    with pytest.raises(DataError, match=r"sums\.yaml:2: a task that is a class lays out its own prompt"):
        task(more="formats: mcqa\n")
    file = tmp_path / "sums.yaml"
    file.write_text("task: sums\nclass: task.Sums\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"sums\.yaml:2: class: wanted !function MODULE\.CLASS"):
        planning.prepare_task(str(file), Plan(benchmarks=(str(file),)), Echo())
