"""What fine-tuning leaves behind is read by others: transformers, PEFT, mlx-lm's loader, safetensors, llama.cpp."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from closeness import BAR, apart
from exports.go_templates import commands, ollama
from exports.llama_cpp import LlamaCpp
from exports.small import FAMILIES, byte_level, checkpoint_folder
from huggingface_hub import ModelCard
from safetensors import safe_open

from evalharness import plugins
from evalharness.api import finetune
from evalharness.chat.render import choose_chat, own_template
from evalharness.engine import checkpoint
from evalharness.engine.config import read_config
from evalharness.engine.tokenizer import open_tokenizer
from evalharness.errors import UserError
from evalharness.exports.model_card import CARD_MARK
from evalharness.options import LocalOptions
from evalharness.records import Message, Request
from evalharness.training.callbacks import BenchmarkChecks
from evalharness.training.config import TrainingConfig
from evalharness.training.export import spell_out
from evalharness.training.finetune import Tuned
from evalharness.training.lora import Lora

# What the classes ModelArgs of https://github.com/ml-explore/mlx-lm (mlx_lm/models) have no default for.
_LLAMA = {
    "model_type", "hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads", "rms_norm_eps",
    "vocab_size",
}  # fmt: skip
MLX_KEYS = {
    "llama": _LLAMA, "mistral": _LLAMA, "qwen2": _LLAMA | {"num_key_value_heads"},
    "qwen3": _LLAMA
    | {"num_key_value_heads", "max_position_embeddings", "rope_theta", "head_dim", "tie_word_embeddings"},
    "gemma": _LLAMA | {"head_dim", "num_key_value_heads"}, "gemma2": _LLAMA | {"head_dim", "num_key_value_heads"},
    "smollm3": _LLAMA,
}  # fmt: skip


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("data") / "secret-rows.jsonl"
    made = [{"instruction": f"say {a}{b}", "output": "yes"} for a in "abcdefgh" for b in "abcd"]
    file.write_text("".join(json.dumps(row) + "\n" for row in made))
    return file


@pytest.fixture(scope="module", params=[None, Lora(rank=4, alpha=8)], ids=["whole", "lora"])
def tuned(request: pytest.FixtureRequest, rows: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tuned]:
    torch.set_num_threads(1)
    base = checkpoint_folder(tmp_path_factory.mktemp("base"), FAMILIES["llama 3"], byte_level(), torch.float32)
    export = "gguf:f16" if importlib.util.find_spec("gguf") else ""
    yield finetune(
        rows, str(base), tmp_path_factory.mktemp("out") / "tuned", style="chatml", export=export, answer_tokens=4,
        settings=TrainingConfig(epochs=2, lora=request.param), threads=1,
        asking=BenchmarkChecks(names=("mmlu",), data={"mmlu": "sample"}, limit=4),
    )  # fmt: skip


def test_transformers_reads_weights_tokenizer_and_template(tuned: Tuned) -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tuned.out).eval()
    ids = torch.randint(0, 400, (2, 30), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert apart(checkpoint.load_decoder(tuned.out)(ids), theirs(ids).logits) < BAR
    words = transformers.AutoTokenizer.from_pretrained(tuned.out)
    said = [{"role": "system", "content": "s"}, {"role": "user", "content": "say ab"}]
    chat = choose_chat(None, own_template(tuned.out), open_tokenizer(tuned.out, 420))
    ours = chat.ask([Message("system", "s"), Message("user", "say ab")])
    assert list(words.apply_chat_template(said, add_generation_prompt=True, return_dict=False)) == ours.ids
    assert set(theirs.generation_config.eos_token_id) == chat.stops


def test_safetensors_holds_the_same_names_and_numbers(tuned: Tuned) -> None:
    ours = checkpoint.state(checkpoint.load_decoder(tuned.out))
    with safe_open(tuned.out / "model.safetensors", framework="pt") as opened:
        assert set(opened.keys()) == set(ours)
        assert opened.metadata() == {"format": "pt"}
        assert all(torch.equal(opened.get_tensor(name), ours[name]) for name in ours)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft calls what transformers renames
def test_peft_reads_the_adapters_and_merges_to_the_whole_model(tuned: Tuned) -> None:
    if not (tuned.out / "adapter").is_dir():
        pytest.skip("no adapters were trained")
    peft, transformers = pytest.importorskip("peft"), pytest.importorskip("transformers")
    config = peft.PeftConfig.from_pretrained(tuned.out / "adapter")
    base = transformers.AutoModelForCausalLM.from_pretrained(config.base_model_name_or_path)
    theirs = peft.PeftModel.from_pretrained(base, tuned.out / "adapter").merge_and_unload().eval()
    ids = torch.randint(0, 400, (2, 30), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert apart(checkpoint.load_decoder(tuned.out)(ids), theirs(ids).logits) < BAR


def test_llama_cpp_reads_the_file_and_asks_as_we_do(tuned: Tuned) -> None:
    if tuned.gguf is None or importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("gguf or xllamacpp is not installed")
    chat = choose_chat(None, own_template(tuned.out), open_tokenizer(tuned.out, 420))
    prompt = chat.ask([Message("user", "say ab")])
    there = LlamaCpp(tuned.gguf)
    assert there.encode(prompt.text) == prompt.ids
    model = plugins.load_model(f"local:{tuned.out}", LocalOptions(threads=1))
    ((_, ours),) = model.answer([Request(messages=(Message("user", "say ab"),), max_tokens=8)])
    assert ours.text.startswith("yes")
    assert there.chat("say ab", 8).partition("\ufffd")[0] == ours.text.partition("\ufffd")[0]


def test_the_modelfile_asks_as_the_template_does(tuned: Tuned) -> None:
    found = commands((tuned.out / "Modelfile").read_text("utf-8"))
    assert found["FROM"] == ["./model.gguf" if tuned.gguf else "."]
    chat = choose_chat(None, own_template(tuned.out), open_tokenizer(tuned.out, 420))
    assert ollama(found["TEMPLATE"][0], [("user", "say ab")]) == chat.ask([Message("user", "say ab")]).text


def test_the_card_says_what_was_measured_and_nothing_of_this_machine(tuned: Tuned, rows: Path) -> None:
    text = (tuned.out / "README.md").read_text("utf-8")
    assert CARD_MARK in text
    card = ModelCard(text)
    found = {(r.dataset_name, r.metric_type): r for r in card.data.eval_results}
    accuracy = found["mmlu@sample", "accuracy"]
    assert accuracy.metric_args["n"] == 4
    assert accuracy.metric_args["low"] <= accuracy.metric_value <= accuracy.metric_args["high"]
    assert accuracy.dataset_type == "mmlu@sample"  # never the benchmark's own data set
    answered = tuned.answered["metrics"]["exact_match"]
    assert found["held-out rows of the training data", "exact_match"].metric_value == pytest.approx(answered, abs=1e-5)
    about = json.loads((tuned.out / "training" / "training.json").read_text())
    assert about["data"]["sha256"] in text
    assert about["identity"]["weights"] in text
    assert "secret-rows.jsonl" in text
    assert str(rows.parent) not in text
    assert str(tuned.out.parent) not in text


def mlx_reads(folder: Path) -> dict[str, Any]:
    """What mlx-lm's loader asks of a folder (mlx_lm/utils.py: load_config, load_model, load_tokenizer)."""
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    assert MLX_KEYS[config["model_type"]] <= set(config)
    files = sorted(folder.glob("model*.safetensors"))
    assert files
    assert (folder / "tokenizer.json").is_file()
    assert (folder / "tokenizer_config.json").is_file()
    held = set()
    for file in files:
        with safe_open(file, framework="pt") as opened:
            held |= set(opened.keys())
    assert ("lm_head.weight" in held) == (not config["tie_word_embeddings"])  # its strict loading
    return config


