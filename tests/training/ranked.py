"""One process of the trainings that test_ranks.py asks for, one after another: `ranked.py FOLDER JSON`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import support  # beside this file
import torch

from evalharness.training import checkpointing, lora
from evalharness.training.config import Lora, TrainingConfig
from evalharness.training.qlora import FourBit
from evalharness.training.sharded_state import load_parts, save_parts
from evalharness.training.sharding import shard
from evalharness.training.step import Material, Training
from evalharness.training.world import join

CPU = torch.device("cpu")


def material(loss: str) -> Material:
    """22 rows in steps of 7: the last one has one row, so that other ranks have none."""
    better, worse = support.pairs(22)
    checked = support.pairs(5, seed=9)
    good = tuple(i % 2 == 0 for i in range(22))
    if loss == "sft":
        return Material(train=support.examples(22), validation=support.examples(5, seed=9))
    if loss == "kto":
        return Material(train=better, good=good, validation=checked[0], good_validation=good[:5])
    return Material(train=better, worse=worse, validation=checked[0], worse_validation=checked[1])


def started(wanted: dict[str, Any]) -> Training:
    settings = {"epochs": 2, "batch": 7, "lr": 3e-4, "products": "plain", **wanted.get("settings", {})}
    kind = Lora(**wanted["lora"]) if "lora" in wanted else None
    chosen = TrainingConfig(**settings, lora=kind)
    decoder = support.decoder(getattr(support, wanted.get("raw", "LLAMA")))
    if kind is not None:
        frozen = (lambda linear: FourBit(linear, CPU, torch.float32)) if kind.four_bit else lambda linear: linear
        lora.attach_lora(decoder, kind, 5, frozen)
    if wanted.get("fsdp"):
        world = join(CPU, sharded=True)
        shard(decoder, CPU, world.size, half=chosen.dtype == "bfloat16")
    return Training(decoder, material(chosen.loss), chosen)


def train(folder: Path, name: str, wanted: dict[str, Any]) -> None:
    """Begin, or go on from `from`; until step `until`; leave the figures in NAME.pt, a state in NAME/."""
    training = started(wanted)
    if "from" in wanted:
        place = folder / wanted["from"]
        state = checkpointing.load_state(place / "state.pt")
        training.restore(state)
        if "parts" in state:
            load_parts(training, place, state["parts"])
    else:
        training.prepare_reference()
    seen = [training.advance().loss for _ in range(training.step, wanted.get("until", 8))]
    (folder / name).mkdir(exist_ok=True)
    sharded = training.world.sharded
    parts = {"parts": save_parts(training, folder / name)} if sharded else {}
    found = {"weights": training.whole_weights(), "validation": training.validate(), "losses": seen}
    if training.rank == 0:
        state = {**training.counters(), **parts} if sharded else training.state()
        checkpointing.save_state(state, folder / name / "state.pt")
        torch.save(found, folder / f"{name}.pt")


if __name__ == "__main__":
    for name, wanted in json.loads(sys.argv[2]).items():
        train(Path(sys.argv[1]), name, wanted)
