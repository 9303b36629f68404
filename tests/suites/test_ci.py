"""`evalh ci` in the situations that a pipeline meets: exit code, comment and outputs of each, against an endpoint and a
GitHub on loopback."""

import json
import shutil
from pathlib import Path

import pytest
from ci_stage import BENCHMARK, ITEMS, git


@pytest.mark.parametrize(
    ("model", "more", "code", "verdict", "gate"),
    [
        ("same", "", 0, "same", "pass"),
        ("worse", "", 1, "worse", "fail"),
        ("better", "", 0, "better", "pass"),
        ("little", "margin: 0.03\n", 0, "can't tell", "inconclusive"),
        ("little", "margin: 0.03\ngate: {policy: require-pass}\n", 5, "can't tell", "inconclusive"),
        ("broken", "", 3, "incomplete", "inconclusive"),
    ],
)  # fmt: skip
def test_a_model_beside_its_baseline(based, tmp_path, monkeypatch, model, more, code, verdict, gate):
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "out"))
    bench = "{benchmark: bench.yaml}" if more else "{benchmark: bench.yaml, margin: 0.1}"
    said = based(model, more=more, bench=bench)
    assert said.code == code, said
    assert (tmp_path / "out").read_text() == f"verdict={verdict}\ngate={gate}\nexit-code={code}\nreport=evalh-report\n"
    found = based.report()
    assert (found["exit_code"], found["verdict"], found["gate"]) == (code, verdict, gate)
    assert based.text().startswith("<!-- evalh:report key=s v=1 -->\n### ")
    assert f"(exit {code})" in said.out
    assert {"index.html", "junit.xml"} <= {path.name for path in (tmp_path / "evalh-report").iterdir()}


def test_failed_requests_without_a_baseline_are_not_green(ci):
    said = ci("broken", more="no_baseline: pass\n")
    assert (said.code, "60 of 200 questions have no answer" in said.out) == (3, True), said
    assert ci("broken", more="no_baseline: create\noptions: {skip_unanswered: true}\n").code == 3
    assert not Path("baselines").exists()


def test_no_baseline_fails_passes_or_makes_one(ci):
    said = ci("same")
    assert (said.code, ci.asked) == (2, 0)
    assert "make the first with `evalh ci suite.yaml --no-baseline create`" in said.out
    assert "--no-baseline create" in ci.text()
    said = ci("same", more="no_baseline: pass\n")
    assert (said.code, ci.report()["verdict"]) == (0, "no baseline")
    said = ci("same", more="no_baseline: create\n")
    assert (said.code, Path("baselines/main.jsonl").is_file()) == (0, True)
    assert ci("same").code == 0
    assert ci("same", options=["--no-baseline", "maybe"]).code == 2


def test_a_mistyped_or_damaged_baseline_ends_before_anything_is_asked(based):
    for more in ("baseline: mian\n", "baseline: mian\nno_baseline: pass\n", "baseline: baselines/mian.jsonl\n"):
        said = based("same", more=more)
        assert (said.code, based.asked) == (2, 0)
        assert "did you mean main?" in said.out
    file = Path("baselines/main.jsonl")
    file.write_text(file.read_text().replace('"accuracy"', '"accurate"'))
    said = based("same")
    assert (said.code, based.asked, "edited or damaged" in said.out + said.err) == (2, 0, True)


def test_a_name_of_its_own_is_in_runs_and_reports(based):
    assert based("worse", options=["--name", "pr-7"]).code == 1
    assert Path("runs/pr-7-worse/run.json").is_file()
    assert not Path("runs/s-worse").exists()
    assert (based.report()["suite"], based.text().startswith("<!-- evalh:report key=pr-7 ")) == ("pr-7", True)
    for name in ("../x", "", "a/b", "-x", "x" * 101):
        said = based("worse", options=["--name", name])
        assert (said.code, based.asked, "wanted letters" in said.err) == (2, 0, True), name


def test_a_name_that_no_baseline_can_have_is_refused_before_anything_is_asked(ci):
    for more, options in (
        ("baseline: ../x\nno_baseline: create\n", []),
        ("baseline: a b\n", ["--no-baseline", "create"]),
    ):
        said = ci("same", more=more, options=options)
        assert (said.code, ci.asked, "wanted letters, digits" in said.out) == (2, 0, True), said


