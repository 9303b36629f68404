"""Fine-tuning steps: ours against the book's loop, transformers' Trainer and TRL's SFTTrainer, same rows and batches.

    EVALH_PEER_PYTHON=/path/to/python python perf/train.py [--against trl|trainer|book] [--threads 2]

float32, eight rows a step, AdamW 5e-5, no clipping, no dropout. Against the book's loop the loss is on all tokens on
both sides, else on the responses. Losses per step must be equal to three decimals before a ratio is printed. The
seconds are those of the steps, the peak that of the whole process. Tokens are real ones, padding does not count.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from _pairs import DATA, child, machine, make_model, options, pair, peer, ratio

OURS = """
import json, resource, sys, time
from pathlib import Path
import torch
from evalharness.engine.checkpoint import load_decoder
from evalharness.training import step
from evalharness.training.encoding import EncodedExample
from evalharness.training.config import TrainingConfig
model, file, out, threads, masked, dtype = sys.argv[1:]
torch.set_num_threads(int(threads))
rows = json.loads(Path(file).read_text())
examples = tuple(
    EncodedExample(
        row=i, ids=tuple(r["ids"]), trained=tuple(k >= r["prompt"] or masked == "no" for k in range(len(r["ids"])))
    )
    for i, r in enumerate(rows)
)
decoder = load_decoder(Path(model))
settings = TrainingConfig(
    epochs=1, batch=8, lr=5e-5, weight_decay=0.1, decay_all=masked == "no", schedule="constant", warmup=0.0, clip=0.0,
    dtype=dtype,
)
training = step.Training(decoder, step.Material(train=examples), settings)
training.schedule = [list(range(i, i + 8)) for i in range(0, len(examples), 8)]
route = step.choose_matmul(decoder, settings)
start, cpu = time.perf_counter(), time.process_time()
losses = [training.advance().loss for _ in range(training.steps)]
spent = time.perf_counter() - start, time.process_time() - cpu
facts = {"losses": losses, "wall": spent[0], "cpu": spent[1], "route": route, "tokens": training.tokens}
Path(out).write_text(json.dumps(facts))
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
"""
VERSIONS = {"trl": "trl 1.16", "trainer": "transformers 5.23", "book": "the book's loop, own words, transformers 5.23"}
TARGETS = {"trl": 2.8, "trainer": 2.3, "book": 2.0}


def rows(model: Path, count: int) -> list[dict[str, Any]]:
    """Alpaca-style rows as token ids, from the book's data where it is at hand, else from the bundled instructions."""
    from evalharness.chat import render
    from evalharness.engine.tokenizer import open_tokenizer
    from evalharness.training import datasets as reading

    book = DATA / "rasbt/ch07/01_main-chapter-code/instruction-data.json"
    bundled = Path(__file__).resolve().parents[1] / "evalharness" / "tiny" / "instructions.jsonl"
    format_ = render.chat_of_style("alpaca-book", open_tokenizer(model, 50257))
    made = []
    for row in reading.read_training_data(str(book if book.is_file() else bundled)).rows[:count]:
        example = format_.example(row.messages)
        made.append({"ids": example.ids, "prompt": example.trained.index(True)})
    return made


def check(ours: list[float], theirs: list[float]) -> float:
    """Losses of every step equal to three decimals, or exit 1. The largest difference."""
    worst = max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
    if worst > 1e-3:
        raise SystemExit(f"the losses differ by {worst:.4f}: ours {ours}, theirs {theirs}")
    return worst


def main() -> None:
    parser = options("fine-tuning steps, ours and a peer in turn")
    parser.add_argument("--against", choices=sorted(TARGETS), default="trl")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32", help="ours; not like for like")
    args = parser.parse_args()
    python = peer()
    if args.quick:
        args.pairs, args.rows = 1, 16
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        model = make_model("gpt2-124m", Path(tempfile.gettempdir()) / "evalh-perf" / "gpt2-124m")
        material = scratch / "rows.json"
        material.write_text(json.dumps(rows(model, args.rows)))
        files = {"ours": scratch / "ours.json", "peer": scratch / "peer.json"}
        masked = "no" if args.against == "book" else "yes"
        ours = lambda: child(
            [sys.executable, "-c", OURS, str(model), str(material), str(files["ours"]), str(args.threads), masked,
             args.dtype], args.threads)  # fmt: skip
        theirs = lambda: child(
            [python, str(Path(__file__).with_name("_train_peer.py")), args.against, str(model), str(material),
             str(files["peer"])], args.threads)  # fmt: skip
        if not args.quick:
            ours()
        found: list[dict[str, Any]] = []
        peaks, worst = [], 0.0
        for turn in range(args.pairs):
            a, b = pair(turn, ours, theirs)
            peaks.append(a.peak / b.peak)
            found.append({who: json.loads(file.read_text()) for who, file in files.items()})
            if args.dtype == "float32":
                worst = max(worst, check(found[-1]["ours"]["losses"], found[-1]["peer"]["losses"]))
    which = "cpu" if args.threads == 1 else "wall"
    speed = ratio([f["peer"][which] / f["ours"][which] for f in found])
    print(json.dumps({
        "name": "train", "against": VERSIONS[args.against], "model": "gpt2-124m", "rows": args.rows, "batch": 8,
        "tokens": found[0]["ours"]["tokens"], "loss_on": "responses" if masked == "yes" else "all tokens",
        "dtype": args.dtype, "threads": args.threads, **machine(), "pairs": args.pairs,
        "route": found[0]["ours"]["route"], "largest_loss_difference": worst,
        "last_loss": [found[0][who]["losses"][-1] for who in ("ours", "peer")],
        "tokens_per_second_ours": ratio([f["ours"]["tokens"] / f["ours"][which] for f in found]),
        "tokens_per_second_peer": ratio([f["ours"]["tokens"] / f["peer"][which] for f in found]),
        f"ratio_{which}": speed, "ratio_peak_memory": ratio(peaks), "target": TARGETS[args.against],
        "met": speed["median"] >= TARGETS[args.against] and ratio(peaks)["median"] <= 1.0,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
