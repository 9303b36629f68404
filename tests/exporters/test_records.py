"""A run as records of Every Eval Ever and as results for the hub. The schemas in `every_eval_ever/` are those of the
package every-eval-ever 0.3.0 (https://github.com/evaleval/every_eval_ever), under the licence beside them."""

import json
from pathlib import Path

import pytest
import yaml
from jsonschema.validators import validator_for

from evalharness.runs.store import Run

SCHEMAS = Path(__file__).with_name("every_eval_ever")


def checked(name, value):
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    validator_for(schema)(schema).validate(value)
    return value


@pytest.mark.parametrize("mode", ["rank", "write"])
def test_records_of_every_eval_ever_keep_to_their_schema_and_come_back(evalh, tmp_path, mode):
    assert evalh("run", "tiny_exam", "--mode", mode, "--limit", "12", "--name", "ours").code == 0
    assert evalh("export", "ours", "every_eval_ever", "--to", "out").code == 0
    (record,) = (tmp_path / "out/data/tiny_exam/unknown/tiny").glob("*[0-9a-f].json")
    about = checked("eval", json.loads(record.read_text()))
    lines = (tmp_path / "out" / about["detailed_evaluation_results"]["file_path"]).read_text().splitlines()
    rows = [checked("instance_level_eval", json.loads(line)) for line in lines]
    assert len(rows) == 12 and about["detailed_evaluation_results"]["total_rows"] == 12
    ours = Run(tmp_path / "runs/ours").summary.benchmarks["tiny_exam"].headline_figure
    assert about["evaluation_results"][0]["score_details"]["score"] == ours.value
    assert evalh("import", "every_eval_ever", record, "--name", "back").code == 0
    back = Run(tmp_path / "runs/back").summary.benchmarks["tiny_exam"].headline_figure
    assert back.value == pytest.approx(ours.value)
    said = evalh("compare", "ours", "back", "--json", "--allow-mismatch", "mode")
    (task,) = said.json["tasks"]
    assert (task["n"], task["broke"], task["fixed"]) == (12, 0, 0), said.err


def test_results_for_the_hub_are_those_of_its_own_data_sets(evalh, tmp_path):
    assert evalh("run", "tiny_exam", "gsm8k", "--limit", "4", "--data", "sample", "--name", "ours").code == 0
    refused = evalh("export", "ours", "hf_eval_results")
    assert refused.code == 2 and "data from the hub" in refused.err and not (tmp_path / "ours.yaml").exists()
    manifest = tmp_path / "runs/ours/run.json"
    said = json.loads(manifest.read_text())
    said["benchmarks"]["gsm8k@sample"]["data"] |= {"origin": "hub openai/gsm8k", "kind": "hub", "revision": "e" * 40}
    manifest.write_text(json.dumps(said))
    assert evalh("export", "ours", "hf_eval_results").code == 0
    (one,) = yaml.safe_load((tmp_path / "ours.yaml").read_text())
    assert one["dataset"] == {"id": "openai/gsm8k", "task_id": "default", "revision": "e" * 40}
    assert 0 <= one["value"] <= 1 and "95 % interval" in one["notes"]


def test_a_model_card_takes_the_figures_with_their_intervals(evalh, tmp_path):
    from huggingface_hub import ModelCard

    assert evalh("run", "tiny_exam", "--limit", "12", "--name", "ours").code == 0
    assert evalh("export", "ours", "hf_model_index").code == 0
    card = ModelCard(f"---\n{(tmp_path / 'ours.yaml').read_text()}---\n# Ours\n")
    (one,) = (found for found in card.data.eval_results if found.metric_type == "accuracy")
    figure = Run(tmp_path / "runs/ours").summary.benchmarks["tiny_exam"].metrics["accuracy"]
    assert (one.dataset_name, one.metric_value) == ("tiny_exam", pytest.approx(figure.value, rel=1e-5))
    assert one.metric_args["low"] <= one.metric_value <= one.metric_args["high"] and one.metric_args["n"] == 12
