"""Checkpoints that are not whole, or whose parts do not belong together, are refused in a line that names the part."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from evalharness.engine import checkpoint
from evalharness.engine.config import parse_config, read_config
from evalharness.engine.decoder import Decoder, initialise
from evalharness.engine.families import UnsupportedError
from evalharness.errors import UserError

RAW = {
    "model_type": "llama", "vocab_size": 60, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 1,
}  # fmt: skip
Q = "model.layers.1.self_attn.q_proj.weight"


@pytest.fixture
def folder(tmp_path):
    decoder = Decoder(parse_config(RAW))
    initialise(decoder, torch.Generator().manual_seed(0))
    checkpoint.save_decoder(decoder, tmp_path / "model")
    return tmp_path / "model"


def change(folder, name, tensor):
    tensors = load_file(folder / "model.safetensors")
    if tensor is None:
        del tensors[name]
    else:
        tensors[name] = tensor
    save_file(tensors, folder / "model.safetensors")


def refused(folder, *said):
    with pytest.raises(UserError) as caught:
        checkpoint.load_decoder(folder)
    message = str(caught.value)
    assert "\n" not in message
    for part in said:
        assert part in message, message


def test_no_config(folder):
    (folder / "config.json").unlink()
    refused(folder, "config.json", "missing")


def test_config_that_is_not_json(folder):
    (folder / "config.json").write_text("{")
    refused(folder, "config.json", "not valid JSON")


def test_config_with_a_field_of_the_wrong_kind(folder):
    (folder / "config.json").write_text(json.dumps({**RAW, "hidden_size": "wide"}))
    refused(folder, "config.json", "wide")


def test_no_weights_and_pickled_weights(folder):
    (folder / "model.safetensors").unlink()
    refused(folder, "*.safetensors")
    (folder / "pytorch_model.bin").write_bytes(b"")
    refused(folder, "pytorch_model.bin", "convert")


@pytest.mark.parametrize("kept", [0, 4, 100, 0.5, 0.999])
def test_truncated_weights(folder, kept):
    file = folder / "model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * kept) if kept < 1 else kept])
    refused(folder, "model.safetensors", "not a whole safetensors file")


def test_missing_shard(folder):
    checkpoint.save_decoder(checkpoint.load_decoder(folder), folder / "shards", shard_bytes=4000)
    shards = sorted((folder / "shards").glob("*.safetensors"))
    assert len(shards) > 2
    shards[1].unlink()
    refused(folder / "shards", shards[1].name, "missing")
    (folder / "shards" / checkpoint.INDEX).unlink()
    refused(folder / "shards", f"wanted {len(shards)} shards, there are {len(shards) - 1}")


def test_broken_index(folder):
    (folder / checkpoint.INDEX).write_text("[]")
    refused(folder, checkpoint.INDEX)


def test_wrong_shape_names_the_tensor(folder):
    change(folder, Q, torch.zeros(16, 8))
    refused(folder, Q, "[16, 8]", "[16, 16]")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_numbers(folder, value):
    weight = load_file(folder / "model.safetensors")[Q]
    weight[3, 4] = value
    change(folder, Q, weight)
    refused(folder, Q, "1 values that are not numbers")


def test_missing_and_left_over_tensors(folder):
    change(folder, Q, None)
    refused(folder, Q, "missing from the weights")
    change(folder, Q, torch.zeros(16, 16))
    change(folder, "model.layers.7.extra.weight", torch.zeros(1))
    refused(folder, "model.layers.7.extra.weight", "no place for")


def test_a_head_missing_in_the_weights_means_tied(folder):
    head = load_file(folder / "model.safetensors")["lm_head.weight"]
    change(folder, "model.embed_tokens.weight", head)
    want = checkpoint.load_decoder(folder)(torch.arange(9)[None])
    change(folder, "lm_head.weight", None)
    tied = checkpoint.load_decoder(folder)
    assert tied.lm_head is None and torch.equal(tied(torch.arange(9)[None]), want)


def test_gpt2_without_its_prefix_and_with_old_buffers(tmp_path):
    raw = {"model_type": "gpt2", "vocab_size": 50, "n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 32}
    decoder = Decoder(parse_config(raw))
    initialise(decoder, torch.Generator().manual_seed(0))
    checkpoint.save_decoder(decoder, tmp_path)
    tensors = {n.removeprefix("transformer."): t for n, t in load_file(tmp_path / "model.safetensors").items()}
    tensors["h.0.attn.bias"] = torch.ones(1, 1, 32, 32).tril()
    tensors["h.0.attn.masked_bias"] = torch.tensor(-1e4)
    save_file(tensors, tmp_path / "model.safetensors")
    ids = torch.arange(9)[None]
    assert torch.equal(checkpoint.load_decoder(tmp_path)(ids), decoder(ids))


def test_gemma3_inside_a_multimodal_checkpoint(tmp_path):
    text = {**RAW, "model_type": "gemma3_text", "head_dim": 8, "tie_word_embeddings": True}
    decoder = Decoder(parse_config(text))
    initialise(decoder, torch.Generator().manual_seed(0), std=0.2)
    checkpoint.save_decoder(decoder, tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    renamed = {f"language_model.{n}": t for n, t in tensors.items()} | {"vision_tower.w": torch.ones(2)}
    save_file(renamed, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gemma3", "text_config": text}))
    ids = torch.arange(9)[None]
    assert torch.equal(checkpoint.load_decoder(tmp_path)(ids), decoder(ids))


@pytest.mark.parametrize(
    "change_",
    [
        {"model_type": "dbrx"},
        {"model_type": "mamba"},
        {"rope_scaling": {"rope_type": "proportional", "factor": 4.0}},
        {"hidden_act": "quick_gelu"},
        {"quantization_config": {"bits": 4}},
    ],
)
def test_unknown_architectures_are_not_guessed(change_):
    with pytest.raises(UnsupportedError):
        parse_config({**RAW, **change_})


def test_unknown_architecture_without_transformers_says_what_to_install(folder, monkeypatch):
    import sys

    from evalharness.engine.base import EngineSettings
    from evalharness.engine.loading import open_engine

    (folder / "config.json").write_text(json.dumps({**RAW, "model_type": "mamba"}))
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UserError, match=r"model_type 'mamba'.*pip install \"evalharness\[hf\]\""):
        open_engine(folder, EngineSettings())


def test_bfloat16_and_float16_are_read_in_float32(folder):
    for dtype in (torch.bfloat16, torch.float16):
        target = folder.parent / str(dtype)
        checkpoint.save_decoder(checkpoint.load_decoder(folder), target, dtype=dtype)
        assert checkpoint.stored_dtype(target) == dtype
        assert checkpoint.load_decoder(target).dtype == torch.float32
        shutil.rmtree(target)


def test_read_config_of_no_folder(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        read_config(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"num_local_experts": 7}, "missing from the weights"),
        ({"num_local_experts": 3}, "experts.3.w1.weight|gate.weight has shape"),
        ({"num_experts_per_tok": 9}, "each token takes 9 of 5 experts"),
        ({"num_experts_per_tok": 0}, "each token takes 0 of 5 experts"),
        ({"num_local_experts": 1 << 40}, "more than 16,384"),
        ({"num_local_experts": "many"}, "wrong kind"),
        ({"intermediate_size": 40}, "has shape"),
    ],
)
def test_a_mixture_with_a_wrong_number_of_experts_is_one_line(change, said, written, tmp_path):
    shutil.copytree(written("mixtral")[1], tmp_path, dirs_exist_ok=True)
    raw = {**json.loads((tmp_path / "config.json").read_text()), **change}
    (tmp_path / "config.json").write_text(json.dumps(raw))
    with pytest.raises(UserError, match=said) as found:
        checkpoint.load_decoder(tmp_path)
    assert "\n" not in str(found.value)
