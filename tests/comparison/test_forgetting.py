"""What was forgotten: asked side by side within its time, gone on with, and said in words that hold."""

import importlib.util
import json
import sys
from pathlib import Path

import jsonschema
import pytest
from referencing import Registry, Resource

from evalharness import Benchmark, Sample, UserError, forget, plugins
from evalharness.comparison import document, forgetting_document
from evalharness.comparison.forgetting_document import earlier_tests
from evalharness.data.kept import schema_of
from evalharness.data.rows import Source
from evalharness.errors import Exit
from evalharness.events import Told, Warned
from evalharness.models.function import FunctionModel
from evalharness.records import Message, Response
from evalharness.runs.budget import duration_seconds
from evalharness.scoring.answers import short_answer
from evalharness.scoring.metrics import Metric, mean

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plugins, "_added", {})


def quiz(name, items, **more):
    """A benchmark of yes-or-no questions, known to this process."""
    file = Path(f"{name}.jsonl").resolve()
    file.write_text("".join(json.dumps({"question": f"{name} {number} ?"}) + "\n" for number in range(items)))
    facts = {"metrics": (mean("exact_match"),), **more}
    made = Benchmark(
        name=name, title="", paper="", licence="", items=items, source=Source(own={"test": file}),
        sample=lambda row: Sample(question=row["question"], answers=("yes",)), score=short_answer(), **facts,
    )  # fmt: skip
    return plugins.add_benchmark(made)


class Answering:
    """A model that is right where `right(benchmark, number)` says so; it counts what it is asked, and takes its time
    on the clock that both models share."""

    def __init__(self, version, right, clock=None, seconds=0.0, stop_after=None):
        self.asked, self.right, self.clock, self.stop_after = [], right, clock, stop_after
        self.seconds = seconds
        self.model = FunctionModel(self.answer, name=version, version=version)

    def answer(self, prompts):
        said = []
        for prompt in prompts:
            name, number, _ = prompt.split()
            self.asked.append((name, int(number)))
            if self.stop_after is not None and len(self.asked) > self.stop_after:
                raise KeyboardInterrupt
            if self.clock is not None:
                self.clock[0] += self.seconds[name] if isinstance(self.seconds, dict) else self.seconds
            said.append("yes" if self.right(name, int(number)) else "no")
        return said


def always(name, number):
    return True


def forgot(*lost, share=2):
    """Right but for every so many of the items of some benchmarks."""
    return lambda name, number: name not in lost or number % share != 0


def timed(base, tuned, names, budget, clock):
    """What `forget` does, on a clock of the test's own."""
    from evalharness.comparison.forgetting import measure_forgetting
    from evalharness.comparison.forgetting_plan import ForgettingRequest

    request = ForgettingRequest(benchmarks=tuple(names), budget=budget)
    return measure_forgetting(request, base.model, tuned.model, clock=lambda: clock[0])


def test_lost_gained_kept_and_open_by_benchmark():
    names = [quiz("sums", 400), quiz("facts", 400), quiz("rhymes", 900), quiz("few", 12)]
    base = Answering("base", lambda name, number: name != "facts" or number % 2 == 0)
    tuned = Answering("tuned", forgot("sums"))
    found = forget(base.model, tuned.model, names)
    said = found.document
    assert (said.lost, said.gained, said.kept, said.open) == (("sums",), ("facts",), ("rhymes",), ("few",))
    verdicts = {task.benchmark: task.verdict for task in found.comparison.tasks}
    assert verdicts == {"sums": "worse", "facts": "better", "rhymes": "same", "few": "can't tell"}
    about = said.benchmarks
    assert about["sums"].ended == about["facts"].ended == "decided" and about["few"].ended == "all asked"
    assert about["sums"].asked < 150 < about["rhymes"].asked and about["few"].asked == about["few"].there == 12
    assert (found.exit_code, found.lost, found.gained) == (Exit.FINE, ("sums",), ("facts",))
    assert found.settled() == Exit.FINE and found.comparison.level == pytest.approx(0.9)
    sums = found.comparison.tasks[0]
    assert sums.low < sums.difference < sums.high < -0.02 and sums.gate == "fail"
    assert len(set(base.asked)) == len(base.asked) and sorted(base.asked) == sorted(tuned.asked)
    assert forget(base.model, tuned.model, names, gate=True).exit_code == Exit.GATE_FAILED


