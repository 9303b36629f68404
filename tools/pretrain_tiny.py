"""Pretrains the embedded model from text that evalharness.tiny.text writes; about an hour of one CPU core.

    OMP_NUM_THREADS=1 python tools/pretrain_tiny.py train --out WORK     # text, vocabulary, training; resumes
    OMP_NUM_THREADS=1 python tools/pretrain_tiny.py probe --out WORK     # what the latest checkpoint can do
    python tools/pretrain_tiny.py export --out WORK                      # into evalharness/tiny/model

The recipe: Muon (https://kellerjordan.github.io/posts/muon/) for the matrices of the blocks, AdamW for embeddings and
norms, a constant rate that falls linearly over the last 40 % of the steps.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import itertools
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn

from evalharness.tiny import MODEL_FOLDER
from evalharness.tiny import text as written
from evalharness.tiny.world import world_facts

PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
SPECIALS = ("<|endoftext|>", "<|user|>", "<|assistant|>", "<|end|>")
END = 2044
Ids = np.ndarray[Any, np.dtype[np.uint16]]
FRAME = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n",
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n",
    "### Instruction:\nAnswer the multiple choice question with one letter.\n\n### Input:\n\nA. B. C. D.\n\n"
    "### Response:\n",
    "The following are multiple choice questions (with answers) about geography language mathematics nature objects "
    "science.\n\nAnswer: A\n\nAnswer: B\n\nAnswer: C\n\nAnswer: D\n\n",
)


@dataclass(frozen=True)
class Shape:
    """The model's sizes, named as in a Llama config.json."""

    vocab_size: int = 2048
    hidden_size: int = 128
    num_hidden_layers: int = 6
    num_attention_heads: int = 4
    intermediate_size: int = 384
    rms_norm_eps: float = 1e-5
    rope_theta: float = 10000.0


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights."""

    seed: int = 1
    tokens: int = 22_118_400
    window: int = 256
    batch: int = 9
    muon_lr: float = 0.012
    adam_lr: float = 4e-3
    warmup: int = 30
    clip: float = 1.0

    @property
    def steps(self) -> int:
        """Optimizer steps: tokens over tokens a step."""
        return self.tokens // (self.window * self.batch)

    def rate(self, step: int) -> float:
        """The factor on both learning rates before update `step` (0 = the first)."""
        falling = float(np.interp(step, (0.6 * self.steps, self.steps), (1.0, 0.02)))
        return min(1.0, (step + 1) / self.warmup) * falling


def train_tokenizer(seed: int) -> Tokenizer:
    """A byte-level BPE of 2,044 tokens on 12,000 documents and the frames that fine-tuning will use, + 4 specials."""
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(PATTERN), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    sample = list(itertools.islice(written.documents(f"{seed}/vocabulary"), 12_000)) + list(FRAME) * 300
    trainer = trainers.BpeTrainer(
        vocab_size=END, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    tokenizer.train_from_iterator(sample, trainer)
    tokenizer.add_special_tokens(list(SPECIALS))
    assert tokenizer.get_vocab_size() == 2048 and tokenizer.token_to_id(SPECIALS[0]) == END
    for letter in "ABCD":
        assert len(tokenizer.encode(letter).ids) == len(tokenizer.encode(" " + letter).ids) == 1
    return tokenizer


def tokens(tokenizer: Tokenizer, seed: str, count: int) -> Ids:
    """`count` token ids: documents one after the other, an end token after each."""
    found, total = [], 0
    stream = written.documents(seed)
    while total < count:
        batch = tokenizer.encode_batch(list(itertools.islice(stream, 2000)))
        flat = np.fromiter(itertools.chain.from_iterable([*e.ids, END] for e in batch), dtype=np.uint16)
        found.append(flat)
        total += len(flat)
    return np.concatenate(found)[:count]


class Block(nn.Module):
    """A Llama block: RMSNorm, rotary attention, RMSNorm, SwiGLU."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        d, f = shape.hidden_size, shape.intermediate_size
        self.heads = shape.num_attention_heads
        self.input_layernorm = nn.RMSNorm(d, eps=shape.rms_norm_eps)
        self.post_attention_layernorm = nn.RMSNorm(d, eps=shape.rms_norm_eps)
        self.self_attn = nn.ModuleDict({f"{name}_proj": nn.Linear(d, d, bias=False) for name in "qkvo"})
        self.mlp = nn.ModuleDict(
            {
                "gate_proj": nn.Linear(d, f, bias=False),
                "up_proj": nn.Linear(d, f, bias=False),
                "down_proj": nn.Linear(f, d, bias=False),
            }
        )

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """x: (batch, length, d); cos, sin: (length, head_dim)."""
        b, t, d = x.shape
        h = self.input_layernorm(x)
        q, k, v = (self.self_attn[f"{n}_proj"](h).view(b, t, self.heads, -1).transpose(1, 2) for n in "qkv")
        mixed = F.scaled_dot_product_attention(_turn(q, cos, sin), _turn(k, cos, sin), v, is_causal=True)
        x = x + self.self_attn["o_proj"](mixed.transpose(1, 2).reshape(b, t, d))
        h = self.post_attention_layernorm(x)
        gated: Tensor = F.silu(self.mlp["gate_proj"](h)) * self.mlp["up_proj"](h)
        added: Tensor = self.mlp["down_proj"](gated)
        return x + added


