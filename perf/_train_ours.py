"""Our side of perf/train.py.

KIND MODEL ROWS OUT THREADS DTYPE     KIND: book | trainer | trl | trl-lora | trl-dpo, the peer that it runs against
adapters MODEL FOLDER                 adapters as they are before the first step, in PEFT's layout
"""

import json
import resource
import sys
import time
from pathlib import Path

import torch

from evalharness.engine.checkpoint import load_decoder
from evalharness.training import lora, step
from evalharness.training.config import Lora, TrainingConfig
from evalharness.training.encoding import EncodedExample

BATCH, SEED = 8, 123
ADAPTERS = Lora(rank=16, alpha=16)


def examples(rows, field, masked):
    return tuple(
        EncodedExample(
            row=i,
            ids=tuple(row[field]),
            trained=tuple(k >= row["prompt"] or not masked for k in range(len(row[field]))),
        )
        for i, row in enumerate(rows)
    )


def adapters(model, folder):
    decoder = load_decoder(Path(model))
    lora.attach_lora(decoder, ADAPTERS, SEED)
    lora.save_adapters(decoder, ADAPTERS, Path(folder), model)


def main():
    if sys.argv[1] == "adapters":
        adapters(*sys.argv[2:])
        return
    kind, model, file, out, threads, dtype = sys.argv[1:]
    torch.set_num_threads(int(threads))
    rows = json.loads(Path(file).read_text())
    masked = kind != "book"
    train = examples(rows, "ids", masked)
    material = step.Material(train=train, worse=examples(rows, "rejected", masked) if kind == "trl-dpo" else ())
    decoder = load_decoder(Path(model))
    settings = TrainingConfig(
        epochs=1, batch=BATCH, lr=5e-5, weight_decay=0.1, decay_all=not masked, schedule="constant", warmup=0.0,
        clip=0.0, dtype=dtype, loss="dpo" if kind == "trl-dpo" else "sft",
        lora=ADAPTERS if kind == "trl-lora" else None,
    )  # fmt: skip
    if settings.lora:
        lora.attach_lora(decoder, ADAPTERS, SEED)
    training = step.Training(decoder, material, settings)
    training.schedule = [list(range(i, i + BATCH)) for i in range(0, len(train), BATCH)]
    route = step.choose_matmul(decoder, settings)
    training.prepare_reference()
    start, cpu = time.perf_counter(), time.process_time()
    losses = [training.advance().loss for _ in range(training.steps)]
    spent = time.perf_counter() - start, time.process_time() - cpu
    tokens = sum(len(row["ids"]) + (len(row["rejected"]) if kind == "trl-dpo" else 0) for row in rows)
    facts = {"losses": losses, "wall": spent[0], "cpu": spent[1], "route": route, "tokens": tokens}
    Path(out).write_text(json.dumps(facts))
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)


if __name__ == "__main__":
    main()