def test_time_is_shared_and_what_a_decided_benchmark_leaves_goes_to_the_others():
    names = [quiz("quick", 3000), quiz("slow", 3000), quiz("wreck", 3000)]
    clock = [0.0]
    seconds = {"quick": 0.01, "slow": 0.1, "wreck": 0.05}
    base = Answering("base", lambda name, number: name == "wreck" or number % 3 > 0, clock, seconds)
    tuned = Answering("tuned", lambda name, number: name != "wreck" and (number + 1) % 3 > 0, clock, seconds)
    found = timed(base, tuned, names, 100.0, clock)
    about = found.document.benchmarks
    assert about["wreck"].ended == "decided" and about["wreck"].asked <= 64
    assert about["quick"].ended == about["slow"].ended == "budget"
    assert about["quick"].seconds == pytest.approx(about["slow"].seconds, rel=0.3)
    assert 95 < found.document.spent <= 101 and found.document.spent == pytest.approx(clock[0], abs=0.01)
    assert sorted(base.asked) == sorted(tuned.asked)


def test_which_model_is_asked_first_changes_from_block_to_block():
    calls = []

    def model(version):
        return FunctionModel(
            lambda prompts: calls.append((version, *prompts)) or ["no"] * len(prompts), version=version
        )

    forget(model("base"), model("tuned"), quiz("sums", 60))
    assert [version for version, *_ in calls][:8] == ["base", "tuned", "tuned", "base"] * 2
    assert all(one[1:] == other[1:] for one, other in zip(calls[::2], calls[1::2], strict=True))


def test_a_block_is_not_begun_where_it_would_end_too_late():
    clock = [0.0]
    base, tuned = Answering("base", always, clock, 1.0), Answering("tuned", always, clock, 1.0)
    found = timed(base, tuned, [quiz("slow", 500)], 30.0, clock)
    assert found.document.spent <= 30.0 and found.document.benchmarks["slow"].asked >= 12
    task = found.comparison.tasks[0]
    assert task.verdict == "can't tell" and any("a seeded random part" in note for note in task.notes)


def test_the_part_that_was_asked_is_the_beginning_of_a_seeded_order():
    clock = [0.0]
    asked = []
    for version in ("one", "two"):
        base, tuned = Answering(f"base {version}", always, clock, 1.0), Answering(version, always, clock, 1.0)
        timed(base, tuned, [quiz("slow", 500)], 20.0 if version == "one" else 60.0, clock)
        asked.append([number for _, number in base.asked])
    assert len(asked[0]) < len(asked[1]) and set(asked[0]) < set(asked[1])
    assert sorted(asked[0]) != list(range(len(asked[0])))


def test_the_same_call_goes_on_where_the_last_one_ended_and_asks_nothing_twice():
    clock = [0.0]
    name = quiz("slow", 300)
    right = (lambda _, number: number % 3 > 0), (lambda _, number: (number + 1) % 3 > 0)
    base, tuned = Answering("base", right[0], clock, 0.1), Answering("tuned", right[1], clock, 0.1)
    first = timed(base, tuned, [name], 10.0, clock)
    second = timed(base, tuned, [name], 10.0, clock)
    assert first.document.benchmarks[name].asked < second.document.benchmarks[name].asked < 300
    assert len(set(base.asked)) == len(base.asked) == second.document.benchmarks[name].asked
    third = timed(base, tuned, [name], 1000.0, clock)
    assert third.document.benchmarks[name].ended == "all asked" and len(base.asked) == 300
    assert third.document.benchmarks[name].tested[-1] == 300 and len(third.document.benchmarks[name].tested) == 3
    again = timed(base, tuned, [name], 1000.0, clock)
    assert len(base.asked) == 300 and again.document.spent == 0.0
    assert again.comparison.tasks == third.comparison.tasks


def test_interrupted_it_goes_on_and_asks_nothing_twice():
    names = [quiz("sums", 60), quiz("facts", 60)]
    base = Answering("base", always)
    stopped = Answering("tuned", always, stop_after=50)
    with pytest.raises(KeyboardInterrupt):
        forget(base.model, stopped.model, names)
    tuned = Answering("tuned", always)
    found = forget(base.model, tuned.model, names)
    assert len(base.asked) == len(set(base.asked)) == 120
    kept = (found.tuned.path / "results.jsonl").read_text().count("\n")
    assert kept == 120 and len(tuned.asked) < 120


