"""The Python API: what docs/python-api.md shows runs as it stands, and what it promises holds."""

import asyncio
import json
import math
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

import evalharness
from evalharness import Benchmark, Sample, UserError, compare, evaluate, finetune, judge_run, load_run, plugins, tiny
from evalharness.events import ResultCame, RunEnded, RunOpened, TaskEnded, VerdictCame, Warned, warn
from evalharness.models.function import FunctionModel
from evalharness.records import Response
from evalharness.scoring.answers import short_answer
from evalharness.scoring.metrics import mean

DOCS = Path(__file__).parents[1] / "docs" / "python-api.md"
BLOCKS = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
ROWS = [{"question": f"{a} + {b} =", "answer": str(a + b)} for a, b in [(2, 2), (1, 2), (3, 4), (5, 5), (9, 1)]]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plugins, "_added", {})


def sums(**more):
    facts = {"name": "sums", "title": "Sums", "paper": "", "licence": "", "items": 5, **more}
    return Benchmark(
        sample=lambda row: Sample(question=row["question"], answers=(row["answer"],)),
        score=short_answer(), metrics=(mean("exact_match"),), **facts,
    )  # fmt: skip


def adds(prompts):
    return [str(sum(map(int, prompt.split(" =")[0].split(" + ")))) for prompt in prompts]


def knows_four(prompts):
    return ["4"] * len(prompts)


def namespace():
    """What the examples have at hand: the imports that their text names."""
    from evalharness.training.config import TrainingConfig
    from evalharness.training.events import StepDone

    return {
        "short_answer": short_answer, "mean": mean, "FunctionModel": FunctionModel, "TrainingConfig": TrainingConfig,
        "StepDone": StepDone, "data_file": "few.jsonl",
    }  # fmt: skip


def test_the_first_three_examples_run(capsys):
    there = namespace()
    Path("few.jsonl").write_text("".join(tiny.INSTRUCTIONS.read_text().splitlines(keepends=True)[:20]))
    for block in BLOCKS[:4]:
        exec(compile(block, str(DOCS), "exec"), there)
    said = capsys.readouterr().out
    assert "0.33 (" in said and "n = 3)" in said
    assert "sums better +0.67" in said or "sums can't tell +0.67" in said
    assert there["after"].metrics["mmlu@sample"]["accuracy"].n > 0 and len(there["losses"]) == 2


def test_the_callback_asks_the_model_of_a_trainer_each_epoch(tmp_path):
    pytest.importorskip("accelerate")
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    there = {**namespace(), "torch": torch, "TrainerCallback": transformers.TrainerCallback, "rows": ROWS}
    exec(compile(BLOCKS[0], str(DOCS), "exec"), there)
    there["sums"] = sums()
    exec(compile(BLOCKS[4], str(DOCS), "exec"), there)
    tokenizer, model = _small(transformers, tmp_path)
    row = tokenizer("1 + 1 = 2", return_tensors="pt")["input_ids"][0]
    callback = there["Evaluate"](tokenizer, runs=tmp_path / "runs")
    wanted = transformers.TrainingArguments(
        str(tmp_path / "out"), num_train_epochs=2, per_device_train_batch_size=2, report_to=[], save_strategy="no",
        use_cpu=True, disable_tqdm=True,
    )  # fmt: skip
    rows = [{"input_ids": row, "labels": row}] * 4
    transformers.Trainer(model=model, args=wanted, train_dataset=rows, callbacks=[callback]).train()
    assert [epoch for epoch, _ in callback.history] == [1.0, 2.0]
    assert len(list((tmp_path / "runs").iterdir())) == 2


def _small(transformers, folder):
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {"<pad>": 0, "</s>": 1, **{c: i + 2 for i, c in enumerate("0123456789 +=")}}
    made = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="</s>")
    config = transformers.LlamaConfig(
        vocab_size=16, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, eos_token_id=1,
        pad_token_id=0, bos_token_id=1,
    )  # fmt: skip
    return tokenizer, transformers.LlamaForCausalLM(config)