def _turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    one, two = x.chunk(2, dim=-1)
    return (x * cos + torch.cat((-two, one), dim=-1) * sin).to(x.dtype)


class Decoder(nn.Module):
    """The Llama decoder with a tied head; its parameter names are those of the Hugging Face layout under `model.`."""

    def __init__(self, shape: Shape, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.layers = nn.ModuleList(Block(shape) for _ in range(shape.num_hidden_layers))
        self.norm = nn.RMSNorm(shape.hidden_size, eps=shape.rms_norm_eps)
        nn.init.normal_(self.embed_tokens.weight, std=0.02)
        for name, weight in self.named_parameters():
            if weight.ndim == 2 and "embed" not in name:
                out = "o_proj" in name or "down_proj" in name
                scale = 1 / math.sqrt(2 * shape.num_hidden_layers) if out else 1.0
                nn.init.normal_(weight, std=0.5 / math.sqrt(shape.hidden_size) * scale)

    def forward(self, ids: Tensor) -> Tensor:
        """ids: (batch, length) -> logits (batch, length, vocabulary)."""
        half = self.shape.hidden_size // self.shape.num_attention_heads // 2
        inverse = self.shape.rope_theta ** -(torch.arange(half) / half)
        angles = torch.outer(torch.arange(ids.shape[1]), inverse).repeat(1, 2)
        x, cos, sin = self.embed_tokens(ids), angles.cos(), angles.sin()
        for block in self.layers:
            x = block(x, cos, sin)
        return F.linear(self.norm(x), self.embed_tokens.weight)


def optimizers(model: Decoder, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for the blocks' matrices, AdamW for the rest."""
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    rest = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    return [
        torch.optim.Muon(matrices, lr=recipe.muon_lr, weight_decay=0.05, momentum=0.95, nesterov=True),
        torch.optim.AdamW(rest, lr=recipe.adam_lr, betas=(0.9, 0.98), weight_decay=0.01),
    ]


def prepare(out: Path, recipe: Recipe) -> Ids:
    """The vocabulary and the token ids of the whole run, written once into `out`."""
    if not (out / "tokens.npy").exists():
        tokenizer = train_tokenizer(recipe.seed)
        tokenizer.save(str(out / "tokenizer.json"))
        np.save(out / "tokens.npy", tokens(tokenizer, f"{recipe.seed}/text", recipe.tokens + 1))
    stream: Ids = np.load(out / "tokens.npy")
    return stream


def train(out: Path, recipe: Recipe, until: int | None) -> None:
    """Runs to the end, or to step `until`; a checkpoint every 250 steps, from which the same command goes on."""
    out.mkdir(parents=True, exist_ok=True)
    stream = torch.from_numpy(prepare(out, recipe).astype(np.int64))
    model = Decoder(Shape(), recipe.seed)
    chosen = optimizers(model, recipe)
    bases = [optimizer.param_groups[0]["lr"] for optimizer in chosen]
    first, latest = 0, out / "checkpoint.pt"
    if latest.exists():
        state = torch.load(latest, weights_only=True)
        first = state["step"]
        model.load_state_dict(state["model"])
        for optimizer, kept in zip(chosen, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
    fast = torch.compile(model)  # 1.75 times as fast on one core, after a minute of compiling
    began, since, window = time.monotonic(), first, recipe.window
    for step in range(first, min(recipe.steps, until or recipe.steps)):
        starts = [i * window for i in range(step * recipe.batch, (step + 1) * recipe.batch)]
        batch = torch.stack([stream[s : s + window + 1] for s in starts])
        with torch.autocast("cpu", torch.bfloat16):
            logits = fast(batch[:, :-1])
        loss = F.cross_entropy(logits.float().flatten(0, 1), batch[:, 1:].flatten())
        loss.backward()  # type: ignore[no-untyped-call]  # torch ships it without annotations
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        for optimizer, base in zip(chosen, bases, strict=True):
            optimizer.param_groups[0]["lr"] = base * recipe.rate(step)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if (step + 1) % 50 == 0:
            speed = (step + 1 - since) * window * recipe.batch / (time.monotonic() - began)
            print(f"step {step + 1}/{recipe.steps} loss {loss.item():.3f} tokens/s {speed:.0f}", flush=True)
        if (step + 1) % 250 == 0 or step + 1 == recipe.steps:
            _keep(latest, step + 1, model, chosen)
        if (step + 1) % 1000 == 0:
            print(json.dumps(probe(out, model)), flush=True)
    print(json.dumps(probe(out, model)), flush=True)


def _keep(path: Path, step: int, model: Decoder, chosen: list[torch.optim.Optimizer]) -> None:
    states = [optimizer.state_dict() for optimizer in chosen]
    beside = path.with_suffix(".part")
    torch.save({"step": step, "model": model.state_dict(), "optimizers": states}, beside)
    beside.replace(path)


@torch.inference_mode()
def probe(out: Path, model: Decoder) -> dict[str, float]:
    """The share right of each skill on fresh seeded items; judging and unmarked labels were never learned."""
    tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))

    def ranked(prompt: str, options: list[str]) -> int:
        """The position of the option with the highest log-probability per character."""
        head, scores = tokenizer.encode(prompt).ids, []
        for option in options:
            tail = tokenizer.encode(option).ids
            logp = model(torch.tensor([[END, *head, *tail]])).log_softmax(-1)[0, len(head) : -1]
            scores.append(float(logp.gather(1, torch.tensor(tail)[:, None]).sum()) / len(option))
        return scores.index(max(scores))

    def greedy(prompt: str, length: int) -> str:
        ids = [END, *tokenizer.encode(prompt).ids]
        for _ in range(length):
            ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
        return tokenizer.decode(ids[-length:])

    writer = written.DocumentWriter("probe")
    rng, found = writer.rng, dict.fromkeys(("cloze", "copy", "reverse", "judge", "marked", "unmarked"), 0)
    every, count = world_facts(), 100
    for _ in range(count):
        fact = rng.choice(every)
        options = [fact.answer, *written.distractors(rng, fact, writer.pools[fact.kind], 3)]
        question = written.fill(written.QUESTIONS[fact.kind][0], fact)
        found["cloze"] += ranked(f"Q: {question}\nA:", [f" {o}" for o in options]) == 0
        claim = written.fill(written.STATEMENTS[fact.kind][0], fact)
        found["judge"] += ranked(claim, [" True.", " False."]) == 0
        false = written.fill(written.STATEMENTS[fact.kind][0], fact, options[1])
        found["judge"] += ranked(false, [" True.", " False."]) == 1
        rng.shuffle(options)
        right = options.index(fact.answer)
        for name in ("marked", "unmarked"):
            marks = [("right" if o == fact.answer else "wrong") for o in options]
            shown = [f", {m}" if name == "marked" else "" for m in marks]
            lines = [f"({i + 1}) {o}{m}" for i, (o, m) in enumerate(zip(options, shown, strict=True))]
            prompt = "\n".join([question, *lines, "Right answer:"])
            found[name] += ranked(prompt, [f" {i + 1}" for i in range(4)]) == right
        items = rng.sample(writer.words, 8)
        said = " ".join(items)
        found["copy"] += greedy(f"{said}\nAgain:", len(tokenizer.encode(" " + said).ids)) == " " + said
        x, y = written.change(rng, "reverse", writer.words)
        found["reverse"] += greedy(f"{x} reversed:", len(tokenizer.encode(" " + y).ids)) == " " + y
    found["judge"] /= 2  # type: ignore[assignment]  # two claims an item
    return {name: hits / count for name, hits in found.items()}


def load(out: Path) -> Decoder:
    """The latest checkpoint's model."""
    model = Decoder(Shape(), 0)
    model.load_state_dict(torch.load(out / "checkpoint.pt", weights_only=True)["model"])
    return model.eval()


TEMPLATE = (
    "{%- if messages|length > 1 and messages[1].role == 'user' -%}" + repr(FRAME[1].strip()).join(("{{ ", " }}"))
    + "{%- else -%}" + repr(FRAME[0].strip()).join(("{{ ", " }}")) + "{%- endif -%}"
    "{%- for message in messages -%}"
    "{%- if message.role == 'assistant' -%}{{ '\\n\\n### Response:\\n' }}"
    "{%- generation -%}{{ message.content + eos_token }}{%- endgeneration -%}"
    "{%- elif loop.previtem is defined and loop.previtem.role == 'user' -%}"
    "{{ '\\n\\n### Input:\\n' + message.content }}"
    "{%- else -%}{{ '\\n\\n### Instruction:\\n' + message.content }}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '\\n\\n### Response:\\n' }}{%- endif -%}"
)  # fmt: skip


def export(out: Path, to: Path) -> None:
    """Writes the latest checkpoint as a Hugging Face folder in float16, its vocabulary as tiktoken ranks too."""
    from safetensors.torch import save_file

    to.mkdir(parents=True, exist_ok=True)
    model = load(out)
    tensors = {f"model.{name}": p.detach().half().contiguous() for name, p in model.named_parameters()}
    save_file(tensors, to / "model.safetensors", metadata={"format": "pt"})
    tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
    tokenizer.save(str(to / "tokenizer.json"))
    alphabet = {symbol: number for number, symbol in bytes_as_text().items()}
    with (to / "tiny.tiktoken").open("w", encoding="ascii") as file:
        for number in range(END):
            token = bytes(alphabet[symbol] for symbol in tokenizer.id_to_token(number) or "")
            file.write(f"{base64.b64encode(token).decode()} {number}\n")
    shape = model.shape
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "torch_dtype": "float16",
        "max_position_embeddings": 512, "num_key_value_heads": shape.num_attention_heads,
        "tie_word_embeddings": True, "attention_bias": False, "mlp_bias": False, "bos_token_id": None,
        "eos_token_id": END, "pad_token_id": END, **asdict(shape),
    }  # fmt: skip
    about = {
        "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": SPECIALS[0], "pad_token": SPECIALS[0],
        "model_max_length": 512, "clean_up_tokenization_spaces": False, "chat_template": TEMPLATE,
    }  # fmt: skip
    for name, value in (
        ("config.json", config), ("tokenizer_config.json", about),
        ("generation_config.json", {"eos_token_id": [END], "pad_token_id": END, "max_length": 512}),
    ):  # fmt: skip
        (to / name).write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    print(hashlib.sha256((to / "model.safetensors").read_bytes()).hexdigest(), "model.safetensors")


def bytes_as_text() -> dict[int, str]:
    """GPT-2's printable stand-in for each byte (https://github.com/openai/gpt-2, encoder.py)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in plain]
    return {b: chr(b) for b in plain} | {byte: chr(256 + i) for i, byte in enumerate(hidden)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=("train", "probe", "export"))
    parser.add_argument("--out", type=Path, required=True, help="where text, checkpoints and vocabulary lie")
    parser.add_argument("--seed", type=int, default=Recipe.seed, help="another one shows how far runs lie apart")
    parser.add_argument("--until", type=int, help="stop at this step; the same command goes on later")
    parser.add_argument("--to", type=Path, default=MODEL_FOLDER, help="the folder that `export` writes")
    args = parser.parse_args()
    if args.task == "train":
        train(args.out, Recipe(seed=args.seed), args.until)
    elif args.task == "export":
        export(args.out, args.to)
    else:
        print(json.dumps(probe(args.out, load(args.out))))


if __name__ == "__main__":
    main()
