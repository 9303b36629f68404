"""Configurations of promptfoo and of OpenAI's hosted evals become suites that run; what is left out is said by line."""

import json
from pathlib import Path

import pytest
import yaml

from evalharness import plugins
from evalharness.data.yaml_lines import read_yaml
from evalharness.errors import DataError, UserError
from evalharness.suites.carried import write_carried
from evalharness.suites.carry import carried_from
from evalharness.suites.from_promptfoo import carried_config
from evalharness.suites.schema import load_suite

CONFIG = """description: Capitals and more
prompts:
  - "What is the capital of {{country}}?"
  - id: file://prompts/terse.txt
    label: terse
  - file://prompts/chat.json
providers:
  - id: openai:chat:gpt-4o-mini
    config: {temperature: 0, max_tokens: 64, seed: 3}
  - id: ollama:chat:llama3.2
    config: {temperature: 0, max_tokens: 64}
  - file://provider.py
defaultTest:
  vars: {style: short}
  assert:
    - type: not-contains
      value: language model
tests:
  - vars: {country: Peru, capital: Lima}
    assert:
      - type: icontains
        value: "{{capital}}"
      - type: javascript
        value: output.length < 9
  - vars: {country: [Kenya, Fiji]}
    assert:
      - type: regex
        value: "Nairobi|Suva"
        weight: 2
      - type: llm-rubric
        value: Names no other city
  - file://more.csv
scenarios:
  - config: [{vars: {country: Norway}}, {vars: {country: Jordan}}]
    tests: [{assert: [{type: contains-any, value: [Oslo, Amman]}]}]
redteam: {plugins: [pii]}
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/terse.txt").write_text("Capital of {{country}}, {{style}}:\n")
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "{{country}}{{nothing}}?"}]
    (tmp_path / "prompts/chat.json").write_text(json.dumps(chat))
    (tmp_path / "more.csv").write_text("country,__expected,__metric\nChad,contains: Djamena,x\nOman,Muscat,\n")
    file = tmp_path / "promptfooconfig.yaml"
    file.write_text(CONFIG)
    return file


def written(file, folder):
    carried = carried_from(file)
    write_carried(folder, carried, file)
    return load_suite(folder / "suite.yaml"), carried.left_out


def rows(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_promptfoos_configuration_becomes_a_suite(config, tmp_path):
    suite, left = written(config, tmp_path / "out")
    assert suite.name == "capitals-and-more"
    assert [(m.spec, m.options) for m in suite.models] == [
        ("openai:gpt-4o-mini", {}), ("openai:llama3.2", {"base_url": "http://localhost:11434/v1"})
    ]  # fmt: skip
    assert suite.settings == {"temperature": 0, "max_tokens": 64}
    assert suite.benchmarks == (
        "prompt-1", "prompt-1-rubric", "terse", "terse-rubric", "prompt-3", "prompt-3-rubric"
    )  # fmt: skip
    (judge,) = suite.judges
    assert judge.spec.endswith("rubric.yaml=openai:gpt-4o-mini")
    found = rows(tmp_path / "out/terse.jsonl")
    assert [row["country"] for row in found] == ["Peru", "Kenya", "Fiji", "Chad", "Oman", "Norway", "Jordan"]
    common = {"type": "not-contains", "value": "language model"}
    assert found[0]["checks"] == [common, {"type": "icontains", "value": "Lima"}]
    assert found[4]["checks"] == [common, {"type": "equals", "value": "Muscat"}]
    assert found[5]["checks"] == [common, {"type": "contains-any", "value": ["Oslo", "Amman"]}]
    assert rows(tmp_path / "out/terse-rubric.jsonl")[0]["rubric"] == "- Names no other city"
    at = [(int(line.split(":")[1]), line.split(": ", 1)[1]) for line in left]
    assert (23, "the assertion javascript is not carried over") in at
    assert [line for line, what in at if what.startswith("weight of an assertion")] == [29]
    assert [what for line, what in at if line == 8] == [
        "seed of the provider openai:chat:gpt-4o-mini is not carried over"
    ]
    assert {"redteam is not carried over", "the provider file://provider.py is not carried over",
            "more.csv: its column __metric is not carried over"} <= {what for _, what in at}  # fmt: skip
    assert any("its system message is not carried over" in what and "Be brief." in what for _, what in at)


def test_what_was_carried_runs_and_is_scored_by_its_checks(config, tmp_path, evalh, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = evalh("init", "out", "--from", str(config))
    assert said.code == 0 and "evalh run out/suite.yaml" in said.out
    assert "promptfooconfig.yaml:23: the assertion javascript" in said.err
    (tmp_path / "answers.jsonl").write_text(
        "".join(json.dumps({"id": str(i + 1), "text": text}) + "\n" for i, text in enumerate(
            ["It is LIMA.", "Nairobi", "I am a language model. Suva", "N'Djamena", " Muscat ", "Oslo", "Bergen"]
        ))
    )  # fmt: skip
    ran = evalh("run", "out/terse.yaml", "--model", "replay:answers.jsonl", "--name", "kept")
    assert ran.code == 0, ran.err
    kept = {row["sample"]["id"]: row for row in rows(tmp_path / "runs/kept/results.jsonl")}
    assert [kept[str(i)]["status"] for i in range(1, 8)] == ["correct"] * 2 + ["wrong"] + ["correct"] * 3 + ["wrong"]
    assert kept["3"]["scores"]["checks_passed"] == 0.5 and "not-contains" in kept["3"]["detail"]["failed"][0]
    again = evalh("init", "out", "--from", str(config))
    assert again.code == 2 and "nothing is written over" in again.err


HOSTED = {
    "eval": {
        "name": "Tickets",
        "data_source_config": {"type": "custom", "item_schema": {"type": "object", "properties": {"text": {}}}},
        "testing_criteria": [
            {"type": "string_check", "name": "match", "input": "{{ sample.output_text }}", "operation": "ilike",
             "reference": "{{ item.label }}"},
            {"type": "label_model", "name": "tone", "model": "gpt-4o", "labels": ["kind", "rude"],
             "passing_labels": ["kind"], "input": [{"role": "user", "content": "Label {{sample.output_text}}"}]},
            {"type": "text_similarity", "name": "like", "evaluation_metric": "bleu"},
        ],
    },
    "runs": [
        {"data_source": {
            "type": "completions", "model": "gpt-4o-mini", "sampling_params": {"temperature": 0.2, "top_p": None},
            "input_messages": {"type": "template", "template": [
                {"role": "developer", "content": "Classify."},
                {"role": "user", "content": "Ticket: {{ item.text }}"}]},
            "source": {"type": "file_content", "content": [
                {"item": {"text": "my mouse", "label": "Hardware"}},
                {"item": {"text": "my app", "label": "Software"}}]},
        }},
    ],
}  # fmt: skip


def test_an_eval_of_openais_becomes_a_suite(tmp_path):
    file = tmp_path / "eval.json"
    file.write_text(json.dumps(HOSTED))
    suite, left = written(file, tmp_path / "out")
    assert [m.spec for m in suite.models] == ["openai:gpt-4o-mini"] and suite.settings == {"temperature": 0.2}
    assert suite.benchmarks == ("tickets", "tickets-rubric")
    assert rows(tmp_path / "out/tickets.jsonl")[1]["checks"] == [{"type": "icontains", "value": "Software"}]
    sample = plugins.load_benchmark(str(tmp_path / "out/tickets.yaml")).sample(rows(tmp_path / "out/tickets.jsonl")[0])
    assert sample.question == "Ticket: my mouse"
    assert [line.split(": ", 1)[1].split(";")[0] for line in left] == [
        "its developer message is not carried over", "the criterion 'like' (text_similarity) is not carried over"
    ]  # fmt: skip


def test_an_eval_without_a_run_takes_the_rows_beside_it(tmp_path):
    file = tmp_path / "eval.json"
    file.write_text(json.dumps(HOSTED["eval"]))
    with pytest.raises(UserError, match=r"put its rows beside it as rows\.jsonl"):
        written(file, tmp_path / "out")
    (tmp_path / "rows.jsonl").write_text(json.dumps({"item": {"text": "my mouse", "label": "Hardware"}}) + "\n")
    suite, left = written(file, tmp_path / "out")
    assert [m.spec for m in suite.models] == ["tiny"] and any(
        "'text' of the rows is asked as it is" in said for said in left
    )


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.yaml", "models: [x]", "neither promptfoo's configuration"),
        ("a.json", "{", "not valid JSON"),
        ("a.yaml", "prompts: [x]\ntests: [{vars: {a: 1}}]", "no test of it can be carried over"),
        ("a.yaml", "prompts: [x]\ntests: ['file:///etc/passwd']", "outside"),
        ("a.yaml", "prompts: ['{{a']\ntests: [{assert: [{type: equals, value: a}]}]", "template is not one"),
    ],
)
def test_other_files_are_refused_in_one_line(name, text, says, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises((UserError, DataError), match=says):
        write_carried(tmp_path / "out", carried_from(tmp_path / name), Path(name))
    assert not (tmp_path / "out").exists()


ALIASED = """defaults: &base {a: 1, country: Chad}
prompts: ["{{country}}?", "{{other}}?"]
providers: [openai:m]
tests:
  - &one
    vars: &peru {<<: *base, country: Peru, other: &long Lima}
    assert: &named [{type: icontains, value: *long}]
  - {vars: {<<: [{country: Fiji}, *peru]}, assert: *named}
  - <<: *one
    vars: {country: Oman, other: Muscat}
