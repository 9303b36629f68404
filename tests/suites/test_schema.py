"""Suites: read with line numbers, run over every model, compared with their baseline, within their budget."""

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
import typer

from evalharness.cli import application
from evalharness.commands.run import BESIDE_A_SUITE
from evalharness.errors import UserError
from evalharness.executor import PlacementOptions
from evalharness.suites import schema

GOOD = """\
name: nightly
models:
  - echo
  - name: other
    model: echo
benchmarks:
  - benchmark: mmlu
    limit: 20
    margin: 0.1
options:
  data: sample
  shots: 0
"""

PLACED = """\
models:
  - model: echo
    placement:
      replicas: 2
benchmarks: [mmlu]
options: {data: sample, limit: 12}
"""


def written(tmp_path, text):
    path = tmp_path / "suite.yaml"
    path.write_text(text)
    return path


def test_a_suite_is_read(tmp_path):
    found = schema.load_suite(
        written(tmp_path, GOOD + "margin: 0.03\nbudget: {cost: 2.5}\ngate: {policy: require-pass}\n")
    )
    assert [model.name for model in found.models] == ["echo", "other"]
    assert found.own == {"mmlu": {"limit": 20}}
    assert found.margins == ("0.03", "mmlu=0.1")
    assert (found.budget.cost, found.gate, found.policy) == (2.5, True, "require-pass")


def test_a_folder_of_data_is_relative_to_the_file(tmp_path):
    found = schema.load_suite(written(tmp_path, "models: [echo]\nbenchmarks: [mmlu]\noptions: {data: rows}\n"))
    assert found.settings["data"] == str(tmp_path / "rows")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "models: [echo]\nbenchmarks:\n  - benchmark: mmlu\n    limt: 3\n",
            r":4: benchmarks\.0\.limt: .*did you mean limit\?",
        ),
        ("models: [echo]\nbenchmarks: [mmlu]\nmargin: 2\n", ":3: margin: 2 is greater"),
        ("models: []\nbenchmarks: [mmlu]\n", ":1: models: "),
        ("benchmarks: [mmlu]\n", ":1: 'models' is a required property"),
        ("models: [echo]\nbenchmarks: [mmlu]\noptions:\n  shots: many\n", r":4: options\.shots: 'many' is not of type"),
        ("models: [echo]\nbenchmarks: [mmlu]\nmodels: [echo]\n", ":3: the key 'models' is there twice"),
        ("models: [echo\nbenchmarks: [mmlu]\n", ":2:11: not valid YAML"),
        ("models: &a [echo]\nbenchmarks: *a\n", r":2: aliases \(\*a\) are not read"),
        ("models: [echo, echo]\nbenchmarks: [mmlu]\n", ":1: two models are called 'echo'"),
        (
            "models: [echo]\nbenchmarks: [mmlu]\noptions: {yes_run_untrusted_code: true}\n",
            ":3: .*there is no 'yes_run_unt",
        ),
        ("- models\n", ":1: wanted a mapping"),
        ("", "the file is empty"),
        ("models: !!python/object/apply:os.system [ls]\nbenchmarks: [x]\n", ":1: .*python/object"),
        ("1: x\n[2, 3]: y\n", ":2: wanted a name before the colon"),
        (PLACED.replace("replicas: 2", "replica: 2"), r":4: models\.0\.placement\.replica: .*did you mean replicas\?"),
        (PLACED.replace("replicas: 2", "replicas: 0"), r":4: models\.0\.placement\.replicas: 0 is less than"),
        (PLACED.replace("replicas: 2", "address: 'h:1'"), ":3: address does nothing without replicas or engine"),
    ],
)
def test_a_mistake_names_its_line(tmp_path, text, said):
    with pytest.raises(UserError, match=said) as raised:
        schema.load_suite(written(tmp_path, text))
    assert "\n" not in str(raised.value)