def test_nothing_is_printed_and_events_and_warnings_are_handed_over(capfd):
    heard = []
    rows = [*ROWS, ROWS[0]]  # a question that comes twice is warned of
    run = evaluate(sums(), adds, data=rows, observer=heard.append)
    assert capfd.readouterr() == ("", "")
    assert sum(isinstance(event, ResultCame) for event in heard) == 6
    assert isinstance(heard[-1], RunEnded) and any(isinstance(event, RunOpened) for event in heard)
    assert run.warnings == tuple(event.text for event in heard if isinstance(event, Warned))
    assert "5 repeats 0" in run.warnings[0]
    evaluate("mmlu", "echo", data="sample")
    assert capfd.readouterr() == ("", "")


def test_an_observer_that_raises_ends_the_run_and_keeps_the_answers():
    def two(event):
        if isinstance(event, ResultCame) and event.result.sample.id == "1":
            raise UserError("enough")

    model = FunctionModel(adds, version="1", batch=1)
    with pytest.raises(UserError, match="enough"):
        evaluate(sums(), model, data=ROWS, name="r", observer=two)
    assert len(Path("runs/r/results.jsonl").read_text().splitlines()) == 2
    asked = []
    again = FunctionModel(lambda prompts: asked.extend(prompts) or adds(prompts), name=model.name, version="1")
    run = evaluate(sums(), again, data=ROWS, name="r")
    assert (len(asked), run.metrics["sums"]["exact_match"].value) == (3, 1.0)


def test_results_and_tables():
    run = evaluate(sums(), knows_four, data=ROWS)
    assert [r.status for r in run.results()] == ["correct", "wrong", "wrong", "wrong", "wrong"]
    table = run.to_arrow()
    assert table.column("score.exact_match").to_pylist() == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert table.column("references").to_pylist()[1] == ["3"] and table.column("written").to_pylist()[0] == "4"
    pytest.importorskip("pandas")
    assert list(run.to_pandas()["status"]) == [r.status for r in run.results()]


def test_a_table_without_pandas_says_what_to_install(monkeypatch):
    run = evaluate(sums(), knows_four, data=ROWS)
    monkeypatch.setattr("evalharness.runs.tables.find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install pandas"):
        run.to_pandas()


def test_half_a_surrogate_pair_stands_in_a_table():
    run = evaluate(sums(), lambda prompts: ["\ud800"] * len(prompts), data=ROWS)
    assert run.to_arrow().column("written").to_pylist()[0] == "?"


def test_comparing_takes_runs_paths_and_names():
    one, two = (evaluate(sums(), model, data=ROWS * 1, name=name) for model, name in ((knows_four, "a"), (adds, "b")))
    for base, new in ((one, two), ("a", "b"), (one.path, two.run)):
        found = compare(base, new)
        assert [task.benchmark for task in found.decisions] == ["sums"]
        assert found.decisions[0].difference == pytest.approx(0.8) and found.verdict == found.document.verdict
    assert compare(two, one, gate=True, policy="require-pass").exit_code == 1
    assert compare(one, two, margin={"sums": 0.5}).decisions[0].margin == 0.5


def test_a_run_is_loaded_and_judged():
    evaluate("alpaca_eval", "echo", data="sample", limit=3, name="r")
    run = load_run("r")
    assert load_run(run) is run and run.name == "r" and run.path == Path("runs/r")
    heard = []
    judged = judge_run(run, "score=echo", observer=heard.append)
    assert judged.asked == judged.nulls == 3
    assert [type(event) for event in heard] == [Warned, *[VerdictCame] * 3]
    with pytest.raises(UserError, match="weights"):
        judge_run(run, "score=echo", weights=(1.0, 3.0))
    assert judge_run(run, "score=echo", again=True, cache=False).usage.calls == 9
    evaluated = evaluate("alpaca_eval", "echo", data="sample", limit=3, name="r2", judge="score=echo")
    assert evaluated.stages[0].nulls == 3