"""


def test_aliases_and_merged_mappings_are_read_as_yaml_has_them(tmp_path):
    file = tmp_path / "promptfooconfig.yaml"
    file.write_text(ALIASED)
    held = read_yaml(file, repeated=(twice := []), aliases=True)
    assert dict(held.value) == {**yaml.safe_load(ALIASED)} and twice == []
    assert [test["vars"]["country"] for test in held.value["tests"]] == ["Peru", "Fiji", "Oman"]
    carried_config(file)


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x]\n"
        + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(24)),
        "a: &a {k: x}\n"
        + "".join(f"{chr(98 + n)}: &{chr(98 + n)} {{<<: [*{chr(97 + n)}, *{chr(97 + n)}]}}\n" for n in range(24)),
        "a: &a [*a]\n",
        "a: &a {<<: *a}\n",
        "a: &a {b: *a}\n",
        f"a: &a {'x' * 9000}\nb: [{', '.join(['*a'] * 9000)}]\n",
    ],
    ids=["lists", "merged", "itself", "merged into itself", "itself by a key", "a long text"],
)
def test_aliases_that_unfold_without_end_are_refused_in_one_line(text, tmp_path, evalh):
    (tmp_path / "promptfooconfig.yaml").write_text(f"prompts: [p]\n{text}")
    said = evalh("init", "evals", "--from", "promptfooconfig.yaml")
    assert said.code == 2 and said.err.count("\n") == 1 and "unfold to more than can be read" in said.err