def test_what_cannot_be_read_is_one_line(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        schema.load_suite(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"models: [\xe9]\n")
    with pytest.raises(UserError, match="UTF-8"):
        schema.load_suite(tmp_path / "latin.yaml")


def test_every_model_is_run_and_compared_with_the_baseline(evalh, tmp_path):
    written(tmp_path, GOOD)
    said = evalh("run", "suite.yaml", "--json")
    assert said.code == 0, said.err
    assert [one["run"] for one in said.json["runs"]] == ["runs/nightly-echo", "runs/nightly-other"]
    assert said.json["runs"][0]["benchmarks"]["mmlu@sample"]["n"] == 20
    assert evalh("baseline", "set", "nightly-echo").code == 0
    written(tmp_path, GOOD + "baseline: main\ngate: {policy: require-pass}\n")
    again = evalh("run", "suite.yaml", "--json")
    assert again.code in (1, 5)
    assert again.json["exit_code"] == again.code
    assert again.json["runs"][0]["comparison"]["tasks"][0]["margin"] == 0.1
    assert "interval" in evalh("run", "suite.yaml").out
    shown = evalh("compare", "main", "nightly-echo", "--suite", "suite.yaml", "--json").json
    assert shown["tasks"][0]["margin"] == 0.1


def test_a_budget_ends_the_run_and_keeps_what_was_answered(evalh, tmp_path):
    (tmp_path / "answers.jsonl").write_text("".join(
        json.dumps({"id": f"anatomy/{i}", "text": "A", "tokens_in": 90, "tokens_out": 10, "cost": 0.5}) + "\n"
        for i in range(10)
    ))  # fmt: skip
    for split in ("dev", "test"):
        (tmp_path / split).mkdir()
        rows = "".join(f"Question {i}?,a,b,c,d,A\n" for i in range(10))
        (tmp_path / split / f"anatomy_{split}.csv").write_text(rows)
    text = ("models: ['replay:answers.jsonl']\nbenchmarks: [mmlu]\n"
            "options: {data: ., groups: [anatomy], mode: write, shots: 0}\nbudget: {%s}\n")  # fmt: skip
    written(tmp_path, text % "cost: 1.9")
    said = evalh("run", "suite.yaml")
    assert (said.code, "budget is used up ($1.50 of $1.90" in said.err) == (3, True), said.err
    assert evalh("run", "suite.yaml").code == 3
    written(tmp_path, text % "tokens: 10000")
    assert evalh("run", "suite.yaml").code == 0
    assert len((tmp_path / "runs/suite-replay-answers.jsonl/results.jsonl").read_text().splitlines()) == 10


def test_a_suite_stands_alone(evalh, tmp_path):
    written(tmp_path, GOOD)
    said = evalh("run", "suite.yaml", "--model", "echo")
    assert (said.code, said.err.count("\n")) == (2, 1)


def test_every_option_of_a_run_goes_with_a_suite_or_is_refused_by_name(tmp_path):
    path = str(written(tmp_path, GOOD))
    parameters = typer.main.get_command(application("run")).commands["run"].params
    options = {one.name for one in parameters} - BESIDE_A_SUITE - {"help"}
    assert {"replicas", "replica_resource", "no_cache", "shard", "budget_items", "judge", "temperature"} <= options
    for name in options:
        with pytest.raises(UserError, match=re.escape(name)):
            schema.is_suite([path], {name})


@pytest.mark.parametrize("command", ["run", "ci"])
def test_a_model_of_a_suite_runs_in_several_copies(evalh, tmp_path, command):
    (tmp_path / "suite.yaml").write_text(PLACED.replace("    placement:\n      replicas: 2\n", ""))
    assert evalh("run", "suite.yaml").code == 0
    alone = (tmp_path / "runs/suite-echo/summary.json").read_bytes()
    written(tmp_path, PLACED.replace("model: echo", "{name: two, model: echo, placement: {replicas: 2}}")
            .replace("    placement:\n      replicas: 2\n", ""))  # fmt: skip
    said = evalh(command, "suite.yaml", *(["--no-baseline", "pass"] if command == "ci" else []))
    assert said.code == 0, said.err
    folder = tmp_path / "runs/suite-two"
    assert json.loads((folder / "run.json").read_text())["model"]["placement"] == {"engine": "processes", "replicas": 2}
    assert (folder / "summary.json").read_bytes() == alone


def test_all_that_placement_takes_is_handed_on(tmp_path):
    placement = "{engine: ray, address: 'h:1', replica_cores: 3, replica_gpus: 1, replica_resource: {a100: 0.5, b: 2}}"
    (tmp_path / "suite.yaml").write_text(f"models:\n  - {{model: echo, placement: {placement}}}\nbenchmarks: [mmlu]\n")
    (model,) = schema.load_suite(tmp_path / "suite.yaml").models
    assert model.placement == PlacementOptions(
        engine="ray", address="h:1", replica_cores=3, replica_gpus=1, replica_resource=("a100=0.5", "b=2")
    )
    declared = json.loads(schema._SCHEMA.read_text())["properties"]["models"]["items"]["else"]["properties"]
    assert set(declared["placement"]["properties"]) == {one.name for one in fields(PlacementOptions)}


def test_items_of_flips_are_run_again(evalh, tmp_path):
    from run_folders import letters, write_run

    assert evalh("run", "mmlu", "--name", "a").code == 0
    ids = [json.loads(line)["id"] for line in (tmp_path / "runs/a/results.jsonl").read_text().splitlines()][:3]
    (tmp_path / "flips.jsonl").write_text(
        "".join(json.dumps({"benchmark": "mmlu@sample", "id": i}) + "\n" for i in ids)
    )
    said = evalh("run", "--items", "flips.jsonl", "--name", "b", "--json")
    assert said.code == 0, said.err
    again = [json.loads(line)["id"] for line in (tmp_path / "runs/b/results.jsonl").read_text().splitlines()]
    assert sorted(again) == sorted(ids)
    assert evalh("compare", "a", "b").code == 4
    both = evalh("compare", "a", "b", "--json", *(f"--allow-mismatch={f}" for f in ("items", "data", "prompt")))
    assert both.json["tasks"][0]["n"] == 3
    assert evalh("run").code == 2
    (tmp_path / "flips.jsonl").write_text('{"id": "x"}\n')
    assert "wanted an object with `benchmark` and `id`" in evalh("run", "--items", "flips.jsonl").err
    write_run(tmp_path / "runs/c", letters("quiz", "1100"))
    write_run(tmp_path / "runs/d", letters("quiz", "0110"))
    assert evalh("compare", "c", "d", "--save-flips", "f.jsonl").code == 0
    saved = [json.loads(line) for line in (tmp_path / "f.jsonl").read_text().splitlines()]
    assert saved == [
        {"benchmark": "quiz", "id": "g0/0", "change": "broke"},
        {"benchmark": "quiz", "id": "g0/2", "change": "fixed"},
    ]


def test_the_suites_of_the_documentation_are_read(tmp_path):
    page = (Path(__file__).resolve().parents[2] / "docs" / "ci.md").read_text()
    suites = [block for block in re.findall(r"```yaml\n(.*?)```", page, re.S) if "\nbenchmarks:" in block]
    assert len(suites) == 2
    first, found = (schema.load_suite(written(tmp_path, text)) for text in suites)
    assert first.rules["gsm8k"].tier == "critical"
    assert found.rules["./support.yaml"].limits == {"truncated": 0.05, "unparsed": 0.02}
    assert found.models[2].options["header"] == ("X-Team=TEAM_TOKEN",)
    assert found.models[1].baseline == "tuned"
    assert [judge.benchmarks for judge in found.judges] == [("alpaca_eval",), ()]
    assert found.judges[0].options["model"] == {"price_in": 2.5, "price_out": 10}
    assert found.own["./support.yaml"] == {"shots": 2, "repeats": 3, "temperature": 0.7}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("benchmarks: [{benchmark: mmlu, tear: advisory}]\n", r"no 'tear' here \(did you mean tier\?\)"),
        ("benchmarks: [{benchmark: mmlu, tier: vital}]\n", "'vital' is not one of"),
        ("benchmarks: [{benchmark: mmlu, limits: {unread: 0.1}}]\n", "no 'unread' here"),
        ("benchmarks: [mmlu]\nlimits: {error: 2}\n", "2 is greater than the maximum"),
        ("benchmarks: [mmlu]\njudge: {order: both}\n", "'judge' is a required property"),
        ("benchmarks: [mmlu]\nno_baseline: maybe\n", "'maybe' is not one of"),
        ("benchmarks: [mmlu]\noptions: {cache: false}\n", "no 'cache' here"),
    ],
)
def test_what_a_suite_cannot_take_is_refused_by_name(tmp_path, text, said):
    with pytest.raises(UserError, match=said):
        schema.load_suite(written(tmp_path, "models: [echo]\n" + text))


