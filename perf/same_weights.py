"""How often `evalh doctor --same-as` is wrong: small random models against themselves, and against changed ones.

    python perf/same_weights.py [--models 50]

A/A: each model in float32 and bfloat16, in batches of 1 and 32, and with weights rounded to bfloat16 or float16 and
float32 arithmetic, as another engine may have it, beside its own folder: all of these are the same weights, and a
"different" is false. Changed: weights rounded to Q8_0 (blocks of 32, one scale each), 100 steps of Adam on a small
text, another chat template. Prints the share of "different" of each, with a 95 % Wilson interval.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from evalharness.doctor.same_weights import compare_weights, requests_for_weights
from evalharness.engine import checkpoint
from evalharness.engine.decoder import Decoder
from evalharness.model import Requests, answered
from evalharness.models.local import open_model
from evalharness.options import LocalOptions
from evalharness.records import Response

TINY = Path(checkpoint.__file__).parents[1] / "tiny" / "model"
OTHER_TEMPLATE = (
    "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)
STEPS, RATE = 100, 1e-4


def variant(folder: Path, seed: int) -> Path:
    """A model of its own: the embedded one with every weight moved by noise of 5 % of its spread."""
    made = folder / f"m{seed}"
    made.mkdir()
    for file in TINY.iterdir():
        if file.suffix != ".safetensors":
            (made / file.name).write_bytes(file.read_bytes())
    decoder = checkpoint.load_decoder(TINY)
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in decoder.parameters():
            weight.add_(0.05 * weight.std() * torch.randn(weight.shape, generator=draw)) if weight.dim() > 1 else None
    checkpoint.save_decoder(decoder, made)
    return made


def asked(
    folder: Path, *, dtype: str = "float32", batch: int = 0, template: str | None = None,
    change: Callable[[Decoder], None] | None = None,
) -> list[Response]:  # fmt: skip
    model: Any = open_model(str(folder), LocalOptions(threads=1, dtype=dtype, batch=batch, template=template))
    if change is not None:
        change(model.engine.decoder)
    found = dict(answered(model, Requests(requests_for_weights())))
    return [found[place] for place in range(len(found))]


def q8_0(decoder: Decoder) -> None:
    """Every matrix in blocks of 32 numbers of 8 bits with one float16 scale, as llama.cpp's Q8_0 has them."""
    with torch.no_grad():
        for weight in decoder.parameters():
            if weight.dim() == 2 and weight.shape[1] % 32 == 0:
                blocks = weight.view(-1, 32)
                scale = (blocks.abs().amax(1, keepdim=True) / 127).half().float().clamp_min(1e-12)
                weight.copy_(((blocks / scale).round().clamp(-127, 127) * scale).view_as(weight))


def rounded(dtype: torch.dtype) -> Callable[[Decoder], None]:
    """Weights as a server holds them that computes in float32."""

    def change(decoder: Decoder) -> None:
        with torch.no_grad():
            for weight in decoder.parameters():
                weight.copy_(weight.to(dtype).to(weight.dtype))

    return change


def tuned(text_ids: torch.Tensor) -> Callable[[Decoder], None]:
    def change(decoder: Decoder) -> None:
        decoder.requires_grad_(True)
        decoder.use_matmul(None)
        optimiser = torch.optim.Adam(decoder.parameters(), RATE)
        draw = torch.Generator().manual_seed(0)
        for _ in range(STEPS):
            starts = torch.randint(0, len(text_ids) - 65, (4,), generator=draw)
            rows = torch.stack([text_ids[start : start + 65] for start in starts.tolist()])
            logits = decoder(rows[:, :-1])
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        decoder.requires_grad_(False)

    return change


def wilson(hits: int, n: int) -> str:
    z, share = 1.96, hits / n
    middle, spread = share + z * z / (2 * n), z * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    low, high = (middle - spread) / (1 + z * z / n), (middle + spread) / (1 + z * z / n)
    return f"{hits}/{n} = {share:.3f} [{low:.3f}, {high:.3f}] called different"


def servings(folder: Path, scratch: Path, seed: int) -> dict[tuple[bool, str], list[Response]]:
    """What servers of this folder, and of changed ones, answer: (the same weights?, what) -> answers."""
    template = scratch / "other.jinja"
    template.write_text(OTHER_TEMPLATE)
    ids = _lesson_ids(folder, seed)
    same = {
        (True, f"{dtype}, batch {batch}"): asked(folder, dtype=dtype, batch=batch)
        for dtype in ("float32", "bfloat16")
        for batch in (1, 32)
    }
    return {
        **same,
        (True, "bfloat16 weights, float32 arithmetic"): asked(folder, change=rounded(torch.bfloat16)),
        (True, "float16 weights, float32 arithmetic"): asked(folder, change=rounded(torch.float16)),
        (False, "Q8_0 in float32"): asked(folder, change=q8_0),
        (False, "Q8_0 in bfloat16"): asked(folder, dtype="bfloat16", change=q8_0),
        (False, f"{STEPS} steps of training"): asked(folder, change=tuned(ids)),
        (False, "another template"): asked(folder, template=str(template)),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", type=int, default=34)
    models = parser.parse_args().models
    found: dict[tuple[bool, str], list[bool]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for seed in range(models):
            folder = variant(Path(scratch), seed)
            single, half = asked(folder), asked(folder, dtype="bfloat16")
            for what, served in servings(folder, Path(scratch), seed).items():
                found.setdefault(what, []).append(compare_weights(served, single, half).different)
            shutil.rmtree(folder)
    for (same, what), told in found.items():
        print(f"{'the same weights, ' if same else 'changed: '}{what}: {wilson(sum(told), len(told))}")
    false = [one for (same, _), told in found.items() if same for one in told]
    print(f"the same weights, all: {wilson(sum(false), len(false))}")


def _lesson_ids(folder: Path, seed: int) -> torch.Tensor:
    from evalharness.engine.tokenizer import open_tokenizer

    text = "\n".join(json.dumps({"say": f"{seed + n} green boats went down the river to the town"}) for n in range(60))
    vocabulary = json.loads((folder / "config.json").read_text())["vocab_size"]
    return torch.tensor(open_tokenizer(folder, vocabulary).encode(text))


if __name__ == "__main__":
    main()