@pytest.mark.parametrize("own", ["temperature: 1", "top_p: 0.5", "max_tokens: 7"])
def test_a_benchmark_that_is_sampled_otherwise_is_not_comparable(based, own):
    said = based("better", bench=f"{{benchmark: bench.yaml, {own}}}")
    assert (said.code, f"sampling differs ({own.partition(':')[0]}" in said.out) == (4, True), said


def test_other_numbers_of_answers_are_said_to_be_that(based):
    said = based("better", more="options: {seeds: [1, 2, 3], temperature: 1}\n")
    assert said.code == 4
    assert "prompt differs (answers to a question: 1 in BASE, answers to a question: 3 in NEW)" in said.out


def test_two_models_give_the_worst_verdict_whatever_their_order(based, tmp_path, monkeypatch):
    for models in (("same", "worse"), ("worse", "same")):
        (tmp_path / "out").write_text("")
        monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "out"))
        assert based(*models).code == 1
        assert "verdict=worse\ngate=fail\nexit-code=1\n" in (tmp_path / "out").read_text()
    table = based.text().split("\n\n")[1]
    assert table.count("**") == 2, "the best of two is marked"


def test_a_model_that_cannot_be_asked_hides_no_other(based, evalh):
    based("worse")
    text = Path("suite.yaml").read_text()
    Path("suite.yaml").write_text(text.replace("models:\n", "models:\n  - 'replay:nowhere.jsonl'\n"))
    said = evalh("ci", "suite.yaml")
    assert said.code == 1
    assert [model["exit_code"] for model in based.report()["models"]] == [2, 1]
    assert "nowhere.jsonl" in based.report()["models"][0]["problem"]


def test_run_gives_the_worst_verdict_of_its_models_too(based, evalh, tmp_path, monkeypatch):
    based("worse", "same", more="baseline: main\ngate: {}\n")
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "out"))
    assert evalh("run", "suite.yaml").code == 1
    assert (tmp_path / "out").read_text() == "verdict=worse\ngate=fail\nreport=\n"


def test_compare_follows_the_gate_of_a_suite(based, evalh):
    based("little", more="gate: {policy: require-pass}\nmargin: 0.03\n", bench="{benchmark: bench.yaml}")
    assert evalh("compare", "main", "s-little", "--suite", "suite.yaml").code == 5
    assert evalh("compare", "main", "s-little", "--margin", "0.03", "--gate").code == 0


def test_a_budget_that_is_used_up_is_not_whole_and_one_without_prices_is_refused(based):
    prices = ", price_in: 1000000, price_out: 0, concurrency: 1"
    said = based("better", more="budget: {cost: 95}\n", prices=prices)
    assert (said.code, "the budget is used up" in said.out, based.report()["verdict"]) == (3, True, "incomplete")
    assert "budget is used up" in based.text()
    said = based("worse", more="budget: {cost: 5}\n")
    assert (said.code, based.asked) == (2, 0)
    assert "give worse price_in and price_out" in said.out


def test_an_interrupt_is_130_and_leaves_the_old_report(based, monkeypatch):
    assert based("same").code == 0
    before = based.text()

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("evalharness.suites.ci.whole_runs", interrupted)
    said = based("worse")
    assert (said.code, based.text()) == (130, before)


@pytest.mark.parametrize(
    ("model", "rule", "code"),
    [
        ("same", "at_least: 0.70", 0),
        ("same", "at_least: 0.90", 1),
        ("same", "at_least: 0.82", 0),
        ("same", "at_least: 0.82, tier: critical", 5),
        ("same", "at_most: 0.5", 1),
        ("worse", "tier: advisory", 0),
        ("worse", "tier: advisory, at_least: 0.9", 0),
        ("worse", "tier: critical", 1),
        ("little", "tier: critical", 5),
    ],
)
def test_floors_and_tiers(based, model, rule, code):
    margin = "0.03" if model == "little" else "0.1"
    said = based(model, bench=f"{{benchmark: bench.yaml, margin: {margin}, {rule}}}")
    assert said.code == code, said.out


