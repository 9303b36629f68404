"""From trained weights to a folder that transformers, vLLM, MLX and Ollama load, read back before it counts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from evalharness.chat.render import Chat
from evalharness.data.files import write_whole
from evalharness.engine import checkpoint
from evalharness.engine.config import Config
from evalharness.engine.decoder import Decoder
from evalharness.engine.families import DEFAULTS
from evalharness.errors import UserError, option_name
from evalharness.events import Told, tell, warn
from evalharness.exports.gguf_file import GGUF_NAME, wanted_kind, write_gguf
from evalharness.exports.modelfile import modelfile
from evalharness.training import lora
from evalharness.training.config import Lora
from evalharness.training.encoding import EncodedExample, pack_examples
from evalharness.training.losses import negative_log_likelihoods

TOLERANCE = 1e-5
_CHECKED = 32
_NEUTRAL_HERE = (
    "max_window_layers",
    "partial_rotary_factor",
    "use_sliding_window",
)  # do nothing where they are left out
_SETTINGS = "tokenizer_config.json"
_TOKENIZER = (
    "tokenizer.json", "tokenizer.model", _SETTINGS, "special_tokens_map.json", "added_tokens.json",
    "vocab.json", "merges.txt", "vocab.bpe", "encoder.json", "generation_config.json",
)  # fmt: skip


def export(decoder: Decoder, chat: Chat, source: Path, out: Path, examples: Sequence[EncodedExample]) -> float:
    """Write the checkpoint and read it back; returns the largest difference of a log-probability.

    `source` is the folder the model came from. UserError where the disk is full or the files do not give the same
    answers.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        tokenizer_files(chat, source, out)
        checkpoint.save_decoder(decoder, out)
        spell_out(decoder.config, out)
        generation(chat, out)
        write_whole(out / "Modelfile", modelfile(chat))
    except OSError as error:
        raise UserError(
            f"{out}: the model cannot be written ({error.strerror}); the training is kept: make room"
        ) from error
    return read_back(decoder, out, examples)


@torch.no_grad()
def read_back(decoder: Decoder, out: Path, examples: Sequence[EncodedExample]) -> float:
    """The largest difference between the log-probabilities in memory and those of the files. UserError over 1e-5."""
    again = checkpoint.load_decoder(out, device=decoder.device)
    again.use_matmul(decoder.matmul)
    worst = 0.0
    for example in examples[:_CHECKED]:
        batch = pack_examples([example], decoder.device)
        here, there = (negative_log_likelihoods(model, batch) for model in (decoder, again))
        worst = max(worst, float((here - there).abs().max()) / max(1.0, float(here.abs().max())))
    if worst > TOLERANCE:
        raise UserError(
            f"{out}: the files give other log-probabilities than the trained model (difference {worst:.2e}); do not "
            "use them, and please report it"
        )
    return worst


def tokenizer_files(chat: Chat, source: Path, out: Path) -> None:
    """The tokenizer's files, and the template that was trained with."""
    files = {source / name for name in _TOKENIZER} | set(getattr(chat.tokenizer, "files", ()))
    for file in sorted(files):
        if file.name != _SETTINGS and file.is_file() and file.resolve() != (out / file.name).resolve():
            write_whole(out / file.name, file.read_bytes())
    said = [file for file in sorted(files) if file.name == _SETTINGS and file.is_file()]
    settings: dict[str, Any] = json.loads(said[-1].read_text("utf-8")) if said else {}
    texts = {number: text for text, number in chat.tokenizer.specials.items()}
    for name, number in (("eos_token", chat.tokenizer.eos), ("bos_token", chat.tokenizer.bos)):
        if number in texts and not settings.get(name):
            settings[name] = texts[number]
    settings.setdefault("tokenizer_class", "PreTrainedTokenizerFast")
    settings.pop("chat_template", None)
    if chat.source is None:
        (out / "chat_template.jinja").unlink(missing_ok=True)
    else:
        settings["chat_template"] = chat.source
        write_whole(out / "chat_template.jinja", chat.source)
    write_whole(out / _SETTINGS, json.dumps(settings, indent=2, ensure_ascii=False) + "\n")


def spell_out(config: Config, out: Path) -> None:
    """config.json with the defaults that its format lets it leave out: mlx-lm wants these keys, and has other defaults
    (https://github.com/ml-explore/mlx-lm, mlx_lm/models)."""
    file = out / "config.json"
    raw: dict[str, Any] = json.loads(file.read_text("utf-8"))
    if raw.get("model_type") != config.family:  # a multimodal checkpoint's text half stands further in
        return
    left = {k: v for k, v in DEFAULTS[config.family].items() if v is not None and k not in (*raw, *_NEUTRAL_HERE)}
    rope = config.layers[0].rope
    if rope is not None and "rope_theta" in left:
        left["rope_theta"] = rope.theta
    if (
        rope is not None
        and rope.kind != "default"
        and "rope_scaling" not in raw
        and "rope_type" in raw["rope_parameters"]
    ):
        left["rope_scaling"] = raw["rope_parameters"]
    if config.family == "gpt2":
        left["n_ctx"] = config.context
    left["tie_word_embeddings"] = config.tied
    write_whole(file, json.dumps({**raw, **left}, indent=2) + "\n")


def generation(chat: Chat, out: Path) -> None:
    """generation_config.json names every token that ends an answer."""
    file = out / "generation_config.json"
    settings: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    listed = settings.get("eos_token_id")
    known = set(listed if isinstance(listed, list) else [] if listed is None else [listed])
    settings["eos_token_id"] = sorted(known | chat.stops)
    if chat.tokenizer.bos is not None:
        settings.setdefault("bos_token_id", chat.tokenizer.bos)
    write_whole(file, json.dumps(settings, indent=2) + "\n")


def export_adapters(decoder: Decoder, kind: Lora, out: Path, base: str, chat: Chat, source: Path) -> None:
    """The adapters alone in `out`, in PEFT's layout, with tokenizer and template."""
    try:
        lora.save_adapters(decoder, kind, out, base)
        tokenizer_files(chat, source, out)
    except OSError as error:
        raise UserError(f"{out}: the adapters cannot be written ({error.strerror}); make room") from error


def other_forms(out: Path, chat: Chat, wanted: str) -> Path | None:
    """What `--export` asks for besides the folder: model.gguf, read back, and a Modelfile that names it."""
    kind = wanted_kind(wanted)
    if kind is None:
        if (out / GGUF_NAME).is_file():
            warn(f"{out / GGUF_NAME} holds weights of an earlier training; delete it, or give {option_name('export')}")
        return None
    written = write_gguf(out, chat, kind)
    write_whole(out / "Modelfile", modelfile(chat, f"./{written.path.name}"))
    tell(Told(text=f"{written.path}: {kind}, read back, weights differ by {written.difference:.1e} at most"))
    return written.path