def test_answers_that_a_run_has_already_are_used():
    from evalharness import evaluate

    name = quiz("sums", 60)
    base, tuned = Answering("base", always), Answering("tuned", always)
    run = evaluate(name, base.model)
    asked = len(base.asked)
    found = forget(base.model, tuned.model, name)
    assert found.base.path == run.path and len(base.asked) == asked == 60


def test_a_run_that_was_whole_before_is_not_said_to_be_stopped(evalh):
    from evalharness import evaluate

    name = quiz("sums", 200)
    base, tuned = Answering("base", always), Answering("tuned", forgot("sums"))
    evaluate(name, base.model)
    found = forget(base.model, tuned.model, name)
    assert found.document.benchmarks[name].ended == "decided"
    assert found.base.manifest.sequential is None and found.tuned.manifest.sequential is not None
    evaluate(name, tuned.model)  # asks the rest
    again = forget(base.model, tuned.model, name)
    assert again.lost == ("sums",) and again.tuned.manifest.sequential is None
    said = evalh("compare", found.base.path, found.tuned.path, "--json").json["tasks"][0]
    assert (said["n"], said["sequential"], said["verdict"]) == (200, None, "worse")


def test_both_runs_are_ordinary_runs(evalh):
    name = quiz("sums", 200)
    found = forget(Answering("base", always).model, Answering("tuned", forgot("sums")).model, name)
    said = evalh("compare", found.base.path, found.tuned.path, "--gate", "--json")
    assert said.code == 1 and said.json["verdict"] == "worse" and said.json["tasks"][0]["missing"] == 0
    assert said.json["tasks"][0]["sequential"]["decision"] == "fail"
    for run in (found.base.path, found.tuned.path):
        assert "sums" in evalh("show", run).out and evalh("verify", run).code == 0


def test_manifests_keep_which_benchmarks_the_looks_stopped_and_by_what_evidence():
    names = [quiz("sums", 200), quiz("rhymes", 900), quiz("few", 12)]
    found = forget(Answering("base", always).model, Answering("tuned", forgot("sums")).model, names)
    for run, other in ((found.base, found.tuned), (found.tuned, found.base)):
        facts = run.manifest.sequential
        assert (facts.against, facts.alpha) == (other.name, 0.05)
        looks = facts.benchmarks
        assert {name: look.decision for name, look in looks.items()} == {"sums": "fail", "rhymes": "pass", "few": None}
        assert looks["sums"].e_fail > 1 > looks["sums"].e_pass and looks["rhymes"].e_pass > 1 > looks["rhymes"].e_fail


def test_items_without_a_value_end_it_as_not_whole():
    def failing(prompts):
        return [None if int(prompt.split()[1]) % 3 == 0 else "yes" for prompt in prompts]

    base = Answering("base", always).model
    found = forget(base, FunctionModel(failing, name="tuned", version="tuned"), quiz("sums", 60))
    assert found.exit_code == Exit.NOT_WHOLE
    with pytest.raises(UserError, match="sums is incomplete: ") as told:
        found.settled()
    assert told.value.exit_code == Exit.NOT_WHOLE


def test_the_document_is_that_of_its_schema():
    names = [quiz("sums", 100), quiz("few", 5)]
    found = forget(Answering("base", always).model, Answering("tuned", forgot("sums")).model, names)
    said = json.loads(json.dumps(forgetting_document.forgetting_values(found.document)))
    compared = Resource.from_contents(document.schema())
    registry = Registry().with_resource("report.schema.json", compared)
    jsonschema.Draft202012Validator(forgetting_document.forgetting_schema(), registry=registry).validate(said)
    assert json.loads((found.tuned.path / "forgetting.json").read_text()) == said


def bare(schema):
    """A schema without its words for people."""
    return {
        key: bare(value) if isinstance(value, dict) else value
        for key, value in schema.items()
        if key not in ("description", "title", "$schema", "$id") or isinstance(value, dict)
    }