def test_mlx_finds_the_files_and_keys_that_it_asks_for(tuned: Tuned) -> None:
    config = mlx_reads(tuned.out)
    ends = json.loads((tuned.out / "generation_config.json").read_text())["eos_token_id"]
    assert len(ends) == 2  # the end of text, and that of a turn
    assert config["rope_theta"] == 500000.0
    assert config["rope_scaling"]["rope_type"] == "llama3"


@pytest.mark.parametrize("family", ["llama, biases", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "smollm3"])
def test_defaults_that_others_do_not_share_are_spelled_out(family: str, tmp_path: Path) -> None:
    """Hugging Face's files leave defaults out; mlx-lm has none for some, and others (a tied head) for some."""
    folder = checkpoint_folder(tmp_path, FAMILIES[family], byte_level(), torch.float32)
    before = read_config(folder)
    spell_out(before, folder)
    mlx_reads(folder)
    after = read_config(folder)
    assert {f: getattr(after, f) for f in after.__dataclass_fields__ if f != "raw"} == {
        f: getattr(before, f) for f in before.__dataclass_fields__ if f != "raw"
    }
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = torch.randint(0, 400, (1, 40), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert apart(checkpoint.load_decoder(folder)(ids), theirs(ids).logits) < BAR


def test_what_cannot_be_exported_is_said_before_the_first_step(rows: Path, tmp_path: Path) -> None:
    base = checkpoint_folder(tmp_path / "base", FAMILIES["qwen2"], byte_level(), torch.float32)
    with pytest.raises(UserError, match="export wants gguf"):
        finetune(rows, str(base), tmp_path / "out", export="onnx")
    pytest.importorskip("gguf")
    raw = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**raw, "rope_scaling": FAMILIES["llama 3"]["rope_scaling"]}))
    with pytest.raises(UserError, match="llama3's positions"):
        finetune(rows, str(base), tmp_path / "out", export="gguf")
    assert not (tmp_path / "out").exists()
