"""Two published sets of answers to MMLU's 14,042 questions."""

import pytest
from mmlu_replay import replay_file


@pytest.mark.slow
def test_from_gpt4o_to_llama_is_worse_and_the_flips_add_up(evalh, shared, tmp_path):
    for model in ("gpt4o", "llama"):
        replay_file(shared, model, tmp_path / f"{model}.jsonl")
        said = evalh("run", "mmlu", "--model", f"replay:{model}.jsonl", "--data", shared / "mmlu", "--mode", "write",
                     "--name", model)  # fmt: skip
        assert said.code == 0, said.err
    said = evalh("compare", "gpt4o", "llama", "--gate", "--json", "--save-flips", "flips.jsonl")
    task = said.json["tasks"][0]
    assert (said.code, task["verdict"], task["n"], task["missing"]) == (1, "worse", 14042, 0)
    assert (task["fixed"], task["broke"]) == (646, 1510)
    assert task["difference"] == (task["fixed"] - task["broke"]) / task["n"]
    assert (round(task["low"], 4), round(task["high"], 4)) == (-0.0669, -0.0562)
    assert len((tmp_path / "flips.jsonl").read_text().splitlines()) == 646 + 1510
    itself = evalh("compare", "gpt4o", "gpt4o", "--json").json["tasks"][0]
    assert (itself["verdict"], itself["fixed"], itself["broke"]) == ("same", 0, 0)