def test_a_benchmark_of_ones_own_needs_a_name_that_is_free():
    for name, said in (("", "wants a name"), ("a/b", "without slashes"), ("mmlu", "another name"), ("x.yaml", "name")):
        with pytest.raises(UserError, match=said):
            evaluate(sums(name=name), adds, data=ROWS)


def test_a_benchmark_that_is_defined_anew_takes_the_place_of_the_first():
    evaluate(sums(), adds, data=ROWS, name="a")
    better = sums(title="Sums, again")
    evaluate(better, adds, data=ROWS, name="b")
    assert plugins.load_benchmark("sums").title == "Sums, again"


def test_rows_tell_their_split_by_themselves():
    shown = []
    few = [{**row, "split": "train"} for row in ROWS[:2]] + ROWS[2:]
    evaluate(
        sums(source=evalharness.data.rows.Source(shot_split="train")),
        lambda prompts: shown.extend(prompts) or adds([p.rsplit("\n\n", 1)[-1] for p in prompts]),
        data=few, shots=1,
    )  # fmt: skip
    assert len(shown) == 3 and all(prompt.startswith("2 + 2 =4") for prompt in shown)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda prompts: ["x"], "returned 1 answers for 5 prompts"),
        (lambda prompts: "abcde", "returned a str for 5 prompts"),
        (lambda prompts: None, "returned a NoneType"),
        (lambda prompts: [1, 2, 3, 4, 5], "a int among its answers"),
    ],
)
def test_a_function_that_keeps_no_promise_is_told(function, said):
    with pytest.raises(UserError, match=said):
        evaluate(sums(), function, data=ROWS)


def test_a_function_gives_no_answer_with_none_and_is_cut_where_the_benchmark_ends():
    run = evaluate(sums(), lambda prompts: [None, *[a + "\nQ: 1 + 1 =2" for a in adds(prompts[1:])]], data=ROWS)
    assert [r.status for r in run.results()] == ["error", *["correct"] * 4]
    assert [r.sample.id for r in run.unanswered] == ["0"] and run.exit_code == 3


def test_two_functions_of_one_name_are_two_models():
    """Weights change behind a function between two epochs; nothing tells so."""
    runs = [evaluate(sums(), model, data=ROWS) for model in (lambda p: ["4"] * len(p), lambda p: adds(p))]
    assert [run.metrics["sums"]["exact_match"].value for run in runs] == [0.2, 1.0]
    assert runs[0].path != runs[1].path


def test_a_function_is_a_model_at_the_command_line(evalh):
    Path("mine.py").write_text("def answers(prompts):\n    return ['A'] * len(prompts)\n")
    said = evalh("run", "mmlu", "--data", "sample", "--model", "function:mine:answers", "--mode", "write", "--json")
    assert said.code == 0 and said.json["benchmarks"]["mmlu@sample"]["counts"]
    for spec, wanted in (
        ("function:mine", "wants function:MODULE:NAME"), ("function:nowhere_at_all:f", "no module 'nowhere_at_all'"),
        ("function:mine:nothing", "no function 'nothing'"), ("function:json:__name__", "is a str"),
    ):  # fmt: skip
        found = evalh("run", "mmlu", "--data", "sample", "--model", spec)
        assert found.code == 2 and wanted in found.err and found.err.count("\n") == 1


def test_a_model_object_is_asked():
    class Four:
        name, fingerprint, chat, ranks = "four", "four-1", False, False

        def answer(self, requests):
            yield from ((index, Response(text="4")) for index, _ in enumerate(requests))

        def describe(self):
            return {}

    assert evaluate(sums(), Four(), data=ROWS).metrics["sums"]["exact_match"].value == pytest.approx(0.2)
    for wrong in (3, None):
        with pytest.raises(UserError, match=r"wanted PLUGIN\[:ARGUMENT\], a Model or a function"):
            evaluate(sums(), wrong, data=ROWS)
    with pytest.raises(TypeError, match="limitt"):
        evaluate(sums(), adds, data=ROWS, limitt=3)