def test_paths_are_relative_to_the_suite(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evals").mkdir()
    for name in ("b.yaml", "answers.jsonl", "prompt.txt", "old.jsonl"):
        (tmp_path / "evals" / name).write_text("x")
    text = (
        "models: [{model: 'replay:answers.jsonl'}, "
        "{model: 'openai:m', name: m, system: prompt.txt, baseline: old.jsonl}]\n"
        "benchmarks: [./b.yaml]\nbaseline: main\n"
    )
    found = schema.load_suite(written(tmp_path / "evals", text).relative_to(tmp_path))
    assert found.models[0].spec == "replay:evals/answers.jsonl"
    assert found.models[1].options == {"system": "evals/prompt.txt"}
    assert (found.models[1].baseline, found.baseline) == ("evals/old.jsonl", "main")
    assert found.benchmarks == ("evals/b.yaml",)


def test_ceilings_and_relative_margins_are_rules(tmp_path):
    path = tmp_path / "suite.yaml"
    entry = "{benchmark: arc_challenge, relative_margin: 0.05, relative_guard: 0.2, max_cost: 3, max_seconds: 2.5}"
    path.write_text(f"models: [tiny]\nbenchmarks:\n  - {entry}\n")
    rule = schema.load_suite(path).rules["arc_challenge"]
    assert (rule.relative_margin, rule.relative_guard, rule.max_cost, rule.max_seconds) == (0.05, 0.2, 3, 2.5)
    path.write_text(f"models: [tiny]\nbenchmarks:\n  - {entry[:-1]}, margin: 0.01}}\n")
    with pytest.raises(UserError, match=r"suite.yaml:3: .*exclude each other"):
        schema.load_suite(path)
