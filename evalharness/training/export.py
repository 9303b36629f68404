"""From trained weights to a folder that transformers, vLLM, Ollama and llama.cpp load, read back before it counts.

Ollama's Modelfile: https://github.com/ollama/ollama/blob/main/docs/modelfile.md
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from evalharness.chat.render import Chat
from evalharness.data.files import write_whole
from evalharness.engine import checkpoint
from evalharness.engine.decoder import Decoder
from evalharness.errors import UserError
from evalharness.records import Message
from evalharness.training import lora
from evalharness.training.config import Lora
from evalharness.training.encoding import EncodedExample, pack_examples
from evalharness.training.losses import negative_log_likelihoods

TOLERANCE = 1e-5
_CHECKED = 32
_TOKENIZER = (
    "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
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
        if file.is_file() and file.resolve() != (out / file.name).resolve():
            shutil.copyfile(file, out / file.name)
    settings_file = out / "tokenizer_config.json"
    settings: dict[str, Any] = json.loads(settings_file.read_text("utf-8")) if settings_file.is_file() else {}
    texts = {number: text for text, number in chat.tokenizer.specials.items()}
    for name, number in (("eos_token", chat.tokenizer.eos), ("bos_token", chat.tokenizer.bos)):
        if number in texts and not settings.get(name):
            settings[name] = texts[number]
    settings.setdefault("tokenizer_class", "PreTrainedTokenizerFast")
    settings.pop("chat_template", None)
    (out / "chat_template.jinja").unlink(missing_ok=True)
    if chat.source is not None:
        settings["chat_template"] = chat.source
        write_whole(out / "chat_template.jinja", chat.source)
    write_whole(settings_file, json.dumps(settings, indent=2, ensure_ascii=False) + "\n")


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


def modelfile(chat: Chat) -> str:
    """What `ollama create` reads: the weights here, the template in Ollama's language, the stop texts."""
    texts = {number: text for text, number in chat.tokenizer.specials.items()}
    stops = sorted(texts[number] for number in chat.stops if number in texts)
    lines = ["FROM .", f'TEMPLATE """{_ollama(chat)}"""', *(f"PARAMETER stop {json.dumps(stop)}" for stop in stops)]
    return "\n".join(lines) + "\n"


def _ollama(chat: Chat) -> str:
    """One turn, found by rendering: what stands around the system text, the question and the answer."""
    system, prompt, answer = "S\u2042S", "P\u2042P", "A\u2042A"
    plain = chat.ask([Message("user", prompt)]).text
    bos = _bos(chat)
    text = plain.removeprefix(bos).replace(prompt, "{{ .Prompt }}")
    try:
        asked = chat.ask([Message("system", system), Message("user", prompt)]).text.removeprefix(bos)
        before, _, rest = asked.partition(system)
        between, _, _ = rest.partition(prompt)
        alone = plain.removeprefix(bos).partition(prompt)[0]
        if between.endswith(alone) and alone:
            between = between.removesuffix(alone)
            text = "{{ if .System }}" + before + "{{ .System }}" + between + "{{ end }}" + text
    except UserError:  # the template takes no system text
        pass
    whole = chat.example([Message("user", prompt), Message("assistant", answer)]).text.removeprefix(bos)
    begun = plain.removeprefix(bos)
    lead = whole[len(begun) :].partition(answer)[0] if whole.startswith(begun) else ""
    tail = whole.partition(answer)[2]
    return text + lead + "{{ .Response }}" + tail


def _bos(chat: Chat) -> str:
    number = chat.tokenizer.bos
    if number is None or not chat.ask([Message("user", "a")]).bos:
        return ""
    return next((text for text, i in chat.tokenizer.specials.items() if i == number), "")


def export_adapters(decoder: Decoder, kind: Lora, out: Path, base: str, chat: Chat, source: Path) -> None:
    """The adapters alone in `out`, in PEFT's layout, with tokenizer and template."""
    try:
        lora.save_adapters(decoder, kind, out, base)
        tokenizer_files(chat, source, out)
    except OSError as error:
        raise UserError(f"{out}: the adapters cannot be written ({error.strerror}); make room") from error


def gguf(out: Path) -> Path | None:
    """model.gguf through llama.cpp's own converter (LLAMA_CPP names its folder, or it is on the PATH), else None."""
    folder = os.environ.get("LLAMA_CPP", "")
    found = shutil.which("convert_hf_to_gguf.py", path=folder or None) or (
        str(Path(folder) / "convert_hf_to_gguf.py") if folder else None
    )
    if found is None or not Path(found).is_file():
        return None
    target = out / "model.gguf"
    done = subprocess.run([sys.executable, found, str(out), "--outfile", str(target)], capture_output=True, text=True)
    if done.returncode or not target.is_file():
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UserError(f"llama.cpp's converter failed ({last}); the model in {out} is whole without it")
    return target