def test_errors_are_exceptions_and_nothing_exits():
    for call in (
        lambda: evaluate("no_such_benchmark", "echo"), lambda: load_run("no_such_run"),
        lambda: compare("no", "such"), lambda: judge_run("no", "echo"), lambda: finetune("no.json", "tiny", "out"),
        lambda: evaluate(sums(), adds, data=ROWS, limit=0), lambda: evaluate(sums(), adds, data=[{"no": "fields"}]),
    ):  # fmt: skip
        with pytest.raises(UserError) as found:
            call()
        assert found.value.exit_code == 2 and "\n" not in str(found.value)


def test_it_runs_inside_a_running_event_loop():
    """As in a notebook, whose cells run inside one."""

    async def cell():
        return evaluate(sums(), adds, data=ROWS)

    assert asyncio.run(cell()).metrics["sums"]["exact_match"].value == 1


def test_progress_in_a_notebook_is_one_line_that_is_written_over(monkeypatch, capfd):
    shown = []

    class Handle:
        def update(self, made):
            shown.append(("update", made.data))

    class Pretty:
        def __init__(self, data):
            self.data = data

    display = ModuleType("IPython.display")
    display.Pretty = Pretty
    display.display = lambda made, display_id: shown.append(("display", made.data)) or Handle()
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    evaluate(sums(), adds, data=ROWS, progress=True)
    assert [kind for kind, _ in shown].count("display") == 1
    assert shown[-1] == ("update", "sums: 5/5, 1.000 so far") and capfd.readouterr().out == ""


def test_warnings_go_to_the_logger_where_nobody_listens(caplog, capfd):
    warn("something")
    assert "something" in caplog.text and capfd.readouterr() == ("", "")


def test_the_public_names_are_typed_and_light():
    said = (Path(evalharness.__file__).parent / "__init__.pyi").read_text()
    assert all(f" as {name}\n" in said for name in evalharness.__all__)
    assert SimpleNamespace(**{name: getattr(evalharness, name) for name in evalharness.__all__})
    with pytest.raises(AttributeError):
        _ = evalharness.nothing_of_this_name


def test_a_figure_that_nothing_measured_is_no_number():
    run = evaluate(sums(), lambda prompts: [None] * len(prompts), data=ROWS)
    made = run.metrics["sums"].get("exact_match")
    assert made is None or math.isnan(made.value)
    assert json.loads((run.path / "summary.json").read_text())["benchmarks"]["sums"]


def test_answers_from_the_cache_are_told(evalh):
    """A server that serves another model under the same name would be compared with itself."""
    from stub_server import serve

    with serve(lambda body: "A") as stub:
        command = ("run", "mmlu", "--data", "sample", "--limit", "3", "--model", f"openai:m@{stub.url}")
        assert "cache" not in evalh(*command, "--name", "a").out
        assert "3 of 3 answers came from the cache" in evalh(*command, "--name", "b").out
        assert "cache" not in evalh(*command, "--name", "c", "--no-cache").out


def test_a_run_of_which_nothing_is_left_is_not_fine():
    run = evaluate(sums(), lambda prompts: [None] * len(prompts), data=ROWS, skip_unanswered=True)
    assert run.exit_code == 3


def test_a_task_ends_for_its_observer_however_the_run_ends():
    """A bar that is not told leaves the terminal without a cursor."""
    heard = []

    def hear(event):
        heard.append(event)
        if isinstance(event, ResultCame):
            raise UserError("boom")

    with pytest.raises(UserError, match="boom"):
        evaluate(sums(), adds, data=ROWS, observer=hear)
    assert isinstance(heard[-1], TaskEnded)
