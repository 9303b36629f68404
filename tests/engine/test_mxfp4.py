"""gpt-oss's four-bit weights are read as the numbers that transformers makes of them; bad ones are one line."""

import json
import shutil

import pytest
import torch
from closeness import BAR, apart
from safetensors.torch import load_file, save_file

from evalharness.engine import checkpoint
from evalharness.engine.base import EngineSettings
from evalharness.engine.loading import open_engine
from evalharness.errors import UserError

PART = "model.layers.1.mlp.experts.down_proj"


def in_blocks(matrices, generator):
    """Random four-bit blocks and scales of the shape of matrices [experts, inputs, outputs]."""
    experts, inputs, outputs = matrices.shape
    shape = (experts, outputs, inputs // 32)
    blocks = torch.randint(0, 256, (*shape, 16), generator=generator, dtype=torch.uint8)
    return blocks, torch.randint(120, 126, shape, generator=generator, dtype=torch.uint8)


@pytest.fixture
def folder(written, tmp_path):
    shutil.copytree(written("gpt-oss")[1], tmp_path, dirs_exist_ok=True)
    generator = torch.Generator().manual_seed(2)
    tensors, packed = load_file(tmp_path / "model.safetensors"), {}
    for name, tensor in tensors.items():
        if name.endswith("_proj") and ".experts." in name:
            packed[f"{name}_blocks"], packed[f"{name}_scales"] = in_blocks(tensor, generator)
        else:
            packed[name] = tensor
    save_file(packed, tmp_path / "model.safetensors", metadata={"format": "pt"})
    raw = json.loads((tmp_path / "config.json").read_text())
    how = {"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn", "lm_head"]}
    (tmp_path / "config.json").write_text(json.dumps({**raw, "quantization_config": how}))
    return tmp_path


def test_logits_equal_transformers_on_the_same_four_bits(folder, tmp_path):
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(
        folder, quantization_config=transformers.Mxfp4Config(dequantize=True), dtype=torch.float32,
        attn_implementation="eager",
    )  # fmt: skip
    engine = open_engine(folder, EngineSettings(threads=1))
    ids = torch.randint(0, 160, (2, 60), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        want = theirs(ids).logits
        assert apart(engine.decoder(ids), want) < BAR
    assert engine.describe()["backend"] == "native"
    decoder = checkpoint.load_decoder(folder)
    checkpoint.save_decoder(decoder, tmp_path / "again")  # as plain numbers, and said so
    assert "quantization_config" not in json.loads((tmp_path / "again" / "config.json").read_text())
    with torch.no_grad():
        assert apart(checkpoint.load_decoder(tmp_path / "again")(ids), want) < BAR


def test_scales_may_stand_in_another_file(folder):
    ids = torch.arange(20)[None]
    want = checkpoint.load_decoder(folder)(ids)
    tensors = load_file(folder / "model.safetensors")
    scales = {name: tensors.pop(name) for name in list(tensors) if name.endswith("_scales")}
    save_file(tensors, folder / "model.safetensors")
    save_file(scales, folder / "scales.safetensors")
    assert torch.equal(checkpoint.load_decoder(folder)(ids), want)


def test_the_memory_that_they_need_counts_both_halves_of_a_byte(folder, written):
    plain = sum(checkpoint.tensor_sizes(written("gpt-oss")[1]).values())
    assert plain == sum(p.numel() for p in checkpoint.load_decoder(folder).parameters())
    assert plain < sum(checkpoint.tensor_sizes(folder).values()) < 1.05 * plain  # the scales


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({f"{PART}_scales": None}, "_scales' beside it, it is missing"),
        ({f"{PART}_scales": torch.zeros(5, 32, 3, dtype=torch.uint8)}, r"cannot be read \(blocks"),
        ({f"{PART}_scales": torch.zeros(5, 32, 2)}, r"cannot be read \(blocks"),
        ({f"{PART}_scales": torch.full((5, 32, 2), 255, dtype=torch.uint8)}, "not numbers"),
        ({f"{PART}_blocks": torch.zeros(5, 32, 1, 16, dtype=torch.uint8),
          f"{PART}_scales": torch.zeros(5, 32, 1, dtype=torch.uint8)}, "has shape"),
        ({f"{PART}_blocks": None}, "missing from the weights"),
    ],
)  # fmt: skip
def test_blocks_that_do_not_belong_together_are_one_line(change, said, folder):
    tensors = {**load_file(folder / "model.safetensors"), **change}
    save_file({name: t for name, t in tensors.items() if t is not None}, folder / "model.safetensors")
    with pytest.raises(UserError, match=said) as found:
        open_engine(folder, EngineSettings(threads=1))
    assert "\n" not in str(found.value)