def test_the_published_schema_is_that_of_the_record():
    made = schema_of(forgetting_document.ForgettingDocument)
    made["properties"] |= {
        "kind": {"const": "forgetting"}, "format": {"const": 1}, "comparison": {"$ref": "report.schema.json"}
    }  # fmt: skip
    assert bare(forgetting_document.forgetting_schema()) == bare(made)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"budget": 0}, "budget wants more than 0 seconds; there is 0"),
        ({"budget": "0"}, "budget wants a duration such as 10m, 90s or 1h30m; there is '0'"),
        ({"budget": "0m0s"}, "budget wants a duration"),
        ({"budget": "ten minutes"}, "budget wants a duration"),
        ({"budget": "10"}, "budget wants a duration"),
        ({"budget": "-5m"}, "budget wants a duration"),
        ({"budget": ""}, "budget wants a duration"),
        ({"budget": float("nan")}, "budget wants more than 0 seconds"),
        ({"budget": float("inf")}, "budget wants more than 0 seconds"),
        ({"margin": {"fact": 0.1}}, "margin names 'fact', which is not asked (did you mean facts?); there is facts"),
        ({"margin": 2}, "wanted a share above 0 and below 1"),
        ({"alpha": 0.6}, "alpha wants an error rate"),
        ({"data": {"sums": "here"}}, "data names 'sums', which is not asked"),
        ({"data": "nowhere"}, "there is no such file or folder"),
        ({"limit": 0}, "limit wants a number of questions"),
        ({"policy": "require-pass"}, "add gate=True"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_asked(settings, words):
    base, tuned = Answering("base", always), Answering("tuned", always)
    with pytest.raises(UserError) as refused:
        forget(base.model, tuned.model, quiz("facts", 5), **settings)
    assert words in str(refused.value) and base.asked == [] and not Path("runs").exists()


@pytest.mark.parametrize(
    ("words", "seconds"),
    [("10m", 600), ("90s", 90), ("1h30m", 5400), ("1.5h", 5400), ("2h5s", 7205), (" 10M ", 600), ("0.5s", 0.5)],
)
def test_durations_are_read_as_they_are_written(words, seconds):
    assert duration_seconds(words, "budget") == pytest.approx(seconds)


def corpus(name):
    return quiz(name, 5, metrics=(Metric(name="bleu", of=lambda results: None),))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nosuch", "there is no benchmark called 'nosuch'"),
        ("mt_bench", "mt_bench: its answers have no score without a judge"),
        ("lambada", "lambada needs log-probabilities of its choices, which function:"),
        (corpus, "corpus: its figures are over the whole corpus, its items have no score to pair"),
    ],
)
def test_benchmarks_that_cannot_be_paired_are_refused(name, words):
    asked = name("corpus") if callable(name) else name
    base = FunctionModel(lambda prompts: ["yes"] * len(prompts), version="base")
    tuned = FunctionModel(lambda prompts: ["yes"] * len(prompts), version="tuned")
    with pytest.raises(UserError) as refused:
        forget(base, tuned, asked, data="sample")
    assert words in str(refused.value) and not Path("runs").exists()


def test_one_model_twice_is_refused():
    base, again = Answering("base", always), Answering("base", always)
    with pytest.raises(UserError) as refused:
        forget(base.model, again.model, quiz("sums", 5))
    assert "are the same model (same fingerprint): nothing can have been lost or gained" in str(refused.value)


def test_a_damaged_record_of_earlier_tests_is_refused_in_a_line():
    name = quiz("sums", 30)
    models = [Answering("base", always).model, Answering("tuned", always).model]
    found = forget(*models, name)
    file = found.tuned.path / "forgetting.json"
    whole, base = file.read_text(), found.document.comparison.base.fingerprint
    assert earlier_tests(found.tuned.path, base) == {name: (30,)}
    assert earlier_tests(found.tuned.path, "a" + base) == earlier_tests(found.tuned.path, "z" + base) == {}
    wrong = [whole.replace('"tested":[30]', f'"tested":[{count}]') for count in ("-3", "0", "1.0")]
    for text in ("{", "[]", '{"comparison": 3}', *wrong):
        file.write_text(text)
        with pytest.raises(UserError) as refused:
            forget(*models, name)
        assert "edited or damaged" in str(refused.value) and "delete it" in str(refused.value)


