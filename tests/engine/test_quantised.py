"""Quantised checkpoints go to transformers: they answer as its own model does; a missing library is one line."""

import json
import shutil

import pytest
import torch
from closeness import BAR, apart

from evalharness.engine.base import EngineSettings
from evalharness.engine.loading import open_engine
from evalharness.errors import UserError

SIZES = {
    "vocab_size": 160, "hidden_size": 128, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 4, "max_position_embeddings": 128,
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("bits", [4, 8])
def test_bitsandbytes_answers_as_in_transformers(bits, tmp_path):
    pytest.importorskip("bitsandbytes")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES)).save_pretrained(tmp_path / "full")
    how = {4: {"load_in_4bit": True, "bnb_4bit_compute_dtype": torch.float32}, 8: {"load_in_8bit": True}}[bits]
    theirs = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path / "full", quantization_config=transformers.BitsAndBytesConfig(**how), dtype=torch.float32
    )
    theirs.save_pretrained(tmp_path / "quantised")
    engine = open_engine(tmp_path / "quantised", EngineSettings(threads=1))
    ids = torch.arange(5, 45)[None]
    with torch.no_grad():
        assert apart(engine.passes.texts(ids.tolist()).logits, theirs(ids).logits) < BAR
    assert engine.describe()["why"] == "the native decoder does not know weights that are quantised (bitsandbytes)"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemm", "zero_point": True}, "pip install"),
        ({"quant_method": "gptq", "bits": 4, "group_size": 32, "desc_act": False}, "pip install"),
        ({"quant_method": "aqlm"}, "pip install"),
        (7, "cannot open it"),
    ],
)
def test_a_missing_library_is_one_line(how, said, written, tmp_path):
    pytest.importorskip("transformers")
    shutil.copytree(written("llama2")[1], tmp_path, dirs_exist_ok=True)
    raw = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**raw, "quantization_config": how}))
    with pytest.raises(UserError, match="weights that are quantised") as found:
        open_engine(tmp_path, EngineSettings(threads=1))
    assert said in str(found.value) and "\n" not in str(found.value)


def test_tensors_that_are_missing_are_not_made_up(written, tmp_path):
    pytest.importorskip("transformers")
    shutil.copytree(written("llama2")[1], tmp_path, dirs_exist_ok=True)
    raw = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**raw, "num_hidden_layers": 5}))
    with pytest.raises(
        UserError, match=r"model.layers.4.\S+, model.layers.4.\S+ and \d+ more missing from the weights"
    ):
        open_engine(tmp_path, EngineSettings(threads=1, backend="hf"))
