"""Fine-tuning steps of two processes on this machine against one: tokens a second, processor seconds, memory.

    python perf/train_ranks.py                              # 26 million parameters; some five minutes
    python perf/train_ranks.py --layers 12 --width 768      # 92 million

One process with two threads, one with one, two with one thread each and whole weights (gradients are summed), and two
with weights in parts (`--fsdp`), in turn. float32, eight rows of 128 tokens a step, AdamW. The losses of all steps must
be equal to a hundred-thousandth before anything is printed: medians over the rounds, of the seconds between the steps'
beginning and end; memory is what one process holds after the last step. On a busy machine the clock says little; the
processor seconds of a step (both processes together) say what a second process costs beyond the work itself.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

WAYS: dict[str, dict[str, Any]] = {
    "one process": {"processes": 1, "threads": 2, "fsdp": False},
    "one, one thread": {"processes": 1, "threads": 1, "fsdp": False},
    "two processes": {"processes": 2, "threads": 1, "fsdp": False},
    "two, in parts": {"processes": 2, "threads": 1, "fsdp": True},
}
ROWS, LENGTH, VOCABULARY = 8, 128, 8192


def steps(wanted: dict[str, Any]) -> None:
    """One process: some steps; the first rank prints what they took."""
    import torch

    from evalharness.engine.config import parse_config
    from evalharness.engine.decoder import Decoder, initialise
    from evalharness.training.config import TrainingConfig
    from evalharness.training.encoding import EncodedExample
    from evalharness.training.sharding import shard
    from evalharness.training.step import Material, Training, choose_matmul
    from evalharness.training.world import join

    torch.set_num_threads(wanted["threads"])
    raw = {
        "model_type": "llama", "vocab_size": VOCABULARY, "hidden_size": wanted["width"],
        "intermediate_size": 4 * wanted["width"], "num_hidden_layers": wanted["layers"], "num_attention_heads": 8,
        "num_key_value_heads": 8, "max_position_embeddings": 256, "tie_word_embeddings": True,
        "architectures": ["LlamaForCausalLM"],
    }  # fmt: skip
    decoder = Decoder(parse_config(raw))
    initialise(decoder, torch.Generator().manual_seed(0), std=0.02)
    world = join(torch.device("cpu"), sharded=wanted["fsdp"])
    if world.sharded:
        shard(decoder, torch.device("cpu"), world.size, half=False)
    chance = random.Random(0)
    rows = tuple(
        EncodedExample(row=i, ids=tuple(chance.randrange(VOCABULARY) for _ in range(LENGTH)),
                       trained=(False,) + (True,) * (LENGTH - 1))
        for i in range(ROWS * (wanted["steps"] + 1))
    )  # fmt: skip
    settings = TrainingConfig(epochs=1, batch=ROWS, lr=1e-4, dtype="float32", products=wanted["products"])
    training = Training(decoder, Material(train=rows), settings)
    choose_matmul(decoder, settings)
    losses = [training.advance().loss]
    begun, used = time.perf_counter(), time.process_time()
    losses += [training.advance().loss for _ in range(wanted["steps"])]
    seconds, processor = time.perf_counter() - begun, time.process_time() - used
    held = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
    everyone = world.of_all((processor, held))
    if world.rank == 0:
        parameters = sum(weight.numel() for weight in training.weights.values())
        print(json.dumps({
            "rate": wanted["steps"] * ROWS * LENGTH / seconds, "losses": losses, "parameters": parameters,
            "cpu": sum(each for each, _ in everyone) / wanted["steps"], "held": max(each for _, each in everyone),
        }))  # fmt: skip


def measure(wanted: dict[str, Any]) -> dict[str, Any]:
    """The same in as many processes as the way has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(wanted["processes"])}
    started = [
        subprocess.Popen(
            [sys.executable, __file__, "--process", json.dumps(wanted)], env={**shared, "RANK": str(rank)},
            stdout=subprocess.PIPE, text=True,
        )
        for rank in range(wanted["processes"])
    ]  # fmt: skip
    said = [each.communicate()[0] for each in started]
    if any(each.returncode for each in started):
        sys.exit("a process failed")
    return dict(json.loads(said[0].splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--process", default="", help=argparse.SUPPRESS)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--products", default="onednn", help="as in `evalh finetune`, the same in all processes")
    asked = parser.parse_args()
    if asked.process:
        steps(json.loads(asked.process))
        return
    size = {"layers": asked.layers, "width": asked.width, "steps": asked.steps, "products": asked.products}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in WAYS}
    for _ in range(asked.rounds):
        for name, way in WAYS.items():
            found[name].append(measure({**way, **size}))
    first = found["one process"][0]
    for name, rounds in found.items():
        worst = max(
            abs(a - b) / abs(b) for each in rounds for a, b in zip(each["losses"], first["losses"], strict=True)
        )
        if worst > 1e-5:
            sys.exit(f"{name}: losses {worst:.1e} from those of one process")
    alone = found["one process"]
    print(f"{first['parameters']:,} parameters, {asked.steps} steps of {ROWS * LENGTH} tokens, {asked.rounds} rounds, "
          f"load {os.getloadavg()[0]:.1f}")  # fmt: skip
    for name, rounds in found.items():
        ratios = [each["rate"] / one["rate"] for each, one in zip(rounds, alone, strict=True)]
        rate, cpu, held = (statistics.median(each[key] for each in rounds) for key in ("rate", "cpu", "held"))
        print(
            f"{name}: {rate:.0f} tokens/s, {statistics.median(ratios):.2f} times one process ({min(ratios):.2f} to "
            f"{max(ratios):.2f}), {cpu:.2f} processor seconds a step, {held:.0f} MiB"
        )


if __name__ == "__main__":
    main()