def test_without_benchmarks_the_samples_are_asked_where_nothing_else_is_there_and_that_is_said():
    heard = []
    base = FunctionModel(lambda prompts: ["A"] * len(prompts), version="base")
    tuned = FunctionModel(lambda prompts: ["B"] * len(prompts), version="tuned")
    found = forget(base, tuned, observer=heard.append)
    names = list(found.document.benchmarks)
    assert names == ["mmlu@sample", "hellaswag@sample", "gsm8k@sample", "ifeval@sample"]
    said = [event.text for event in heard if isinstance(event, Warned)]
    assert any("the data of mmlu, hellaswag, gsm8k, ifeval are not at hand: their bundled samples" in t for t in said)
    assert all(task.mode == "write" for task in found.comparison.tasks)  # a function has no log-probabilities


def test_a_base_model_without_a_template_is_compared_with_a_chat_model():
    class Ranking(FunctionModel):
        ranks = True

        def answer(self, requests):
            for index, request in enumerate(requests):
                assert self.chat != request.choices[0].startswith(" ") and isinstance(request.messages[0], Message)
                yield index, Response(logprobs=(0.0, *(-1.0 for _ in request.choices[1:])))

    heard = []
    base, tuned = (Ranking(lambda prompts: [], version=str(chat), chat=chat) for chat in (False, True))
    found = forget(base, tuned, "mmlu", data="sample", observer=heard.append)
    task = found.comparison.tasks[0]
    assert task.n == 65 and task.mode == "rank" and task.difference == 0
    said = [event.text for event in heard if isinstance(event, Warned)]
    assert any("one of the models has a chat template and the other has not" in text for text in said)


def test_it_tells_how_far_it_is():
    clock, heard = [0.0], []
    from evalharness.events import observed_by

    with observed_by(heard.append):
        timed(
            Answering("base", always, clock, 1.0), Answering("tuned", always, clock, 1.0), [quiz("sums", 90)], 60, clock
        )
    said = [event.text for event in heard if isinstance(event, Told)]
    assert said and said[0].endswith("of 90") and " of 60 s: sums " in said[0]


def test_the_command_says_what_was_lost_and_asks_the_options_of_either_model(evalh, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    rows = "".join(
        json.dumps({"question": f"What is {i} + 0?", "answer": f"It is {i}.\\n#### {i}"}) + "\n" for i in range(200)
    )
    for split in ("test", "train"):
        (tmp_path / "data" / f"{split}.jsonl").write_text(rows)
    for name, right in (("good", lambda i: True), ("bad", lambda i: i % 2)):
        lines = [json.dumps({"id": str(i), "text": f"#### {i if right(i) else -1}"}) for i in range(200)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    asked = ["forget", "replay:good.jsonl", "replay:bad.jsonl", "gsm8k", "--data", "gsm8k=data"]
    said = evalh(*asked)
    assert said.code == 0, said.err
    assert "lost" in said.out and "✗ worse" in said.out and "what broke: evalh compare runs/" in said.out
    assert "gsm8k: decided after" in said.out and "of 200 items, a seeded random part" in said.out
    monkeypatch.setenv("COLUMNS", "70")  # columns are dropped, the verdict never is
    narrow = evalh(*asked).out
    assert "gsm8k: ✗ worse: a loss of more than 2 points" in narrow
    gated = evalh(*asked, "--gate", "--json")
    assert gated.code == 1 and gated.json["lost"] == ["gsm8k"] and gated.json["comparison"]["exit_code"] == 1
    assert evalh(*asked, "--id-key", "id").code == 0
    for more, words in (
        (["--base-url", "http://x"], "replay takes no option base_url"),
        (["--data", "gsm8k=data"], "--data is said twice for gsm8k"),
        (["--budget", "soon"], "--budget wants a duration such as 10m, 90s or 1h30m; there is 'soon'"),
    ):
        refused = evalh(*asked, *more)
        assert refused.code == 2 and words in refused.err and refused.err.count("\n") == 1


@pytest.mark.slow
def test_the_simulation_runs_and_its_promises_hold(capsys):
    spec = importlib.util.spec_from_file_location("perf_forgetting", ROOT / "perf" / "forgetting.py")
    made = importlib.util.module_from_spec(spec)
    sys.modules["perf_forgetting"] = made
    spec.loader.exec_module(made)
    assert made.main(["--families", "2", "--end-to-end", "1", "--only", "lost-10-points"]) == 0
    cells = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(cells) == 15 and {cell["asked"] for cell in cells} == {*made.ASKED, made.WHOLE}
    assert all(cell["found"] == 1.0 for cell in cells if cell["flips either way"] == 0 and cell["asked"] == made.END)