def test_floors_hold_without_a_baseline(ci):
    bench = "{benchmark: bench.yaml, at_least: %s}"
    assert ci("same", bench=bench % 0.9, more="no_baseline: pass\n").code == 1
    assert "at least 0.9 is wanted" in ci.report()["models"][0]["rules"]["bench"]["reasons"][0]
    assert ci("same", bench=bench % 0.7, more="no_baseline: pass\n").code == 0
    assert ci("same", bench=bench % 0.82, more="no_baseline: pass\ngate: {policy: require-pass}\n").code == 5


def test_another_prompt_is_not_comparable_until_the_baseline_is_set_anew(based, tmp_path):
    (tmp_path / "bench.yaml").write_text(BENCHMARK.replace('"{{q}}"', '"Now: {{q}}"'))
    assert based("better").code == 4
    assert based("better", options=["--set-baseline"]).code == 0
    assert "is now the baseline" in based.text()
    assert based("better").code == 0


def test_a_baseline_is_not_set_where_the_gate_failed(based):
    before = Path("baselines/main.jsonl").read_bytes()
    said = based("worse", options=["--set-baseline"])
    assert (said.code, Path("baselines/main.jsonl").read_bytes()) == (1, before)
    assert "not kept as a baseline" in based.text()
    assert based("same", "better", options=["--set-baseline"]).code == 2


def test_a_change_does_not_choose_its_baseline(repository, evalh, tmp_path):
    assert evalh("baseline", "set", "s-worse").code == 0
    assert repository("worse").code == 0, "held against itself"
    assert repository("worse", options=["--baseline-ref", "main"]).code == 1
    (tmp_path / "baselines/main.jsonl").unlink()
    assert repository("worse", options=["--baseline-ref", "main"]).code == 1
    assert (
        "there is no baseline 'mian' (did you"
        in repository("worse", more="baseline: mian\n", options=["--baseline-ref", "main"]).out
    )
    assert "has it" in repository("worse", options=["--baseline-ref", "no-such-branch"]).out
    assert repository("worse", options=["--baseline-ref=--upload-pack=x"]).code == 2


def test_a_change_does_not_choose_margins_benchmarks_or_rows(repository, tmp_path):
    easy = "{benchmark: bench.yaml, margin: 0.9, tier: advisory}"
    (tmp_path / "rows.jsonl").write_text(json.dumps({"q": "Q150", "a": "A150"}) + "\n")
    shutil.rmtree("runs")
    assert repository("worse", bench=easy, more="no_baseline: pass\nbaseline: other\n").code == 0
    shutil.rmtree("runs")
    said = repository("worse", bench=easy, more="baseline: other\n",
                      options=["--baseline-ref", "main", "--policy-ref", "main"])  # fmt: skip
    assert said.code == 1, said
    assert "are those of main; this change edits them without effect" in repository.text()
    assert repository.report()["models"][0]["comparison"]["tasks"][0]["margin"] == 0.1
    assert Path.cwd() == tmp_path


def test_a_run_that_the_change_brings_along_is_refused(repository, tmp_path):
    (tmp_path / ".gitignore").write_text("")
    git(tmp_path, "add", "runs")
    said = repository("worse", options=["--baseline-ref", "main"])
    assert (said.code, "proves nothing" in said.err, "proves nothing" in repository.text()) == (2, True, True)


JUDGED = BENCHMARK.replace("scorer: exact", "judge: score/5")


def test_judges_stand_in_a_suite(ci, endpoint, tmp_path):
    (tmp_path / "bench.yaml").write_text(JUDGED)
    said = ci("same", more="no_baseline: pass\n", bench="{benchmark: bench.yaml, limit: 10}")
    assert (said.code, ci.asked) == (2, 0)
    assert "worth nothing until a judge has seen its answers" in said.out
    judge = f"{{judge: 'openai:judge-good', base_url: '{endpoint.url}'}}"
    said = ci("same", more=f"no_baseline: pass\njudge: {judge}\n", bench="{benchmark: bench.yaml, limit: 10}")
    assert said.code == 0, said
    facts = ci.report()["models"][0]["benchmarks"]["bench"]
    assert next(iter(facts["metrics"].values()))["value"] == 1.0
    bench = f"{{benchmark: bench.yaml, limit: 10, judge: {judge.replace('judge-good', 'judge-null')}}}"
    said = ci("better", more="no_baseline: pass\n", bench=bench)
    assert said.code == 3, "a judge that gives no verdict leaves nothing to tell"
    said = ci("better", more="no_baseline: pass\n", bench=bench.replace("openai:", "nothing:"))
    assert said.code == 2


@pytest.mark.slow
def test_several_seeds_are_asked_and_carried_into_the_verdict(ci, endpoint):
    seeds = "options: {seeds: [1, 2, 3], temperature: 0.7}\n"
    start = len(endpoint.seen)
    assert ci("base", more=f"no_baseline: create\n{seeds}").code == 0
    sent = [body["seed"] for body in endpoint.seen[start:]]
    assert (len(sent), len(set(sent))) == (3 * ITEMS, 3 * ITEMS)
    said = ci("worse", more=seeds)
    assert said.code == 1, said
    task = ci.report()["models"][0]["comparison"]["tasks"][0]
    assert (task["n"], task["base"], task["new"]) == (ITEMS, 0.8, 0.5)
    start = len(endpoint.seen)
    assert ci("better", more="no_baseline: pass\nbaseline: other\noptions: {seed: 2, temperature: 0.7}\n").code == 0
    alone = {body["seed"] for body in endpoint.seen[start:]}
    assert (len(alone), alone < set(sent)) == (ITEMS, True), "each seed asks as a run with that seed alone does"
    for wrong, why in (
        ("{seeds: [1, 2, 3]}", "several seeds ask the same thing again at temperature 0"),
        ("{seeds: [1, 2], samples: 3, temperature: 1}", ":6: seeds are one answer with each seed"),
        ("{seeds: [1, 1], temperature: 1}", "non-unique"),
        ("{seeds: [1], temperature: 1}", "too short"),
        ("{seeds: 3, temperature: 1}", "is not of type 'array'"),
    ):
        said = ci("base", more=f"options: {wrong}\n")
        assert (said.code, why in said.out + said.err) == (2, True), (wrong, said)


def test_a_benchmarks_own_samples_are_in_place_of_the_seeds(ci):
    seeds = "no_baseline: pass\noptions: {seeds: [1, 2, 3], temperature: 0.7}\n"
    ci("base", more=seeds, bench="{benchmark: bench.yaml, samples: 2, limit: 10}")
    assert ci.asked == 20
    ci("same", more="no_baseline: pass\n", bench="{benchmark: bench.yaml, seeds: [4, 9], temperature: 1, limit: 10}")
    assert ci.asked == 20


def test_labels_of_people_are_in_the_verdict(ci, evalh, endpoint, tmp_path):
    """The judge finds every answer right; people see a loss of three in ten."""
    (tmp_path / "bench.yaml").write_text(JUDGED)
    judge = f"judge: {{judge: 'openai:judge-good', base_url: '{endpoint.url}'}}\n"
    bench = "{benchmark: bench.yaml, margin: 0.05}"

    def labelled(run, bad):
        rows = [{"id": f"{i}", "label": float(i % 10 >= bad)} for i in range(0, ITEMS, 2)]
        (tmp_path / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        said = evalh("judge", "calibrate", run, "--labels", "labels.jsonl")
        assert said.code == 0, said

    assert ci("base", more=judge + "no_baseline: create\n", bench=bench).code == 0
    labelled("runs/s-base", 1)
    assert evalh("baseline", "set", "s-base").code == 0
    said = ci("same", more=judge, bench=bench)
    assert (said.code, "what the judge gets wrong is not in the interval" in said.out) == (0, True), said
    labelled("runs/s-same", 5)
    said = ci("same", more=judge, bench=bench)
    task = ci.report()["models"][0]["comparison"]["tasks"][0]
    assert (said.code, ci.asked, task["method"]) == (1, 0, "prediction-powered"), said
    assert task["difference"] == pytest.approx(-0.4, abs=0.1)
    assert [part["source"] for part in task["uncertainty"]] == ["sampling", "judge"]


def test_a_judge_that_no_benchmark_wants_is_refused(ci, endpoint):
    said = ci("same", more="no_baseline: pass\njudge: openai:judge-good\n")
    assert (said.code, ci.asked) == (2, 0)
    assert "no benchmark of this suite wants a judge" in said.out
